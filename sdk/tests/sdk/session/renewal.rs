//! What a renewal leaves in the vault, what the server's answer means, and that a token that works
//! needs no renewal while the server asks for a pause.

use std::time::Duration;

use propusk::testing::{Answer, FailingVault};
use propusk::{Dialect, ErrorKind, ExistingTokens, ProblemCode, SignOutReason};
use serde_json::json;

use super::signed_in_on;
use crate::testing::{EMAIL, HOUR, PASSWORD, REFRESH, kind, reason, server, signed_in};
use crate::vault::waiting::polled;

#[tokio::test]
async fn token_that_works_starts_no_renewal_during_a_pause() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    let before = client.access_token().await.expect("a token");
    server.advance(Duration::from_secs(870));
    server.answer_next("POST", REFRESH, Answer::status(429).header("retry-after", "20"));
    client.access_token().await.expect("a token that works");
    assert!(client.finish_pending_work(HOUR).await);
    let meanwhile = client.access_token().await.expect("a token that works");
    assert_eq!(meanwhile.token(), before.token());
    let mut finishing = Box::pin(client.finish_pending_work(HOUR));
    assert!(polled(&mut finishing).await, "no work was started");
    server.advance(Duration::from_secs(20));
    client.access_token().await.expect("a token that works");
    assert!(client.finish_pending_work(HOUR).await);
    assert_ne!(client.access_token().await.expect("a token").token(), before.token());
    assert_eq!(server.count("POST", REFRESH), 2);
}

/// On the blacklist is a token that was used before, if the server rotates refresh tokens.
#[tokio::test]
async fn blacklisted_refresh_token_of_a_rotating_server_means_a_lost_answer() {
    let server = server().await;
    let blacklisted = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    for (dialect, sign_in, refresh) in [
        (Dialect::Simplejwt, "/api/auth/login/", "/api/auth/token/refresh/"),
        (Dialect::DjoserJwt, "/api/auth/jwt/create/", "/api/auth/jwt/refresh/"),
    ] {
        for (rotated, expected) in [
            (json!({"access": "a2", "refresh": "r2"}), SignOutReason::AnswerLost),
            (json!({"access": "a2"}), SignOutReason::Ended),
        ] {
            let client = server.builder().dialect(dialect).build().expect("a client");
            let pair = json!({"access": "a1", "refresh": "r1"});
            server.answer_next("POST", sign_in, Answer::status(200).json(&pair));
            client.sign_in("anna", PASSWORD).await.expect("a sign-in");
            server.answer_next("POST", refresh, Answer::status(200).json(&rotated));
            client.refresh().await.expect("a renewal");
            server.answer_next("POST", refresh, Answer::status(401).json(&blacklisted));
            assert_eq!(reason(client.refresh().await), expected, "{dialect:?} {rotated}");
        }
    }
}

/// The app knows how its server is configured: the first renewal is no exception.
#[tokio::test]
async fn first_lost_answer_of_a_rotating_server_is_recognised_if_the_app_says_so() {
    let server = server().await;
    let blacklisted = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    // `{"token_type":"refresh"}`
    let refresh_token = "h.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.s".into();
    let adopted = ExistingTokens { refresh: Some(refresh_token), ..ExistingTokens::default() };
    for (dialect, sign_in, refresh) in [
        (Dialect::Simplejwt, "/api/auth/login/", "/api/auth/token/refresh/"),
        (Dialect::DjoserJwt, "/api/auth/jwt/create/", "/api/auth/jwt/refresh/"),
    ] {
        let builder = || server.builder().dialect(dialect).rotates_refresh_tokens();
        let signed_in = builder().build().expect("a client");
        let pair = json!({"access": "a1", "refresh": "r1"});
        server.answer_next("POST", sign_in, Answer::status(200).json(&pair));
        signed_in.sign_in("anna", PASSWORD).await.expect("a sign-in");
        let adopting = builder().build().expect("a client");
        adopting.adopt(adopted.clone()).await.expect("an adoption");
        assert!(adopting.finish_pending_work(HOUR).await);
        for client in [signed_in, adopting] {
            server.answer_next("POST", refresh, Answer::status(401).json(&blacklisted));
            let outcome = client.refresh().await;
            assert_eq!(reason(outcome), SignOutReason::AnswerLost, "{dialect:?}");
        }
    }
}

#[test]
fn rotating_server_of_an_api_that_cannot_rotate_is_a_usage_error() {
    for dialect in [Dialect::Native, Dialect::Prehashed] {
        let builder = propusk::Client::builder("https://id.example.org").dialect(dialect);
        let error = builder.rotates_refresh_tokens().build().expect_err("a mistake");
        assert_eq!(*error.kind(), ErrorKind::Usage, "{dialect:?}");
    }
}

#[tokio::test]
async fn lease_ends_with_the_renewal() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    client.refresh().await.expect("a renewal");
    let record = super::record(&device).await;
    assert_eq!(record["lease"], serde_json::Value::Null);
    assert_eq!(record["held"]["signed_in"]["generation"], 1);
}

#[tokio::test]
async fn lease_is_at_most_ten_minutes_long() {
    let (server, device) = (server().await, FailingVault::new());
    let client = server.builder().vault(device.vault()).timeout(HOUR).build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let held = server.hold_next("POST", REFRESH);
    let renewal = tokio::spawn(async move { client.refresh().await });
    held.arrived().await;
    assert_eq!(super::record(&device).await["lease"]["lives"], 601);
    held.release();
    renewal.await.expect("no panic").expect("a renewal");
}

#[tokio::test]
async fn path_of_the_server_that_refuses_new_tokens_causes_one_renewal_a_minute() {
    let (server, client) = signed_in().await;
    let refusal = Answer::problem(401, ProblemCode::InvalidCredentials);
    server.answer_always("GET", "/propusk/v1/account", refusal);
    for renewals in [1, 2] {
        for _ in 0..10 {
            assert_eq!(kind(client.profile().await), ErrorKind::Protocol);
        }
        assert_eq!(server.count("POST", REFRESH), renewals);
        server.advance(Duration::from_secs(60));
    }
    // Another path is heard.
    assert_eq!(kind(client.profile().await), ErrorKind::Protocol);
    assert_eq!(server.count("POST", REFRESH), 3);
    server.revoke_access_tokens();
    client.sessions().await.expect("a list");
    assert_eq!(server.count("POST", REFRESH), 4);
}
