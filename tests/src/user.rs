//! A user of `djoser_jwt`, the API that most tests speak: requests as its app sends them.

use serde_json::{Value, json};

use crate::http::{Answer, Client};

pub const PASSWORD: &str = "correct horse battery";
pub const NEW_PASSWORD: &str = "another fair password";

/// Registers with [`PASSWORD`]; `field` is `email`, `phone` or `username`.
pub async fn register(server: &impl AsRef<Client>, field: &str, name: &str) -> Answer {
    let body = json!({field: name, "password": PASSWORD});
    server.as_ref().post("/api/auth/users/", &body).await
}

pub async fn sign_in(server: &impl AsRef<Client>, name: &str, password: &str) -> Answer {
    let body = json!({"username": name, "password": password});
    server.as_ref().post("/api/auth/jwt/create/", &body).await
}

/// Access and refresh token of a new session.
pub async fn signed_in(server: &impl AsRef<Client>, name: &str) -> (String, String) {
    let pair = sign_in(server, name, PASSWORD).await;
    (pair.field("access"), pair.field("refresh"))
}

/// Registers an account that is not there yet.
pub async fn new_account(server: &impl AsRef<Client>, email: &str) {
    let answer = register(server, "email", email).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

/// Access and refresh token of a new account.
pub async fn signed_up(server: &impl AsRef<Client>, email: &str) -> (String, String) {
    new_account(server, email).await;
    signed_in(server, email).await
}

pub async fn refresh(server: &impl AsRef<Client>, token: &str) -> Answer {
    server.as_ref().post("/api/auth/jwt/refresh/", &json!({"refresh": token})).await
}

pub async fn verify(server: &impl AsRef<Client>, token: &str) -> Answer {
    server.as_ref().post("/api/auth/jwt/verify/", &json!({"token": token})).await
}

pub async fn me(server: &impl AsRef<Client>, access: &str) -> Answer {
    server.as_ref().get("/api/auth/users/me/", Some(&format!("Bearer {access}"))).await
}

/// Changes the account's own data.
pub async fn change_me(server: &impl AsRef<Client>, access: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {access}");
    server.as_ref().call("PATCH", "/api/auth/users/me/", Some(&bearer), body).await
}
