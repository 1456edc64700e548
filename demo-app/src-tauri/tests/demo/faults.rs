//! The user stays signed in while the network has its troubles.

use propusk::{Dialect, ErrorKind};
use propusk_tests::recording_proxy::RecordingProxy;
use propusk_tests::server::TestServer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::setting::{Setting, wait_for};

/// A dialect of each kind: with attempts that can be repeated, and with refresh tokens that stay.
const DIALECTS: [Dialect; 2] = [Dialect::Native, Dialect::DjoserJwt];

#[tokio::test]
async fn offline_user_stays_signed_in_and_goes_on() {
    for dialect in DIALECTS {
        let setting = Setting::signed_in(dialect).await;
        setting.wire.faults().set_offline(true);
        let error = setting.client.refresh().await.expect_err("no network");
        assert_eq!(*error.kind(), ErrorKind::Network, "{dialect:?}");
        let last = setting.last();
        assert_eq!(last.status, None);
        assert!(last.error.is_some_and(|why| why.contains("the network is down")));
        assert!(setting.is_signed_in().await);
        setting.wire.faults().set_offline(false);
        setting.client.network_changed();
        setting.client.refresh().await.expect("the network is back");
    }
}

#[tokio::test]
async fn lost_answer_is_asked_for_again() {
    for dialect in DIALECTS {
        let setting = Setting::signed_in(dialect).await;
        let before = setting.client.access_token().await.expect("a token");
        // Within one second, some APIs issue equal tokens.
        setting.server.clock.advance(2);
        setting.wire.faults().lose_next_answer();
        let error = setting.client.refresh().await.expect_err("the answer is lost");
        assert_eq!(*error.kind(), ErrorKind::Network, "{dialect:?}");
        let lost = setting.last();
        // The server has done its work.
        assert_eq!(lost.status, Some(200));
        assert!(lost.error.is_some_and(|why| why.contains("lost")));
        assert!(!setting.wire.faults().will_lose_an_answer());
        assert!(setting.is_signed_in().await);
        setting.client.refresh().await.expect("asked for again");
        let after = setting.client.access_token().await.expect("a token");
        assert_ne!(before.token().expose(), after.token().expose(), "{dialect:?}");
    }
}

#[tokio::test]
async fn request_under_way_fails_with_the_network() {
    let server = TestServer::start().await;
    let proxy = RecordingProxy::open(server.address).await;
    let setting = Setting::signed_in_through(server, &proxy.url(), Dialect::Native).await;
    proxy.hold();
    let call = tokio::spawn({
        let client = setting.client.clone();
        async move { client.profile().await }
    });
    proxy.wait_for("GET /propusk/v1/account").await;
    setting.wire.faults().set_offline(true);
    let error = call.await.expect("no panic").expect_err("no network");
    assert_eq!(*error.kind(), ErrorKind::Network);
    assert!(setting.last().error.is_some_and(|why| why.contains("went down")));
    assert!(setting.is_signed_in().await);
    setting.wire.faults().set_offline(false);
    proxy.release();
    setting.client.profile().await.expect("the network is back");
}

#[tokio::test]
async fn request_that_the_client_gives_up_is_in_the_log() {
    let server = TestServer::start().await;
    let proxy = RecordingProxy::open(server.address).await;
    let setting = Setting::signed_in_through(server, &proxy.url(), Dialect::Native).await;
    proxy.hold();
    let host = format!("127.0.0.1:{}", setting.gateway.port());
    let mut client = TcpStream::connect(&host).await.expect("a connection");
    let request = format!("GET /propusk/v1/providers HTTP/1.1\r\nHost: {host}\r\n\r\n");
    client.write_all(request.as_bytes()).await.expect("sent");
    proxy.wait_for("GET /propusk/v1/providers").await;
    let before = setting.last().id;
    drop(client);
    let last = setting.exchange_after(before).await;
    assert_eq!((last.path.as_str(), last.status), ("/propusk/v1/providers", None));
    assert!(last.error.is_some_and(|why| why.contains("closed the connection before")));
    proxy.release();
}

#[tokio::test]
async fn server_that_is_away_is_in_the_log() {
    let setting = Setting::signed_in(Dialect::Native).await;
    let (wire, client) = (setting.wire.clone(), setting.client.clone());
    let Setting { server, gateway, .. } = setting;
    drop(server);
    // Until its connections are closed, it may still answer.
    wait_for("the server goes away", async || {
        let error = client.profile().await.err()?;
        (*error.kind() == ErrorKind::Network).then_some(())
    })
    .await;
    let last = wire.exchanges_after(0).pop().expect("an exchange");
    assert!(last.error.is_some() && last.status.is_none(), "{last:?}");
    drop(gateway);
}
