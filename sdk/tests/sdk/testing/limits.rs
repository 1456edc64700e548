//! Time limits, with tokio's clock, which is paused until all tasks wait. It is paused when the
//! request waits for its answer, because threads that work meanwhile would be overtaken.

use std::time::Duration;

use propusk::testing::Answer;
use propusk::{ErrorKind, SignOut};
use tokio::time::{Instant, pause};

use super::{HOUR, REFRESH, kind, signed_in};

const SIGN_OUT: &str = "/propusk/v1/sessions/current";

#[tokio::test]
async fn sign_out_waits_five_seconds_for_the_server() {
    let (server, client) = signed_in().await;
    let held = server.hold_next("DELETE", SIGN_OUT);
    let leaving = tokio::spawn(async move { client.sign_out().await });
    held.arrived().await;
    pause();
    let began = Instant::now();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Pending);
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
}

#[tokio::test]
async fn sign_out_waits_five_seconds_for_a_running_renewal() {
    let (server, client) = signed_in().await;
    server.advance(HOUR);
    let held = server.hold_next("POST", REFRESH);
    let renewing = tokio::spawn({
        let client = client.clone();
        async move { client.access_token().await.map(drop) }
    });
    held.arrived().await;
    let mut status = client.watch();
    let leaving = tokio::spawn(async move { client.sign_out().await });
    status.wait_for(|status| !status.is_signed_in()).await.expect("a status");
    pause();
    let began = Instant::now();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Pending);
    assert!(began.elapsed() <= Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(!renewing.is_finished());
}

#[tokio::test]
async fn pending_sign_out_waits_five_seconds_for_the_server() {
    let (server, client) = signed_in().await;
    server.answer_next("DELETE", SIGN_OUT, Answer::status(502));
    assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);
    let held = server.hold_next("DELETE", SIGN_OUT);
    let finishing = tokio::spawn(async move { client.finish_pending_work(HOUR).await });
    held.arrived().await;
    pause();
    let began = Instant::now();
    assert!(!finishing.await.expect("no panic"), "the server has not answered");
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
