//! `/api/auth/{login,token/refresh,profile,register,password/reset,password/reset/confirm}/`.

use propusk_tests::server::TestServer;
use serde_json::json;

use super::{assert_answer, assert_pair};

async fn server_with_a_user() -> TestServer {
    let server = TestServer::start().await;
    let user = json!({"username": "newuser", "email": "newuser@example.com", "password": "strongpassword"});
    let answer = server.client.post("/api/auth/register/", &user).await;
    assert_answer(&answer, 201, &json!({"message": "User registered successfully."}));
    server
}

#[tokio::test]
async fn registration_sign_in_refresh_and_profile() {
    let server = server_with_a_user().await;
    let credentials = json!({"username": "newuser", "password": "strongpassword"});
    let (refresh, access) =
        assert_pair(&server.client.post("/api/auth/login/", &credentials).await);

    // Tokens of the same session and second are equal.
    server.clock.advance(1);
    let answer = server.client.post("/api/auth/token/refresh/", &json!({"refresh": refresh})).await;
    let renewed = answer.field("access");
    assert_answer(&answer, 200, &json!({"access": renewed}));
    assert_ne!(renewed, access);

    for token in [access, renewed] {
        let answer =
            server.client.get("/api/auth/profile/", Some(&format!("Bearer {token}"))).await;
        assert_answer(
            &answer,
            200,
            &json!({"id": 1, "username": "newuser", "email": "newuser@example.com"}),
        );
    }
}

#[tokio::test]
async fn wrong_credentials_and_tokens_get_the_documented_texts() {
    let server = server_with_a_user().await;
    let credentials = json!({"username": "newuser", "password": "wrong"});
    let answer = server.client.post("/api/auth/login/", &credentials).await;
    assert_answer(
        &answer,
        401,
        &json!({"detail": "No active account found with the given credentials"}),
    );

    let answer =
        server.client.post("/api/auth/token/refresh/", &json!({"refresh": "no token"})).await;
    assert_answer(&answer, 401, &json!({"detail": "Token is invalid", "code": "token_not_valid"}));

    let answer = server.client.get("/api/auth/profile/", None).await;
    assert_answer(
        &answer,
        401,
        &json!({"detail": "Authentication credentials were not provided."}),
    );
}

#[tokio::test]
async fn registration_that_is_incomplete_or_repeated_gets_the_documented_texts() {
    let server = server_with_a_user().await;
    for missing in ["username", "email", "password"] {
        let mut user = json!({"username": "other", "email": "other@example.com", "password": "strongpassword"});
        user.as_object_mut().expect("an object").remove(missing);
        let answer = server.client.post("/api/auth/register/", &user).await;
        assert_answer(&answer, 400, &json!({"error": "All fields are required."}));
    }
    let user =
        json!({"username": "newuser", "email": "other@example.com", "password": "strongpassword"});
    let answer = server.client.post("/api/auth/register/", &user).await;
    assert_answer(&answer, 400, &json!({"error": "Username already exists."}));
}

#[tokio::test]
async fn access_token_lives_five_minutes_and_a_refresh_token_a_day() {
    let server = server_with_a_user().await;
    let credentials = json!({"username": "newuser", "password": "strongpassword"});
    let (refresh, access) =
        assert_pair(&server.client.post("/api/auth/login/", &credentials).await);
    let bearer = format!("Bearer {access}");

    server.clock.advance(299);
    assert_eq!(server.client.get("/api/auth/profile/", Some(&bearer)).await.status, 200);
    server.clock.advance(1);
    assert_eq!(server.client.get("/api/auth/profile/", Some(&bearer)).await.status, 401);

    server.clock.advance(86_099);
    let body = json!({"refresh": refresh});
    assert_eq!(server.client.post("/api/auth/token/refresh/", &body).await.status, 200);
    server.clock.advance(1);
    assert_eq!(server.client.post("/api/auth/token/refresh/", &body).await.status, 401);
}

#[tokio::test]
async fn reset_by_the_mailed_link_has_the_documented_texts() {
    let server = server_with_a_user().await;
    let ask = "/api/auth/password/reset/";
    let refusals = [
        (json!({}), "Email is required"),
        (json!({"email": ""}), "Email is required"),
        (json!({"email": null}), "Email is required"),
        (json!({"email": "no address"}), "User with this email does not exist"),
        (json!({"email": "unknown@example.com"}), "User with this email does not exist"),
    ];
    for (body, text) in refusals {
        assert_answer(&server.client.post(ask, &body).await, 400, &json!({"error": text}));
    }
    let answer = server.client.post(ask, &json!({"email": "newuser@example.com"})).await;
    assert_answer(&answer, 200, &json!({"message": "Password reset link sent"}));
    let link = server.link_to("newuser@example.com").await;
    let confirm =
        format!("/api/auth/password/reset/confirm/?uid={}&token={}", link.uid, link.token);
    assert!(link.url.ends_with(&confirm), "{}", link.url);

    let body = json!({"new_password": "newStrongPassword123"});
    let path = "/api/auth/password/reset/confirm/";
    let uid = &link.uid;
    let refusals = [
        (path.to_owned(), &body, "Missing parameters"),
        (format!("{path}?uid={uid}"), &body, "Missing parameters"),
        (confirm.clone(), &json!({}), "Missing parameters"),
        (confirm.clone(), &json!({"new_password": ""}), "Missing parameters"),
        (format!("{path}?uid=OTk5OTk5&token=wrong"), &body, "Invalid uid"),
        (format!("{path}?uid={uid}&token=wrong"), &body, "Invalid or expired token"),
    ];
    for (path, body, text) in refusals {
        assert_answer(&server.client.post(&path, body).await, 400, &json!({"error": text}));
    }
    let answer = server.client.post(&confirm, &body).await;
    assert_answer(&answer, 200, &json!({"message": "Password has been reset"}));
    let answer = server.client.post(&confirm, &body).await;
    assert_answer(&answer, 400, &json!({"error": "Invalid or expired token"}));

    let credentials = |password: &str| json!({"username": "newuser", "password": password});
    let sign_in = "/api/auth/login/";
    let answer = server.client.post(sign_in, &credentials("strongpassword")).await;
    assert_eq!(answer.status, 401);
    let answer = server.client.post(sign_in, &credentials("newStrongPassword123")).await;
    assert_eq!(answer.status, 200);
}
