//! The parts of a request to the app's own API, requests that cannot be sent twice, and tokens for
//! other clients.

use std::collections::HashMap;

use propusk::reqwest::Method;
use propusk::reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use propusk::reqwest::multipart::Form;
use propusk::{Api, ApiRequest, ErrorKind};
use propusk_tests::recording_proxy::{RecordingProxy, Seen};
use tokio::task::JoinSet;

use super::api::{DONE, REFUSAL, app};
use super::{EMAIL, EXPIRED, Home, PASSWORD};

const ORDERS: &str = "POST /orders";
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

/// The result of a request to `POST /orders` of the API.
async fn sent(
    tap: &RecordingProxy,
    api: &Api,
    made: impl FnOnce(ApiRequest) -> ApiRequest,
) -> Seen {
    tap.forget();
    tap.answer(ORDERS, Some(DONE));
    let answer = made(api.post(format!("{}/orders?a=1", tap.url()))).send().await;
    assert_eq!(answer.expect("an answer").status(), 204);
    tap.seen().remove(0)
}

#[tokio::test]
async fn api_request_has_the_given_parts() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let api = client.api();
    let token = client.access_token().await.expect("a token");
    let expected = format!("Bearer {}", token.token().expose());

    let tea = HashMap::from([("tea", "green & black")]);
    let seen = sent(&tap, &api, |request| request.query(&[("page", "2")]).json(&tea)).await;
    assert!(seen.text.starts_with("POST /orders?a=1&page=2 "), "{}", seen.text);
    assert!(seen.text.contains("content-type: application/json\r\n"), "{}", seen.text);
    assert!(seen.text.ends_with("\r\n\r\n{\"tea\":\"green & black\"}"), "{}", seen.text);
    assert_eq!(seen.authorization.as_ref(), Some(&expected));

    let seen = sent(&tap, &api, |request| request.form(&tea)).await;
    assert!(seen.text.ends_with("\r\n\r\ntea=green+%26+black"), "{}", seen.text);

    let form = Form::new().text("tea", "green");
    let seen = sent(&tap, &api, |request| request.multipart(form)).await;
    assert!(seen.text.contains("name=\"tea\"\r\n\r\ngreen\r\n"), "{}", seen.text);

    let mut headers = HeaderMap::new();
    headers.insert("x-one", HeaderValue::from_static("2"));
    let seen = sent(&tap, &api, |request| {
        let request = request.header("x-one", "1").headers(headers).header("x-three", "3");
        request.header(AUTHORIZATION, "Basic abc").body("tea")
    })
    .await;
    for part in ["x-one: 2\r\n", "x-three: 3\r\n", "\r\n\r\ntea"] {
        assert!(seen.text.contains(part), "{part} in {}", seen.text);
    }
    let header = HeaderName::from_static("authorization");
    assert_eq!(seen.text.matches(header.as_str()).count(), 1, "the token takes its place");
    assert_eq!(seen.authorization, Some(expected));
}

#[tokio::test]
async fn api_path_is_at_the_servers_origin() {
    let home = Home::start().await;
    let (server, _tap, client) = app(&home).await;
    let api = client.api();
    let requests = [
        ("GET", api.get("/orders")),
        ("POST", api.post("/orders")),
        ("PUT", api.put("/orders")),
        ("PATCH", api.patch("/orders")),
        ("DELETE", api.delete("/orders")),
        ("HEAD", api.head("/orders")),
        ("OPTIONS", api.request(Method::OPTIONS, "/orders")),
    ];
    for (method, request) in requests {
        let what = format!("{method} /orders");
        server.answer(&what, Some(DONE));
        assert_eq!(request.send().await.expect("an answer").status(), 204);
        assert_eq!(server.count(&what), 1, "{what}");
    }
}

