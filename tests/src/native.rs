//! A user of our own API: answers are read by the types of `propusk-wire`.

use crate::http::{Answer, Client};
use crate::server::TestServer;
use propusk_server::config::{Config, DialectSettings};
use propusk_wire::{Problem, TokenResponse};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub const PASSWORD: &str = "correct horse battery";
pub const NEW_PASSWORD: &str = "another horse, another day";
pub const EMAIL: &str = "anna@example.com";
/// How old a sign-in may be that needs no password, in seconds.
pub const RECENT: i64 = 300;

/// The API's own settings, to be changed.
pub fn native(config: &mut Config) -> &mut DialectSettings {
    *config.dialect("native") = propusk_server::default_config().dialect("native").clone();
    config.dialect("native")
}

/// Sends a request below `/propusk/v1`, without a body if it is `null`.
pub async fn call(
    server: &impl AsRef<Client>,
    method: &str,
    path: &str,
    authorization: Option<&str>,
    body: Value,
) -> Answer {
    let path = format!("/propusk/v1/{path}");
    server.as_ref().call(method, &path, authorization, &body).await
}

pub async fn post(server: &impl AsRef<Client>, path: &str, body: Value) -> Answer {
    call(server, "POST", path, None, body).await
}

pub async fn register(server: &impl AsRef<Client>, body: Value) -> Answer {
    post(server, "accounts", body).await
}

/// An account of this address with [`PASSWORD`], signed in a moment ago.
pub async fn signed_up(server: &impl AsRef<Client>, email: &str) -> String {
    let answer = register(server, json!({"email": email, "password": PASSWORD})).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    sign_in(server, email, PASSWORD).await.expect("it signs in")
}

/// The `Authorization` of a new session.
pub async fn sign_in(server: &impl AsRef<Client>, who: &str, password: &str) -> Option<String> {
    let answer = post(server, "sessions", json!({"identifier": who, "password": password})).await;
    (answer.status == 200).then(|| format!("Bearer {}", answer.field("access_token")))
}

/// A new session, with its tokens.
pub async fn open(server: &impl AsRef<Client>, identifier: &str) -> TokenResponse {
    let body = json!({"identifier": identifier, "password": PASSWORD});
    read(&post(server, "sessions", body).await, 200)
}

/// The `Authorization` of a session.
pub fn bearer(tokens: &TokenResponse) -> String {
    format!("Bearer {}", tokens.access_token.expose())
}

/// Refreshes the tokens; a retry repeats the `attempt` of the request whose answer was lost.
pub async fn refresh(server: &impl AsRef<Client>, tokens: &TokenResponse, attempt: &str) -> Answer {
    let body = json!({"refresh_token": tokens.refresh_token, "attempt": attempt});
    post(server, "sessions/refresh", body).await
}

/// The account as its owner sees it.
pub async fn own(server: &impl AsRef<Client>, authorization: &str) -> propusk_wire::Account {
    read(&call(server, "GET", "account", Some(authorization), Value::Null).await, 200)
}

/// Whether the session goes on.
pub async fn is_alive(server: &impl AsRef<Client>, authorization: &str) -> bool {
    let answer = call(server, "GET", "account", Some(authorization), Value::Null).await;
    assert!(matches!(answer.status.as_u16(), 200 | 401), "{}", answer.text());
    answer.status == 200
}

/// The addresses of the mails that have come since there were `before`.
pub async fn mailed(server: &TestServer, before: usize) -> Vec<String> {
    server.mails().await.split_off(before).into_iter().flat_map(|mail| mail.to).collect()
}

/// A good answer, by its type: whatever the server says, the type says it too.
#[track_caller]
pub fn read<T: DeserializeOwned + serde::Serialize>(answer: &Answer, status: u16) -> T {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/json"));
    assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"));
    let read: T = serde_json::from_slice(&answer.body).expect("what the type says");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), answer.json());
    read
}

#[track_caller]
pub fn assert_done(answer: &Answer, status: u16) {
    assert_eq!((answer.status.as_u16(), answer.text()), (status, String::new()));
}

#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_refused_with(answer, status, code, json!({}));
}

#[track_caller]
pub fn assert_refused_with(answer: &Answer, status: u16, code: &str, fields: Value) {
    assert_eq!(answer.header("Content-Type").as_deref(), Some("application/problem+json"));
    let problem: Problem = serde_json::from_slice(&answer.body).expect("a problem");
    let fields_shown = serde_json::to_value(&problem.fields).expect("JSON");
    assert_eq!(
        (answer.status.as_u16(), problem.status, problem.code.as_str(), fields_shown),
        (status, status, code, fields),
        "{}",
        answer.text()
    );
}
