//! The page, as far as Rust sees it: a web view of Tauri's mock runtime, which calls commands.

use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use propusk_tests::webdriver::PATIENCE;
use serde_json::{Value, json};
use tauri::ipc::{CallbackFn, InvokeBody};
use tauri::test::{INVOKE_KEY, MockRuntime, get_ipc_response, mock_builder};
use tauri::webview::InvokeRequest;
use tauri::{AppHandle, Manager, RunEvent, WebviewWindow};
use tauri_plugin_deep_link::DeepLinkExt;
use tauri_plugin_propusk::Builder;
use tauri_plugin_propusk::propusk::Client;

pub struct Page {
    pub app: AppHandle<MockRuntime>,
    window: WebviewWindow<MockRuntime>,
}

impl Page {
    /// The page of an app with this client.
    pub fn of(client: Client) -> Self {
        Page::with(move || Builder::new(move |_| Ok(client)))
    }

    /// The page of the smallest app, with another client. The app runs until the tests end.
    pub fn with(plugin: impl FnOnce() -> Builder<MockRuntime> + Send + 'static) -> Self {
        let (sender, ready) = mpsc::channel();
        thread::spawn(move || {
            let app = mock_builder()
                .plugin(tauri_plugin_deep_link::init())
                .plugin(plugin().build())
                .build(tauri::generate_context!())
                .expect("an app");
            app.run(move |app, event| {
                if let RunEvent::Ready = event {
                    sender.send(app.clone()).expect("the test waits");
                }
            });
        });
        let app = ready.recv_timeout(PATIENCE).expect("the app starts");
        let window = app.get_webview_window("main").expect("a window");
        Page { app, window }
    }

    /// Calls a command of the plugin, as its JavaScript does.
    pub fn call(&self, command: &str, input: Value) -> Result<Value, Value> {
        let request = InvokeRequest {
            cmd: format!("plugin:propusk|{command}"),
            callback: CallbackFn(0),
            error: CallbackFn(1),
            url: self.window.url().expect("an address"),
            body: InvokeBody::Json(input),
            headers: Default::default(),
            invoke_key: INVOKE_KEY.to_owned(),
        };
        let answer = get_ipc_response(&self.window, request)?;
        Ok(answer.deserialize().expect("JSON"))
    }

    /// Delivers a link as the system does.
    pub fn open_link(&self, link: &str) {
        self.app.deep_link().handle_cli_arguments(["app", link].into_iter());
    }

    /// The results of links that wait for the page.
    pub fn take_link_results(&self) -> Vec<Value> {
        let results = self.call("take_link_results", json!({})).expect("results");
        results.as_array().expect("a list").clone()
    }

    /// Waits until there are results.
    pub fn next_link_results(&self) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let results = self.take_link_results();
            if !results.is_empty() {
                return results;
            }
            assert!(began.elapsed() < PATIENCE, "no result of a link");
            thread::yield_now();
        }
    }
}
