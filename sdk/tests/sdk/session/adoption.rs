//! Adopted tokens are on the disk when the call returns, and the vault remembers them.

use propusk::testing::{DiskState, FailingVault, FakeServer};
use propusk::{
    Adoption, Clock, ErrorKind, ExistingTokens, OfflinePolicy, SignOut, SignOutReason, Trust,
    VaultState,
};

use super::{app, record, signed_in_on};
use crate::testing::{HOUR, kind, reason, server};

/// The tokens of a new sign-in, as an app kept them before it used the SDK.
async fn kept(server: &FakeServer) -> ExistingTokens {
    let device = FailingVault::new();
    signed_in_on(server, &device).await;
    let record = record(&device).await;
    let session = &record["held"]["signed_in"];
    let text = |value: &serde_json::Value| value.as_str().expect("a token").to_owned();
    ExistingTokens::pair(text(&session["credential"]["token"]), text(&session["refresh"]))
}

#[tokio::test]
async fn adopted_tokens_are_on_the_disk_when_the_call_returns() {
    let (server, device) = (server().await, FailingVault::new());
    let tokens = kept(&server).await;
    let client = app(&server, &device);
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
    // The app deletes its old store now, and nothing can be written from here on.
    device.set_disk(DiskState::Full);
    let next = app(&server, &device);
    assert!(next.status().await.expect("a status").is_signed_in());
}

#[tokio::test]
async fn adoption_on_a_full_disk_is_an_error_and_may_be_repeated() {
    let (server, device) = (server().await, FailingVault::new());
    let tokens = kept(&server).await;
    let client = app(&server, &device);
    device.set_disk(DiskState::Full);
    let full = ErrorKind::Storage { state: VaultState::ReadOnly };
    assert_eq!(kind(client.adopt(tokens.clone()).await), full, "the app keeps its old store");
    assert!(!client.status().await.expect("a status").is_signed_in());
    device.set_disk(DiskState::Works);
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
    client.profile().await.expect("a profile");
}

#[tokio::test]
async fn adopted_tokens_are_remembered_after_another_adoption() {
    let (server, device) = (server().await, FailingVault::new());
    let both = [kept(&server).await, kept(&server).await];
    let client = app(&server, &device);
    for tokens in &both {
        let adoption = client.adopt(tokens.clone()).await.expect("an adoption");
        assert_eq!(adoption, Adoption::Adopted);
        client.sign_out().await.expect("a sign-out");
    }
    for tokens in both {
        let adoption = client.adopt(tokens).await.expect("no error");
        assert_eq!(adoption, Adoption::AlreadyAdopted);
    }
    assert_eq!(reason(client.access_token().await), SignOutReason::SignedOut);
}

#[tokio::test]
async fn adopted_tokens_are_remembered_while_the_app_runs_without_its_file() {
    let (server, device) = (server().await, FailingVault::new());
    let tokens = kept(&server).await;
    let client = app(&server, &device);
    client.adopt(tokens.clone()).await.expect("an adoption");
    client.sign_out().await.expect("a sign-out");
    device.vault().lock().await.expect("a lock").remove().await.expect("removed");
    let adoption = client.adopt(tokens).await.expect("no error");
    assert_eq!(adoption, Adoption::AlreadyAdopted);
}

#[tokio::test]
async fn adopted_tokens_may_be_adopted_again_after_everything_was_forgotten() {
    let (server, device) = (server().await, FailingVault::new());
    let tokens = kept(&server).await;
    let client = app(&server, &device);
    client.adopt(tokens.clone()).await.expect("an adoption");
    server.offline();
    client.forget_everything().await.expect("everything is forgotten");
    assert_eq!(client.sign_out().await.expect("no error"), SignOut::Confirmed, "nothing is owed");
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
}

/// The clock was an hour ahead and is corrected before the first renewal.
#[tokio::test]
async fn adopted_refresh_token_alone_gives_no_empty_access_token() {
    let (server, device) = (server().await, FailingVault::new());
    let tokens = ExistingTokens { access: None, ..kept(&server).await };
    let clock = Clock::manual(server.clock().now() + 3_600);
    let client = server.builder().clock(clock.clone()).vault(device.vault());
    let client = client.build().expect("a client");
    server.offline();
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
    assert!(client.finish_pending_work(HOUR).await);
    clock.set(server.clock().now());
    server.online();
    let token = client.access_token().await.expect("a token");
    assert!(!token.token().expose().is_empty());
}

#[tokio::test]
async fn adopted_tokens_are_trusted_offline_once_the_server_has_verified_them() {
    let (server, device) = (server().await, FailingVault::new());
    let tokens = kept(&server).await;
    let client = app(&server, &device);
    let trust = async || {
        let identity = client.offline_identity(OfflinePolicy::trusted_for(HOUR)).await;
        identity.expect("a user").trust
    };
    server.offline();
    client.adopt(tokens).await.expect("an adoption");
    assert_eq!(trust().await, Trust::MustGoOnline);
    server.online();
    client.refresh().await.expect("a renewal");
    assert_eq!(trust().await, Trust::Fresh);
}
