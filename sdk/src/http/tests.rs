//! The limits of a long answer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::dialects::native;
use crate::network::Network;

const LIMIT: Duration = Duration::from_millis(50);

fn access() -> Credential {
    Credential::new(Scheme::Bearer, "access".into())
}

fn transport(server: &str) -> Transport {
    let (base, network) = (server.parse().expect("an address"), Network::default());
    let http = network.client(&network.tls().expect("TLS"), &base).expect("an HTTP client");
    Transport::new(http, base, Clock::system(), LIMIT)
}

#[tokio::test]
async fn long_answer_may_need_longer_than_other_answers() {
    let transport = transport("https://id.example.org");
    let limit = |request| {
        let request = transport.build(request, None).expect("a request").build();
        request.expect("a request").timeout().copied()
    };
    let export = native::export(&access(), None).expect("a call").request;
    assert_eq!(limit(export), Some(LIMIT * LONG_ANSWER_TIMES));
    assert_eq!(limit(native::events(&access(), None).request), Some(LIMIT));
}

#[tokio::test]
async fn long_answer_that_stops_is_given_up_after_the_limit_of_a_request() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let server = format!("http://{}", listener.local_addr().expect("its address"));
    let answering = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.expect("a request") > 0);
        let begun = "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"exported_at\":";
        stream.write_all(begun.as_bytes()).await.expect("sent");
        // Until the client closes the connection.
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
    });
    let call = native::export(&access(), None).expect("a call");
    let failure = transport(&server).send(call).await.expect_err("it does not end");
    assert!(matches!(failure, Failure::Silent), "{failure:?}");
    let error = Error::from(failure);
    assert_eq!(*error.kind(), ErrorKind::Network);
    assert_eq!(error.to_string(), NO_ANSWER_IN_TIME);
    answering.await.expect("no panic");
}
