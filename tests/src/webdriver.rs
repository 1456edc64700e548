//! The W3C WebDriver protocol, as far as the tests need it: one session of a browser or of an app's
//! window.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use crate::http::{Answer, Client};

/// Longer than a busy machine takes to start a browser or to show a page.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The key under which the protocol returns elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const SHOW: &str = "arguments[0].scrollIntoView({ block: 'nearest', behavior: 'instant' })";

/// One session.
pub struct Session {
    driver: Client,
    path: String,
}

impl Session {
    /// Opens a session at a driver.
    pub async fn open(driver: Client, capabilities: &Value) -> Self {
        let body = json!({"capabilities": {"alwaysMatch": capabilities}});
        let answer = timeout(PATIENCE, driver.post("/session", &body)).await;
        let id = text(&value("session", &answer.expect("a browser starts"))["sessionId"]);
        Session { driver, path: format!("/session/{id}") }
    }

    /// Ends the session, and the browser with it.
    pub async fn close(self) {
        let closed = self.driver.call("DELETE", &self.path, None, &Value::Null);
        timeout(PATIENCE, closed).await.expect("the session ends");
    }

    pub async fn click(&self, selector: &str) {
        self.do_with(selector, &[("click", json!({}))]).await;
    }

    pub async fn type_into(&self, selector: &str, text: &str) {
        self.do_with(selector, &[("value", json!({ "text": text }))]).await;
    }

    /// Replaces what a field contains.
    pub async fn fill(&self, selector: &str, text: &str) {
        let commands = [("clear", json!({})), ("value", json!({ "text": text }))];
        self.do_with(selector, &commands).await;
    }

    /// Presses the mouse on an element and holds it.
    pub async fn hold(&self, selector: &str) {
        let query = json!({"using": "css selector", "value": selector});
        let element = self.call("element", &query).await;
        let there = json!({ "type": "pointerMove", "origin": element, "x": 0, "y": 0 });
        self.move_mouse(json!([there, { "type": "pointerDown", "button": 0 }])).await;
    }

    /// Releases the mouse.
    pub async fn release(&self) {
        self.move_mouse(json!([{ "type": "pointerUp", "button": 0 }])).await;
    }

    async fn move_mouse(&self, actions: Value) {
        let mouse = json!({ "type": "pointer", "id": "mouse", "actions": actions });
        self.call("actions", &json!({ "actions": [mouse] })).await;
    }

    /// Presses a key: a letter, or what the protocol has for keys such as Tab.
    pub async fn press_key(&self, key: char) {
        let press = |kind: &str| json!({ "type": kind, "value": key });
        let presses = json!([press("keyDown"), press("keyUp")]);
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": presses });
        self.call("actions", &json!({ "actions": [keyboard] })).await;
    }

    /// The value of a JavaScript expression on the page; the page's content security policy does
    /// not apply to it.
    pub async fn evaluate(&self, expression: &str) -> Value {
        value("execute/sync", &self.try_evaluate(expression).await)
    }

    /// The same, on a page that may be loading.
    pub async fn try_evaluate(&self, expression: &str) -> Answer {
        let script = json!({"script": format!("return {expression}"), "args": []});
        self.ask("execute/sync", &script).await
    }

    /// Waits until a JavaScript expression is true.
    pub async fn wait_until(&self, expression: &str) {
        let mut looks = interval(Duration::from_millis(20));
        let fulfilled = timeout(PATIENCE, async {
            loop {
                let answer = self.try_evaluate(&format!("!!({expression})")).await;
                if answer.status == 200 && answer.json()["value"] == true {
                    return;
                }
                looks.tick().await;
            }
        });
        if fulfilled.await.is_err() {
            let page = self.evaluate("document.body.innerText").await;
            panic!("never true: {expression}\nthe page:\n{}", page.as_str().unwrap_or_default());
        }
    }

    /// A picture of the window, as PNG.
    pub async fn screenshot(&self) -> Vec<u8> {
        let path = format!("{}/screenshot", self.path);
        let answer = timeout(PATIENCE, self.driver.get(&path, None)).await.expect("a picture");
        STANDARD.decode(text(&value("screenshot", &answer))).expect("a picture in base64")
    }

    /// Runs a command of the protocol and returns its value.
    pub async fn call(&self, command: &str, body: &Value) -> Value {
        value(command, &self.ask(command, body).await)
    }

    async fn ask(&self, command: &str, body: &Value) -> Answer {
        let path = format!("{}/{command}", self.path);
        let answer = timeout(PATIENCE, self.driver.post(&path, body)).await;
        answer.unwrap_or_else(|_| panic!("no answer to {command}"))
    }

    /// Runs commands on an element. A page may replace it by a new one meanwhile, on which they then
    /// begin again, as a person would.
    async fn do_with(&self, selector: &str, commands: &[(&str, Value)]) {
        let done = timeout(PATIENCE, async {
            loop {
                let answer = self.try_with(selector, commands).await;
                if !is_stale(&answer) {
                    return value(selector, &answer);
                }
            }
        });
        done.await.unwrap_or_else(|_| panic!("{selector} is always replaced"));
    }

    /// The same on the element that is there now, until an answer is no success: the last answer. The element is
    /// brought into view first: WebKitWebDriver refuses one that it has to scroll to inside an area of the page.
    async fn try_with(&self, selector: &str, commands: &[(&str, Value)]) -> Answer {
        let query = json!({"using": "css selector", "value": selector});
        let element = self.call("element", &query).await;
        let show = json!({"script": SHOW, "args": [&element]});
        let mut answer = self.ask("execute/sync", &show).await;
        let element = text(&element[ELEMENT]);
        for (command, body) in commands {
            if answer.status != 200 {
                break;
            }
            answer = self.ask(&format!("element/{element}/{command}"), body).await;
        }
        answer
    }
}

/// Whether the element is no longer on the page.
fn is_stale(answer: &Answer) -> bool {
    answer.status == 404 && answer.json()["value"]["error"] == "stale element reference"
}

fn value(command: &str, answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{command}: {}", answer.text());
    answer.json()["value"].clone()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}
