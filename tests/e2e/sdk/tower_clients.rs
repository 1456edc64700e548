//! The access token in hyper's client, as a tower layer.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use propusk::{AccessTokenLayer, Error, ErrorKind, SignOutReason};
use propusk_tests::recording_proxy::RecordingProxy;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

use super::api::{REFUSAL, app};
use super::{EMAIL, EXPIRED, Home, PASSWORD};

const ACCOUNT: &str = "GET /propusk/v1/account";
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";
const UNAUTHENTICATED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\n\
    grpc-status: 16\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// Its gRPC status follows in the trailers.
const STARTED: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

fn hyper() -> legacy::Client<HttpConnector, Full<Bytes>> {
    legacy::Client::builder(TokioExecutor::new()).build_http()
}

async fn get(layer: &AccessTokenLayer, url: &str) -> Result<Response<Incoming>, BoxError> {
    let client = ServiceBuilder::new().layer(layer.clone()).service(hyper());
    client.oneshot(Request::get(url).body(Full::default()).expect("a request")).await
}

async fn status(layer: &AccessTokenLayer, url: &str) -> u16 {
    get(layer, url).await.expect("an answer").status().as_u16()
}

fn kind(outcome: Result<Response<Incoming>, BoxError>) -> ErrorKind {
    let error = outcome.expect_err("a refusal");
    error.downcast_ref::<Error>().expect("one of the SDK's").kind().clone()
}

#[tokio::test]
async fn tower_request_gets_a_token_renewed_before_it_expires() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let (layer, url) = (client.tower_layer(), format!("{}/propusk/v1/account", tap.url()));
    assert_eq!(status(&layer, &url).await, 200);
    let token = client.access_token().await.expect("a token");
    assert_eq!(tap.seen()[0].authorization.as_deref(), token.header().to_str().ok());
    home.advance(EXPIRED - 30);
    assert_eq!(status(&layer, &url).await, 200);
    assert_eq!(server.count(REFRESH), 1);
    assert_ne!(tap.seen()[0].authorization, tap.seen()[1].authorization);
}

#[tokio::test]
async fn tower_request_after_a_refusal_has_another_token() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let (layer, url) = (client.tower_layer(), format!("{}/propusk/v1/account", tap.url()));
    for (number, refusal) in [REFUSAL, UNAUTHENTICATED].into_iter().enumerate() {
        tap.forget();
        tap.answer(ACCOUNT, Some(refusal));
        get(&layer, &url).await.expect("the refusal");
        assert_eq!(status(&layer, &url).await, 200);
        assert_ne!(tap.seen()[0].authorization, tap.seen()[1].authorization);
        assert_eq!(server.count(REFRESH), number + 1);
    }
    // An endpoint that always refuses causes one renewal.
    for _ in 0..10 {
        tap.answer(ACCOUNT, Some(REFUSAL));
        assert_eq!(status(&layer, &url).await, 401);
    }
    assert_eq!(server.count(REFRESH), 3);
}

#[tokio::test]
async fn tower_answer_with_a_later_grpc_status_does_not_count_as_accepted() {
    let home = Home::start().await;
    let (server, tap, client) = app(&home).await;
    let (layer, url) = (client.tower_layer(), format!("{}/propusk/v1/account", tap.url()));
    for answer in [UNAUTHENTICATED, STARTED, UNAUTHENTICATED, STARTED, UNAUTHENTICATED] {
        tap.answer(ACCOUNT, Some(answer));
        assert_eq!(status(&layer, &url).await, 200);
    }
    assert_eq!(server.count(REFRESH), 1, "an endpoint that always refuses causes one renewal");
}

#[tokio::test]
async fn tower_error_reports_an_ended_session() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let other = home.memory();
    other.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    other.end_other_sessions(None).await.expect("the other one ends");
    let url = format!("{}/propusk/v1/account", tap.url());
    let outcome = get(&client.tower_layer(), &url).await;
    assert_eq!(kind(outcome), ErrorKind::SignedOut { reason: SignOutReason::Ended });
}

#[tokio::test]
async fn tower_request_is_not_sent_to_another_origin() {
    let home = Home::start().await;
    let (_server, _tap, client) = app(&home).await;
    let stranger = RecordingProxy::open(home.server.address).await;
    let url = format!("{}/propusk/v1/account", stranger.url());
    assert_eq!(kind(get(&client.tower_layer(), &url).await), ErrorKind::Usage);
    assert_eq!(kind(get(&client.tower_layer(), "/propusk/v1/account").await), ErrorKind::Usage);
    let error = client.tower_layer().connected_to(&stranger.url()).expect_err("a refusal");
    assert_eq!(*error.kind(), ErrorKind::Usage);
    assert!(stranger.seen().is_empty());
}

/// As in tonic's channels: the origin is added below the layers.
#[tokio::test]
async fn tower_client_names_its_origin_once() {
    let home = Home::start().await;
    let (_server, tap, client) = app(&home).await;
    let (origin, layer) = (tap.url(), client.tower_layer());
    let channel = ServiceBuilder::new()
        .layer(layer.connected_to(&origin).expect("an origin of the app's"))
        .map_request(move |mut request: Request<Full<Bytes>>| {
            let uri = format!("{origin}{}", request.uri());
            *request.uri_mut() = uri.parse::<Uri>().expect("a URI");
            request
        })
        .service(hyper());
    let request = Request::get("/propusk/v1/account?a=b").body(Full::default());
    let answer = channel.oneshot(request.expect("a request")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
}
