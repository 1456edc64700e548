//! However many callers wait for a token, the server receives one refresh.

use std::sync::Arc;

use propusk::ErrorKind;
use tokio::task::JoinSet;

use super::{EXPIRED, Home};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

#[tokio::test(flavor = "multi_thread")]
async fn refresh_is_sent_once_for_a_thousand_calls() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let client = client.clone();
        calls.spawn(async move { client.access_token().await.map(|token| token.token().clone()) });
    }
    let mut tokens = Vec::new();
    while let Some(call) = calls.join_next().await {
        tokens.push(call.expect("no panic").expect("a token"));
    }
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(tap.count(REFRESH), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_failure_is_shared_by_all_callers() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    tap.hold();
    tap.answer(REFRESH, Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { client.access_token().await.map(|_| ()) });
    }
    tap.wait_for(REFRESH).await;
    tap.release();
    while let Some(call) = calls.join_next().await {
        let outcome = call.expect("no panic");
        // A caller that came after the failure has tried again.
        if let Err(error) = outcome {
            assert_eq!(*error.kind(), ErrorKind::Network);
        }
    }
    assert!(tap.count(REFRESH) <= 2, "{}", tap.count(REFRESH));
    client.access_token().await.expect("a token");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_about_to_expire_is_returned_during_its_renewal() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let before = client.access_token().await.expect("a token").token().clone();
    home.advance(EXPIRED - 30);
    tap.hold();
    let meanwhile = client.access_token().await.expect("a token").token().clone();
    assert_eq!(before, meanwhile);
    tap.wait_for(REFRESH).await;
    tap.release();
    let mut status = client.watch();
    status.wait_for(|status| status.phase == propusk::Phase::SignedIn).await.expect("a status");
    assert_ne!(client.access_token().await.expect("a token").token(), &before);
}

#[tokio::test]
async fn busy_server_gets_no_renewals_while_the_token_is_valid() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED - 30);
    let busy = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 20\r\ncontent-length: 0\r\n\r\n";
    tap.answer(REFRESH, Some(busy));
    client.access_token().await.expect("a token that works");
    tap.wait_for(REFRESH).await;
    let mut status = client.watch();
    status.wait_for(|status| status.phase == propusk::Phase::SignedIn).await.expect("a status");
    for _ in 0..10 {
        client.access_token().await.expect("a token that works");
    }
    assert_eq!(tap.count(REFRESH), 1);
    home.advance(21);
    client.access_token().await.expect("a token that works");
    client.refresh().await.expect("a renewal");
    assert_eq!(tap.count(REFRESH), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_continues_when_its_caller_stops_waiting() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    tap.hold();
    let client = Arc::new(client);
    let waits = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.access_token().await.map(|_| ()) }
    });
    tap.wait_for(REFRESH).await;
    waits.abort();
    assert!(waits.await.expect_err("aborted").is_cancelled());
    tap.release();
    client.access_token().await.expect("a token");
    assert_eq!(tap.count(REFRESH), 1, "the refresh went on without whoever began it");
    let again = home.builder().vault(home.vault()).former_server(tap.url()).build();
    again.expect("a client").access_token().await.expect("what came of it is kept");
}
