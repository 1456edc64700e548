//! The notice of a sign-in from a network where the account's owner has not signed in before.

use propusk_server::config::Config;

use super::*;

const HOME: &str = "192.0.2.1";
const CAFE: &str = "198.51.100.7";
const SUBJECT: &str = "A new sign-in to your account at ";

/// Trusts the address that a client claims, and sends notices.
fn noticing(config: &mut Config) {
    config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    native(config).new_network_notice = Some(true);
}

async fn sign_in_from(server: &TestServer, path: &str, from: &str) {
    let body = match path {
        "sessions" => json!({"identifier": EMAIL, "password": PASSWORD, "device_name": "Phone"}),
        _ => json!({"username": EMAIL, "password": PASSWORD}),
    };
    let path = if path == "sessions" { "/propusk/v1/sessions" } else { path };
    let answer = server.client.post_from(from, path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The number of notices so far.
async fn notices(server: &TestServer) -> usize {
    server.mails().await.iter().filter(|mail| mail.letter().subject.starts_with(SUBJECT)).count()
}

async fn account(server: &TestServer) {
    let answer = register(server, json!({"email": EMAIL, "password": PASSWORD})).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn sign_in_from_a_new_network_is_mailed_to_the_owner_once() {
    let server = TestServer::with(noticing).await;
    account(&server).await;
    sign_in_from(&server, "sessions", HOME).await;
    assert_eq!(notices(&server).await, 0, "the first sign-in of all");
    sign_in_from(&server, "sessions", CAFE).await;
    assert_eq!(notices(&server).await, 1);
    let mails = server.mails().await;
    assert!(mails.last().expect("a mail").letter().text.contains("Phone"));
    for from in [HOME, CAFE] {
        sign_in_from(&server, "sessions", from).await;
    }
    assert_eq!(notices(&server).await, 1, "both are known");
}

#[tokio::test]
async fn sign_in_from_a_new_network_is_mailed_by_native_alone_and_where_it_is_set() {
    let server = TestServer::with(noticing).await;
    account(&server).await;
    sign_in_from(&server, "sessions", HOME).await;
    sign_in_from(&server, "/api/auth/jwt/create/", CAFE).await;
    assert_eq!(notices(&server).await, 0, "another API");

    let server = TestServer::with(|config| {
        noticing(config);
        native(config).new_network_notice = Some(false);
    });
    let server = server.await;
    account(&server).await;
    for from in [HOME, CAFE] {
        sign_in_from(&server, "sessions", from).await;
    }
    assert_eq!(notices(&server).await, 0, "not set");
}
