//! What a sensitive change asks for: the current password, or a sign-in under five minutes old.

use hyper::Method;
use propusk_server::config::Limits;
use propusk_stand_in::{Provider, User};

use super::*;
use crate::providers::linking::{convert, register_app};
use crate::providers::{CHALLENGE, REDIRECT, Site};
use propusk_tests::limits::{ANY, limits};

/// A sensitive change: where it is asked for, with what, and how it is answered when it is made.
type Change = (Method, &'static str, Value, u16);

/// Every one of them, to names that are as new as the number.
fn changes(number: usize) -> [Change; 8] {
    let start = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE, "link": true});
    [
        (Method::PATCH, "account", json!({"email": format!("anna{number}@example.org")}), 200),
        (Method::PATCH, "account", json!({"phone": format!("+49170{number:07}")}), 200),
        (Method::PATCH, "account", json!({"username": format!("anna{number}")}), 200),
        (Method::POST, "account/password", json!({"new_password": NEW_PASSWORD}), 204),
        (Method::POST, "providers/google/start", start, 200),
        // There is no such identity, which is told only to who may take one away.
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

/// A session of a new account, opened some seconds ago.
async fn session_of_age(site: &Site, number: usize, seconds: i64) -> (String, String) {
    let email = format!("anna{number}.{seconds}@example.com");
    let session = signed_up(&site.server, &email).await;
    site.server.clock.advance(seconds);
    (email, session)
}

#[tokio::test]
async fn a_sign_in_of_a_moment_ago_is_proof_enough_and_an_older_one_is_none() {
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
async fn a_clock_that_steps_back_makes_no_sign_in_younger() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    server.clock.advance(-RECENT - 1);
    let body = json!({"new_password": NEW_PASSWORD});
    let answer = call(&server, "POST", "account/password", Some(&session), body).await;
    assert_refused(&answer, 403, "reauthentication_required");
}

#[tokio::test]
async fn the_current_password_is_proof_however_old_the_sign_in_is_and_a_wrong_one_is_none() {
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
async fn a_refreshed_session_is_as_old_as_its_sign_in() {
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
async fn a_credential_of_an_application_is_never_enough_not_even_with_the_password() {
    let site = Site::start().await;
    register_app(&site.server).await;
    // The account has a password that its owner has set by mail, so Google opens it too.
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
            assert_refused(&answer, 403, "reauthentication_required");
        }
    }
    assert_eq!(own(&site.server, &session).await, before);
    // What people read of each other opens nothing.
    let body = json!({"display_name": "Anna"});
    assert_eq!(call(&site.server, "PATCH", "account", Some(&session), body).await.status, 200);
}

#[tokio::test]
async fn nobody_changes_anything_without_a_credential() {
    let site = Site::start().await;
    for change in changes(0) {
        for session in ["", "Bearer x", "Basic YTpi"] {
            let answer = make(&site.server, session, &change, Some(PASSWORD)).await;
            assert_refused(&answer, 401, "invalid_credentials");
        }
    }
}

#[tokio::test]
async fn a_display_name_needs_no_proof() {
    let site = Site::start().await;
    let (email, session) = session_of_age(&site, 0, RECENT + 1).await;
    // Naming what the account is called already changes nothing.
    let body = json!({"display_name": "Anna", "email": email, "phone": null});
    let answer = call(&site.server, "PATCH", "account", Some(&session), body).await;
    let changed: propusk_wire::Account = read(&answer, 200);
    assert_eq!(changed.display_name.as_deref(), Some("Anna"));
}

#[tokio::test]
async fn a_stolen_access_token_is_no_way_to_guess_the_password() {
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
