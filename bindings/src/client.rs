//! The client of an app: one server, one vault, and at most one signed-in account. The operations
//! are in files by subject.

mod account;
mod bound;
mod own_data;
mod provider_sign_in;
mod sessions;
mod tokens;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use propusk::RedirectUri;
use tokio::runtime::Handle;

pub use bound::BoundClient;

use crate::account::ApiOperation;
use crate::browser::PendingLinks;
use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};
use crate::listener::{SessionListener, StatusWatch};
use crate::options::ClientOptions;
use crate::runtime::{handle, run};
use crate::session::OfflineIdentity;
use crate::status::Status;
use crate::vault_state::VaultState;

/// Signs in at one server and keeps the session. Create one for each server and vault, and share
/// it.
#[derive(uniffi::Object)]
pub struct Client {
    sdk: propusk::Client,
    handle: Handle,
    /// The process that has created the client.
    process: u32,
    /// For HTTP clients of the app.
    api: propusk::Api,
    redirects: Vec<RedirectUri>,
    pending_links: Arc<PendingLinks>,
}

#[uniffi::export]
impl Client {
    /// Builds a client. It reads nothing and sends nothing. It fails with `Usage` for an invalid
    /// address, redirect, certificate or proxy.
    #[uniffi::constructor]
    pub fn new(options: ClientOptions) -> Result<Arc<Self>> {
        let redirects = options.redirects.iter().map(|redirect| RedirectUri::parse(redirect));
        let redirects = redirects.collect::<propusk::Result<Vec<_>>>()?;
        let handle = handle()?;
        let sdk = {
            let _entered = handle.enter();
            options.build()?
        };
        let api = sdk.api();
        let process = std::process::id();
        Ok(Arc::new(Client { sdk, handle, process, api, redirects, pending_links: Arc::default() }))
    }

    /// Whether the API of the server has the operation.
    pub fn supports(&self, operation: ApiOperation) -> bool {
        operation.to_sdk().is_some_and(|operation| self.sdk.supports(operation))
    }

    /// Whether a user is signed in, and which one. It reads the vault if needed and does not wait
    /// for the network. It fails with `Storage` while the vault cannot be read: the user is then
    /// not signed out.
    #[uniffi::method(default(cancellation = None))]
    pub async fn status(&self, cancellation: Option<Arc<Cancellation>>) -> Result<Status> {
        self.call(cancellation, |sdk| async move { sdk.status().await.map(Status::from) }).await
    }

    /// The status, if it is known without reading the vault; this is the case while a user is
    /// signed in. Otherwise call `status`.
    pub fn known_status(&self) -> Option<Status> {
        self.check_process().ok()?;
        let _entered = self.handle.enter();
        self.sdk.status().now_or_never()?.ok().map(Status::from)
    }

    /// Reports the status now and each change to the listener. While a watch exists, changes by
    /// other processes that share the vault are reported too.
    pub fn watch(&self, listener: Arc<dyn SessionListener>) -> Arc<StatusWatch> {
        let _entered = self.handle.enter();
        StatusWatch::start(&self.handle, self.sdk.watch(), listener)
    }

    /// Waits until all background work is done. Returns whether all of it was done within the
    /// limit. Call it before a process exits.
    #[uniffi::method(default(cancellation = None))]
    pub async fn finish_pending_work(
        &self,
        limit: Duration,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<bool> {
        self.call(cancellation, move |sdk| async move {
            Ok::<_, PropuskError>(sdk.finish_pending_work(limit).await)
        })
        .await
    }

    /// Reports that the network has changed or is available again. Whatever waits for the server is
    /// retried at once.
    pub fn network_changed(&self) {
        let _entered = self.handle.enter();
        self.sdk.network_changed();
    }

    /// The signed-in user, and whether the app may trust that without a request, if it trusts the
    /// last answer of the server for this time. It fails with `SignedOut` or `Storage`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn offline_identity(
        &self,
        trusted_for: Duration,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<OfflineIdentity> {
        let policy = propusk::OfflinePolicy::trusted_for(trusted_for);
        self.call(cancellation, move |sdk| async move {
            sdk.offline_identity(policy).await.map(OfflineIdentity::from)
        })
        .await
    }

    /// The state of the vault.
    #[uniffi::method(default(cancellation = None))]
    pub async fn vault_state(&self, cancellation: Option<Arc<Cancellation>>) -> Result<VaultState> {
        self.call(cancellation, |sdk| async move {
            Ok::<_, PropuskError>(sdk.vault_state().await.into())
        })
        .await
    }
}

impl Client {
    /// Runs the work of one call; see `runtime::run`.
    async fn call<T, E, F>(
        &self,
        cancellation: Option<Arc<Cancellation>>,
        work: impl FnOnce(propusk::Client) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Into<PropuskError> + Send + 'static,
        F: Future<Output = std::result::Result<T, E>> + Send + 'static,
    {
        self.check_process()?;
        run(&self.handle, cancellation, work(self.sdk.clone())).await
    }

    fn check_process(&self) -> Result<()> {
        check_process(self.process)
    }
}

/// Whether this process has created the client: after a `fork`, no thread would do the work.
fn check_process(process: u32) -> Result<()> {
    match process == std::process::id() {
        true => Ok(()),
        false => Err(PropuskError::usage("the client was created before a fork: create another")),
    }
}
