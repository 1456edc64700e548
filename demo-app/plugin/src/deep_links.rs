//! Completes sign-ins with the links that the system delivers: to the running app, or to one that
//! such a link has started. Results that no call waits for are kept until the page takes them.

use propusk::Operation;
use tauri::{AppHandle, Emitter, Manager, Runtime, async_runtime};
use tauri_plugin_deep_link::{DeepLink, DeepLinkExt};
use url::Url;

use crate::LINK_EVENT;
use crate::error::CommandError;
use crate::link_results::LinkReport;
use crate::lock::lock;
use crate::output::LinkResult;
use crate::provider_sign_in;
use crate::state::PropuskExt;

/// How many links may wait for a client. Any page in a browser can send links; a sign-in needs one.
const MAX_EARLY_LINKS: usize = 8;

/// Follows the links of the deep-link plugin, if the app has it.
pub(crate) fn follow<R: Runtime>(app: &AppHandle<R>) {
    if app.try_state::<DeepLink<R>>().is_none() {
        return;
    }
    let links = app.deep_link();
    let receiver = app.clone();
    links.on_open_url(move |event| complete_all(&receiver, event.urls()));
    match links.get_current() {
        Ok(started_by) => complete_all(app, started_by.unwrap_or_default()),
        Err(error) => tracing::warn!(%error, "the link that started the app cannot be read"),
    }
}

pub(crate) fn complete_all<R: Runtime>(app: &AppHandle<R>, links: Vec<Url>) {
    if links.is_empty() {
        return;
    }
    // Held meanwhile, so that a client that comes now finds the links.
    let mut early = lock(&app.propusk().early_links);
    if app.propusk().client().is_none() {
        early.extend(links);
        let too_many = early.len().saturating_sub(MAX_EARLY_LINKS);
        early.drain(..too_many);
        return;
    }
    drop(early);
    let app = app.clone();
    async_runtime::spawn(async move {
        for link in links {
            complete_and_report(&app, link.as_str()).await;
        }
    });
}

async fn complete_and_report<R: Runtime>(app: &AppHandle<R>, link: &str) {
    let report = match complete(app, link).await {
        // A call waits for it, or it is a link of the app's own.
        None => return,
        Some(Ok(result)) => LinkReport::Done(result),
        Some(Err(error)) => LinkReport::Failed { error },
    };
    // First kept: a page that hears the event takes it.
    app.propusk().link_results.add(report.clone());
    if let Err(error) = app.emit(LINK_EVENT, report) {
        tracing::warn!(%error, "the result of a link was not reported to the page");
    }
}

/// Completes a sign-in. `None` if a call has got the result, or if the link is not of a sign-in.
async fn complete<R: Runtime>(
    app: &AppHandle<R>,
    link: &str,
) -> Option<Result<LinkResult, CommandError>> {
    let plugin = app.propusk();
    let client = plugin.client()?;
    if !client.supports(Operation::ProviderSignIn) {
        // No link of this API belongs to a sign-in.
        return None;
    }
    let result = client.complete_sign_in(link).await.map(LinkResult::from);
    let result = result.map_err(CommandError::from);
    if result.as_ref().is_ok_and(|result| result.outcome == "unrelated") {
        return None;
    }
    if let Some(observer) = &plugin.options.observer {
        observer.report("deep_link", &result);
    }
    provider_sign_in::pass_on(app, link, result)
}
