//! Opens an address in the system's browser. A web view would show the provider's page to the app.

use std::sync::Arc;

use tauri::{AppHandle, Runtime};

use crate::error::{CommandError, SetupError};

type Open = dyn Fn(&str) -> Result<(), String> + Send + Sync;

/// The way to open an address.
#[derive(Clone)]
pub(crate) struct Browser(Option<Arc<Open>>);

impl Browser {
    pub fn system() -> Self {
        Browser(None)
    }

    pub fn own(open: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Browser(Some(Arc::new(open)))
    }

    /// On phones the system's browser is reached through the opener plugin.
    #[cfg(mobile)]
    pub fn prepare<R: Runtime>(&self, app: &AppHandle<R>) -> Result<(), SetupError> {
        let opener = tauri_plugin_opener::Builder::new().open_js_links_on_click(false).build();
        Ok(app.plugin(opener)?)
    }

    #[cfg(desktop)]
    pub fn prepare<R: Runtime>(&self, _: &AppHandle<R>) -> Result<(), SetupError> {
        Ok(())
    }

    /// Opens an address, and returns without waiting for the user.
    pub async fn open<R: Runtime>(
        &self,
        app: &AppHandle<R>,
        url: String,
    ) -> Result<(), CommandError> {
        let (own, app) = (self.0.clone(), app.clone());
        let opening = tauri::async_runtime::spawn_blocking(move || match own {
            Some(open) => open(&url),
            None => open_with_system(&app, &url),
        });
        let opened = opening.await.unwrap_or_else(|error| Err(error.to_string()));
        opened.map_err(|why| CommandError::usage(format!("no browser was opened: {why}")))
    }
}

#[cfg(desktop)]
fn open_with_system<R: Runtime>(_: &AppHandle<R>, url: &str) -> Result<(), String> {
    tauri_plugin_opener::open_url(url, None::<&str>).map_err(|error| error.to_string())
}

#[cfg(mobile)]
fn open_with_system<R: Runtime>(app: &AppHandle<R>, url: &str) -> Result<(), String> {
    use tauri_plugin_opener::OpenerExt;
    app.opener().open_url(url, None::<&str>).map_err(|error| error.to_string())
}
