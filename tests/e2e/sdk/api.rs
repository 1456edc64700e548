//! The app's own API: its requests get a token, and no others.

use propusk::{Client, Dialect, ErrorKind, SignOutReason};
use propusk_tests::recording_proxy::RecordingProxy;
use tokio::task::JoinSet;

use super::{EMAIL, EXPIRED, Home, PASSWORD, reason};

const ACCOUNT: &str = "GET /propusk/v1/account";
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

/// The server, and the same server as an API of the app.
pub async fn app(home: &Home) -> (RecordingProxy, RecordingProxy, Client) {
    let (server, api) = (
        RecordingProxy::open(home.server.address).await,
        RecordingProxy::open(home.server.address).await,
    );
    let client = Client::builder(server.url())
        .api_origin(api.url())
        .clock(home.clock.clone())
        .build()
        .expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    (server, api, client)
}

fn redirect(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    )
}

pub const DONE: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
pub const REFUSAL: &str =
    "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn api_request_gets_the_token() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let api = client.api();
    let answer = api.get(format!("{}/propusk/v1/account", tap.url())).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    let token = client.access_token().await.expect("a token");
    let expected = format!("Bearer {}", token.token().expose());
    assert_eq!(tap.seen()[0].authorization, Some(expected));
}

#[tokio::test]
async fn api_request_is_not_sent_to_another_origin() {
    let home = Home::start().await;
    let (_server, _tap, client) = app(&home).await;
    let stranger = RecordingProxy::open(home.server.address).await;
    let api = client.api();
    let address = stranger.address;
    for url in [
        format!("http://{address}/propusk/v1/account"),
        format!("http://localhost:{}/propusk/v1/account", address.port()),
        format!("http://127.0.0.1@{address}/propusk/v1/account"),
    ] {
        let error = api.get(url).send().await.expect_err("a refusal");
        assert_eq!(*error.kind(), ErrorKind::Usage);
    }
    assert!(stranger.seen().is_empty());
}

#[tokio::test]
async fn api_redirect_takes_no_token_to_another_origin() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let stranger = RecordingProxy::open(home.server.address).await;
    let api = client.api();
    tap.answer(ACCOUNT, Some(&redirect(&format!("{}/propusk/v1/account", stranger.url()))));
    let answer = api.get(format!("{}/propusk/v1/account", tap.url())).send().await;
    assert_eq!(answer.expect("an answer").status(), 302, "it is not followed");
    assert!(stranger.seen().is_empty());

    tap.answer(ACCOUNT, Some(&redirect("/propusk/v1/sessions")));
    let answer = api.get(format!("{}/propusk/v1/account", tap.url())).send().await;
    assert_eq!(answer.expect("an answer").status(), 200, "within an origin it is");
}

#[tokio::test]
async fn api_request_is_sent_once_more_after_a_refusal() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let api = client.api();
    tap.answer("POST /propusk/v1/providers/complete", Some(REFUSAL));
    let request = api.post(format!("{}/propusk/v1/providers/complete", tap.url()));
    let answer = request.body("{\"code\":\"a\",\"code_verifier\":\"b\"}").send().await;
    // The second time, the server read the body.
    assert_eq!(answer.expect("an answer").status(), 400);
    let tokens: Vec<_> = tap.seen().into_iter().map(|seen| seen.authorization).collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(server.count(REFRESH), 1);
}

#[tokio::test]
async fn api_that_always_refuses_causes_few_renewals() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let api = client.api();
    for _ in 0..10 {
        for _ in 0..2 {
            tap.answer(ACCOUNT, Some(REFUSAL));
        }
        let answer = api.get(format!("{}/propusk/v1/account", tap.url())).send().await;
        assert_eq!(answer.expect("an answer").status(), 401);
    }
    assert_eq!(server.count(REFRESH), 1, "a token that was refused anew is not renewed again");
    client.profile().await.expect("still signed in");
}

