//! The plugin's state: the client in use, and what waits for the browser, for a client or for the
//! page.

use std::sync::Mutex;

use propusk::Client;
use tauri::async_runtime::JoinHandle;
use tauri::{AppHandle, Manager, Runtime};
use url::Url;

use crate::browser::Browser;
use crate::error::CommandError;
use crate::link_results::LinkResults;
use crate::lock::lock;
use crate::observer::Observer;
use crate::pending_sign_in::PendingSignIn;

pub(crate) struct Options {
    pub browser: Browser,
    pub loopback: String,
    pub observer: Option<Observer>,
}

/// The plugin's state: the client in use.
pub struct Propusk<R: Runtime> {
    pub(crate) app: AppHandle<R>,
    pub(crate) options: Options,
    pub(crate) in_use: Mutex<InUse>,
    pub(crate) pending: Mutex<Option<PendingSignIn>>,
    /// Links that have arrived before there was a client.
    pub(crate) early_links: Mutex<Vec<Url>>,
    pub(crate) link_results: LinkResults,
}

#[derive(Default)]
pub(crate) struct InUse {
    pub client: Option<Client>,
    /// The task that reports its status.
    pub reporter: Option<JoinHandle<()>>,
}

/// Access to the plugin's state from everything that knows the app.
pub trait PropuskExt<R: Runtime> {
    /// The plugin's state.
    ///
    /// # Panics
    ///
    /// If the plugin is not registered.
    fn propusk(&self) -> &Propusk<R>;
}

impl<R: Runtime, M: Manager<R>> PropuskExt<R> for M {
    fn propusk(&self) -> &Propusk<R> {
        self.state::<Propusk<R>>().inner()
    }
}

impl<R: Runtime> Propusk<R> {
    pub(crate) fn new(app: AppHandle<R>, options: Options) -> Self {
        Propusk {
            app,
            options,
            in_use: Mutex::default(),
            pending: Mutex::default(),
            early_links: Mutex::default(),
            link_results: LinkResults::default(),
        }
    }

    /// The client in use; `None` before there is one.
    pub fn client(&self) -> Option<Client> {
        lock(&self.in_use).client.clone()
    }

    /// Opens an address in the browser in which sign-ins are done, and returns without waiting for
    /// the user.
    ///
    /// # Errors
    ///
    /// If there is no browser.
    pub async fn open_in_browser(&self, url: impl Into<String>) -> Result<(), CommandError> {
        self.options.browser.open(&self.app, url.into()).await
    }

    /// The client, or an error for the page.
    pub(crate) fn ready_client(&self) -> Result<Client, CommandError> {
        self.client().ok_or_else(|| CommandError::usage("the app has not chosen a server yet"))
    }
}
