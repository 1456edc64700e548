//! A desktop of its own for the demo: a display (Xvfb), a session bus, the folders of a user, and a
//! browser that only notes what it opens. Its window is driven by WebKitWebDriver.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{fs, io};

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Duration, interval, timeout};

use crate::http::Client;
use crate::process::beside_tests;
use crate::webdriver::{PATIENCE, Session};

/// The demo's program, which a build of the workspace makes.
const APP: &str = "propusk-demo";
/// Writes the address into a new file of its own folder.
const BROWSER: &str = "#!/bin/sh
printf '%s' \"$1\" >\"$(dirname \"$0\")/opening\"
mv \"$(dirname \"$0\")/opening\" \"$(mktemp \"$(dirname \"$0\")/opened.XXXXXX\")\"
";
/// The port of the first window's driver.
const FIRST_PORT: u16 = 4444;
const LOOK: Duration = Duration::from_millis(20);

pub struct Desktop {
    folder: TempDir,
    display: String,
    bus: String,
    /// How many windows were opened.
    windows: AtomicU16,
    _display: Child,
    _bus: Child,
}

/// The demo's window. It ends with this value.
pub struct Window {
    session: Session,
    _driver: Child,
}

/// The processes of an app that is stopped.
pub struct FrozenApp(Vec<PathBuf>);

impl FrozenApp {
    /// Kills it.
    pub async fn end(self) {
        end(&self.0).await;
    }
}

/// The calls on a session bus, as they come.
pub struct Calls {
    lines: Lines<BufReader<ChildStdout>>,
    _monitor: Child,
}

impl Calls {
    /// Waits for a line with this text.
    pub async fn wait_for(&mut self, text: &str) {
        let found = timeout(PATIENCE, async {
            loop {
                let line = self.lines.next_line().await.expect("text");
                if line.expect("dbus-monitor runs").contains(text) {
                    return;
                }
            }
        });
        found.await.expect("a call");
    }
}

impl Desktop {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["data", "config", "cache", "runtime", "browser"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let private = fs::Permissions::from_mode(0o700);
        fs::set_permissions(folder.path().join("runtime"), private).expect("a private folder");
        install_browser(folder.path());
        // It would start again when the last window closes, and refuse the next one meanwhile.
        let options =
            ["-noreset", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"];
        let (display_process, display) = started("Xvfb", &options).await;
        let (bus_process, bus) =
            started("dbus-daemon", &["--session", "--nofork", "--print-address=1"]).await;
        Desktop {
            folder,
            display: format!(":{display}"),
            bus,
            windows: AtomicU16::new(0),
            _display: display_process,
            _bus: bus_process,
        }
    }

    /// The folder in which the app keeps its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data/org.propusk.demo")
    }

    /// Starts the app in a window of this size.
    pub async fn window(&self, arguments: &[&str]) -> Window {
        let (host, port) = self.driver_address();
        let mut driver = self.command("WebKitWebDriver");
        // As tauri-driver does; otherwise the window cannot be driven.
        driver.env("TAURI_AUTOMATION", "true").env("TAURI_WEBVIEW_AUTOMATION", "true");
        driver.arg(format!("--host={host}")).arg(format!("--port={port}"));
        let driver = spawn(&mut driver, "WebKitWebDriver");
        let client = Client::new(format!("http://{host}:{port}"));
        let mut looks = interval(LOOK);
        let listening = timeout(PATIENCE, async {
            while client.try_post("/status", &json!({})).await.is_err() {
                looks.tick().await;
            }
        });
        listening.await.expect("WebKitWebDriver listens");
        let app = json!({ "binary": beside_tests(APP), "args": arguments });
        let session = Session::open(client, &json!({ "webkitgtk:browserOptions": app })).await;
        Window { session, _driver: driver }
    }

    /// Closes the window, and waits until the app has ended.
    pub async fn close(&self, window: Window) {
        let apps = self.apps();
        window.session.close().await;
        end(&apps).await;
    }

    /// Kills the app, also one that the system has started, on this desktop.
    pub async fn end_app(&self) {
        end(&self.apps()).await;
    }

    /// Stops the app, which then answers nothing, as one that is ending.
    pub async fn freeze_app(&self) -> FrozenApp {
        let processes = self.apps();
        for process in &processes {
            let id = process.file_name().expect("a process id");
            let stopped = Command::new("kill").arg("-STOP").arg(id).status().await;
            assert!(stopped.expect("kill starts").success(), "the app is stopped");
        }
        FrozenApp(processes)
    }

    /// Follows the calls of this method on the session bus.
    pub async fn follow_calls(&self, method: &str) -> Calls {
        let filter = format!("type='method_call',member='{method}'");
        let mut command = self.command("dbus-monitor");
        command.arg("--address").arg(&self.bus).arg(filter).stdout(Stdio::piped());
        let mut monitor = spawn(&mut command, "dbus-monitor");
        let output = monitor.stdout.take().expect("stdout is a pipe");
        let lines = BufReader::new(output).lines();
        let mut calls = Calls { lines, _monitor: monitor };
        // It gives its own name up when it begins to watch.
        calls.wait_for("member=NameLost").await;
        calls
    }

    /// The folders in `/proc` of the app's processes on this desktop.
    fn apps(&self) -> Vec<PathBuf> {
        let processes = fs::read_dir("/proc").expect("processes").filter_map(Result::ok);
        processes.map(|entry| entry.path()).filter(|process| self.is_app(process)).collect()
    }

