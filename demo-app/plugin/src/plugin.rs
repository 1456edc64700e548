//! The plugin's builder: its options, and what runs at the start of the app.

use propusk::Client;
use tauri::plugin::TauriPlugin;
use tauri::{AppHandle, Manager, RunEvent, Runtime, async_runtime};

use crate::browser::Browser;
use crate::error::SetupError;
use crate::observer::{Call, Observer};
use crate::state::{Options, Propusk, PropuskExt};
use crate::{commands, deep_links};

type MakeClient<R> = Box<dyn FnOnce(&AppHandle<R>) -> Result<Option<Client>, SetupError> + Send>;

/// Builds the plugin with other than the default options.
#[must_use]
pub struct Builder<R: Runtime> {
    make_client: MakeClient<R>,
    options: Options,
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
