//! The plugin's builder and its state: the client in use, which the app may exchange, and the task
//! that reports its status.

use std::sync::{Mutex, MutexGuard, PoisonError};

use propusk::Client;
use tauri::async_runtime::{self, JoinHandle};
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Emitter, Manager, RunEvent, Runtime};
use url::Url;

use crate::STATUS_EVENT;
use crate::browser::Browser;
use crate::deep_links::LinkResults;
use crate::error::CommandError;
use crate::observer::{Call, Observer};
use crate::output::Status;
use crate::provider_sign_in::PendingSignIn;
use crate::{commands, deep_links};

/// Why the client could not be built; the app then does not start.
pub type SetupError = Box<dyn std::error::Error>;

type MakeClient<R> = Box<dyn FnOnce(&AppHandle<R>) -> Result<Option<Client>, SetupError> + Send>;

/// Builds the plugin with other than the default options.
#[must_use]
pub struct Builder<R: Runtime> {
    make_client: MakeClient<R>,
    options: Options,
}

pub(crate) struct Options {
    pub browser: Browser,
    pub loopback: String,
    pub observer: Option<Observer>,
}

impl<R: Runtime> Builder<R> {
    /// With the client that the function builds when the app starts.
    pub fn new(
        client: impl FnOnce(&AppHandle<R>) -> Result<Client, SetupError> + Send + 'static,
    ) -> Self {
        Builder::of(Box::new(|app| client(app).map(Some)))
    }

    /// Without a client until [`Propusk::set_client`]: operations fail with `usage`.
    pub fn without_client() -> Self {
        Builder::of(Box::new(|_| Ok(None)))
    }

    fn of(make_client: MakeClient<R>) -> Self {
        let loopback = "http://127.0.0.1/signed-in".to_owned();
        let options = Options { browser: Browser::system(), loopback, observer: None };
        Builder { make_client, options }
    }

    /// The redirect of sign-ins at a port of this machine, `http://127.0.0.1/signed-in` by default.
    /// The client needs it too, as `ClientBuilder::redirect`.
    pub fn loopback(mut self, redirect: impl Into<String>) -> Self {
        self.options.loopback = redirect.into();
        self
    }

    /// Opens addresses in another way than with the system's browser. The error is an English
    /// sentence.
    pub fn browser(
        mut self,
        open: impl Fn(&str) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.options.browser = Browser::own(open);
        self
    }

    /// Reports every operation of the page with its result, for a log. It contains no secrets.
    pub fn observer(mut self, observe: impl Fn(Call<'_>) + Send + Sync + 'static) -> Self {
        self.options.observer = Some(Observer::new(observe));
        self
    }

    /// The plugin.
    pub fn build(self) -> TauriPlugin<R> {
        let Builder { make_client, options } = self;
        tauri::plugin::Builder::new("propusk")
            .invoke_handler(commands::handler())
            .setup(move |app, _| {
                options.browser.prepare(app)?;
                app.manage(Propusk::new(app.clone(), options));
                // A client starts its background work in the runtime.
                let runtime = async_runtime::handle();
                let _entered = runtime.inner().enter();
                let client = make_client(app)?;
                app.propusk().set_client(client);
                Ok(())
            })
            .on_event(|app, event| {
                // The other plugins are set up, whatever their order.
                if let RunEvent::Ready = event {
                    deep_links::follow(app);
                }
            })
            .build()
    }
}

/// The plugin's state: the client in use.
pub struct Propusk<R: Runtime> {
    app: AppHandle<R>,
    pub(crate) options: Options,
    in_use: Mutex<InUse>,
    pub(crate) pending: Mutex<Option<PendingSignIn>>,
    /// Links that have arrived before there was a client.
    pub(crate) early_links: Mutex<Vec<Url>>,
    pub(crate) link_results: LinkResults,
}

#[derive(Default)]
struct InUse {
    client: Option<Client>,
    reporter: Option<JoinHandle<()>>,
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
    fn new(app: AppHandle<R>, options: Options) -> Self {
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

    /// Uses another client from now on, or none. Operations of the previous one that have begun
    /// are not stopped. Its status is no longer reported.
    pub fn set_client(&self, client: Option<Client>) {
        let reporter = client.clone().map(|client| self.report(client));
        let has_client = client.is_some();
        let before = std::mem::replace(&mut *lock(&self.in_use), InUse { client, reporter });
        if let Some(reporter) = before.reporter {
            reporter.abort();
        }
        if let Some(pending) = lock(&self.pending).take() {
            pending.cancel();
        }
        if has_client {
            let early = std::mem::take(&mut *lock(&self.early_links));
            deep_links::complete_all(&self.app, early);
        } else {
            self.emit(Status::unknown());
        }
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

    fn report(&self, client: Client) -> JoinHandle<()> {
        let app = self.app.clone();
        async_runtime::spawn(async move {
            let mut changes = client.watch();
            // Reads the vault; a failure is no status.
            if let Err(error) = client.status().await {
                tracing::info!(%error, "the status is not known yet");
            }
            loop {
                let status = Status::from(changes.borrow_and_update().clone());
                app.propusk().emit(status);
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    fn emit(&self, status: Status) {
        if let Err(error) = self.app.emit(STATUS_EVENT, status) {
            tracing::warn!(%error, "a status was not reported to the page");
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
