//! Sign-in with a provider, in a browser that the test controls.

use std::time::Duration;

use propusk::testing::{FailingVault, FakeBrowser, FakeServer};
use propusk::{Client, ErrorKind, LinkOutcome};

use super::{EMAIL, kind, rejection, server};

const REDIRECT: &str = "com.example.app:/signed-in";
const LOOPBACK: &str = "http://127.0.0.1/signed-in";
const BORIS: &str = "boris@example.org";

fn app(server: &FakeServer) -> Client {
    server.builder().redirect(REDIRECT).redirect(LOOPBACK).build().expect("a client")
}

/// The link that returns from a sign-in that the app starts.
async fn link(app: &Client, browser: &FakeBrowser) -> String {
    let begun = app.begin_sign_in("google").await.expect("a sign-in begins");
    let link = browser.open(&begun.authorize_url).await.expect("a page");
    link.expect("the browser comes back")
}

#[tokio::test]
async fn approval_signs_in() {
    let server = server().await;
    let app = app(&server);
    let providers = app.providers().await.expect("a list");
    assert!(providers.iter().any(|provider| provider.name == "google"));
    let link = link(&app, &FakeBrowser::approves(BORIS)).await;
    assert!(link.starts_with(REDIRECT), "{link}");
    assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
    assert_eq!(app.complete_sign_in(&link).await.expect("known"), LinkOutcome::AlreadyCompleted);
    let profile = app.profile().await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some(BORIS));
    assert_eq!(profile.has_password, Some(false));
    assert_eq!(app.identities().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn link_completes_the_sign_in_of_a_restarted_app() {
    let (server, device) = (server().await, FailingVault::new());
    let app = || {
        let builder = server.builder().redirect(REDIRECT).vault(device.vault());
        builder.build().expect("a client")
    };
    let link = link(&app(), &FakeBrowser::approves(BORIS)).await;
    assert_eq!(app().complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
}

#[tokio::test]
async fn denial_is_reported_as_cancelled() {
    let server = server().await;
    let app = app(&server);
    let link = link(&app, &FakeBrowser::denies()).await;
    assert_eq!(kind(app.complete_sign_in(&link).await), ErrorKind::Cancelled);
}

#[tokio::test]
async fn provider_failure_is_reported() {
    let server = server().await;
    let app = app(&server);
    let link = link(&app, &FakeBrowser::fails("provider_unavailable")).await;
    let refused = rejection(app.complete_sign_in(&link).await);
    assert_eq!(refused.code.to_string(), "provider_unavailable");
}

#[tokio::test]
async fn closed_browser_returns_no_link() {
    let server = server().await;
    let app = app(&server);
    let begun = app.begin_sign_in("google").await.expect("a sign-in begins");
    let nothing = FakeBrowser::leaves().open(&begun.authorize_url).await.expect("no error");
    assert_eq!(nothing, None);
    app.cancel_sign_in(&begun.state).await.expect("cancelled");
}

#[tokio::test]
async fn account_with_a_password_is_not_opened_by_a_provider() {
    let server = server().await;
    let app = app(&server);
    let link = link(&app, &FakeBrowser::approves(EMAIL)).await;
    let refused = rejection(app.complete_sign_in(&link).await);
    assert_eq!(refused.code.to_string(), "account_in_use");
}

#[tokio::test]
async fn identity_is_linked_and_opens_the_account() {
    let server = server().await;
    let app = app(&server);
    app.sign_in(EMAIL, super::PASSWORD).await.expect("a sign-in");
    let begun = app.begin_link("vk", None, None).await.expect("a sign-in begins");
    let browser = FakeBrowser::approves(EMAIL);
    let link = browser.open(&begun.authorize_url).await.expect("a page").expect("a link");
    let linked = app.complete_sign_in(&link).await.expect("linked");
    let LinkOutcome::Linked(identity) = linked else { panic!("{linked:?}") };
    app.unlink("vk", &identity.subject, None).await.expect("unlinked");
    assert!(app.identities().await.expect("a list").is_empty());
}

#[tokio::test]
async fn browser_that_returns_late_is_refused() {
    let server = server().await;
    let app = app(&server);
    let link = link(&app, &FakeBrowser::approves(BORIS)).await;
    server.advance(Duration::from_secs(61));
    let refused = rejection(app.complete_sign_in(&link).await);
    assert_eq!(refused.code.to_string(), "sign_in_unknown");
    let begun = app.begin_sign_in("google").await.expect("a sign-in begins");
    server.advance(Duration::from_secs(601));
    let late = FakeBrowser::approves(BORIS).open(&begun.authorize_url).await;
    assert_eq!(kind(late), ErrorKind::Usage);
}

#[tokio::test]
async fn browser_opens_only_pages_of_the_fake_server() {
    let server = server().await;
    let browser = FakeBrowser::approves(BORIS);
    for address in ["", "https://id.example.org/authorize", server.url()] {
        assert_eq!(kind(browser.open(address).await), ErrorKind::Usage, "{address}");
    }
    let begun = app(&server).begin_sign_in("google").await.expect("a sign-in begins");
    server.offline();
    assert_eq!(kind(browser.open(&begun.authorize_url).await), ErrorKind::Network);
}

#[cfg(feature = "loopback")]
#[tokio::test]
async fn browser_visits_the_loopback_port() {
    use propusk::{Loopback, RedirectUri};
    let server = server().await;
    let app = app(&server);
    let loopback = Loopback::bind(&RedirectUri::parse(LOOPBACK).expect("a redirect")).await;
    let loopback = loopback.expect("a port");
    let begun = app.begin_sign_in_at("google", loopback.redirect()).await.expect("begun");
    // The browser opens the port before the app waits there.
    let opened = FakeBrowser::approves(BORIS).open(&begun.authorize_url).await.expect("a page");
    let link = loopback.wait(&begun.state, Duration::from_secs(60)).await.expect("a link");
    assert_eq!(opened.as_ref(), Some(&link));
    assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
}
