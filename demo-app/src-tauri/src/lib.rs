//! The demo: every operation of Propusk in a window, what is sent for it, and the troubles of real
//! users at the press of a button. `demo.rs` is the whole; the other modules are its parts and do
//! not know it, except the commands of the page.

mod app;
mod child_process;
mod commands;
mod demo;
mod device_clock;
mod dialects;
#[cfg(all(feature = "embedded", desktop))]
mod embedded;
#[cfg(not(all(feature = "embedded", desktop)))]
#[path = "not_embedded.rs"]
mod embedded;
mod error;
pub mod gateway;
mod live_session;
mod mail;
pub mod plan;
mod report;
pub mod second_process;
mod settings;
mod start;
mod state;
mod time;
mod timeline;
mod troubles;
mod vault;

/// Runs the app until its window is closed.
///
/// # Errors
///
/// An English sentence that says why it cannot start.
pub fn run() -> Result<(), String> {
    log_to_standard_error();
    app::run()
}

/// The start on a phone.
#[cfg(mobile)]
#[tauri::mobile_entry_point]
fn run_on_phone() {
    if let Err(error) = run() {
        tracing::error!(%error, "the app could not start");
    }
}

/// `RUST_LOG` chooses what is logged.
fn log_to_standard_error() {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // It fails if the app is started twice in one process, on a phone.
    let _ = log.try_init();
}
