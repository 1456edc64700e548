//! The smallest app with sign-in: the lines of the plugin's README.

use tauri::Manager;
use tauri_plugin_propusk::propusk::{Client, Vault};

fn main() -> tauri::Result<()> {
    tauri::Builder::default()
        .plugin(tauri_plugin_deep_link::init()) // only for providers by deep link
        .plugin(tauri_plugin_propusk::init(|app| {
            let vault = Vault::keyring("org.example.app", app.path().app_local_data_dir()?);
            Ok(Client::builder("https://id.example.org")
                .redirect("org.example.app:/signed-in")
                .vault(vault)
                .build()?)
        }))
        .run(tauri::generate_context!())
}
