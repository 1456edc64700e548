//! Time limits, with tokio's clock, which is paused until all tasks wait. It is paused when the
//! request waits for its answer, because threads that work meanwhile would be overtaken.

use std::time::Duration;

use propusk::{ErrorKind, SignOut};
use tokio::time::{Instant, pause};

use super::{kind, signed_in};

#[tokio::test]
async fn sign_out_waits_five_seconds_for_the_server() {
    let (server, client) = signed_in().await;
    let held = server.hold_next("DELETE", "/propusk/v1/sessions/current");
    let leaving = tokio::spawn(async move { client.sign_out().await });
    held.arrived().await;
    pause();
    let began = Instant::now();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Pending);
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn api_may_be_silent_for_a_minute_by_default() {
    let (server, client) = signed_in().await;
    let held = server.hold_next("GET", "/orders");
    let asking = tokio::spawn(async move { client.api().get("/orders").send().await.map(drop) });
    held.arrived().await;
    pause();
    let began = Instant::now();
    assert_eq!(kind(asking.await.expect("no panic")), ErrorKind::Network);
    assert!(began.elapsed() <= Duration::from_secs(61), "{:?}", began.elapsed());
}

#[tokio::test]
async fn request_to_the_server_is_limited_to_twenty_seconds_by_default() {
    let (server, client) = signed_in().await;
    let held = server.hold_next("GET", "/propusk/v1/account");
    let asking = tokio::spawn(async move { client.profile().await.map(drop) });
    held.arrived().await;
    pause();
    let began = Instant::now();
    assert_eq!(kind(asking.await.expect("no panic")), ErrorKind::Network);
    assert!(began.elapsed() <= Duration::from_secs(21), "{:?}", began.elapsed());
}
