//! The network options of an app apply to the server and to the app's own API.

use std::net::SocketAddr;

use propusk::{Client, ClientBuilder, ErrorKind, Registration};
use propusk_tests::certificate::Authority;
use propusk_tests::process::beside_tests;
use propusk_tests::recording_proxy::RecordingProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

use super::api::DONE;
use super::{EMAIL, Home, PASSWORD};

/// A TLS proxy in front of a server.
async fn tls_before(server: SocketAddr, acceptor: TlsAcceptor) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A wrong certificate is part of the tests.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(server).await.expect("the server");
                drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
            });
        }
    });
    format!("https://{address}")
}

/// Whether a client reaches both the server and the API.
async fn works(builder: ClientBuilder, url: &str) -> propusk::Result<()> {
    let client = builder.build()?;
    client.sign_in(EMAIL, PASSWORD).await?;
    let answer = client.api().get(format!("{url}/propusk/v1/account")).send().await?;
    assert_eq!(answer.status().as_u16(), 200);
    Ok(())
}

#[tokio::test]
async fn root_certificate_is_trusted_if_configured() {
    let (home, authority) = (Home::start().await, Authority::new());
    let url = tls_before(home.server.address, authority.acceptor("127.0.0.1")).await;
    let builder = || Client::builder(url.clone()).clock(home.clock.clone());
    works(builder().root_certificate(authority.pem()), &url).await.expect("it is trusted");
    let other = Authority::new().pem();
    for builder in [builder(), builder().root_certificate(other)] {
        let error = works(builder, &url).await.expect_err("it is not");
        assert!(matches!(error.kind(), ErrorKind::Network), "{error:?}");
        assert_eq!(error.to_string(), "the server's certificate is not trusted");
    }
    for pem in ["", "no certificate"] {
        let error = builder().root_certificate(pem).build().expect_err("no certificate");
        assert!(matches!(error.kind(), ErrorKind::Usage), "{error:?}");
    }
}

#[tokio::test]
async fn client_certificate_is_sent_on_request() {
    let (home, authority) = (Home::start().await, Authority::new());
    let acceptor = authority.acceptor_of_known("127.0.0.1");
    let url = tls_before(home.server.address, acceptor).await;
    let builder = || {
        let builder = Client::builder(url.clone()).clock(home.clock.clone());
        builder.root_certificate(authority.pem())
    };
    works(builder().client_certificate(authority.identity("app")), &url)
        .await
        .expect("it is known");
    let error = works(builder(), &url).await.expect_err("it is not known");
    assert!(matches!(error.kind(), ErrorKind::Network), "{error:?}");
    let only = builder().client_certificate(authority.pem()).build();
    assert!(matches!(only.expect_err("it lacks the key").kind(), ErrorKind::Usage));
}

#[tokio::test]
async fn proxy_and_user_agent_are_used() {
    let home = Home::start().await;
    let tap = RecordingProxy::open(home.server.address).await;
    // Only the proxy can resolve this host.
    let url = "http://id.invalid";
    let builder = || {
        let builder = Client::builder(url).allow_plain_http().clock(home.clock.clone());
        builder.proxy(tap.url()).user_agent("Tea/1.0")
    };
    works(builder(), url).await.expect("the proxy carries it");
    let seen = tap.seen();
    assert_eq!(seen.len(), 2, "{seen:?}");
    for seen in &seen {
        assert!(seen.what.contains(" http://id.invalid/propusk/v1/"), "{seen:?}");
        assert_eq!(seen.user_agent.as_deref(), Some("Tea/1.0"));
    }
    // A loopback address is reached without the proxy.
    let local = home.server.public_url.clone();
    let new = Registration::new(PASSWORD).email("bob@example.org");
    let client = Client::builder(local).proxy(tap.url()).build().expect("a client");
    client.register(&new).await.expect("an account");
    assert_eq!(tap.seen().len(), 2);
    assert!(builder().proxy("no proxy").build().is_err());
}

/// Also if the app uses an API on another machine, which is reached through the proxy.
#[tokio::test]
async fn loopback_is_reached_without_the_systems_proxy() {
    let home = Home::start().await;
    home.signed_in().await;
    let proxy = RecordingProxy::open(home.server.address).await;
    // Only the proxy can resolve this host.
    let tea = "GET http://api.invalid/tea";
    for api in [None, Some("http://api.invalid")] {
        proxy.answer(tea, Some(DONE));
        let process = Command::new(beside_tests("app_process"))
            .arg(&home.server.public_url)
            .arg(home.folder.path().join("app.vault"))
            .args([home.clock.now().to_string(), "1".to_owned()])
            .args(api)
            .envs(["http_proxy", "HTTP_PROXY", "ALL_PROXY"].map(|name| (name, proxy.url())))
            .env_remove("no_proxy")
            .env_remove("NO_PROXY")
            .output();
        let output = process.await.expect("it ends");
        assert!(output.status.success(), "{output:?}");
        let seen: Vec<_> = proxy.seen().into_iter().map(|seen| seen.what).collect();
        assert_eq!(seen, api.map(|_| tea).as_slice());
    }
}

/// As in a minimal container.
#[tokio::test]
async fn loopback_server_needs_no_certificate_authorities() {
    let home = Home::start().await;
    home.signed_in().await;
    let process = Command::new(beside_tests("app_process"))
        .arg(&home.server.public_url)
        .arg(home.folder.path().join("app.vault"))
        .args([home.clock.now().to_string(), "1".to_owned()])
        .env("SSL_CERT_FILE", "/dev/null")
        .env_remove("SSL_CERT_DIR")
        .output();
    let output = process.await.expect("it ends");
    assert!(output.status.success(), "{output:?}");
}
