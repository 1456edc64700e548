//! The real binary as a child process, so that it can be killed, stopped, and its output read.

use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::SECRET;
use crate::http::Client;

/// Long enough for a busy machine; a server that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
const READY: &str = "listening on ";

/// A running `propusk serve`; killed when dropped.
pub struct Process {
    pub client: Client,
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    output: Arc<Mutex<String>>,
    readers: [JoinHandle<()>; 2],
}

impl Process {
    /// Starts the binary with its data in `data`, and returns once it says that it listens.
    pub async fn start(data: &Path, database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        let mut child = command(data, database_url, settings).spawn().expect("the binary starts");
        let output = Arc::new(Mutex::new(String::new()));
        let (found, ready) = oneshot::channel();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let readers = [
            tokio::spawn(gather(stdout, Arc::clone(&output), Some(found))),
            tokio::spawn(gather(stderr, Arc::clone(&output), None)),
        ];
        match timeout(PATIENCE, ready).await {
            Ok(Ok(base)) => {
                let address = base.trim_start_matches("http://").parse().expect("an address");
                Process { client: Client::new(base), address, child, output, readers }
            }
            _ => panic!("the server does not listen:\n{}", output.lock().expect("a whole log")),
        }
    }

    /// Its resident memory in KiB, as the system counts it.
    pub async fn memory(&self) -> u64 {
        let pid = self.child.id().expect("the child is running").to_string();
        let ps = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output().await.expect("ps");
        String::from_utf8_lossy(&ps.stdout).trim().parse().expect("a number")
    }

    /// Kills it, as the system does when memory runs out: no warning, no clean-up.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the child can be killed");
    }

    /// Asks it to stop and returns everything that it has printed.
    pub async fn terminate(mut self) -> (ExitStatus, String) {
        let pid = self.child.id().expect("the child is running");
        let kill = Command::new("sh").arg("-c").arg(format!("kill -TERM {pid}")).status().await;
        assert!(kill.expect("a shell").success());
        let status =
            timeout(PATIENCE, self.child.wait()).await.expect("it stops").expect("its status");
        for reader in self.readers {
            reader.await.expect("the output is read to its end");
        }
        let output = self.output.lock().expect("a whole log").clone();
        (status, output)
    }
}

/// What a command that has ended has printed.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary to its end, as an operator does; `input` is what he types.
pub async fn run(
    data: &Path,
    database_url: Option<&str>,
    settings: &[(&str, &str)],
    arguments: &[&str],
    input: &str,
) -> Finished {
    let mut command = command(data, database_url, settings);
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().expect("the binary");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // A command that asks for nothing may have closed it by now.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("its end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Finished { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn command(data: &Path, database_url: Option<&str>, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .env("PROPUSK_LISTEN", "127.0.0.1:0")
        .env("PROPUSK_DATA_DIR", data)
        .env("PROPUSK_TOKENS__SECRET", SECRET)
        .env("PROPUSK_LIMITS__ENABLED", "false")
        .env("PROPUSK_PASSWORD__MEMORY_KIB", "64")
        .env("PROPUSK_PASSWORD__TIME", "1")
        .envs(database_url.map(|url| ("PROPUSK_DATABASE_URL", url)))
        .envs(settings.iter().copied())
        // No settings file of whoever runs the tests.
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// `PROPUSK_BIN`, else what cargo builds beside the tests.
fn binary() -> PathBuf {
    if let Some(path) = env::var_os("PROPUSK_BIN") {
        return path.into();
    }
    beside_tests("propusk")
}

/// A program that cargo builds beside the tests.
pub fn beside_tests(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("the path of the tests");
    let path = tests.parent().and_then(Path::parent).expect("target/<profile>/deps").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// Keeps every line, and tells the address once it is there.
async fn gather(
    pipe: impl AsyncRead + Unpin,
    output: Arc<Mutex<String>>,
    mut found: Option<oneshot::Sender<String>>,
) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some(base) = line.strip_prefix(READY)
            && let Some(found) = found.take()
        {
            // Nobody waits any longer when the start has timed out.
            let _ = found.send(base.trim().to_owned());
        }
        let mut output = output.lock().expect("a whole log");
        output.push_str(&line);
        output.push('\n');
    }
}
