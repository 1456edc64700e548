//! The app's own API: a token for it, and for nobody else.

use propusk::{Client, Kind};
use propusk_tests::tap::Tap;

use super::{EMAIL, EXPIRED, Home, PASSWORD};

const ACCOUNT: &str = "GET /propusk/v1/account";
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

/// The server as it is, and once more as an API of the app's.
async fn app(home: &Home) -> (Tap, Tap, Client) {
    let (server, api) = (Tap::open(home.server.address).await, Tap::open(home.server.address).await);
    let client = Client::builder(server.url())
        .api_origin(api.url())
        .clock(home.clock.clone())
        .build()
        .expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    (server, api, client)
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

const REFUSAL: &str = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn the_token_is_attached() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let api = client.api();
    let answer = api.send(api.get(format!("{}/propusk/v1/account", tap.url()))).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    let token = client.access_token().await.expect("a token");
    let expected = format!("Bearer {}", token.token().expose());
    assert_eq!(tap.seen()[0].authorization, Some(expected));
}

#[tokio::test]
async fn nothing_is_sent_to_another_origin() {
    let home = Home::start().await;
    let (_server, _tap, client) = app(&home).await;
    let stranger = Tap::open(home.server.address).await;
    let api = client.api();
    let address = stranger.address;
    for url in [
        format!("http://{address}/propusk/v1/account"),
        format!("http://localhost:{}/propusk/v1/account", address.port()),
        format!("http://127.0.0.1@{address}/propusk/v1/account"),
    ] {
        let error = api.send(api.get(url)).await.expect_err("a refusal");
        assert_eq!(*error.kind(), Kind::Usage);
    }
    assert!(stranger.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_takes_no_token_to_another_origin() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let stranger = Tap::open(home.server.address).await;
    let api = client.api();
    tap.answer(ACCOUNT, Some(&redirect(&format!("{}/propusk/v1/account", stranger.url()))));
    let answer = api.send(api.get(format!("{}/propusk/v1/account", tap.url()))).await;
    assert_eq!(answer.expect("an answer").status(), 302, "it is not followed");
    assert!(stranger.seen().is_empty());

    tap.answer(ACCOUNT, Some(&redirect("/propusk/v1/sessions")));
    let answer = api.send(api.get(format!("{}/propusk/v1/account", tap.url()))).await;
    assert_eq!(answer.expect("an answer").status(), 200, "within an origin it is");
}

#[tokio::test]
async fn a_refused_request_is_sent_once_more_with_another_token() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let api = client.api();
    tap.answer("POST /propusk/v1/providers/complete", Some(REFUSAL));
    let request = api.post(format!("{}/propusk/v1/providers/complete", tap.url()));
    let answer = api.send(request.body("{\"code\":\"a\",\"code_verifier\":\"b\"}")).await;
    // The second time it was the server that read the body.
    assert_eq!(answer.expect("an answer").status(), 400);
    let tokens: Vec<_> = tap.seen().into_iter().map(|seen| seen.authorization).collect();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(server.count(REFRESH), 1);
}

#[tokio::test]
async fn an_api_that_always_refuses_does_not_wear_out_the_session() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let api = client.api();
    for _ in 0..10 {
        for _ in 0..2 {
            tap.answer(ACCOUNT, Some(REFUSAL));
        }
        let answer = api.send(api.get(format!("{}/propusk/v1/account", tap.url()))).await;
        assert_eq!(answer.expect("an answer").status(), 401);
    }
    assert_eq!(server.count(REFRESH), 1, "a token that was refused anew is not renewed again");
    client.profile().await.expect("still signed in");
}

#[tokio::test]
async fn an_expired_token_is_renewed_before_it_is_sent() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    home.advance(EXPIRED);
    let api = client.api();
    let answer = api.send(api.get(format!("{}/propusk/v1/account", tap.url()))).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!((server.count(REFRESH), tap.count(ACCOUNT)), (1, 1));
}

#[test]
fn an_address_that_would_show_tokens_on_the_way_is_refused() {
    for address in ["http://id.example.org", "ftp://id.example.org", "id.example.org", "",
        "https://anna:secret@id.example.org", "https://id.example.org/?a=b"] {
        let error = Client::builder(address).build().expect_err(address);
        assert_eq!(*error.kind(), Kind::Usage, "{address}");
    }
    for address in ["https://id.example.org", "http://127.0.0.1:8000", "http://[::1]:1"] {
        Client::builder(address).build().expect(address);
    }
    Client::builder("http://10.0.0.7").allow_plain_http().build().expect("on purpose");
}
