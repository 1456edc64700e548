//! Reports events to the page, once there is an app.

use std::sync::OnceLock;

use serde::Serialize;
use tauri::{AppHandle, Emitter, Wry};

/// The way to the page.
#[derive(Default)]
pub struct Reporter(OnceLock<AppHandle<Wry>>);

impl Reporter {
    pub fn connect(&self, app: &AppHandle<Wry>) {
        // The first app stays: there is only one.
        let _ = self.0.set(app.clone());
    }

    pub fn emit(&self, event: &str, payload: impl Serialize + Clone) {
        let Some(app) = self.0.get() else { return };
        if let Err(error) = app.emit(event, payload) {
            tracing::warn!(%error, event, "the page was not informed");
        }
    }
}
