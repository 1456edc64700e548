//! Sign-ins that continue in a browser and return with a link.

use propusk::{Client, ErrorKind, LinkOutcome, Phase, RedirectUri, Secret, SignOutReason};
use propusk_server::Clock as ServerClock;
use propusk_stand_in::{Behaviour, Consent, Endpoint, Provider, User};
use tempfile::TempDir;

use super::{code, reason, vault_at};
use crate::providers::{REDIRECT, REDIRECTS, Site};

/// An app on a device, and its server with providers.
struct AppDevice {
    site: Site,
    clock: propusk::Clock,
    folder: TempDir,
}

impl AppDevice {
    async fn start() -> Self {
        let site = Site::start().await;
        let clock = propusk::Clock::manual(site.server.clock.now());
        AppDevice { site, clock, folder: tempfile::tempdir().expect("a folder") }
    }

    fn app(&self) -> Client {
        self.app_at(self.site.server.public_url.clone())
    }

    /// An app on this device with its server at this address.
    fn app_at(&self, url: String) -> Client {
        let mut builder =
            Client::builder(url).clock(self.clock.clone()).vault(vault_at(self.folder.path()));
        for redirect in REDIRECTS {
            builder = builder.redirect(redirect);
        }
        builder.build().expect("a client")
    }

    /// The link that returns from a sign-in that the app starts.
    async fn link(&self, app: &Client) -> String {
        let begun = app.begin_sign_in("google").await.expect("a sign-in begins");
        self.browse(&begun.authorize_url).await
    }

    async fn browse(&self, authorize_url: &str) -> String {
        let anna = User::new("anna");
        let callback = self.site.at_provider(&anna, Provider::Google, authorize_url).await;
        self.site.link_to_app(&callback).await
    }

    fn advance(&self, seconds: i64) {
        let server: &ServerClock = &self.site.server.clock;
        server.advance(seconds);
        self.clock.set(self.clock.now() + seconds);
    }
}

#[tokio::test]
async fn link_signs_in_a_running_app() {
    let device = AppDevice::start().await;
    let app = device.app();
    let providers = app.providers().await.expect("a list");
    assert!(providers.iter().any(|provider| provider.name == "google"));
    let link = device.link(&app).await;
    assert!(link.starts_with(REDIRECT), "{link}");
    assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
    let profile = app.profile().await.expect("a profile");
    assert_eq!(profile.email_verified, Some(true));
    assert_eq!(profile.has_password, Some(false));
}

#[tokio::test]
async fn link_signs_in_an_app_that_it_starts() {
    let device = AppDevice::start().await;
    let link = device.link(&device.app()).await;
    let app = device.app();
    assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
    assert_eq!(device.app().status().await.expect("a status").phase, Phase::SignedIn);
}

#[tokio::test]
async fn link_that_arrives_twice_is_redeemed_once() {
    let device = AppDevice::start().await;
    let app = device.app();
    let link = device.link(&app).await;
    let (one, other) = tokio::join!(app.complete_sign_in(&link), app.complete_sign_in(&link));
    let mut outcomes = [one.expect("an outcome"), other.expect("an outcome")];
    outcomes.sort_by_key(|outcome| *outcome != LinkOutcome::SignedIn);
    assert_eq!(outcomes, [LinkOutcome::SignedIn, LinkOutcome::AlreadyCompleted]);
    assert_eq!(
        device.app().complete_sign_in(&link).await.expect("known"),
        LinkOutcome::AlreadyCompleted
    );
    app.profile().await.expect("still signed in");
    assert_eq!(app.sessions().await.expect("a list").len(), 1);
}

#[tokio::test]
async fn sign_ins_that_overlap_all_complete() {
    let device = AppDevice::start().await;
    let app = device.app();
    let (first, second) = (device.link(&app).await, device.link(&app).await);
    for link in [second, first] {
        assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
    }
}