/// The result of a `GET` of the API, which refuses it this many times.
async fn refused(
    tap: &RecordingProxy,
    client: &Client,
    path: &str,
    times: usize,
) -> propusk::Result<u16> {
    let what = format!("GET {}", path.split('?').next().unwrap_or_default());
    for _ in 0..times {
        tap.answer(&what, Some(REFUSAL));
    }
    let answer = client.api().get(format!("{}{path}", tap.url())).send().await?;
    Ok(answer.status().as_u16())
}

/// Requests this many orders, which the API refuses. The first ones are sent once more, with a
/// renewed token.
async fn refuse_orders(tap: &RecordingProxy, client: &Client, count: usize, renewed: usize) {
    for number in 0..count {
        let (path, times) = (format!("/orders/{number}"), if number < renewed { 2 } else { 1 });
        assert_eq!(refused(tap, client, &path, times).await.expect("an answer"), 401);
    }
}

#[tokio::test]
async fn api_endpoints_that_always_refuse_do_not_renew_in_turn() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    for path in ["/tea", "/coffee"] {
        assert_eq!(refused(&tap, &client, path, 2).await.expect("an answer"), 401);
    }
    assert_eq!(server.count(REFRESH), 2, "each may be right once");
    for query in 0..10 {
        for path in ["/tea", "/coffee"] {
            let path = format!("{path}?page={query}");
            assert_eq!(refused(&tap, &client, &path, 1).await.expect("an answer"), 401);
        }
    }
    assert_eq!(server.count(REFRESH), 2);
    home.advance(61);
    assert_eq!(refused(&tap, &client, "/tea", 2).await.expect("an answer"), 401);
    assert_eq!(server.count(REFRESH), 3, "once a minute it may be another reason");
}

#[tokio::test]
async fn api_that_refuses_all_paths_stops_causing_renewals() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    refuse_orders(&tap, &client, 100, 8).await;
    assert_eq!(server.count(REFRESH), 8);
}

#[tokio::test]
async fn api_that_has_accepted_a_token_is_heard_after_many_refusals() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let path = "/propusk/v1/account";
    assert_eq!(refused(&tap, &client, path, 0).await.expect("an answer"), 200);
    refuse_orders(&tap, &client, 100, 8).await;
    assert_eq!(server.count(REFRESH), 8, "the user may not see the orders");
    end_all(&home, &client).await;
    assert_eq!(reason(refused(&tap, &client, path, 0).await), SignOutReason::Ended);
}

#[tokio::test]
async fn api_paths_of_which_nothing_is_known_are_heard_again_after_a_minute() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    refuse_orders(&tap, &client, 20, 8).await;
    end_all(&home, &client).await;
    let path = "/propusk/v1/account";
    assert_eq!(refused(&tap, &client, path, 0).await.expect("an answer"), 401);
    home.advance(61);
    assert_eq!(reason(refused(&tap, &client, path, 0).await), SignOutReason::Ended);
}

#[tokio::test]
async fn api_that_withdraws_a_right_causes_few_renewals() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    for number in 0..40 {
        let path = format!("/orders/{number}");
        tap.answer(&format!("GET {path}"), Some(DONE));
        assert_eq!(refused(&tap, &client, &path, 0).await.expect("an answer"), 204);
    }
    refuse_orders(&tap, &client, 40, 16).await;
    assert_eq!(server.count(REFRESH), 16);
}

#[tokio::test]
async fn api_paths_that_refused_one_token_together_count_as_one_renewal() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let token = client.access_token().await.expect("a token");
    for number in 0..20 {
        let url: url::Url = format!("{}/orders/{number}", tap.url()).parse().expect("an address");
        let next = client.api().token_after_refusal(&url, &token).await.expect("an answer");
        assert!(next.is_some());
    }
    assert_eq!(server.count(REFRESH), 1);
    end_all(&home, &client).await;
    let outcome = refused(&tap, &client, "/propusk/v1/account", 0).await;
    assert_eq!(reason(outcome), SignOutReason::Ended);
}

