//! Sign-in with a provider: what the app's browser does, and who waits for the link that comes back.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use propusk::deeplink::{self, Link};
use propusk::{RedirectUri, Secret};
use tokio::sync::oneshot;

use crate::error::{CallbackError, PropuskError, Result};
use crate::session::Identity;

/// Opens the system's browser.
#[uniffi::export(with_foreign)]
pub trait Browser: Send + Sync {
    /// Opens this address, and returns without waiting for the user. Do not use a web view of the
    /// app. `CallbackError.Cancelled` ends the sign-in as cancelled.
    fn open_url(&self, url: String) -> std::result::Result<(), CallbackError>;
}

/// A sign-in that continues in a browser.
#[derive(uniffi::Object)]
pub struct BrowserSignIn(pub(crate) propusk::BrowserSignIn);

#[uniffi::export]
impl BrowserSignIn {
    /// The address to open in the system's browser; do not use a web view of the app.
    pub fn authorize_url(&self) -> String {
        self.0.authorize_url.clone()
    }

    /// The id of this sign-in, for `Client.cancel_sign_in`.
    pub fn state(&self) -> String {
        self.0.state.expose().to_owned()
    }

    /// How long the sign-in may take.
    pub fn expires_in(&self) -> Duration {
        self.0.expires_in
    }
}

/// The result of a link.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum LinkOutcome {
    /// The user is signed in.
    SignedIn,
    /// The identity is now linked to the signed-in account.
    Linked {
        /// The identity.
        identity: Identity,
    },
    /// The link was completed before; systems may deliver the same link twice.
    AlreadyCompleted,
    /// The link does not belong to a sign-in.
    Unrelated,
}

impl From<propusk::LinkOutcome> for LinkOutcome {
    fn from(outcome: propusk::LinkOutcome) -> Self {
        match outcome {
            propusk::LinkOutcome::SignedIn => LinkOutcome::SignedIn,
            propusk::LinkOutcome::Linked(identity) => {
                LinkOutcome::Linked { identity: (*identity).into() }
            }
            propusk::LinkOutcome::AlreadyCompleted => LinkOutcome::AlreadyCompleted,
            _ => LinkOutcome::Unrelated,
        }
    }
}

/// Opens the browser and waits for its link. The link may come back before the app's code has
/// returned.
pub async fn open_until<T>(
    browser: Arc<dyn Browser>,
    url: String,
    back: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::pin!(back);
    tokio::select! {
        outcome = &mut back => outcome,
        opened = open(browser, url) => {
            opened?;
            back.await
        }
    }
}

/// Opens the browser on a thread of its own, because the app's code may block.
async fn open(browser: Arc<dyn Browser>, url: String) -> Result<()> {
    match tokio::task::spawn_blocking(move || browser.open_url(url)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(CallbackError::Cancelled)) => Err(PropuskError::cancelled()),
        Ok(Err(error)) => Err(PropuskError::usage(format!("no browser was opened: {error}"))),
        Err(_) => Err(PropuskError::usage("no browser was opened: the app's code has failed")),
    }
}

/// The calls that wait for the link of a sign-in, by its state.
#[derive(Default)]
pub struct PendingLinks(Mutex<HashMap<String, oneshot::Sender<Result<LinkOutcome>>>>);

/// One call that waits; dropping it ends the wait.
pub struct PendingLink {
    links: Arc<PendingLinks>,
    state: Secret,
    result: oneshot::Receiver<Result<LinkOutcome>>,
}

impl PendingLinks {
    pub fn wait_for(self: &Arc<Self>, state: &Secret) -> PendingLink {
        let (sender, result) = oneshot::channel();
        self.calls().insert(state.expose().to_owned(), sender);
        PendingLink { links: Arc::clone(self), state: state.clone(), result }
    }

    /// Whether a call waits for the link of this sign-in.
    pub fn is_awaited(&self, state: &Secret) -> bool {
        self.calls().contains_key(state.expose())
    }

    /// Passes the result on to the call that waits for this sign-in.
    pub fn finish(&self, state: &Secret, outcome: &Result<LinkOutcome>) {
        if let Some(call) = self.calls().remove(state.expose()) {
            // The call may have been cancelled.
            let _ = call.send(outcome.clone());
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Result<LinkOutcome>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingLink {
    pub async fn result(mut self) -> Result<LinkOutcome> {
        (&mut self.result).await.unwrap_or_else(|_| Err(PropuskError::cancelled()))
    }
}

impl Drop for PendingLink {
    fn drop(&mut self) {
        self.links.calls().remove(self.state.expose());
    }
}

/// The state of the sign-in to which a link belongs.
pub fn state_of(link: &str, redirects: &[RedirectUri]) -> Option<Secret> {
    match deeplink::parse(link, redirects) {
        Link::Code { state, .. } | Link::Failed { state, .. } => Some(state),
        _ => None,
    }
}