#[tokio::test]
async fn link_of_another_apps_sign_in_is_refused() {
    let device = AppDevice::start().await;
    let (app, stranger) = (device.app(), AppDevice::start().await);
    let theirs = stranger.link(&stranger.app()).await;
    let forged = format!("{REDIRECT}?code=c0de&state={}", "s".repeat(43));
    for link in [theirs.as_str(), forged.as_str()] {
        assert_eq!(code(app.complete_sign_in(link).await), "sign_in_unknown");
    }
    assert_eq!(reason(app.access_token().await), SignOutReason::NeverSignedIn);
    // The state of one sign-in with the code of another: login CSRF.
    let ours = device.link(&app).await;
    let swapped =
        format!("{}&state={}", theirs.split('&').next().unwrap_or_default(), state(&ours));
    code(app.complete_sign_in(&swapped).await);
    assert_eq!(reason(app.access_token().await), SignOutReason::NeverSignedIn);
}

fn state(link: &str) -> String {
    crate::providers::parameter(link, "state")
}

#[tokio::test]
async fn link_that_is_too_late_is_refused() {
    let device = AppDevice::start().await;
    let app = device.app();
    let link = device.link(&app).await;
    device.advance(601);
    assert_eq!(code(app.complete_sign_in(&link).await), "sign_in_expired");
    let link = device.link(&app).await;
    device.advance(61);
    // A code is valid for one minute.
    assert_eq!(code(app.complete_sign_in(&link).await), "sign_in_unknown");
}

#[tokio::test]
async fn denial_by_the_user_is_cancelled() {
    let device = AppDevice::start().await;
    let app = device.app();
    device.site.stand_in.consent(Provider::Google, Consent::Deny);
    let link = device.link(&app).await;
    let error = app.complete_sign_in(&link).await.expect_err("cancelled");
    assert_eq!(*error.kind(), ErrorKind::Cancelled);
}

#[tokio::test]
async fn provider_failure_has_its_code() {
    let device = AppDevice::start().await;
    let app = device.app();
    let broken = Behaviour::Status(500);
    device.site.stand_in.behave(Provider::Google, Endpoint::Token, broken);
    let link = device.link(&app).await;
    assert_eq!(code(app.complete_sign_in(&link).await), "provider_unavailable");
}

#[tokio::test]
async fn closed_browser_allows_a_new_sign_in() {
    let device = AppDevice::start().await;
    let app = device.app();
    let begun = app.begin_sign_in("google").await.expect("a sign-in begins");
    let link = device.browse(&begun.authorize_url).await;
    app.cancel_sign_in(&begun.state).await.expect("given up");
    let error = app.complete_sign_in(&link).await.expect_err("cancelled");
    assert_eq!(*error.kind(), ErrorKind::Cancelled);
    let link = device.link(&app).await;
    assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
}

#[tokio::test]
async fn unrelated_links_cause_no_request() {
    let device = AppDevice::start().await;
    let app = device.app();
    let garbage = "%".repeat(1 << 20);
    let link = device.link(&app).await;
    let scheme = link.replacen("com.example.app", "com.example.evil", 1);
    for foreign in [garbage.as_str(), "", "com.example.app:/settings", "evil://x", &scheme] {
        match app.complete_sign_in(foreign).await {
            Ok(outcome) => assert_eq!(outcome, LinkOutcome::Unrelated),
            Err(error) => assert!(matches!(error.kind(), ErrorKind::Rejected(_)), "{error:?}"),
        }
    }
    assert_eq!(app.complete_sign_in(&link).await.expect("a session"), LinkOutcome::SignedIn);
}

#[tokio::test]
async fn stolen_link_signs_in_no_other_app() {
    let device = AppDevice::start().await;
    let app = device.app();
    let link = device.link(&app).await;
    let code = crate::providers::parameter(&link, "code");
    let answer =
        device.site.complete(&code, "another verifier, which is as long as it must be").await;
    assert_eq!(answer.status, 400);
    // The code is spent, for its owner too.
    assert_eq!(super::code(app.complete_sign_in(&link).await), "sign_in_unknown");
}

