//! How long the app's own API may be silent. The limits are short, and the API never answers.

use std::time::Duration;

use propusk::{Client, ErrorKind};
use propusk_tests::recording_proxy::RecordingProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{EMAIL, Home, PASSWORD};

const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);
const BEGUN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntea";

/// An API that answers each request with one of [`BEGUN`] and is then silent.
struct SilentApi {
    url: String,
    accepting: JoinHandle<()>,
}

impl SilentApi {
    async fn start(answer: &'static str) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("its address"));
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer_in_part(stream, answer));
            }
        });
        SilentApi { url, accepting }
    }
}

impl Drop for SilentApi {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Keeps the connection open until the client closes it.
async fn answer_in_part(mut stream: TcpStream, answer: &str) {
    let mut request = [0; 4096];
    let mut has_answered = false;
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
        if !std::mem::replace(&mut has_answered, true) {
            stream.write_all(answer.as_bytes()).await.expect("sent");
        }
    }
}

async fn app(home: &Home, api: &SilentApi, limit: Duration) -> Client {
    let client = home.builder().api_origin(api.url.clone()).api_timeout(limit).build();
    let client = client.expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client
}

#[tokio::test]
async fn api_that_never_answers_times_out() {
    let (home, api) = (Home::start().await, SilentApi::start("").await);
    let client = app(&home, &api, SHORT).await;
    let error = client.api().get(&api.url).send().await.expect_err("no answer");
    assert_eq!(*error.kind(), ErrorKind::Network);
    client.profile().await.expect("still signed in");
}

#[tokio::test]
async fn api_answer_that_stops_times_out() {
    let all_but_the_end = &BEGUN[..BEGUN.len() - 1];
    let (home, api) = (Home::start().await, SilentApi::start(all_but_the_end).await);
    let client = app(&home, &api, SHORT).await;
    let answer = client.api().get(&api.url).send().await.expect("it has begun");
    assert!(answer.bytes().await.expect_err("it does not end").is_timeout());
}

#[tokio::test]
async fn api_request_timeout_replaces_the_clients() {
    let home = Home::start().await;
    let never = SilentApi::start("").await;
    let client = app(&home, &never, LONG).await;
    let error = client.api().get(&never.url).timeout(SHORT).send().await.expect_err("no answer");
    assert_eq!(*error.kind(), ErrorKind::Network);

    let tap = RecordingProxy::open(home.server.address).await;
    let client = home.builder().api_origin(tap.url()).api_origin(never.url.clone());
    let client = client.api_timeout(SHORT).build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    tap.hold();
    let waits = tokio::spawn({
        let request = client.api().get(format!("{}/propusk/v1/account", tap.url()));
        async move { request.timeout(LONG).send().await.map(|answer| answer.status().as_u16()) }
    });
    tap.wait_for("GET /propusk/v1/account").await;
    // This request started later.
    client.api().get(&never.url).send().await.expect_err("no answer");
    tap.release();
    assert_eq!(waits.await.expect("no panic").expect("an answer"), 200);
}
