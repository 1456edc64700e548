//! A device whose clock is wrong or is changed.

use propusk::{Client, Clock, Phase};
use propusk_tests::recording_proxy::RecordingProxy;

use super::{EMAIL, EXPIRED, Home, PASSWORD};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

async fn with_clock(home: &Home, seconds: i64) -> (RecordingProxy, Clock, Client) {
    let tap = RecordingProxy::open(home.server.address).await;
    let clock = Clock::manual(home.server.clock.now() + seconds);
    let client = Client::builder(tap.url()).clock(clock.clone()).vault(home.vault());
    (tap, clock, client.build().expect("a client"))
}

#[tokio::test]
async fn server_clock_is_shared_by_all_processes() {
    let home = Home::start().await;
    let (tap, clock, one) = with_clock(&home, 0).await;
    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let other = Client::builder(tap.url()).clock(clock.clone()).vault(home.vault());
    let other = other.build().expect("a client");
    other.access_token().await.expect("a token");
    home.server.clock.advance(EXPIRED);
    clock.set(clock.now() + EXPIRED + 86_400);
    let renewed = one.access_token().await.expect("a token");
    let taken = other.access_token().await.expect("the same token");
    assert_eq!(renewed.token(), taken.token());
    assert_eq!(tap.count(REFRESH), 1, "by the server's clock it is fresh");
}

#[tokio::test]
async fn clock_error_of_a_day_changes_nothing() {
    for off in [-86_400, 86_400] {
        let home = Home::start().await;
        let (tap, clock, client) = with_clock(&home, off).await;
        client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        for _ in 0..5 {
            client.profile().await.expect("a profile");
        }
        assert_eq!(tap.count(REFRESH), 0, "{off}");
        for round in 1..=3 {
            home.server.clock.advance(EXPIRED);
            clock.set(clock.now() + EXPIRED);
            client.profile().await.expect("a profile");
            assert_eq!(tap.count(REFRESH), round, "{off}");
        }
        assert_eq!(client.status().await.expect("a status").phase, Phase::SignedIn);
    }
}

#[tokio::test]
async fn clock_change_costs_at_most_one_refresh() {
    for off in [-86_400, 86_400] {
        let home = Home::start().await;
        let (tap, clock, client) = with_clock(&home, 0).await;
        client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        clock.set(clock.now() + off);
        for _ in 0..5 {
            client.profile().await.expect("a profile");
        }
        assert!(tap.count(REFRESH) <= 1, "{off}");
        home.server.clock.advance(EXPIRED);
        // The device does not know that the token has expired, and the server refuses it.
        client.profile().await.expect("a profile");
    }
}

#[tokio::test]
async fn server_clock_is_stored() {
    let home = Home::start().await;
    let (before, clock, client) = with_clock(&home, 7_200).await;
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let tap = RecordingProxy::open(home.server.address).await;
    let again = Client::builder(tap.url()).former_server(before.url());
    let again = again.clock(clock).vault(home.vault()).build();
    again.expect("a client").profile().await.expect("a profile");
    assert_eq!(tap.count(REFRESH), 0, "by the device's clock it would have expired");
}

/// The token of the other process has expired as well, which the clock does not show.
#[tokio::test]
async fn token_of_another_process_is_not_trusted_after_the_clock_was_set_back() {
    let home = Home::start().await;
    let api = RecordingProxy::open(home.server.address).await;
    let client = || home.builder().api_origin(api.url()).vault(home.vault()).build();
    let (one, other) = (client().expect("a client"), client().expect("a client"));
    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let began = home.clock.now();
    home.advance(EXPIRED);
    other.access_token().await.expect("a token");
    home.server.clock.advance(EXPIRED);
    home.clock.set(began - 86_400);
    let answer = one.api().get(format!("{}/propusk/v1/account", api.url())).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!(api.count("GET /propusk/v1/account"), 2);
}

/// The process is suspended while an answer is on its way, and reads it when the tokens in it have
/// expired.
#[tokio::test]
async fn answer_that_is_read_late_gives_neither_a_wrong_clock_nor_an_expired_token() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    tap.hold_answers();
    let renewal = tokio::spawn({
        let client = client.clone();
        async move { client.profile().await }
    });
    tap.wait_for_answer(REFRESH).await;
    home.advance(EXPIRED);
    tap.release_answers();
    renewal.await.expect("no panic").expect("a profile");
    let token = client.access_token().await.expect("a token");
    let now = home.server.clock.now();
    assert_eq!(token.expires_at(), Some(now + EXPIRED - 1));
    assert_eq!(tap.count(REFRESH), 2);
    let refused = tap.count("GET /propusk/v1/account");
    assert_eq!(refused, 1, "an expired token is not sent");
}