#[tokio::test]
async fn identity_is_linked_and_unlinked() {
    let device = AppDevice::start().await;
    let app = device.app();
    let new = propusk::Registration::new("a quiet harbour at noon").username("anna");
    app.register(&new).await.expect("an account");
    app.sign_in("anna", "a quiet harbour at noon").await.expect("a sign-in");
    let begun = app.begin_link("google", None, None).await.expect("it begins");
    let link = device.browse(&begun.authorize_url).await;
    let LinkOutcome::Linked(identity) = app.complete_sign_in(&link).await.expect("linked") else {
        panic!("not linked")
    };
    let identities = app.identities().await.expect("a list");
    assert_eq!(identities, [*identity.clone()]);

    let other = device.link(&app).await;
    assert_eq!(app.complete_sign_in(&other).await.expect("a session"), LinkOutcome::SignedIn);
    assert_eq!(app.profile().await.expect("a profile").username.as_deref(), Some("anna"));
    app.unlink("google", &identity.subject, None).await.expect("unlinked");
    assert!(app.identities().await.expect("a list").is_empty());
}

#[tokio::test]
async fn identity_is_not_linked_to_the_account_of_the_next_user() {
    let device = AppDevice::start().await;
    let app = device.app();
    for name in ["anna", "boris"] {
        let new = propusk::Registration::new("a quiet harbour at noon").username(name);
        app.register(&new).await.expect("an account");
    }
    app.sign_in("anna", "a quiet harbour at noon").await.expect("a sign-in");
    let begun = app.begin_link("google", None, None).await.expect("it begins");
    let link = device.browse(&begun.authorize_url).await;
    app.sign_in("boris", "a quiet harbour at noon").await.expect("another sign-in");
    let refused = app.complete_sign_in(&link).await.expect_err("another sign-in");
    assert_eq!(*refused.kind(), ErrorKind::OtherSignIn);
    assert!(app.identities().await.expect("a list").is_empty());
}

#[tokio::test]
async fn code_is_sent_only_to_the_server_of_its_sign_in() {
    let (device, staging) = (AppDevice::start().await, super::Home::start().await);
    let begun = device.app().begin_sign_in("google").await.expect("it begins");
    let link = device.browse(&begun.authorize_url).await;
    let tap = propusk_tests::recording_proxy::RecordingProxy::open(staging.server.address).await;
    let other = device.app_at(tap.url());
    let refused = other.complete_sign_in(&link).await.expect_err("another server");
    let state = propusk::VaultState::OtherServer;
    assert_eq!(*refused.kind(), ErrorKind::Storage { state });
    assert!(tap.seen().is_empty(), "{:?}", tap.seen());
    let completed = device.app().complete_sign_in(&link).await.expect("a session");
    assert_eq!(completed, LinkOutcome::SignedIn);
}

#[tokio::test]
async fn loopback_completes_a_sign_in_on_a_desktop() {
    let device = AppDevice::start().await;
    let app = device.app();
    let registered = RedirectUri::parse("http://127.0.0.1/done").expect("a redirect");
    let loopback = propusk::Loopback::bind(&registered).await.expect("a port");
    let begun = app.begin_sign_in_at("google", loopback.redirect()).await.expect("it begins");
    let link = device.browse(&begun.authorize_url).await;
    let state: Secret = begun.state.clone();
    let waiting = tokio::spawn(async move { loopback.wait(&state, begun.expires_in).await });
    let page = crate::providers::browse(&link).await;
    assert_eq!(page.status, 200);
    let came = waiting.await.expect("no panic").expect("a link");
    assert_eq!(app.complete_sign_in(&came).await.expect("a session"), LinkOutcome::SignedIn);
}
