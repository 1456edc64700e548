//! Sign-in for Tauri apps, over the crate [`propusk`]: every operation is a command, every change
//! of the status an event, deep links complete their sign-ins, and no token is ever in the web
//! view.
//!
//! ```no_run
//! # fn run(context: tauri::Context<tauri::Wry>) -> tauri::Result<()> {
//! use propusk::{Client, Vault};
//! use tauri::Manager;
//!
//! tauri::Builder::default()
//!     .plugin(tauri_plugin_deep_link::init())
//!     .plugin(tauri_plugin_propusk::init(|app| {
//!         let folder = app.path().app_local_data_dir()?;
//!         let client = Client::builder("https://id.example.org")
//!             .redirect("org.example.app:/signed-in")
//!             .vault(Vault::keyring("org.example.app", folder));
//!         Ok(client.build()?)
//!     }))
//!     .run(context) // tauri::generate_context!()
//! # }
//! ```
#![warn(missing_docs)]

mod browser;
mod commands;
mod deep_links;
mod error;
mod exchange;
mod input;
mod link_results;
mod lock;
mod names;
mod observer;
mod output;
mod pending_sign_in;
mod plugin;
mod provider_sign_in;
mod state;

pub use error::{CommandError, CommandRejection, RejectedField, SetupError};
pub use names::vault_state;
pub use observer::Call;
pub use output::{Status, StatusPhase, User};
pub use plugin::Builder;
pub use propusk;
pub use state::{Propusk, PropuskExt};

use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Runtime};

/// The event with each new [`Status`].
pub const STATUS_EVENT: &str = "propusk://status";
/// The event with the result of a deep link that no call waits for. The page's `onLink` takes the result
/// with a command, also one from before it listened.
pub const LINK_EVENT: &str = "propusk://link";

/// The plugin with the client that the function builds when the app starts.
pub fn init<R: Runtime>(
    client: impl FnOnce(&AppHandle<R>) -> Result<propusk::Client, SetupError> + Send + 'static,
) -> TauriPlugin<R> {
    Builder::new(client).build()
}
