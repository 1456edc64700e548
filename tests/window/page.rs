//! The page in the demo's window, in terms of what a person does.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Deref;

use propusk_tests::desktop::{Desktop, Window};
use serde_json::Value;

/// The operation whose form is open.
const OPEN: &str = "document.querySelector('#operation-title').dataset.text.replace('op.', '')";
/// Answers with the names that a module of the page exports under a name, or of all its exports.
const EXPORTS: &str = "const [path, name, done] = arguments; \
    import(new URL(path, location.href)).then( \
        (module) => done(Object.keys(name ? module[name] : module)), (error) => done(String(error)))";

pub struct Page {
    window: Window,
    succeeded: RefCell<BTreeSet<String>>,
}

impl Page {
    /// Opens the window and starts the server in the app.
    pub async fn with_embedded_server(desktop: &Desktop) -> Self {
        let page = Page::open(desktop, &[]).await;
        page.press("start-embedded").await;
        page.is_ready().await;
        page
    }

    /// Opens the window and chooses a running server.
    pub async fn at_server(desktop: &Desktop, url: &str) -> Self {
        let page = Page::open(desktop, &[]).await;
        page.fill(&named("field-server"), url).await;
        page.press("start-outside").await;
        page.is_ready().await;
        page
    }

    /// Opens the window of an app that may have been used before.
    pub async fn open(desktop: &Desktop, arguments: &[&str]) -> Self {
        let window = desktop.window(arguments).await;
        let page = Page { window, succeeded: RefCell::default() };
        page.wait_until("document.querySelector('#start, #desk:not([hidden])')").await;
        page.wait_until(
            "!document.querySelector('#start').hidden || !document.querySelector('#desk').hidden",
        )
        .await;
        page
    }

    /// Closes the window; the app ends.
    pub async fn close(self, desktop: &Desktop) {
        desktop.close(self.window).await;
    }

    /// Gives the window a size.
    pub async fn resize(&self, width: u32, height: u32) {
        self.call("window/rect", &serde_json::json!({ "width": width, "height": height })).await;
        // The frame of the window counts too.
        self.wait_until(&format!("Math.abs(innerWidth - {width}) < 60")).await;
    }

    /// Presses the control with this name.
    pub async fn press(&self, name: &str) {
        self.wait_until(&format!("document.querySelector('{}')", named(name))).await;
        self.click(&named(name)).await;
    }

    pub async fn choose_dialect(&self, name: &str) {
        self.press("dialect").await;
        self.press(&format!("dialect-{name}")).await;
        // The list of operations follows the choice.
        self.wait_until(&format!(
            "document.querySelector('#operations').dataset.dialect === '{name}' && \
             !document.querySelector('dialog')"
        ))
        .await;
        self.is_ready().await;
    }

    /// The operations of the API that are offered.
    pub async fn operations(&self) -> BTreeSet<String> {
        let names = "[...document.querySelectorAll('[data-test^=op-]')].map((b) => b.dataset.name)";
        names_in(&self.evaluate(names).await)
    }

    /// The operations that have succeeded in this window.
    pub fn succeeded(&self) -> BTreeSet<String> {
        self.succeeded.borrow().clone()
    }

    /// The members of what a module of the page exports, or the names of all its exports.
    pub async fn exports(&self, module: &str, name: Option<&str>) -> BTreeSet<String> {
        let body = serde_json::json!({ "script": EXPORTS, "args": [module, name] });
        names_in(&self.call("execute/async", &body).await)
    }

    /// Opens the form of an operation.
    pub async fn choose(&self, operation: &str) {
        self.open_form("op", operation).await;
    }

    /// Opens the form of an operation that needs no server.
    pub async fn choose_local(&self, operation: &str) {
        self.open_form("sdk", operation).await;
    }

    async fn open_form(&self, kind: &str, operation: &str) {
        self.press(&format!("{kind}-{operation}")).await;
        self.wait_until(&format!("{OPEN} === '{operation}'")).await;
    }

