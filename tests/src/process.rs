//! The real binary as a child process, which can be killed and stopped, and whose output is read.

use std::env;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::SECRET;
use crate::http::Client;

/// Long enough for a busy machine; a server that takes longer fails the test.
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
    /// Starts the binary with its data in `data`, and returns once it listens.
    pub async fn start(data: &Path, database_url: Option<&str>, settings: &[(&str, &str)]) -> Self {
        Process::started(command(data, database_url, settings)).await
    }

    /// Starts it while the database is not there, and returns once it has logged this text.
    pub async fn waiting_for(text: &'static str, data: &Path, database_url: &str) -> Self {
        Process::until(text, command(data, Some(database_url), &[])).await.0
    }

    /// Starts it with this umask, in octal digits.
    pub async fn start_with_umask(
        umask: &str,
        data: &Path,
        database_url: Option<&str>,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut shell = command_of("sh", data, database_url, settings);
        let script = format!("umask {umask} && exec \"$0\"");
        shell.arg("-c").arg(script).arg(binary());
        Process::started(shell).await
    }

    /// Starts it as another user of the machine, who may not read the directory of the build.
    pub async fn start_as(
        user: u32,
        data: &Path,
        database_url: Option<&str>,
        settings: &[(&str, &str)],
    ) -> Self {
        let program = data.join("propusk");
        if !program.exists() {
            // By another process: a file that this one has open for writing is open in whatever
            // another test starts meanwhile too, and cannot be executed.
            let copied = std::process::Command::new("cp").arg(binary()).arg(&program).status();
            assert!(copied.expect("cp starts").success(), "no copy of the binary");
        }
        let mut command = command_of(program, data, database_url, settings);
        command.uid(user).gid(user);
        Process::started(command).await
    }

    /// Starts it with a terminal of its own, and returns once it has written this there.
    pub async fn on_a_terminal(
        text: &'static str,
        data: &Path,
        database_url: Option<&str>,
        settings: &[(&str, &str)],
    ) -> Self {
        let mut python = command_of("python3", data, database_url, settings);
        python.arg("-c").arg("import pty, sys; pty.spawn(sys.argv[1])").arg(binary());
        Process::until(text, python).await.0
    }

    async fn started(command: Command) -> Self {
        let (mut process, base) = Process::until(READY, command).await;
        process.address = base.trim_start_matches("http://").parse().expect("an address");
        process.client = Client::new(base);
        process
    }

    /// Starts it, and returns the output after this text.
    async fn until(text: &'static str, mut command: Command) -> (Self, String) {
        let mut child = command.spawn().expect("the binary starts");
        let output = Arc::new(Mutex::new(String::new()));
        let (found, mut ready) = mpsc::channel(1);
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let readers = [
            tokio::spawn(gather(stdout, Arc::clone(&output), text, found.clone())),
            tokio::spawn(gather(stderr, Arc::clone(&output), text, found)),
        ];
        match timeout(PATIENCE, ready.recv()).await {
            Ok(Some(rest)) => {
                let address = SocketAddr::from(([127, 0, 0, 1], 0));
                let client = Client::new(String::new());
                (Process { client, address, child, output, readers }, rest)
            }
            _ => panic!("no {text:?} from it:\n{}", output.lock().expect("a whole log")),
        }
    }

    /// Everything that it has printed so far.
    pub fn output(&self) -> String {
        self.output.lock().expect("a whole log").clone()
    }

    /// Reads its metrics.
    pub fn metrics(&self) -> Client {
        let output = self.output();
        let (_, rest) = output.split_once("metrics at ").expect("it has metrics");
        Client::new(rest.split("/metrics").next().unwrap_or_default())
    }

    /// Its resident memory in KiB.
    pub async fn memory(&self) -> u64 {
        let pid = self.child.id().expect("the child is running").to_string();
        let ps = Command::new("ps").args(["-o", "rss=", "-p", &pid]).output().await.expect("ps");
        String::from_utf8_lossy(&ps.stdout).trim().parse().expect("a number")
    }

    /// Kills it without a warning, like the system when memory runs out.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the child can be killed");
    }

    /// Stops it and returns everything that it has printed.
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

impl AsRef<Client> for Process {
    fn as_ref(&self) -> &Client {
        &self.client
    }
}

/// The output of a command that has ended.
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary to its end, as an operator does; `input` is typed.
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
    // A command that reads no input may have closed it already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("its end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Finished { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the binary while nothing reads its output, as after the end of `head`.
pub async fn run_unread(
    data: &Path,
    database_url: Option<&str>,
    arguments: &[&str],
) -> (ExitStatus, String) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = command(data, database_url, &[]);
    let child = command.args(arguments).stdout(writer).spawn().expect("the binary");
    let ended = timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end")).expect("its end");
    (output.status, String::from_utf8(output.stderr).expect("UTF-8"))
}

/// A command that prints lines until it is stopped; killed when dropped.
pub struct Following {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    /// Starts the command, and returns once it has written `text` on standard error.
    pub async fn start(
        text: &str,
        data: &Path,
        database_url: Option<&str>,
        arguments: &[&str],
    ) -> Self {
        let mut child =
            command(data, database_url, &[]).args(arguments).spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let mut errors = BufReader::new(stderr).lines();
        let begun = timeout(PATIENCE, errors.next_line()).await.expect("a line").expect("a pipe");
        assert!(begun.as_ref().is_some_and(|line| line.contains(text)), "{begun:?}");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        Following { _child: child, lines: BufReader::new(stdout).lines() }
    }

    /// The next line on standard output.
    pub async fn next_line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("a line");
        line.expect("a pipe").expect("it goes on")
    }
}

fn command(data: &Path, database_url: Option<&str>, settings: &[(&str, &str)]) -> Command {
    command_of(binary(), data, database_url, settings)
}

fn command_of(
    program: impl AsRef<OsStr>,
    data: &Path,
    database_url: Option<&str>,
    settings: &[(&str, &str)],
) -> Command {
    let mut command = Command::new(program);
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
        // The settings file of the user who runs the tests must not be found.
        .current_dir(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// `PROPUSK_BIN`, or the binary in the target directory.
fn binary() -> PathBuf {
    if let Some(path) = env::var_os("PROPUSK_BIN") {
        return path.into();
    }
    beside_tests("propusk")
}

/// A program in the target directory of these tests.
pub fn beside_tests(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("the path of the tests");
    let path = tests.parent().and_then(Path::parent).expect("target/<profile>/deps").join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace` first", path.display());
    path
}

/// Collects every line, and sends the text that follows `text`.
async fn gather(
    pipe: impl AsyncRead + Unpin,
    output: Arc<Mutex<String>>,
    text: &'static str,
    found: mpsc::Sender<String>,
) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if let Some((_, rest)) = line.split_once(text) {
            // Only the first one is awaited.
            let _ = found.try_send(rest.trim().to_owned());
        }
        let mut output = output.lock().expect("a whole log");
        output.push_str(&line);
        output.push('\n');
    }
}
