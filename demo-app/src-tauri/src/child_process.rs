//! The second process as the app sees it: starts it, puts its lines into the timeline, and ends it
//! when dropped.

use std::process::Stdio;
use std::sync::Arc;

use serde_json::json;
use tauri::async_runtime::{self, JoinHandle};
use tauri::{AppHandle, Manager, process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use crate::error::{DemoError, Result};
use crate::plan::ClientPlan;
use crate::second_process::{self, Line};
use crate::timeline::{Kind, Timeline};

/// A second process; dropping it ends it.
pub struct ChildProcess {
    child: Child,
    reading: JoinHandle<()>,
}

impl ChildProcess {
    /// `ended` runs when the process has ended by itself.
    pub fn start(
        app: &AppHandle,
        plan: &ClientPlan,
        timeline: Arc<Timeline>,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Result<Self> {
        let failed = |error| DemoError::new(format!("the second process cannot start: {error}"));
        let arguments = second_process::arguments(plan).map_err(DemoError::new)?;
        let program = process::current_binary(&app.env()).map_err(failed)?;
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let lines = child.stdout.take();
        let reading = async_runtime::spawn(async move {
            if let Some(lines) = lines {
                report_lines(lines, &timeline).await;
            }
            ended.await;
        });
        Ok(ChildProcess { child, reading })
    }

    /// `None` if it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn report_lines(lines: ChildStdout, timeline: &Timeline) {
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // Anything else is a message of a library.
        let Ok(line) = serde_json::from_str::<Line>(&line) else { continue };
        let data = json!({ "accessExpiresAt": line.access_expires_at, "error": line.error });
        timeline.add(Kind::SecondProcess, line.text, data);
    }
}
