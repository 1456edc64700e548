//! A real browser: headless Chromium, driven by the chromedriver on the PATH over the W3C WebDriver
//! protocol. Both end with the test.

use std::io::ErrorKind;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::http::Client;
use crate::webdriver::{PATIENCE, Session};

/// How many attempts to get a port before the test fails.
const STARTS: usize = 20;
const STARTED: &str = "started successfully on port ";

/// One window.
pub struct Browser {
    session: Session,
    _process: Child,
}

impl Browser {
    /// A phone of this width whose user reads `language` and prefers `theme` (`dark` or `light`).
    pub async fn phone(width: u32, theme: &str, language: &str) -> Self {
        let (process, port) = start_driver().await;
        let driver = Client::new(format!("http://127.0.0.1:{port}"));
        let session = Session::open(driver, &capabilities(width, language)).await;
        let theme = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": theme});
        session.call("goog/cdp/execute", &command).await;
        Browser { session, _process: process }
    }

    /// The session, for checks that are not about one browser.
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub async fn open(&self, url: &str) {
        self.session.call("url", &json!({ "url": url })).await;
    }

    /// Clicks on the first element that the CSS selector finds, and waits for the page behind it.
    pub async fn follow(&self, selector: &str) {
        self.session.evaluate("window.isLeft = true").await;
        self.session.click(selector).await;
        self.session.wait_until("!window.isLeft && document.readyState === 'complete'").await;
    }

    pub async fn type_into(&self, selector: &str, text: &str) {
        self.session.type_into(selector, text).await;
    }

    /// The value of a JavaScript expression on the page; the page's content security policy does
    /// not apply to it.
    pub async fn evaluate(&self, expression: &str) -> Value {
        self.session.evaluate(expression).await
    }

    /// The browser's complaints about its pages since the last call, without those about an
    /// answer's error status.
    pub async fn complaints(&self) -> Vec<Value> {
        let log = self.session.call("se/log", &json!({"type": "browser"})).await;
        let mut complaints = log.as_array().expect("a list").clone();
        complaints.retain(|complaint| complaint["source"] != "network");
        complaints
    }
}

/// The driver with its port. A port that is free for IPv6 may be in use for IPv4; the driver then
/// ends.
async fn start_driver() -> (Child, u16) {
    for _ in 0..STARTS {
        let mut process = spawn_driver();
        let stdout = process.stdout.take().expect("stdout is a pipe");
        if let Some(port) = port(BufReader::new(stdout).lines()).await {
            return (process, port);
        }
    }
    panic!("chromedriver ended before it listened, {STARTS} times")
}

fn spawn_driver() -> Child {
    let driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    match driver {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            panic!("no chromedriver on the PATH; on Debian: apt-get install chromium-driver")
        }
        Err(error) => panic!("chromedriver does not start: {error}"),
    }
}

/// The free port that the driver reports; `None` if it has ended.
async fn port(mut lines: Lines<BufReader<ChildStdout>>) -> Option<u16> {
    let found = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await.expect("readable output") {
            if let Some((_, port)) = line.split_once(STARTED) {
                return Some(port.trim_end_matches('.').parse().expect("a port"));
            }
        }
        None
    });
    found.await.expect("chromedriver listens")
}

fn capabilities(width: u32, language: &str) -> Value {
    let metrics = json!({"width": width, "height": 740, "pixelRatio": 1.0, "touch": true});
    let options = json!({
        // Chromium ends when the pipe closes, that is, with its driver.
        "args": ["--headless=new", "--no-sandbox", "--remote-debugging-pipe",
                 "--disable-dev-shm-usage", format!("--accept-lang={language}")],
        "mobileEmulation": {"deviceMetrics": metrics},
    });
    json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "WARNING"},
    })
}
