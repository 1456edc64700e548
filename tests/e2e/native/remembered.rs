//! A server remembers access tokens whose signature it has verified. Nothing that ends a token later
//! is remembered with it: each test uses a token before and after.

use propusk_tests::contract::Backdoor as _;
use propusk_tests::user;
use propusk_wire::TokenResponse;

use super::*;

/// Uses the token often enough to be remembered, through two APIs.
async fn used_token(server: &TestServer) -> TokenResponse {
    let tokens = open(server, EMAIL).await;
    for _ in 0..2 {
        assert_eq!(status(server, &tokens).await, 200);
        let me = server.client.get("/api/auth/users/me/", Some(&bearer(&tokens))).await;
        assert_eq!(me.status, 200, "{}", me.text());
    }
    tokens
}

async fn status(server: &TestServer, tokens: &TokenResponse) -> u16 {
    call(server, "GET", "account", Some(&bearer(tokens)), Value::Null).await.status.as_u16()
}

async fn server() -> TestServer {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    server
}

/// A token that the server's own secret has signed, used often enough to be remembered.
async fn used_jwt(server: &TestServer) -> String {
    let (access, _) = user::signed_in(server, EMAIL).await;
    for _ in 0..2 {
        assert_eq!(jwt_statuses(server, &access).await, [200, 200]);
    }
    access
}

/// The answers to a request with the token, and to one that verifies it.
async fn jwt_statuses(server: &TestServer, access: &str) -> [u16; 2] {
    let answers = [user::me(server, access).await, user::verify(server, access).await];
    answers.map(|answer| answer.status.as_u16())
}

#[tokio::test]
async fn remembered_token_ends_with_its_session_and_no_other() {
    let server = server().await;
    let (one, two) = (used_token(&server).await, used_token(&server).await);
    let out = call(&server, "DELETE", "sessions/current", Some(&bearer(&one)), Value::Null).await;
    assert_done(&out, 204);
    assert_eq!((status(&server, &one).await, status(&server, &two).await), (401, 200));
}

#[tokio::test]
async fn remembered_token_ends_with_all_sessions() {
    let server = server().await;
    let (one, two) = (used_token(&server).await, used_token(&server).await);
    server.auth.end_all_sessions_of_account(one.account.id).await.expect("the database answers");
    assert_eq!((status(&server, &one).await, status(&server, &two).await), (401, 401));
    assert_eq!(status(&server, &used_token(&server).await).await, 200);
}

#[tokio::test]
async fn remembered_token_is_refused_while_its_account_is_disabled_and_after_its_deletion() {
    let server = server().await;
    let tokens = used_token(&server).await;
    for (is_active, expected) in [(false, 403), (true, 200), (false, 403), (true, 200)] {
        server.set_active(EMAIL, is_active).await;
        assert_eq!(status(&server, &tokens).await, expected, "active: {is_active}");
    }
    server.delete(EMAIL).await;
    assert_eq!(status(&server, &tokens).await, 401);
}

#[tokio::test]
async fn remembered_jwt_ends_with_all_sessions_and_while_its_account_is_disabled() {
    let server = server().await;
    let account = open(&server, EMAIL).await.account.id;
    let jwt = used_jwt(&server).await;
    server.auth.end_all_sessions_of_account(account).await.expect("the database answers");
    assert_eq!(jwt_statuses(&server, &jwt).await, [401, 401]);
    let jwt = used_jwt(&server).await;
    for (is_active, expected) in [(false, 401), (true, 200), (false, 401), (true, 200)] {
        server.set_active(EMAIL, is_active).await;
        assert_eq!(jwt_statuses(&server, &jwt).await, [expected; 2], "active: {is_active}");
    }
    server.delete(EMAIL).await;
    assert_eq!(jwt_statuses(&server, &jwt).await, [401, 401]);
}

#[tokio::test]
async fn remembered_jwt_expires_in_time_by_the_clock_of_the_moment() {
    let server = TestServer::with(|config| config.dialect("djoser_jwt").access_seconds = 300).await;
    signed_up(&server, EMAIL).await;
    let jwt = used_jwt(&server).await;
    server.clock.advance(299);
    assert_eq!(jwt_statuses(&server, &jwt).await, [200, 200]);
    server.clock.advance(1);
    assert_eq!(jwt_statuses(&server, &jwt).await, [401, 401]);
    server.clock.jump(-1);
    assert_eq!(jwt_statuses(&server, &jwt).await, [200, 200]);
}

#[tokio::test]
async fn remembered_token_ends_with_its_key() {
    let server = server().await;
    let tokens = used_token(&server).await;
    server.auth.rotate_signing_key(None, true).await.expect("a new key");
    assert_eq!(status(&server, &tokens).await, 401);
    assert_eq!(status(&server, &used_token(&server).await).await, 200);
}

#[tokio::test]
async fn remembered_token_of_a_key_that_another_server_revokes_is_refused() {
    let server = server().await;
    let tokens = used_token(&server).await;
    let other = server.second_auth().await;
    other.rotate_signing_key(None, true).await.expect("a new key");
    propusk_tests::operator::soon("the key is gone", || async {
        status(&server, &tokens).await == 401
    })
    .await;
}

#[tokio::test]
async fn remembered_token_expires_in_time_by_the_clock_of_the_moment() {
    let server = server().await;
    let tokens = used_token(&server).await;
    server.clock.advance(tokens.expires_in - 1);
    assert_eq!(status(&server, &tokens).await, 200);
    server.clock.advance(1);
    assert_eq!(status(&server, &tokens).await, 401);
    server.clock.jump(-1);
    assert_eq!(status(&server, &tokens).await, 200);
}

#[tokio::test]
async fn token_like_a_remembered_one_is_verified_by_itself() {
    let server = server().await;
    let tokens = used_token(&server).await;
    let token = tokens.access_token.expose();
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let other = open(&server, EMAIL).await;
    let (_, other_signature) = other.access_token.expose().rsplit_once('.').expect("a signature");
    for forged in [
        format!("{signed}.{other_signature}"),
        format!("{signed}."),
        format!("{signed}.{signature}."),
        format!("{token}="),
    ] {
        let bearer = format!("Bearer {forged}");
        let answer = call(&server, "GET", "account", Some(&bearer), Value::Null).await;
        assert_refused(&answer, 401, "invalid_credentials");
    }
    assert_eq!(status(&server, &tokens).await, 200);
}
