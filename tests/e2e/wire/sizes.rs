//! Requests that are too large are refused, and the largest allowed ones work.

use propusk_tests::server::TestServer;
use serde_json::{Value, json};

/// A registration with a password of this length, in every API that limits it to 1 024 bytes.
fn registrations(length: usize) -> [(&'static str, Value); 2] {
    let password: String =
        "A long password of several words. ".chars().cycle().take(length).collect();
    [
        ("/api/auth/users/", json!({"email": "ann@example.com", "password": password})),
        (
            "/api/auth/register/",
            json!({"username": "bob", "email": "bob@example.com", "password": password}),
        ),
    ]
}

#[tokio::test]
async fn password_has_at_most_1024_bytes() {
    let server = TestServer::start().await;
    for (path, body) in registrations(1_025) {
        let answer = server.client.post(path, &body).await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.text().contains("Ensure this field has no more than 1024 characters."),
            "{}",
            answer.text()
        );
    }
    for (path, body) in registrations(1_024) {
        assert_eq!(server.client.post(path, &body).await.status, 201, "{path}");
    }
}

#[tokio::test]
async fn body_has_at_most_64_kib() {
    let server = TestServer::start().await;
    let empty = json!({"token": ""}).to_string().len();
    for (length, status) in [(65_536, 401), (65_537, 413)] {
        let body = json!({"token": "x".repeat(length - empty)});
        assert_eq!(server.client.post("/token/verify", &body).await.status, status);
    }
}

#[tokio::test]
async fn json_is_at_most_128_deep() {
    let server = TestServer::start().await;
    let nested = |depth| (1..depth).fold(json!([]), |inner, _| json!([inner]));
    for (depth, text) in
        [(128, "Expected a dictionary, but got list"), (129, "JSON parse error - ")]
    {
        let answer = server.client.post("/token", &nested(depth)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains(text), "{depth}: {}", answer.text());
    }
}
