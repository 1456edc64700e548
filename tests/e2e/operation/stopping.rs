//! Stopping: open requests are answered, and no client can delay it.

use std::net::SocketAddr;
use std::sync::Arc;

use propusk_tests::connection::{Connection, post};
use propusk_tests::operator::*;
use propusk_tests::server::TestServer;
use propusk_tests::user::*;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// A sign-in whose handler waits for its body.
async fn started_sign_in(server: SocketAddr, body: &str) -> Connection {
    let headers = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len());
    let mut connection =
        Connection::with(server, post("/api/auth/jwt/create/", &headers, "")).await;
    assert_eq!(connection.head().await.status, 100);
    connection
}

async fn refuses_connections(server: SocketAddr) -> bool {
    let refused = TcpStream::connect(server).await.err();
    refused.is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_answers_open_requests_and_accepts_no_new_ones() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let (client, address) = (server.client.clone(), server.address);
    assert_eq!(register(&client, "email", "anna@example.com").await.status, 201);
    let body = json!({"username": "anna@example.com", "password": PASSWORD}).to_string();
    let mut running = Vec::new();
    for _ in 0..8 {
        running.push(started_sign_in(address, &body).await);
    }
    let began = Instant::now();
    let stopping = tokio::spawn(server.terminate());
    soon("new connections are refused", || refuses_connections(address)).await;
    for connection in &mut running {
        connection.send(&body).await;
        let answer = connection.answer().await;
        assert!(answer.status == 200 && answer.json()["refresh"].is_string(), "{answer:?}");
        assert_eq!(connection.rest().await, "");
    }
    let (status, output) = stopping.await.expect("the server stops");
    assert_eq!((status.code(), began.elapsed() < STOP), (Some(0), true), "{output}");
}

#[tokio::test]
async fn stop_does_not_wait_for_a_client_that_never_ends() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let _no_body = started_sign_in(server.address, "of a length").await;
    let _half_a_head = Connection::with(server.address, "POST /token HTTP/1.1\r\nHo").await;
    let _nothing = Connection::open(server.address).await;
    assert_eq!(server.client.get("/healthz", None).await.status, 200);
    let began = Instant::now();
    let (status, output) = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(began.elapsed() < STOP, "{:?}", began.elapsed());
}

#[tokio::test]
async fn stop_without_requests_is_quick_and_loses_nothing() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let (access, _) = signed_up(&server.client, "anna@example.com").await;
    let _idle = Connection::open(server.address).await;
    let began = Instant::now();
    let (status, _) = server.terminate().await;
    assert_eq!(status.code(), Some(0));
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    assert_eq!(me(&operator.start(&[]).await.client, &access).await.status, 200);
}

/// As by an app that drops the server which it embeds.
#[tokio::test]
async fn dropped_server_does_no_more_work() {
    let server = TestServer::start().await;
    assert_eq!(register(&server.client, "email", "anna@example.com").await.status, 201);
    let domain = Arc::downgrade(&server.auth);
    drop(server);
    soon("no task of the server is left", || async { domain.upgrade().is_none() }).await;
}