    /// An address of this desktop alone, because WebKitWebDriver cannot choose a free port: a loopback
    /// address by the number of the display, and another port for each window.
    fn driver_address(&self) -> (Ipv4Addr, u16) {
        let display: u16 = self.display[1..].parse().expect("the number of a display");
        let [high, low] = display.to_be_bytes();
        let windows = self.windows.fetch_add(1, Ordering::SeqCst);
        (Ipv4Addr::new(127, 77, high, low), FIRST_PORT + windows)
    }

    fn is_app(&self, process: &Path) -> bool {
        let of_app = fs::read_link(process.join("exe")).is_ok_and(|program| program.ends_with(APP));
        let home = self.folder.path().as_os_str().as_encoded_bytes();
        let is_here =
            |environment: Vec<u8>| environment.windows(home.len()).any(|part| part == home);
        of_app && fs::read(process.join("environ")).is_ok_and(is_here)
    }

    /// Opens a link as the system does when a browser follows it.
    pub async fn open_link(&self, link: &str) {
        let opened = self.command("gio").args(["open", link]).status();
        let opened = timeout(PATIENCE, opened).await.expect("gio ends").expect("gio starts");
        assert!(opened.success(), "gio open {link}: {opened}");
    }

    /// Waits until the system knows the app for its links.
    pub async fn links_are_known(&self) {
        let mut looks = interval(LOOK);
        let known = timeout(PATIENCE, async {
            loop {
                let query = ["mime", "x-scheme-handler/propusk-demo"];
                let answer = self.command("gio").args(query).output().await.expect("gio starts");
                if String::from_utf8_lossy(&answer.stdout).contains(".desktop") {
                    return;
                }
                looks.tick().await;
            }
        });
        known.await.expect("the app registers its links");
    }

    /// Waits for the next address that the app opens in the browser.
    pub async fn opened(&self) -> String {
        let mut looks = interval(LOOK);
        let opened = timeout(PATIENCE, async {
            loop {
                if let Some(path) = first_opened(&self.folder.path().join("browser")) {
                    let url = fs::read_to_string(&path).expect("an address");
                    if !url.is_empty() {
                        fs::remove_file(path).expect("a file");
                        return url;
                    }
                }
                looks.tick().await;
            }
        });
        opened.await.expect("the app opens the browser")
    }

    /// A program on this desktop.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(program);
        command
            .env_remove("XDG_CURRENT_DESKTOP")
            .env("DISPLAY", &self.display)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.bus)
            .env_remove("BROWSER")
            .env("HOME", self.folder.path())
            .env("XDG_DATA_HOME", at("data"))
            .env("XDG_CONFIG_HOME", at("config"))
            .env("XDG_CACHE_HOME", at("cache"))
            .env("XDG_RUNTIME_DIR", at("runtime"))
            .env("LANG", "C.UTF-8")
            // No graphics card, and no accessibility bus.
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("NO_AT_BRIDGE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Deref for Window {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

/// Kills processes, and waits until they have ended.
async fn end(processes: &[PathBuf]) {
    for process in processes {
        let id = process.file_name().expect("a process id");
        // It may end by itself meanwhile.
        let _ = Command::new("kill").arg("-9").arg(id).stderr(Stdio::null()).status().await;
        let mut looks = interval(LOOK);
        let ended = timeout(PATIENCE, async {
            while !has_ended(process) {
                looks.tick().await;
            }
        });
        ended.await.expect("the app ends");
    }
}

/// Whether a process has closed all its files, such as its connection to the session bus: it is gone,
/// or it waits for its parent and its last thread has ended.
fn has_ended(process: &Path) -> bool {
    let Ok(about) = fs::read_to_string(process.join("stat")) else { return true };
    // The state follows the name, which may contain anything.
    let is_zombie = about.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
    is_zombie && fs::read_dir(process.join("task")).map_or(0, Iterator::count) <= 1
}

/// Makes the browser that of the user.
fn install_browser(home: &Path) {
    let program = home.join("browser/open");
    fs::write(&program, BROWSER).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    let entry = format!(
        "[Desktop Entry]\nType=Application\nName=Browser\nExec={} %u\n\
         MimeType=x-scheme-handler/http;x-scheme-handler/https;\n",
        program.display()
    );
    fs::create_dir(home.join("data/applications")).expect("a folder");
    fs::write(home.join("data/applications/test-browser.desktop"), entry).expect("a file");
    let defaults = "[Default Applications]\nx-scheme-handler/http=test-browser.desktop\n\
                    x-scheme-handler/https=test-browser.desktop\n";
    fs::write(home.join("config/mimeapps.list"), defaults).expect("a file");
}

fn first_opened(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").filter_map(Result::ok);
    let opened = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("opened.");
    entries.filter(opened).map(|entry| entry.path()).min()
}

/// Starts a program that prints one line when it is ready.
async fn started(program: &str, arguments: &[&str]) -> (Child, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = spawn(command.kill_on_drop(true), program);
    let stdout = child.stdout.take().expect("stdout is a pipe");
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(PATIENCE, lines.next_line()).await;
    let line = line.unwrap_or_else(|_| panic!("{program} does not start"));
    let line = line.expect("text").unwrap_or_else(|| panic!("{program} has ended"));
    (child, line.trim().to_owned())
}

fn spawn(command: &mut Command, program: &str) -> Child {
    match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            panic!("no {program} on the PATH; `tests/run demo` installs it")
        }
        Err(error) => panic!("{program} does not start: {error}"),
    }
}
