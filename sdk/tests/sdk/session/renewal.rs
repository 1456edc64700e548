//! What a renewal leaves in the vault, and that a token that works needs none while the server asks
//! for a pause.

use std::time::Duration;

use propusk::testing::{Answer, FailingVault};

use super::signed_in_on;
use crate::testing::{EMAIL, HOUR, PASSWORD, REFRESH, server};
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
