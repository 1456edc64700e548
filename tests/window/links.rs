//! Sign-in with a provider in the system's browser, by the app's deep link and at a port of this
//! machine, with a server outside of the app: the app that waits for the link may have ended meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use propusk::{Client, Vault};
use propusk_server::clock::Clock;
use propusk_stand_in::StandIn;
use propusk_tests::desktop::Desktop;
use propusk_tests::provider_pages;
use propusk_tests::recording_proxy::RecordingProxy;
use propusk_tests::server::TestServer;
use propusk_tests::webdriver::PATIENCE;
use tokio::time::{interval, timeout};

use crate::page::Page;

const REDIRECTS: [&str; 2] = ["propusk-demo://signed-in", "http://127.0.0.1/signed-in"];
const COMPLETE: &str = "POST /propusk/v1/providers/complete";

/// A server with providers, behind a proxy.
struct Outside {
    _server: TestServer,
    _providers: StandIn,
    proxy: RecordingProxy,
}

impl Outside {
    async fn start() -> Self {
        let (server, providers) = TestServer::with_providers(|config| {
            config.redirects.allowed = REDIRECTS.map(str::to_owned).to_vec();
        })
        .await;
        server.clock.advance(Clock::system().now() - server.clock.now());
        let proxy = RecordingProxy::open(server.address).await;
        Outside { _server: server, _providers: providers, proxy }
    }
}

/// Starts a sign-in, and passes the pages in the browser: the link that returns.
async fn link_after_browser(desktop: &Desktop, page: &Page, way: &str) -> String {
    page.choose("provider_sign_in").await;
    page.press(&format!("provider-google-{way}")).await;
    provider_pages::pass(&desktop.opened().await).await.expect("the pages of a sign-in")
}

#[tokio::test]
async fn link_returns_to_the_running_app() {
    let (desktop, outside) = (Desktop::start().await, Outside::start().await);
    let page = Page::at_server(&desktop, &outside.proxy.url()).await;
    desktop.links_are_known().await;
    let link = link_after_browser(&desktop, &page, "deep_link").await;
    assert!(link.starts_with("propusk-demo://signed-in?"), "another link");
    desktop.open_link(&link).await;
    assert_eq!(page.outcome().await, "ok");
    page.has_phase("signed_in").await;
    page.succeed("sign_out", &[]).await;
    page.has_phase("signed_out").await;
    // At a port of this machine, the browser itself brings the link.
    link_after_browser(&desktop, &page, "loopback").await;
    assert_eq!(page.outcome().await, "ok");
    page.has_phase("signed_in").await;
    // A server that is not in the app ends the session by its API.
    page.press("tab-trouble").await;
    page.press("trouble-end_session").await;
    page.wait_until("document.querySelector('[data-text=\"trouble.end_session.on.done\"]')").await;
    page.press("trouble-end_session-try").await;
    page.has_phase("signed_out").await;
}

#[tokio::test]
async fn link_starts_an_app_that_has_ended() {
    let (desktop, outside) = (Desktop::start().await, Outside::start().await);
    let page = Page::at_server(&desktop, &outside.proxy.url()).await;
    desktop.links_are_known().await;
    let link = link_after_browser(&desktop, &page, "deep_link").await;
    page.close(&desktop).await;
    // As the system starts it.
    let page = Page::open(&desktop, &[&link]).await;
    page.has_phase("signed_in").await;
    // The page says so, though it may not have listened yet.
    page.has_result("done.link.signed_in").await;
    // A narrow window shows it too, instead of the list of operations.
    page.resize(360, 740).await;
    page.wait_until("document.querySelector('#result').getClientRects().length > 0").await;
    page.resize(1180, 800).await;
    page.succeed("sign_out", &[]).await;
    page.has_phase("signed_out").await;

    let link = link_after_browser(&desktop, &page, "deep_link").await;
    page.close(&desktop).await;
    // By the system itself, without a driver.
    outside.proxy.hold_answers_to(COMPLETE);
    desktop.open_link(&link).await;
    until(|| outside.proxy.count(COMPLETE) == 2).await;
    let vault = vault_in(&desktop.data());
    let before = written_at(&vault);
    outside.proxy.release_answers();
    until(|| written_at(&vault) != before).await;
    desktop.end_app().await;
    let page = Page::open(&desktop, &[]).await;
    page.has_phase("signed_in").await;
}

#[tokio::test]
async fn link_that_comes_while_the_app_ends_starts_it_again() {
    let (desktop, outside) = (Desktop::start().await, Outside::start().await);
    let page = Page::at_server(&desktop, &outside.proxy.url()).await;
    desktop.links_are_known().await;
    let link = link_after_browser(&desktop, &page, "deep_link").await;
    // The next start finds it, and waits for its answer.
    let ending = desktop.freeze_app().await;
    let mut calls = desktop.follow_calls("ExecuteCallback").await;
    desktop.open_link(&link).await;
    calls.wait_for("member=ExecuteCallback").await;
    assert_eq!(outside.proxy.count(COMPLETE), 0);
    ending.end().await;
    until(|| outside.proxy.count(COMPLETE) == 1).await;
    desktop.end_app().await;
}

/// A page could open such a link, so that what the user enters would be in the account of its author.
#[tokio::test]
async fn link_of_another_persons_sign_in_is_refused() {
    let (desktop, outside) = (Desktop::start().await, Outside::start().await);
    let page = Page::at_server(&desktop, &outside.proxy.url()).await;
    desktop.links_are_known().await;
    let other = Client::builder(outside.proxy.url()).redirect(REDIRECTS[0]).vault(Vault::memory());
    let begun = other.build().expect("a client").begin_sign_in("google").await.expect("begun");
    let link = provider_pages::pass(&begun.authorize_url).await.expect("the pages of a sign-in");

    desktop.open_link(&link).await;
    is_refused(&page).await;
    page.has_phase("signed_out").await;
    // Also while the app waits for a link of its own.
    let own = link_after_browser(&desktop, &page, "deep_link").await;
    desktop.open_link(&link).await;
    is_refused(&page).await;
    page.has_phase("signed_out").await;
    assert_eq!(outside.proxy.count(COMPLETE), 0);
    desktop.open_link(&own).await;
    page.has_result("done.link.signed_in").await;
    page.has_phase("signed_in").await;
}

/// Waits until the page says that it does not know the sign-in.
async fn is_refused(page: &Page) {
    assert_eq!(page.outcome().await, "rejected");
    page.wait_until("document.querySelector('#result [data-text=\"rejection.sign_in_unknown\"]')")
        .await;
}

/// The only vault of the app.
fn vault_in(folder: &Path) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
            let path = entry.path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "vault" => return path,
                _ => {}
            }
        }
    }
    panic!("no vault below {}", folder.display());
}

fn written_at(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|about| about.modified()).expect("the time of a file")
}

async fn until(is_so: impl Fn() -> bool) {
    let mut looks = interval(Duration::from_millis(20));
    let waited = timeout(PATIENCE, async {
        while !is_so() {
            looks.tick().await;
        }
    });
    waited.await.expect("it happens");
}
