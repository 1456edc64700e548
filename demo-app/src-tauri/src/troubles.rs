//! The troubles of real users, at the press of a button. Each one ends with the user still signed
//! in, except the end of the session at the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use tauri::Manager;
use tauri_plugin_propusk::PropuskExt;

use crate::child_process::ChildProcess;
use crate::demo::Demo;
use crate::error::{DemoError, Result};
use crate::gateway::Gateway;
use crate::plan::ClientPlan;
use crate::timeline::Kind;

impl Demo {
    /// Takes the network away, or brings it back; the system then reports that, as the plugin does
    /// here.
    pub async fn set_offline(&self, is_offline: bool) {
        self.records.wire.faults().set_offline(is_offline);
        if let (false, Some(client)) = (is_offline, self.app.propusk().client()) {
            client.network_changed();
        }
        let text = if is_offline { "the network is down" } else { "the network is back" };
        self.note(text, json!({ "name": "network", "on": is_offline })).await;
    }

    pub async fn lose_next_answer(&self) {
        self.records.wire.faults().lose_next_answer();
        self.note(
            "the next answer will be lost",
            json!({ "name": "lose_next_answer", "on": true }),
        )
        .await;
    }

    /// Ends the session at the server, behind the back of the SDK.
    pub async fn end_session_on_server(&self) -> Result<()> {
        let client = self.client()?;
        let status = client.status().await?;
        let no_user = || DemoError::of_user("no_user", "no user is signed in");
        let user = status.user.ok_or_else(no_user)?;
        let running = self.running.lock().await;
        match &running.embedded {
            Some(embedded) => embedded.end_sessions(&client, &user).await?,
            None if client.dialect() == propusk::Dialect::Native => {
                // The server may be below a path.
                let base = running.gateway.as_ref().map(Gateway::url).unwrap_or_default();
                let url = format!("{base}/propusk/v1/sessions/current");
                let ended = client.api().delete(url).send().await?;
                if !ended.status().is_success() {
                    let status = ended.status().as_u16();
                    return Err(DemoError::new(format!("the server has refused: {status}")));
                }
            }
            None => {
                let why =
                    "only its operator can end a session of this server: see `propusk sessions`";
                return Err(DemoError::of_user("operator_only", why));
            }
        }
        drop(running);
        self.note(
            "the session was ended at the server",
            json!({ "name": "end_session", "on": true }),
        )
        .await;
        Ok(())
    }

    /// Makes the device's clock wrong by these seconds.
    pub async fn set_clock_offset(&self, seconds: i64) {
        self.clock.set_offset(seconds);
        let text = match seconds {
            0 => "the clock of the device is right".to_owned(),
            _ => format!("the clock of the device is wrong by {seconds} s"),
        };
        self.note(&text, json!({ "name": "clock", "on": seconds != 0, "seconds": seconds })).await;
    }

    /// Starts the app's client again, as after a restart of the app, with a key store that is locked
    /// or not.
    pub async fn lock_key_store(&self, is_locked: bool) -> Result<()> {
        let mut running = self.running.lock().await;
        self.key_store_locked.store(is_locked, Ordering::SeqCst);
        self.connect(&mut running)?;
        drop(running);
        let text = match is_locked {
            true => "the app starts while the key store is locked",
            false => "the key store is unlocked",
        };
        self.note(text, json!({ "name": "key_store", "on": is_locked })).await;
        Ok(())
    }

    /// Lets time pass until the access token has expired, for the device and for the embedded server.
    /// Another server's clock stays; the SDK then renews earlier than needed.
    pub async fn expire_access_token(&self) -> Result<()> {
        let never = || DemoError::of_user("no_expiry", "there is no access token that expires");
        let expires_at = self.access_expires_at().ok_or_else(never)?;
        let seconds = expires_at.saturating_sub(self.server_time()).max(0) + 1;
        self.pass_time(seconds).await?;
        let text = format!("{seconds} s have passed: the access token has expired");
        self.note(&text, json!({ "name": "expire_access_token", "seconds": seconds })).await;
        Ok(())
    }

    /// Starts or ends a second process that shares the vault.
    pub async fn run_second_process(&self, is_wanted: bool) -> Result<()> {
        let mut running = self.running.lock().await;
        running.second_process = None;
        self.show_second_process(None);
        if is_wanted {
            let plan = running.plan.clone();
            let plan = plan.ok_or_else(|| DemoError::new("choose a server first"))?;
            let plan = ClientPlan { passed: self.clock.passed(), ..plan };
            let app = self.app.clone();
            let ended = async move {
                let demo = app.state::<Demo>();
                demo.show_second_process(None);
                let text = "the second process has ended";
                demo.records.timeline.add(Kind::SecondProcess, text, json!({}));
                demo.changed().await;
            };
            let timeline = Arc::clone(&self.records.timeline);
            let started = ChildProcess::start(&self.app, &plan, timeline, ended)?;
            self.show_second_process(started.pid());
            running.second_process = Some(started);
        }
        drop(running);
        let text =
            if is_wanted { "a second process has started" } else { "no second process runs" };
        self.note(text, json!({ "name": "second_process", "on": is_wanted })).await;
        Ok(())
    }

    async fn note(&self, text: &str, data: serde_json::Value) {
        self.records.timeline.add(Kind::Trouble, text, data);
        self.changed().await;
    }
}
