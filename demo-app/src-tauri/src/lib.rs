//! The demo app.

/// Starts the app.
#[cfg_attr(mobile, tauri::mobile_entry_point)]
pub fn run() {
    let started = tauri::Builder::default()
        .plugin(tauri_plugin_propusk::init())
        .run(tauri::generate_context!());
    if let Err(error) = started {
        tracing::error!(%error, "the app could not start");
    }
}
