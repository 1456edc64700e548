//! Sessions at the fake server without a script.

use propusk::testing::FailingVault;
use propusk::{Clock, ExistingTokens, Phase, SignOutReason};

use super::{EMAIL, HOUR, PASSWORD, REFRESH, reason, rejection, server, signed_in};

#[tokio::test]
async fn sign_in_needs_the_right_password() {
    let server = server().await;
    let client = server.client();
    let wrong = client.sign_in(EMAIL, "another password").await;
    assert_eq!(rejection(wrong).code.to_string(), "invalid_credentials");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let profile = client.profile().await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some(EMAIL));
    assert_eq!(profile.email_verified, Some(true));
}

#[tokio::test]
async fn access_token_is_renewed_after_it_has_expired() {
    let (server, client) = signed_in().await;
    let first = client.access_token().await.expect("a token");
    client.profile().await.expect("a profile");
    assert_eq!(server.count("POST", REFRESH), 0);
    server.advance(HOUR);
    let next = client.access_token().await.expect("a token");
    assert_ne!(first.token(), next.token());
    assert_eq!(next.expires_at(), Some(server.clock().now() + 900));
    client.profile().await.expect("a profile");
    assert_eq!(server.count("POST", REFRESH), 1);
}

/// By the device's clock it is still valid.
#[tokio::test]
async fn access_token_that_has_expired_is_refused() {
    let server = server().await;
    let stopped = Clock::manual(server.clock().now());
    let client = server.builder().clock(stopped).build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    server.advance(HOUR);
    client.profile().await.expect("a profile");
    assert_eq!(server.count("GET", "/propusk/v1/account"), 2);
    assert_eq!(server.count("POST", REFRESH), 1);
}

#[tokio::test]
async fn access_token_is_renewed_after_a_revocation() {
    let (server, client) = signed_in().await;
    server.revoke_access_tokens();
    client.profile().await.expect("a profile");
    assert_eq!(server.count("POST", REFRESH), 1);
}

#[tokio::test]
async fn session_ends_after_sixty_days_without_use() {
    let (server, client) = signed_in().await;
    server.advance(60 * 24 * HOUR);
    assert_eq!(reason(client.profile().await), SignOutReason::Ended);
}

#[tokio::test]
async fn session_ended_elsewhere_signs_out() {
    let (server, client) = signed_in().await;
    let id = server.sessions(EMAIL).remove(0).id;
    server.end_session(&id);
    assert_eq!(reason(client.profile().await), SignOutReason::Ended);
    let phase = client.status().await.expect("a status").phase;
    assert_eq!(phase, Phase::SignedOut { reason: SignOutReason::Ended });
}

#[tokio::test]
async fn account_suspension_signs_out_and_refuses_sign_in() {
    let (server, client) = signed_in().await;
    server.suspend(EMAIL);
    assert_eq!(reason(client.profile().await), SignOutReason::AccountInactive);
    let refused = rejection(client.sign_in(EMAIL, PASSWORD).await);
    assert_eq!(refused.code.to_string(), "account_inactive");
    server.enable(EMAIL);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
}

#[tokio::test]
async fn account_deletion_signs_out() {
    let (server, client) = signed_in().await;
    server.delete_account(EMAIL);
    assert_eq!(reason(client.profile().await), SignOutReason::Ended);
}

#[tokio::test]
async fn sign_out_ends_the_session() {
    let (server, client) = signed_in().await;
    client.sign_out().await.expect("a sign-out");
    assert!(server.sessions(EMAIL).is_empty());
    assert_eq!(reason(client.access_token().await), SignOutReason::SignedOut);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let (server, client) = signed_in().await;
    let phone = server.builder().device_name("Anna's phone").build().expect("a client");
    phone.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let sessions = client.sessions().await.expect("a list");
    let other = sessions.iter().find(|session| !session.current).expect("the phone's");
    assert_eq!(other.device_name.as_deref(), Some("Anna's phone"));
    client.end_session(&other.id, None).await.expect("ended");
    assert_eq!(reason(phone.profile().await), SignOutReason::Ended);
    server.advance(HOUR);
    let refused = rejection(client.end_other_sessions(None).await);
    assert_eq!(refused.code.to_string(), "reauthentication_required");
    client.end_other_sessions(Some(PASSWORD.into())).await.expect("ended");
    client.profile().await.expect("the session that asks goes on");
}

#[tokio::test]
async fn refresh_token_reuse_ends_the_session() {
    let (server, client) = signed_in().await;
    let refresh_token = |at: usize| {
        let requests = server.requests();
        let mut refreshes = requests.iter().filter(|request| request.path() == REFRESH);
        let body: serde_json::Value = refreshes.nth(at).expect("a refresh").json().expect("JSON");
        body["refresh_token"].as_str().expect("a token").to_owned()
    };
    client.refresh().await.expect("a renewal");
    let thief = server.client();
    let copied =
        ExistingTokens { refresh: Some(refresh_token(0).into()), ..ExistingTokens::default() };
    thief.adopt(copied).await.expect("taken over");
    assert_eq!(reason(thief.access_token().await), SignOutReason::TokenReused);
    assert_eq!(reason(client.profile().await), SignOutReason::Ended);
}

#[tokio::test]
async fn clock_error_of_a_device_is_corrected() {
    let server = server().await;
    let wrong = Clock::manual(server.clock().now() - 86_400);
    let client = server.builder().clock(wrong).build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client.access_token().await.expect("a token");
    client.profile().await.expect("a profile");
    assert_eq!(server.count("POST", REFRESH), 0);
}

#[tokio::test]
async fn offline_server_does_not_sign_out() {
    let (server, client) = signed_in().await;
    server.offline();
    assert_eq!(super::kind(client.profile().await), propusk::ErrorKind::Network);
    server.advance(HOUR);
    assert_eq!(super::kind(client.access_token().await), propusk::ErrorKind::Network);
    assert!(client.status().await.expect("a status").is_signed_in());
    server.online();
    client.network_changed();
    client.profile().await.expect("a profile");
}

#[tokio::test]
async fn sign_out_without_a_network_is_pending() {
    let server = server().await;
    let device = FailingVault::new();
    let app = || server.builder().vault(device.vault()).build().expect("a client");
    let client = app();
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    server.offline();
    assert_eq!(client.sign_out().await.expect("a sign-out"), propusk::SignOut::Pending);
    drop(client);
    assert_eq!(server.sessions(EMAIL).len(), 1);
    server.online();
    let client = app();
    client.status().await.expect("a status");
    client.network_changed();
    assert!(client.finish_pending_work(HOUR).await);
    assert!(server.sessions(EMAIL).is_empty());
}
