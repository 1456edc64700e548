//! Sign-in with a provider: in one call, or in steps.

use std::sync::Arc;
use std::time::Duration;

use propusk::{RedirectUri, Secret};

use super::Client;
use crate::browser::{self, Browser, BrowserSignIn, LinkOutcome, PendingLinks};
use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};
use crate::runtime::stopped;
use crate::session::Provider;

#[uniffi::export]
impl Client {
    /// The providers of the server.
    #[uniffi::method(default(cancellation = None))]
    pub async fn providers(
        &self,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Vec<Provider>> {
        self.call(cancellation, |sdk| async move {
            sdk.providers().await.map(|found| found.into_iter().map(Provider::from).collect())
        })
        .await
    }

    /// Signs in with a provider in one call: opens the browser, and waits for the link that comes
    /// back. With a loopback redirect this listens on a port of this machine. With another one it
    /// waits until the app passes the link to `complete_sign_in`; both calls get the result. If the
    /// app is stopped meanwhile, `complete_sign_in` alone completes the sign-in.
    ///
    /// It fails with `Cancelled` after the limit.
    #[uniffi::method(default(cancellation = None))]
    pub async fn sign_in_with_provider(
        &self,
        provider: String,
        browser: Arc<dyn Browser>,
        limit: Duration,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<LinkOutcome> {
        self.in_browser(Purpose::SignIn, provider, browser, limit, cancellation).await
    }

    /// Links another identity to the signed-in account in one call, as `sign_in_with_provider`. The
    /// current password may be absent within five minutes after a sign-in.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn link_with_provider(
        &self,
        provider: String,
        browser: Arc<dyn Browser>,
        limit: Duration,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<LinkOutcome> {
        let purpose = Purpose::Link(current_password.map(Secret::from));
        self.in_browser(purpose, provider, browser, limit, cancellation).await
    }

    /// Starts a sign-in that returns to the client's first redirect. Open its `authorize_url` in
    /// the system's browser, and pass the returned link to `complete_sign_in`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn begin_sign_in(
        &self,
        provider: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<BrowserSignIn>> {
        self.call(cancellation, move |sdk| async move {
            sdk.begin_sign_in(&provider).await.map(|begun| Arc::new(BrowserSignIn(begun)))
        })
        .await
    }

    /// Starts linking another identity to the signed-in account.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn begin_link(
        &self,
        provider: String,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<BrowserSignIn>> {
        let current = current_password.map(Secret::from);
        self.call(cancellation, move |sdk| async move {
            sdk.begin_link(&provider, None, current)
                .await
                .map(|begun| Arc::new(BrowserSignIn(begun)))
        })
        .await
    }

    /// Completes a sign-in with a link that the system has delivered, at the start or while the app
    /// runs. A link that does not belong to a sign-in causes no request.
    #[uniffi::method(default(cancellation = None))]
    pub async fn complete_sign_in(
        &self,
        link: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<LinkOutcome> {
        let state = browser::state_of(&link, &self.redirects);
        let links = Arc::clone(&self.pending_links);
        let sdk = self.sdk.clone();
        let is_awaited = state.as_ref().is_some_and(|state| links.is_awaited(state));
        let completion = async move {
            let outcome = completed(&sdk, &link).await;
            if let Some(state) = state {
                links.finish(&state, &outcome);
            }
            outcome
        };
        if !is_awaited {
            return self.call(cancellation, move |_| completion).await;
        }
        self.check_process()?;
        // Not dropped with this call: another one waits for the result.
        let completion = self.handle.spawn(completion);
        self.call(cancellation, move |_| async move { completion.await.map_err(stopped)? }).await
    }

    /// Cancels a sign-in whose browser the user has closed. A call that waits for it ends with
    /// `Cancelled`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn cancel_sign_in(
        &self,
        state: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let state = Secret::from(state);
        self.pending_links.finish(&state, &Err(PropuskError::cancelled()));
        self.call(cancellation, move |sdk| async move { sdk.cancel_sign_in(&state).await }).await
    }
}

/// What the browser is opened for.
enum Purpose {
    SignIn,
    /// With the current password.
    Link(Option<Secret>),
}

impl Client {
    async fn in_browser(
        &self,
        purpose: Purpose,
        provider: String,
        browser: Arc<dyn Browser>,
        limit: Duration,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<LinkOutcome> {
        let Some(redirect) = self.redirects.first().cloned() else {
            return Err(PropuskError::usage("the client has no redirect"));
        };
        let links = Arc::clone(&self.pending_links);
        self.call(cancellation, move |sdk| async move {
            match redirect.is_loopback() {
                true => at_loopback(&sdk, purpose, &provider, browser, &redirect, limit).await,
                false => {
                    let begun = begin(&sdk, purpose, &provider, &redirect).await?;
                    by_deep_link(&links, &begun, browser, limit).await
                }
            }
        })
        .await
    }
}

async fn begin(
    sdk: &propusk::Client,
    purpose: Purpose,
    provider: &str,
    redirect: &RedirectUri,
) -> propusk::Result<propusk::BrowserSignIn> {
    match purpose {
        Purpose::SignIn => sdk.begin_sign_in_at(provider, redirect).await,
        Purpose::Link(current) => sdk.begin_link(provider, Some(redirect), current).await,
    }
}

async fn by_deep_link(
    links: &Arc<PendingLinks>,
    begun: &propusk::BrowserSignIn,
    browser: Arc<dyn Browser>,
    limit: Duration,
) -> Result<LinkOutcome> {
    let link = links.wait_for(&begun.state);
    let in_time = async {
        let late = || PropuskError::Cancelled { detail: "no link came back in time".to_owned() };
        tokio::time::timeout(limit, link.result()).await.unwrap_or_else(|_| Err(late()))
    };
    browser::open_until(browser, begun.authorize_url.clone(), in_time).await
}

#[cfg(all(feature = "desktop", not(any(target_os = "android", target_os = "ios"))))]
async fn at_loopback(
    sdk: &propusk::Client,
    purpose: Purpose,
    provider: &str,
    browser: Arc<dyn Browser>,
    redirect: &RedirectUri,
    limit: Duration,
) -> Result<LinkOutcome> {
    let loopback = propusk::Loopback::bind(redirect).await?;
    let begun = begin(sdk, purpose, provider, loopback.redirect()).await?;
    let back = async { Ok(loopback.wait(&begun.state, limit).await?) };
    let link = browser::open_until(browser, begun.authorize_url, back).await?;
    completed(sdk, &link).await
}

#[cfg(not(all(feature = "desktop", not(any(target_os = "android", target_os = "ios")))))]
async fn at_loopback(
    _: &propusk::Client,
    _: Purpose,
    _: &str,
    _: Arc<dyn Browser>,
    _: &RedirectUri,
    _: Duration,
) -> Result<LinkOutcome> {
    Err(PropuskError::usage("a phone cannot sign in at a loopback redirect"))
}

async fn completed(sdk: &propusk::Client, link: &str) -> Result<LinkOutcome> {
    Ok(sdk.complete_sign_in(link).await?.into())
}
