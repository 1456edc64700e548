//! The faults that can be set, each at another endpoint.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use propusk_stand_in::{Behaviour, Endpoint, Provider, StandIn};
use serde_json::{Value, json};

use crate::browser::{Answer, begin, get, post, sign_in, stand_in};

async fn out_of_order(provider: Provider, endpoint: Endpoint, behaviour: Behaviour) -> StandIn {
    let stand_in = stand_in(provider).await;
    stand_in.behave(provider, endpoint, behaviour);
    stand_in
}

async fn google_info(behaviour: Behaviour) -> Answer {
    let stand_in = out_of_order(Provider::Google, Endpoint::UserInfo, behaviour).await;
    get(&stand_in.url(Provider::Google, Endpoint::UserInfo), &[], &[]).await
}

async fn begin_info(stand_in: &StandIn) -> Incoming {
    let url = stand_in.url(Provider::Google, Endpoint::UserInfo);
    let request = Request::get(url).body(Full::<Bytes>::default()).expect("a request");
    begin(request).await.expect("the beginning of an answer").into_body()
}

#[tokio::test]
async fn a_status() {
    let answer = google_info(Behaviour::Status(503)).await;
    assert_eq!((answer.status.as_u16(), &*answer.text()), (503, "provider says no"));
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
}

#[tokio::test]
async fn an_error_with_status_200() {
    for provider in Provider::ALL {
        let stand_in = out_of_order(provider, Endpoint::Token, Behaviour::ErrorWith200).await;
        let answer = sign_in(&stand_in, provider, &[]).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json()["error"].is_string());
    }
}

#[tokio::test]
async fn garbage_and_an_empty_object() {
    assert!(google_info(Behaviour::Garbage).await.text().starts_with("<html>"));
    assert_eq!(google_info(Behaviour::EmptyObject).await.json(), json!({}));
}

#[tokio::test]
async fn an_answer_of_any_size() {
    for length in [100, 5_000_000] {
        let answer = google_info(Behaviour::Huge(length)).await;
        assert_eq!(answer.body.len(), length);
        assert!(serde_json::from_slice::<Value>(&answer.body).is_ok());
        assert!(!answer.headers.contains_key("content-length"));
    }
}

#[tokio::test]
async fn an_answer_that_trickles() {
    let stand_in = out_of_order(Provider::Google, Endpoint::UserInfo, Behaviour::Trickle).await;
    let mut body = begin_info(&stand_in).await;
    for _ in 0..2 {
        let frame = body.frame().await.expect("more").expect("a byte");
        assert_eq!(frame.into_data().expect("a byte").len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes() {
    let stand_in = out_of_order(Provider::Google, Endpoint::UserInfo, Behaviour::Never).await;
    let url = stand_in.url(Provider::Google, Endpoint::UserInfo);
    let request = Request::get(url).body(Full::<Bytes>::default()).expect("a request");
    let answer = tokio::spawn(begin(request));
    while stand_in.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!answer.is_finished());
    drop(stand_in);
    assert!(answer.await.expect("no panic").is_err(), "the connection ends with the stand-in");
}

#[tokio::test]
async fn a_redirect_that_repeats_the_request() {
    let to = Behaviour::RedirectTo("http://127.0.0.1:1/".to_owned());
    let stand_in = out_of_order(Provider::Vk, Endpoint::Token, to).await;
    let answer = post(&stand_in.url(Provider::Vk, Endpoint::Token), &[], &[]).await;
    assert_eq!(answer.status, 307);
    assert_eq!(answer.headers["location"], "http://127.0.0.1:1/");
}

#[tokio::test]
async fn an_answer_that_is_cut_off() {
    let stand_in = out_of_order(Provider::Google, Endpoint::UserInfo, Behaviour::CutOff).await;
    let mut body = begin_info(&stand_in).await;
    let first = body.frame().await.expect("a beginning").expect("a beginning");
    assert!(!first.into_data().expect("data").is_empty());
    assert!(body.frame().await.expect("an end").is_err());
}

#[tokio::test]
async fn an_endpoint_can_be_put_right_again() {
    let stand_in = out_of_order(Provider::Vk, Endpoint::Token, Behaviour::Status(500)).await;
    assert_eq!(sign_in(&stand_in, Provider::Vk, &[]).await.status, 500);
    stand_in.behave(Provider::Vk, Endpoint::Token, Behaviour::Fine);
    assert_eq!(sign_in(&stand_in, Provider::Vk, &[]).await.status, 200);
}
