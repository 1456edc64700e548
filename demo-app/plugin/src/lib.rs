//! Sign-in for Tauri apps, over the crate `propusk`.

use tauri::Runtime;
use tauri::plugin::TauriPlugin;

/// The plugin.
pub fn init<R: Runtime>() -> TauriPlugin<R> {
    tauri::plugin::Builder::new("propusk").build()
}
