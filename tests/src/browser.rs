//! A real browser: headless Chromium, driven by the chromedriver on the PATH over the W3C WebDriver
//! protocol. Both end with the test.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{interval, timeout};

use crate::http::{Answer, Client};

/// Longer than a busy machine takes to start a browser.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many attempts to get a port before the test fails.
const STARTS: usize = 20;
const STARTED: &str = "started successfully on port ";
/// The key under which the protocol returns elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// One window.
pub struct Browser {
    driver: Client,
    session: String,
    _process: Child,
}

impl Browser {
    /// A phone of this width whose user reads `language` and prefers `theme` (`dark` or `light`).
    pub async fn phone(width: u32, theme: &str, language: &str) -> Self {
        let (process, port) = start_driver().await;
        let driver = Client::new(format!("http://127.0.0.1:{port}"));
        let session = open_session(&driver, width, language).await;
        let browser = Browser { driver, session, _process: process };
        let theme = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        let command = json!({"cmd": "Emulation.setEmulatedMedia", "params": theme});
        browser.call("goog/cdp/execute", &command).await;
        browser
    }

    pub async fn open(&self, url: &str) {
        self.call("url", &json!({ "url": url })).await;
    }

    /// Clicks on the first element that the CSS selector finds, and waits for the page behind it.
    pub async fn follow(&self, selector: &str) {
        let element = self.element(selector).await;
        self.evaluate("window.isLeft = true").await;
        self.call(&format!("element/{element}/click"), &json!({})).await;
        let mut looks = interval(Duration::from_millis(20));
        let arrived = timeout(PATIENCE, async {
            while !self.has_arrived().await {
                looks.tick().await;
            }
        });
        arrived.await.unwrap_or_else(|_| panic!("no page behind {selector}"));
    }

    /// While a new page loads, there may be no page that answers.
    async fn has_arrived(&self) -> bool {
        let script = "return !window.isLeft && document.readyState === 'complete'";
        let answer = self.ask("execute/sync", &json!({"script": script, "args": []})).await;
        answer.status == 200 && answer.json()["value"] == true
    }

    pub async fn type_into(&self, selector: &str, text: &str) {
        let element = self.element(selector).await;
        self.call(&format!("element/{element}/value"), &json!({ "text": text })).await;
    }

    /// The value of a JavaScript expression on the page; the page's content security policy does
    /// not apply to it.
    pub async fn evaluate(&self, expression: &str) -> Value {
        let script = json!({"script": format!("return {expression}"), "args": []});
        self.call("execute/sync", &script).await
    }

    /// The browser's complaints about its pages since the last call, without those about an
    /// answer's error status.
    pub async fn complaints(&self) -> Vec<Value> {
        let log = self.call("se/log", &json!({"type": "browser"})).await;
        let mut complaints = log.as_array().expect("a list").clone();
        complaints.retain(|complaint| complaint["source"] != "network");
        complaints
    }

    async fn element(&self, selector: &str) -> String {
        let query = json!({"using": "css selector", "value": selector});
        text(&self.call("element", &query).await[ELEMENT])
    }

    async fn call(&self, command: &str, body: &Value) -> Value {
        value(command, &self.ask(command, body).await)
    }

    async fn ask(&self, command: &str, body: &Value) -> Answer {
        self.driver.post(&format!("/session/{}/{command}", self.session), body).await
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

async fn open_session(driver: &Client, width: u32, language: &str) -> String {
    let metrics = json!({"width": width, "height": 740, "pixelRatio": 1.0, "touch": true});
    let options = json!({
        // Chromium ends when the pipe closes, that is, with its driver.
        "args": ["--headless=new", "--no-sandbox", "--remote-debugging-pipe",
                 "--disable-dev-shm-usage", format!("--accept-lang={language}")],
        "mobileEmulation": {"deviceMetrics": metrics},
    });
    let wanted = json!({
        "browserName": "chrome",
        "goog:chromeOptions": options,
        "goog:loggingPrefs": {"browser": "WARNING"},
    });
    let capabilities = json!({"capabilities": {"alwaysMatch": wanted}});
    let session = timeout(PATIENCE, driver.post("/session", &capabilities)).await;
    text(&value("session", &session.expect("a browser starts"))["sessionId"])
}

fn value(command: &str, answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{command}: {}", answer.text());
    answer.json()["value"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