#[tokio::test]
async fn api_request_that_cannot_be_built_is_invalid_use() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    server.forget();
    let (api, url) = (client.api(), format!("{}/orders", tap.url()));
    let unspeakable = HashMap::from([((1, 2), 3)]);
    let other = format!("//{}/orders", tap.address);
    for request in [
        api.get(""),
        api.get("orders"),
        api.get("http://"),
        api.get(&other),
        api.get(format!("/\\{}/orders", tap.address)),
        api.get(format!("/\t{other}")),
        api.get("data:text/plain,tea"),
        api.post(&url).json(&unspeakable),
        api.post(&url).query("tea"),
        api.post(&url).header("x one", "1"),
        api.post(&url).header("x-one", "line\nbreak").body("tea"),
    ] {
        let error = request.send().await.expect_err("a refusal");
        assert_eq!(*error.kind(), ErrorKind::Usage, "{error:?}");
    }
    assert!(tap.seen().is_empty() && server.seen().is_empty());
}

#[tokio::test]
async fn unrepeatable_request_gets_a_fresh_token() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let api = client.api();
    let form = || Form::new().text("tea", "green");
    let before = client.access_token().await.expect("a token");
    // The token would still be valid now, and expire during the request.
    home.advance(EXPIRED - 30);
    tap.answer(ORDERS, Some(DONE));
    let url = format!("{}/orders", tap.url());
    let answer = api.post(&url).multipart(form()).send().await;
    assert_eq!(answer.expect("an answer").status(), 204);
    assert_ne!(tap.seen()[0].authorization.as_deref(), before.header().to_str().ok());

    // A refused request is returned, and the next one has another token.
    server.forget();
    tap.forget();
    tap.answer(ORDERS, Some(REFUSAL));
    let answer = api.post(&url).multipart(form()).send().await;
    assert_eq!(answer.expect("an answer").status(), 401);
    assert_eq!((tap.count(ORDERS), server.count(REFRESH)), (1, 1));
    tap.answer(ORDERS, Some(DONE));
    let answer = api.post(&url).multipart(form()).send().await;
    assert_eq!(answer.expect("an answer").status(), 204);
    assert_ne!(tap.seen()[0].authorization, tap.seen()[1].authorization);
}

#[tokio::test]
async fn unrepeatable_request_is_sent_if_no_renewal_is_possible() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    home.advance(EXPIRED - 30);
    for _ in 0..2 {
        server.answer(REFRESH, None);
    }
    tap.answer(ORDERS, Some(DONE));
    let url = format!("{}/orders", tap.url());
    let request = client.api().post(url).multipart(Form::new().text("tea", "green"));
    assert_eq!(request.send().await.expect("an answer").status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn replacement_of_a_refused_token_is_shared_by_twenty_callers() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let refused = client.access_token().await.expect("a token");
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (client, refused) = (client.clone(), refused.clone());
        calls.spawn(async move { client.replace_access_token(&refused).await });
    }
    while let Some(call) = calls.join_next().await {
        let next = call.expect("no panic").expect("another token");
        assert_ne!(next.token(), refused.token());
    }
    client.replace_access_token(&refused).await.expect("the one that there is");
    assert_eq!(tap.count(REFRESH), 1);
}

#[tokio::test]
async fn replacement_of_a_refused_token_is_bound_to_its_sign_in() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let refused = client.access_token().await.expect("a token");
    client.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    let outcome = client.replace_access_token(&refused).await;
    assert_eq!(*outcome.expect_err("another sign-in").kind(), ErrorKind::OtherSignIn);
}

/// The renewal that runs when the token is refused was started for another reason, and fails.
#[tokio::test]
async fn replacement_of_a_refused_token_is_never_the_same_token() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let refused = client.access_token().await.expect("a token");
    home.advance(EXPIRED - 30);
    tap.hold();
    tap.answer(REFRESH, Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
    client.access_token().await.expect("a token that works");
    tap.wait_for(REFRESH).await;
    let replacing = tokio::spawn({
        let (client, refused) = (client.clone(), refused.clone());
        async move { client.replace_access_token(&refused).await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tap.release();
    let next = replacing.await.expect("no panic").expect("another token");
    assert_ne!(next.token(), refused.token());
    assert_eq!(tap.count(REFRESH), 2);
}
