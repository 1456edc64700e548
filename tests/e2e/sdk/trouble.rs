//! A busy or failing server: requests are reduced, and callers do not wait longer than necessary.

use std::time::Duration;

use propusk::{Client, Error, ErrorKind};
use propusk_tests::recording_proxy::RecordingProxy;
use tokio::task::JoinSet;

use super::{EMAIL, EXPIRED, Home, PASSWORD};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";
const MANY: usize = 100;
/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);

fn busy(seconds: u32) -> String {
    format!(
        "HTTP/1.1 503 Service Unavailable\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n"
    )
}

async fn refused(client: &Client) -> Error {
    client.access_token().await.map(|_| ()).expect_err("no token now")
}

/// The time after which the error asks to retry.
fn after(error: &Error) -> Duration {
    match error.kind() {
        ErrorKind::RetryLater { after } => *after,
        other => panic!("{other:?}"),
    }
}

async fn expired(home: &Home) -> (RecordingProxy, Client) {
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    (tap, client)
}

#[tokio::test]
async fn backoff_applies_to_every_caller() {
    let home = Home::start().await;
    let (tap, client) = expired(&home).await;
    tap.answer(REFRESH, Some(&busy(7)));
    assert_eq!(after(&refused(&client).await), Duration::from_secs(7));
    home.advance(3);
    for _ in 0..MANY {
        assert_eq!(after(&refused(&client).await), Duration::from_secs(4));
    }
    assert_eq!(tap.count(REFRESH), 1);
    // Then one renewal is sent, however many callers wait.
    home.advance(4);
    tap.answer(REFRESH, Some(&busy(3_600)));
    let mut calls = JoinSet::new();
    for _ in 0..MANY {
        let client = client.clone();
        calls.spawn(async move { refused(&client).await });
    }
    for error in calls.join_all().await {
        assert_eq!(
            error.kind(),
            &ErrorKind::RetryLater { after: Duration::from_secs(3_600) },
            "{error:?}"
        );
    }
    assert_eq!(tap.count(REFRESH), 2);
    assert_eq!(after(&refused(&client).await), Duration::from_secs(300), "at most five minutes");
    home.advance(300);
    client.access_token().await.expect("a token");
    assert_eq!(tap.count(REFRESH), 3);
}

#[tokio::test]
async fn backoff_does_not_affect_calls_without_a_renewal() {
    let home = Home::start().await;
    let (tap, client) = expired(&home).await;
    tap.answer(REFRESH, Some(&busy(60)));
    refused(&client).await;
    assert!(client.status().await.expect("a status").is_signed_in());
    client.sign_out().await.expect("a sign-out");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client.access_token().await.expect("a token");
}

#[tokio::test]
async fn backoff_ends_with_a_refresh_a_sign_in_or_another_network() {
    let home = Home::start().await;
    let (tap, client) = expired(&home).await;
    for way in ["refresh", "network", "sign-in"] {
        tap.answer(REFRESH, Some(&busy(60)));
        refused(&client).await;
        let mut before = tap.count(REFRESH);
        refused(&client).await;
        assert_eq!(tap.count(REFRESH), before);
        match way {
            "refresh" => client.refresh().await.expect("a renewal"),
            "network" => client.network_changed(),
            _ => {
                client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
                // The previous session is ended at the server, with tokens that are renewed for that.
                assert!(client.finish_pending_work(LIMIT).await);
                before = tap.count(REFRESH);
                let token = client.access_token().await.expect("a token");
                client.replace_access_token(&token).await.expect("a renewal of the new session");
            }
        }
        client.access_token().await.expect("a token");
        assert_eq!(tap.count(REFRESH), before + 1, "{way}");
        home.advance(EXPIRED);
    }
}

#[tokio::test]
async fn backoff_grows_while_the_server_fails() {
    backoff_grows_with("502 Bad Gateway", |kind| *kind == ErrorKind::Network).await;
}

#[tokio::test]
async fn backoff_grows_while_the_server_is_busy_without_saying_for_how_long() {
    let is_later = |kind: &ErrorKind| matches!(kind, ErrorKind::RetryLater { .. });
    backoff_grows_with("503 Service Unavailable", is_later).await;
}

/// The server answers every renewal with this status.
async fn backoff_grows_with(status: &str, is_expected: impl Fn(&ErrorKind) -> bool) {
    let home = Home::start().await;
    let (tap, client) = expired(&home).await;
    let broken = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    for _ in 0..MANY {
        tap.answer(REFRESH, Some(&broken));
    }
    for _ in 0..MANY {
        let error = refused(&client).await;
        assert!(is_expected(error.kind()), "{error:?}");
    }
    // The first one may have used an idle connection that was closed.
    assert_eq!(tap.count(REFRESH), 2);
    for _ in 0..600 {
        home.advance(1);
        refused(&client).await;
    }
    let asked = tap.count(REFRESH);
    assert!((12..30).contains(&asked), "in ten minutes: {asked}");
}

#[tokio::test]
async fn backoff_begins_anew_after_a_success() {
    let home = Home::start().await;
    let (tap, client) = expired(&home).await;
    let broken = "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
    for _ in 0..2 {
        tap.answer(REFRESH, Some(broken));
        refused(&client).await;
        // A single failure causes no pause.
        client.access_token().await.expect("a token");
        home.advance(EXPIRED);
    }
    assert_eq!(tap.count(REFRESH), 4);
}