#[tokio::test]
async fn api_endpoints_that_refuse_one_token_share_its_replacement() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    tap.hold();
    server.hold();
    let mut calls = JoinSet::new();
    for number in 0..20 {
        let path = format!("/orders/{number}");
        tap.answer(&format!("GET {path}"), Some(REFUSAL));
        tap.answer(&format!("GET {path}"), Some(DONE));
        let request = client.api().get(format!("{}{path}", tap.url()));
        calls.spawn(async move { request.send().await.map(|answer| answer.status().as_u16()) });
    }
    while tap.seen().len() < 20 {
        tokio::task::yield_now().await;
    }
    tap.release();
    server.wait_for(REFRESH).await;
    // All are refused before there is another token.
    for _ in 0..10_000 {
        tokio::task::yield_now().await;
    }
    server.release();
    for status in calls.join_all().await {
        assert_eq!(status.expect("an answer"), 204);
    }
    assert_eq!(server.count(REFRESH), 1);
}

#[tokio::test]
async fn api_refusals_are_not_remembered_longer_if_the_clock_is_set_back() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    assert_eq!(refused(&tap, &client, "/tea", 2).await.expect("an answer"), 401);
    home.clock.set(home.clock.now() - 3_600);
    assert_eq!(refused(&tap, &client, "/tea", 2).await.expect("an answer"), 401);
    assert_eq!(server.count(REFRESH), 2);
}

#[tokio::test]
async fn api_endpoints_each_detect_an_ended_session() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    assert_eq!(refused(&tap, &client, "/tea", 2).await.expect("an answer"), 401);
    end_all(&home, &client).await;
    let outcome = refused(&tap, &client, "/propusk/v1/account", 0).await;
    assert_eq!(reason(outcome), SignOutReason::Ended);
}

#[tokio::test]
async fn api_endpoint_that_has_accepted_a_token_may_renew_at_once() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let path = "/propusk/v1/account";
    assert_eq!(refused(&tap, &client, path, 1).await.expect("an answer"), 200);
    assert_eq!(server.count(REFRESH), 1);
    end_all(&home, &client).await;
    assert_eq!(reason(refused(&tap, &client, path, 0).await), SignOutReason::Ended);
}

#[tokio::test]
async fn api_refusals_do_not_affect_the_next_sign_in() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    assert_eq!(refused(&tap, &client, "/tea", 2).await.expect("an answer"), 401);
    client.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    assert_eq!(refused(&tap, &client, "/tea", 2).await.expect("an answer"), 401);
    assert_eq!(server.count(REFRESH), 2);
}

#[tokio::test]
async fn api_token_that_cannot_be_renewed_yet_is_not_retried_with_every_call() {
    let home = Home::start().await;
    let (server, tap) = (
        RecordingProxy::open(home.server.address).await,
        RecordingProxy::open(home.server.address).await,
    );
    let client = Client::builder(server.url()).dialect(Dialect::SimplejwtRotating);
    let client = client.api_origin(tap.url()).clock(home.clock.clone()).build();
    let client = client.expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    for _ in 0..10 {
        assert_eq!(refused(&tap, &client, "/tea", 1).await.expect("an answer"), 401);
    }
    assert!(server.count("POST /token/refresh") <= 2, "{}", server.count("POST /token/refresh"));
}

/// Ends the client's session from another device.
async fn end_all(home: &Home, client: &Client) {
    let other = home.memory();
    other.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    other.end_other_sessions(None).await.expect("the other one ends");
    client.status().await.expect("nothing is known of it");
}

#[tokio::test]
async fn api_token_is_renewed_before_it_expires() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    home.advance(EXPIRED);
    let api = client.api();
    let answer = api.get(format!("{}/propusk/v1/account", tap.url())).send().await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!((server.count(REFRESH), tap.count(ACCOUNT)), (1, 1));
}

#[test]
fn api_address_without_tls_is_refused() {
    for address in [
        "http://id.example.org",
        "ftp://id.example.org",
        "id.example.org",
        "",
        "https://anna:secret@id.example.org",
        "https://id.example.org/?a=b",
    ] {
        let error = Client::builder(address).build().expect_err(address);
        assert_eq!(*error.kind(), ErrorKind::Usage, "{address}");
    }
    for address in ["https://id.example.org", "http://127.0.0.1:8000", "http://[::1]:1"] {
        Client::builder(address).build().expect(address);
    }
    Client::builder("http://10.0.0.7").allow_plain_http().build().expect("on purpose");
}
