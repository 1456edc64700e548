//! What the log shows, and what it must not show.

use propusk::{Client, Dialect, ErrorKind, Vault};
use propusk_demo_lib::gateway::{Gateway, check_server, reach};
use propusk_tests::server::TestServer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::setting::{EMAIL, PASSWORD, Setting, wait_for};

#[tokio::test]
async fn log_shows_every_exchange_without_secrets() {
    for dialect in [Dialect::Native, Dialect::DjoserJwt] {
        let setting = Setting::signed_in(dialect).await;
        let client = &setting.client;
        let first = client.access_token().await.expect("a token");
        client.profile().await.expect("a profile");
        client.refresh().await.expect("renewed");
        let second = client.access_token().await.expect("a token");
        client.sign_out().await.expect("signed out");
        let log = setting.exchanges();
        assert!(log.len() >= 5 && log.windows(2).all(|pair| pair[0].id < pair[1].id), "{log:?}");
        assert!(log.iter().all(|exchange| exchange.error.is_none() && exchange.status.is_some()));
        let text = serde_json::to_string(&log).expect("JSON");
        for secret in [PASSWORD, first.token().expose(), second.token().expose()] {
            assert!(!text.contains(secret), "{dialect:?}: {text}");
        }
        // The signature of any JWT, and refresh tokens of the native API.
        assert!(!text.contains("pr1.A") && !text.contains(".eyJ"), "{dialect:?}: {text}");
        assert!(text.contains(EMAIL), "{dialect:?}: {text}");
    }
}

#[tokio::test]
async fn log_has_the_request_for_a_terminal() {
    let setting = Setting::signed_in(Dialect::Native).await;
    setting.client.profile().await.expect("a profile");
    let curl = setting.last().curl;
    let server = setting.server.address;
    assert!(curl.starts_with(&format!("curl -i -X GET 'http://{server}/propusk/v1/account'")));
    assert!(
        curl.contains("-H 'authorization: Bearer eyJ") && curl.contains("characters)'"),
        "{curl}"
    );
}

#[tokio::test]
async fn log_begins_after_an_id_and_can_be_cleared() {
    let setting = Setting::signed_in(Dialect::Native).await;
    let last = setting.last().id;
    setting.client.profile().await.expect("a profile");
    let [one] = setting.wire.exchanges_after(last).try_into().expect("one exchange");
    assert_eq!(
        (one.id, one.path.as_str(), one.status),
        (last + 1, "/propusk/v1/account", Some(200))
    );
    setting.wire.clear();
    assert!(setting.exchanges().is_empty());
}

#[tokio::test]
async fn gateway_learns_the_servers_time() {
    let setting = Setting::signed_in(Dialect::Native).await;
    let apart = setting.wire.server_time() - setting.server.clock.now();
    assert!(apart.abs() <= 2, "{apart}");
    // The next server has not told its time yet.
    setting.wire.expect_ahead(0);
    let apart = setting.wire.server_time() - setting.server.clock.now();
    assert!(apart.abs() > 2, "{apart}");
}

#[tokio::test]
async fn gateway_keeps_its_port_or_takes_a_free_one() {
    let setting = Setting::signed_in(Dialect::Native).await;
    let (server, wire) = (format!("http://{}", setting.server.address), setting.wire.clone());
    let port = setting.gateway.port();
    let second = Gateway::open(&server, Some(port), wire.clone()).await.expect("a gateway");
    assert_ne!(second.port(), port);
    let free = second.port();
    drop(second);
    // The runtime closes the port a little later.
    let look = async || TcpListener::bind(("127.0.0.1", free)).await.ok();
    drop(wait_for("the port is closed", look).await);
    let third = Gateway::open(&server, Some(free), wire).await.expect("a gateway");
    assert_eq!(third.port(), free);
}

#[tokio::test]
async fn gateway_answers_only_by_its_own_name() {
    let setting = Setting::signed_in(Dialect::Native).await;
    let before = setting.exchanges().len();
    let named = Client::builder(format!("http://localhost:{}", setting.gateway.port()));
    let client = named.vault(Vault::memory()).build().expect("a client");
    let error = client.providers().await.expect_err("another name");
    assert_eq!(*error.kind(), ErrorKind::Network);
    assert_eq!(setting.exchanges().len(), before);
}

#[tokio::test]
async fn gateway_does_not_answer_pages_of_a_browser() {
    let setting = Setting::signed_in(Dialect::Native).await;
    let before = setting.exchanges().len();
    let host = format!("127.0.0.1:{}", setting.gateway.port());
    for header in ["Origin: https://elsewhere.example", "Sec-Fetch-Site: cross-site"] {
        let mut page = TcpStream::connect(&host).await.expect("a connection");
        let request =
            format!("GET /propusk/v1/providers HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\r\n");
        page.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let ended = page.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{header}: {ended:?}");
    }
    assert_eq!(setting.exchanges().len(), before);
}

#[tokio::test]
async fn server_is_reached_if_it_answers() {
    let server = TestServer::start().await;
    let address = format!("http://{}", server.address);
    // A path without a page is an answer too.
    for there in [address.clone(), format!("{address}/no-such-page")] {
        reach(&there).await.expect("an answer");
    }
    let error = reach("http://127.0.0.1:9").await.expect_err("no server");
    assert!(error.to_string().starts_with("the server cannot be reached"), "{error}");
}

#[test]
fn address_of_a_server_is_checked() {
    for good in ["https://id.example.org", "http://127.0.0.1:8000", " http://localhost:8000/a "] {
        assert!(check_server(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "id.example.org",
        "http://id.example.org",
        "ftp://127.0.0.1",
        "https://a:b@example.org",
        "https://example.org/?a",
        "https://example.org/#a",
    ] {
        assert!(check_server(bad).is_err(), "{bad}");
    }
}
