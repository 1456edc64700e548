//! The plugin in an app without a window: what the page gets through Tauri, with the permissions of the
//! smallest app; and that the plugin's README shows this app.

mod page;
mod plugin;
mod readme;
