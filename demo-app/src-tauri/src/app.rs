//! The app: its plugins in their order, its commands, and what reports to the timeline.

use std::sync::Arc;

use serde_json::{Value, json};
use tauri::plugin::{self, TauriPlugin};
use tauri::{App, AppHandle, Listener, Manager, Url, Wry, async_runtime};
use tauri_plugin_deep_link::DeepLinkExt;
use tauri_plugin_propusk::{Builder, Call, STATUS_EVENT};

use crate::commands;
use crate::demo::{Demo, Records};
use crate::gateway::{Exchange, Wire};
use crate::plan::LOOPBACK;
use crate::report::Reporter;
use crate::start;
use crate::timeline::{Kind, Timeline};

/// The event with each new exchange.
const WIRE_EVENT: &str = "demo://wire";

/// Runs until the window is closed.
///
/// # Errors
///
/// An English sentence that says why the app cannot start.
pub fn run() -> Result<(), String> {
    let app = start::built(|| builder().build(tauri::generate_context!()))?;
    app.run(|_, _| {});
    Ok(())
}

fn builder() -> tauri::Builder<Wry> {
    let records = records();
    let timeline = Arc::clone(&records.timeline);
    let builder = tauri::Builder::default();
    // First: a second start passes its link on and ends before anything else happens.
    #[cfg(desktop)]
    let builder = builder.plugin(tauri_plugin_single_instance::init(|app, _, _| show(app)));
    builder
        .plugin(own_pages())
        .plugin(tauri_plugin_deep_link::init())
        .plugin(
            Builder::without_client()
                .loopback(LOOPBACK)
                .observer(move |call| add_call(&timeline, call))
                .build(),
        )
        .invoke_handler(tauri::generate_handler![
            commands::demo_state,
            commands::use_server,
            commands::start_embedded,
            commands::start_over,
            commands::choose_dialect,
            commands::inbox,
            commands::open_link,
            commands::wire_log,
            commands::clear_wire_log,
            commands::timeline,
            commands::trouble_network,
            commands::trouble_lose_next_answer,
            commands::trouble_end_session_on_server,
            commands::trouble_clock,
            commands::trouble_key_store,
            commands::trouble_second_process,
            commands::expire_access_token,
        ])
        .setup(move |app| {
            if let Err(error) = set_up(app, records) {
                // Returned, it would be a panic.
                tracing::error!(%error, "the app could not start");
                app.cleanup_before_exit();
                std::process::exit(1);
            }
            Ok(())
        })
}

/// Keeps the window at the page of the app, whatever is dropped on it or followed from it.
fn own_pages() -> TauriPlugin<Wry> {
    plugin::Builder::new("own-pages").on_navigation(|_, url| is_own(url)).build()
}

/// The page is at `tauri://localhost`, on Windows and Android at `http://tauri.localhost`.
fn is_own(url: &Url) -> bool {
    match url.scheme() {
        "tauri" => url.host_str() == Some("localhost"),
        "http" | "https" => url.host_str() == Some("tauri.localhost"),
        // The web view itself, before it has a page.
        scheme => scheme == "about",
    }
}

fn records() -> Records {
    let reporter = Arc::new(Reporter::default());
    let timeline = Arc::new(Timeline::new(Arc::clone(&reporter)));
    let wire = Wire::new({
        let (reporter, timeline) = (Arc::clone(&reporter), Arc::clone(&timeline));
        move |exchange| {
            add_exchange(&timeline, exchange);
            reporter.emit(WIRE_EVENT, exchange);
        }
    });
    Records { reporter, timeline, wire: Arc::new(wire) }
}

fn set_up(app: &App, records: Records) -> tauri::Result<()> {
    let handle = app.handle().clone();
    records.reporter.connect(&handle);
    follow_status(&handle, Arc::clone(&records.timeline));
    let folder = app.path().app_data_dir()?;
    app.manage(Demo::new(handle.clone(), records, folder));
    async_runtime::spawn(app.state::<Demo>().clock.clone().tick());
    register_scheme(&handle);
    async_runtime::spawn(async move {
        let demo = handle.state::<Demo>();
        // Its error is in the timeline, and the page offers to choose a server.
        let _ = demo.resume().await;
        demo.follow_session().await;
    });
    Ok(())
}

/// Installed apps have their scheme from their installer; this one may run from its build folder.
#[cfg(any(target_os = "linux", windows))]
fn register_scheme(app: &AppHandle) {
    let app = app.clone();
    async_runtime::spawn_blocking(move || {
        if let Err(error) = app.deep_link().register_all() {
            let text = format!("links of propusk-demo:// cannot open this app: {error}");
            app.state::<Demo>().records.timeline.add(Kind::Link, text, json!({}));
        }
    });
}

#[cfg(not(any(target_os = "linux", windows)))]
fn register_scheme(_: &AppHandle) {}

/// Brings the window to the front.
#[cfg(desktop)]
fn show(app: &AppHandle) {
    let Some(window) = app.get_webview_window("main") else { return };
    let shown = window.unminimize().and_then(|()| window.show()).and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!(%error, "the window was not brought to the front");
    }
}

fn follow_status(app: &AppHandle, timeline: Arc<Timeline>) {
    app.listen(STATUS_EVENT, move |event| {
        let status: Value = serde_json::from_str(event.payload()).unwrap_or_default();
        let word = |name: &str| status.get(name).and_then(Value::as_str).unwrap_or("unknown");
        let text = format!("{} ({})", word("phase"), word("change")).replace('_', " ");
        timeline.add(Kind::Status, text, status);
    });
}

fn add_call(timeline: &Timeline, call: Call<'_>) {
    let kind = if call.command == "deep_link" { Kind::Link } else { Kind::Operation };
    let (text, error) = match call.result {
        Ok(()) => (format!("{}: done", call.command), None),
        Err(error) => (format!("{}: {error}", call.command), Some(error)),
    };
    let data = json!({ "command": call.command, "ok": error.is_none(), "error": error });
    timeline.add(kind, text, data);
}

fn add_exchange(timeline: &Timeline, exchange: &Exchange) {
    let outcome = match (&exchange.error, exchange.status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => status.to_string(),
        (None, None) => "no answer".to_owned(),
    };
    let text = format!("{} {}: {outcome}", exchange.method, exchange.path);
    let data = json!({
        "id": exchange.id,
        "method": exchange.method,
        "path": exchange.path,
        "status": exchange.status,
        "milliseconds": exchange.milliseconds,
        "error": exchange.error,
    });
    timeline.add(Kind::Wire, text, data);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_stays_at_its_own_page() {
        let is_own = |url: &str| is_own(&Url::parse(url).expect("a URL"));
        for own in ["tauri://localhost/index.html", "http://tauri.localhost/", "about:blank"] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "https://id.example.org/",
            "http://localhost:8000/",
            "https://tauri.localhost.example.org/",
            "file:///etc/passwd",
            "data:text/html,x",
            "tauri://elsewhere/",
            "propusk-demo://signed-in",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }
}
