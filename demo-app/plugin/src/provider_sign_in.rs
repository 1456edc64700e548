//! A sign-in with a provider in one call: opens the browser and waits for what comes back, by a
//! deep link or at a port of this machine.

use propusk::{BrowserSignIn, RedirectUri, Secret};
use tauri::{AppHandle, Runtime};
use tokio::sync::oneshot;
use tokio::time::timeout;
use url::Url;

use crate::error::CommandError;
use crate::input::Way;
use crate::lock::lock;
use crate::output::LinkResult;
use crate::pending_sign_in::PendingSignIn;
use crate::state::PropuskExt;

/// What the browser is opened for.
pub(crate) enum Purpose {
    SignIn,
    /// To link an identity, with the current password.
    Link(Option<Secret>),
}

/// Signs in, or links an identity.
pub(crate) async fn in_browser<R: Runtime>(
    app: &AppHandle<R>,
    purpose: Purpose,
    provider: &str,
    way: Way,
) -> Result<LinkResult, CommandError> {
    match way {
        Way::DeepLink => by_deep_link(app, purpose, provider).await,
        Way::Loopback => at_loopback(app, purpose, provider).await,
    }
}

/// Passes the result of a link to the call that waits for it. `None` if there is one: it may have
/// ended, such as at its time limit.
pub(crate) fn pass_on<R: Runtime>(
    app: &AppHandle<R>,
    link: &str,
    result: Result<LinkResult, CommandError>,
) -> Option<Result<LinkResult, CommandError>> {
    let state = state_of(link).unwrap_or_default();
    match lock(&app.propusk().pending).take_if(|pending| pending.is_for(&state)) {
        Some(pending) => pending.finish(result),
        None => Some(result),
    }
}

/// The state in a link; whether the link is valid, the client decides.
fn state_of(link: &str) -> Option<String> {
    let link = Url::parse(link).ok()?;
    let state = link.query_pairs().find(|(name, _)| name == "state");
    state.map(|(_, value)| value.into_owned())
}

/// Cancels the sign-in whose browser is open, if there is one.
pub(crate) async fn cancel<R: Runtime>(app: &AppHandle<R>) -> Result<(), CommandError> {
    let plugin = app.propusk();
    let Some(pending) = lock(&plugin.pending).take() else { return Ok(()) };
    let state = pending.state.clone();
    pending.cancel();
    Ok(plugin.ready_client()?.cancel_sign_in(&state).await?)
}

async fn by_deep_link<R: Runtime>(
    app: &AppHandle<R>,
    purpose: Purpose,
    provider: &str,
) -> Result<LinkResult, CommandError> {
    let begun = begin(app, purpose, provider, None).await?;
    let result = wait_for(app, &begun);
    app.propusk().options.browser.open(app, begun.authorize_url.clone()).await?;
    within(&begun, result).await
}

#[cfg(all(feature = "loopback", desktop))]
async fn at_loopback<R: Runtime>(
    app: &AppHandle<R>,
    purpose: Purpose,
    provider: &str,
) -> Result<LinkResult, CommandError> {
    let plugin = app.propusk();
    let registered = RedirectUri::parse(&plugin.options.loopback)?;
    let loopback = propusk::Loopback::bind(&registered).await?;
    let begun = begin(app, purpose, provider, Some(loopback.redirect())).await?;
    let cancelled = wait_for(app, &begun);
    plugin.options.browser.open(app, begun.authorize_url.clone()).await?;
    let link = tokio::select! {
        link = loopback.wait(&begun.state, begun.expires_in) => link?,
        result = within(&begun, cancelled) => return result,
    };
    let completed = plugin.ready_client()?.complete_sign_in(&link).await;
    lock(&plugin.pending).take_if(|pending| pending.is_for(begun.state.expose()));
    Ok(completed?.into())
}

#[cfg(not(all(feature = "loopback", desktop)))]
async fn at_loopback<R: Runtime>(
    _: &AppHandle<R>,
    _: Purpose,
    _: &str,
) -> Result<LinkResult, CommandError> {
    Err(CommandError::usage("this app cannot wait at a port of this machine"))
}

async fn begin<R: Runtime>(
    app: &AppHandle<R>,
    purpose: Purpose,
    provider: &str,
    redirect: Option<&RedirectUri>,
) -> Result<BrowserSignIn, CommandError> {
    let client = app.propusk().ready_client()?;
    Ok(match (purpose, redirect) {
        (Purpose::SignIn, None) => client.begin_sign_in(provider).await?,
        (Purpose::SignIn, Some(redirect)) => client.begin_sign_in_at(provider, redirect).await?,
        (Purpose::Link(current), redirect) => {
            client.begin_link(provider, redirect, current).await?
        }
    })
}

type Waiting = oneshot::Receiver<Result<LinkResult, CommandError>>;

fn wait_for<R: Runtime>(app: &AppHandle<R>, begun: &BrowserSignIn) -> Waiting {
    let (result, waiting) = oneshot::channel();
    let pending = PendingSignIn { state: begun.state.clone(), result };
    if let Some(earlier) = lock(&app.propusk().pending).replace(pending) {
        earlier.cancel();
    }
    waiting
}

async fn within(begun: &BrowserSignIn, waiting: Waiting) -> Result<LinkResult, CommandError> {
    match timeout(begun.expires_in, waiting).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(CommandError::cancelled("the sign-in was cancelled")),
        Err(_) => Err(CommandError::cancelled("no browser has returned in time")),
    }
}
