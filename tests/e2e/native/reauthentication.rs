//! Re-authentication for sensitive changes: the current password, or a sign-in less than five
//! minutes ago.

use hyper::Method;
use propusk_server::config::Limits;
use propusk_stand_in::{Provider, User};
use propusk_tests::limits::{ANY, limits};

use super::*;
use crate::providers::linking::{convert, register_app};
use crate::providers::{CHALLENGE, REDIRECT, Site};

/// A sensitive change: method, path, body, and the status of its success.
type Change = (Method, &'static str, Value, u16);

/// All sensitive changes, with names made from the number.
fn changes(number: usize) -> [Change; 8] {
    let start = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE, "link": true});
    [
        (Method::PATCH, "account", json!({"email": format!("anna{number}@example.org")}), 200),
        (Method::PATCH, "account", json!({"phone": format!("+49170{number:07}")}), 200),
        (Method::PATCH, "account", json!({"username": format!("anna{number}")}), 200),
        (Method::POST, "account/password", json!({"new_password": NEW_PASSWORD}), 204),
        (Method::POST, "providers/google/start", start, 200),
        // There is no such identity, which is reported only after re-authentication.
        (Method::DELETE, "account/identities/google/1", json!({}), 404),
        (Method::DELETE, "sessions", json!({}), 204),
        (Method::DELETE, "account", json!({}), 204),
    ]
}

async fn make(
    server: &TestServer,
    session: &str,
    (method, path, body, _): &Change,
    password: Option<&str>,
) -> Answer {
    let mut body = body.clone();
    if let Some(password) = password {
        body["current_password"] = json!(password);
    }
    call(server, method.as_str(), path, Some(session), body).await
}

/// A session of a new account, opened this many seconds ago.
async fn session_of_age(site: &Site, number: usize, seconds: i64) -> (String, String) {
    let email = format!("anna{number}.{seconds}@example.com");
    let session = signed_up(&site.server, &email).await;
    site.server.clock.advance(seconds);
    (email, session)
}

#[tokio::test]
async fn recent_sign_in_is_enough_and_an_older_one_is_not() {
    let site = Site::start().await;
    for (number, change) in changes(0).iter().enumerate() {
        let (_, session) = session_of_age(&site, number, RECENT).await;
        let answer = make(&site.server, &session, change, None).await;
        assert_eq!(answer.status, change.3, "{change:?}: {}", answer.text());
        let (email, session) = session_of_age(&site, number, RECENT + 1).await;
        let before = own(&site.server, &session).await;
        let answer = make(&site.server, &session, change, None).await;
        assert_refused(&answer, 403, "reauthentication_required");
        assert_eq!(own(&site.server, &session).await, before);
        assert!(sign_in(&site.server, &email, PASSWORD).await.is_some());
    }
}

#[tokio::test]
async fn clock_that_steps_back_makes_no_sign_in_recent() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    server.clock.advance(-RECENT - 1);
    let body = json!({"new_password": NEW_PASSWORD});
    let answer = call(&server, "POST", "account/password", Some(&session), body).await;
    assert_refused(&answer, 403, "reauthentication_required");
}

#[tokio::test]
async fn current_password_is_enough_whatever_the_age_of_the_sign_in() {
    let site = Site::start().await;
    for (number, (seconds, wrong)) in
        [(0, "wrong"), (RECENT + 1, ""), (RECENT + 1, NEW_PASSWORD)].into_iter().enumerate()
    {
        for (place, change) in changes(number).iter().enumerate() {
            let (email, session) = session_of_age(&site, 10 * number + place, seconds).await;
            let before = own(&site.server, &session).await;
            let answer = make(&site.server, &session, change, Some(wrong)).await;
            assert_refused(&answer, 403, "wrong_password");
            assert_eq!(own(&site.server, &session).await, before);
            assert!(sign_in(&site.server, &email, PASSWORD).await.is_some());
            let answer = make(&site.server, &session, change, Some(PASSWORD)).await;
            assert_eq!(answer.status, change.3, "{change:?}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn refreshed_session_is_as_old_as_its_sign_in() {
    let site = Site::start().await;
    signed_up(&site.server, EMAIL).await;
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let opened = post(&site.server, "sessions", body).await;
    site.server.clock.advance(RECENT + 1);
    let body = json!({"refresh_token": opened.field("refresh_token")});
    let renewed = post(&site.server, "sessions/refresh", body).await;
    let session = format!("Bearer {}", renewed.field("access_token"));
    for change in changes(0) {
        let answer = make(&site.server, &session, &change, None).await;
        assert_refused(&answer, 403, "reauthentication_required");
    }
}

#[tokio::test]
async fn application_credential_is_never_enough_even_with_the_password() {
    let site = Site::start().await;
    register_app(&site.server).await;
    // The owner has set the password by mail, so Google opens the account too.
    let user = User::new("anna");
    signed_up(&site.server, EMAIL).await;
    post(&site.server, "password/reset", json!({"email": EMAIL})).await;
    let link = site.server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": PASSWORD});
    assert_done(&post(&site.server, "password/reset/confirm", body).await, 204);
    let converted = convert(&site, &user, Provider::Google).await;
    let session = format!("Bearer {}", converted.field("access_token"));
    let before = own(&site.server, &session).await;
    assert_eq!(before.email.as_deref(), Some(EMAIL));
    for change in changes(0) {
        for password in [None, Some(PASSWORD), Some("wrong")] {
            let answer = make(&site.server, &session, &change, password).await;
            assert_refused(&answer, 403, "access_denied");
        }
    }
    assert_eq!(own(&site.server, &session).await, before);
    // The display name is public and cannot be used to sign in.
    let body = json!({"display_name": "Anna"});
    assert_eq!(call(&site.server, "PATCH", "account", Some(&session), body).await.status, 200);
}

#[tokio::test]
async fn change_without_a_credential_is_refused() {
    let site = Site::start().await;
    for change in changes(0) {
        for session in ["", "Bearer x", "Basic YTpi"] {
            let answer = make(&site.server, session, &change, Some(PASSWORD)).await;
            assert_refused(&answer, 401, "invalid_credentials");
        }
    }
}

#[tokio::test]
async fn display_name_needs_no_reauthentication() {
    let site = Site::start().await;
    let (email, session) = session_of_age(&site, 0, RECENT + 1).await;
    // A change to the values that the account already has is no change.
    let body = json!({"display_name": "Anna", "email": email, "phone": null});
    let answer = call(&site.server, "PATCH", "account", Some(&session), body).await;
    let changed: propusk_wire::Account = read(&answer, 200);
    assert_eq!(changed.display_name.as_deref(), Some("Anna"));
}

#[tokio::test]
async fn guesses_of_the_password_with_a_stolen_access_token_are_limited() {
    for (number, change) in changes(0).iter().enumerate() {
        let few = Limits { per_account_and_address: 3, ..limits(ANY, ANY, ANY) };
        let site = Site::with(|config| config.limits = few).await;
        let (_, session) = session_of_age(&site, number, 0).await;
        for status in [403, 403, 403, 429] {
            let answer = make(&site.server, &session, change, Some("wrong")).await;
            assert_eq!(answer.status, status, "{change:?}: {}", answer.text());
        }
        let answer = make(&site.server, &session, change, Some(PASSWORD)).await;
        assert_refused(&answer, 429, "rate_limited");
        assert_eq!(answer.header("Retry-After").as_deref(), Some("600"));
    }
}