    /// Fills the form and sends it. Returns the kind of the error, or `ok`.
    pub async fn send(&self, fields: &[(&str, &str)]) -> String {
        for (name, value) in fields {
            self.fill(&named(&format!("field-{name}")), value).await;
        }
        self.press("submit").await;
        self.outcome().await
    }

    /// Waits for the result of an operation: the kind of the error, or `ok`.
    pub async fn outcome(&self) -> String {
        self.wait_until("document.querySelector('#result').dataset.outcome").await;
        let outcome =
            "(({ outcome, kind }) => kind ?? outcome)(document.querySelector('#result').dataset)";
        let outcome = self.evaluate(outcome).await.as_str().expect("a word").to_owned();
        if outcome == "ok" {
            let operation = self.evaluate(OPEN).await.as_str().expect("a name").to_owned();
            self.succeeded.borrow_mut().insert(operation);
        }
        outcome
    }

    /// Waits until the result is this text.
    pub async fn has_result(&self, text: &str) {
        self.wait_until(&format!(
            "document.querySelector('[data-test=result-title]')?.dataset.text === '{text}'"
        ))
        .await;
    }

    /// An operation that succeeds.
    pub async fn succeed(&self, operation: &str, fields: &[(&str, &str)]) {
        self.choose(operation).await;
        let outcome = self.send(fields).await;
        let result = self.evaluate("document.querySelector('#result').innerText").await;
        assert_eq!(outcome, "ok", "{operation}: {result}");
    }

    /// An operation that fails.
    pub async fn fail(&self, operation: &str, fields: &[(&str, &str)], kind: &str) {
        self.choose(operation).await;
        let outcome = self.send(fields).await;
        let result = self.evaluate("document.querySelector('#result').innerText").await;
        assert_eq!(outcome, kind, "{operation}: {result}");
    }

    /// Signs in, and waits until the card shows it.
    pub async fn sign_in(&self, identifier: &str, password: &str) {
        self.succeed("sign_in", &[("identifier", identifier), ("password", password)]).await;
        self.has_phase("signed_in").await;
    }

    /// Waits for the phase that the session card shows.
    pub async fn has_phase(&self, phase: &str) {
        self.wait_until(&format!("document.querySelector('#session').dataset.phase === '{phase}'"))
            .await;
    }

    /// Confirms a dialog.
    pub async fn confirm(&self) {
        self.press("confirm-yes").await;
    }

    /// Gives the link of the newest mail to the app: its form opens.
    pub async fn give_newest_link(&self, known: usize) {
        self.press("tab-inbox").await;
        self.wait_until(&format!("{} > {known}", count("inbox-mail"))).await;
        self.click("[data-test=inbox-mail] [data-test^=inbox-give-]").await;
        self.wait_until("document.querySelector('[data-test=field-link]')?.value").await;
    }

    /// How many elements have this name.
    pub async fn count(&self, name: &str) -> usize {
        let count = self.evaluate(&count(name)).await.as_u64().expect("a number");
        usize::try_from(count).expect("a small number")
    }

    /// The value of a command of the Rust side.
    pub async fn invoke(&self, command: &str) -> Value {
        let script = "const done = arguments[1]; \
             window.__TAURI_INTERNALS__.invoke(arguments[0]).then(done, (error) => done({ error }))";
        let body = serde_json::json!({ "script": script, "args": [command] });
        self.call("execute/async", &body).await
    }

    /// The API has been asked what it offers.
    pub async fn is_ready(&self) {
        self.wait_until("document.querySelector('[data-test^=op-]')").await;
        self.wait_until("document.querySelector('#session').dataset.phase !== 'unknown'").await;
    }
}

impl Deref for Page {
    type Target = Window;

    fn deref(&self) -> &Window {
        &self.window
    }
}

fn named(name: &str) -> String {
    format!("[data-test=\"{name}\"]")
}

fn names_in(list: &Value) -> BTreeSet<String> {
    let names = list.as_array().unwrap_or_else(|| panic!("no list: {list}")).iter();
    names.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

fn count(name: &str) -> String {
    format!("document.querySelectorAll('{}').length", named(name))
}
