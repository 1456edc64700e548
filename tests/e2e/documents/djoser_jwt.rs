//! `/api/auth/{users,jwt/create,jwt/refresh,logout}/` and djoser's routes for passwords. The document
//! shows whole answers with headers and lengths, so the tests compare them whole.

use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

use super::{assert_answer, assert_pair};

const USERS: &str = "\
    Content-Type: application/json
    Vary: Accept, Cookie
    Allow: GET, POST, HEAD, OPTIONS
    X-Frame-Options: DENY
    X-Content-Type-Options: nosniff
    Referrer-Policy: same-origin
    Cross-Origin-Opener-Policy: same-origin";

const TOKENS: &str = "\
    Content-Type: application/json
    Vary: Accept
    Allow: POST, OPTIONS
    X-Frame-Options: DENY
    X-Content-Type-Options: nosniff
    Referrer-Policy: same-origin
    Cross-Origin-Opener-Policy: same-origin";

#[track_caller]
fn assert_head(answer: &Answer, head: &str, length: usize) {
    for line in head.lines() {
        let (name, value) = line.trim().split_once(": ").expect("a header line");
        assert_eq!(answer.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(answer.header("Content-Length"), Some(length.to_string()));
}

/// The document's examples have the ids 2 and 3: its superuser was created first.
async fn server_with_a_superuser() -> TestServer {
    TestServer::with(|config| {
        config.superuser.email = Some("admin@example.com".to_owned());
        config.superuser.password =
            Some(propusk_server::config::Secret::new("a password of the admin"));
    })
    .await
}

async fn server_with_users() -> TestServer {
    let server = server_with_a_superuser().await;
    for user in [
        json!({"email": "user@mail.com", "password": "strong_password"}),
        json!({"phone": "+71234567890", "password": "strong_password"}),
    ] {
        assert_eq!(server.client.post("/api/auth/users/", &user).await.status, 201);
    }
    server
}

fn credentials(username: &str) -> Value {
    json!({"username": username, "password": "strong_password"})
}

#[tokio::test]
async fn registration_takes_an_email_or_a_phone() {
    let server = server_with_a_superuser().await;
    let user = json!({"email": "user@mail.com", "password": "strong_password"});
    let answer = server.client.post("/api/auth/users/", &user).await;
    assert_head(&answer, USERS, 110);
    let shown = json!({"id": 2, "username": "user@mail.com", "email": "user@mail.com", "phone": null, "is_active": true, "is_superuser": false});
    assert_answer(&answer, 201, &shown);

    let user = json!({"phone": "+71234567890", "password": "strong_password"});
    let answer = server.client.post("/api/auth/users/", &user).await;
    assert_head(&answer, USERS, 108);
    let shown = json!({"id": 3, "username": "+71234567890", "email": null, "phone": "+71234567890", "is_active": true, "is_superuser": false});
    assert_answer(&answer, 201, &shown);

    assert_eq!(server.client.post("/api/auth/users/", &user).await.status, 400);
}

#[tokio::test]
async fn sign_in_takes_an_email_or_a_phone() {
    let server = server_with_users().await;
    for name in ["user@mail.com", "+71234567890"] {
        let answer = server.client.post("/api/auth/jwt/create/", &credentials(name)).await;
        assert_head(&answer, TOKENS, 483);
        assert_pair(&answer);
    }
    let wrong = json!({"username": "user@mail.com", "password": "wrong"});
    assert_eq!(server.client.post("/api/auth/jwt/create/", &wrong).await.status, 401);
}

#[tokio::test]
async fn refresh_answers_an_access_token() {
    let server = server_with_users().await;
    let pair = server.client.post("/api/auth/jwt/create/", &credentials("user@mail.com")).await;
    let (refresh, _) = assert_pair(&pair);
    let answer = server.client.post("/api/auth/jwt/refresh/", &json!({"refresh": refresh})).await;
    assert_head(&answer, TOKENS, 241);
    assert_answer(&answer, 200, &json!({"access": answer.field("access")}));
    assert_eq!(
        server.client.post("/api/auth/jwt/refresh/", &json!({"refresh": "wrong"})).await.status,
        401
    );
}

#[tokio::test]
async fn sign_out_ends_the_whole_session_and_no_other() {
    let server = server_with_users().await;
    let pair = || async {
        assert_pair(
            &server.client.post("/api/auth/jwt/create/", &credentials("user@mail.com")).await,
        )
    };
    let ((refresh, access), (other_refresh, other_access)) = (pair().await, pair().await);

    let answer = server.client.post("/api/auth/logout/", &json!({"refresh": refresh})).await;
    assert_head(&answer, TOKENS, 2);
    assert_answer(&answer, 200, &json!({}));

    assert_eq!(
        server.client.post("/api/auth/jwt/refresh/", &json!({"refresh": refresh})).await.status,
        401
    );
    assert_eq!(
        server
            .client
            .post("/api/auth/jwt/refresh/", &json!({"refresh": other_refresh}))
            .await
            .status,
        200
    );
    for (access, status) in [(access, 401), (other_access, 200)] {
        let answer =
            server.client.get("/api/auth/users/me/", Some(&format!("Bearer {access}"))).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn reset_by_the_mailed_link_ends_every_session() {
    let server = server_with_users().await;
    let name = credentials("user@mail.com");
    let pair = server.client.post("/api/auth/jwt/create/", &name).await;
    let ask = "/api/auth/users/reset_password/";
    for email in ["user@mail.com", "unknown@mail.com"] {
        let answer = server.client.post(ask, &json!({"email": email})).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));
    }
    assert_eq!(server.mails().await.len(), 1);
    let link = server.link_to("user@mail.com").await;

    let confirm = "/api/auth/users/reset_password_confirm/";
    let with =
        |token: &str, new: &str| json!({"uid": link.uid, "token": token, "new_password": new});
    let invalid = json!({"token": ["Invalid token for given user."]});
    let answer = server.client.post(confirm, &with("wrong", "another_password")).await;
    assert_answer(&answer, 400, &invalid);
    let answer = server.client.post(confirm, &with(&link.token, "another_password")).await;
    assert_eq!(answer.status, 204);
    let answer = server.client.post(confirm, &with(&link.token, "third_password")).await;
    assert_answer(&answer, 400, &invalid);

    let bearer = format!("Bearer {}", pair.field("access"));
    assert_eq!(server.client.get("/api/auth/users/me/", Some(&bearer)).await.status, 401);
    let body = json!({"refresh": pair.field("refresh")});
    assert_eq!(server.client.post("/api/auth/jwt/refresh/", &body).await.status, 401);
    assert_eq!(server.client.post("/api/auth/jwt/create/", &name).await.status, 401);
    let name = json!({"username": "user@mail.com", "password": "another_password"});
    assert_eq!(server.client.post("/api/auth/jwt/create/", &name).await.status, 200);
}

#[tokio::test]
async fn activation_works_for_an_account_of_another_dialect() {
    let server = server_with_users().await;
    let user = json!({"email": "new@mail.com", "password": "strong_password", "re_password": "strong_password"});
    assert_eq!(server.client.post("/auth/users/", &user).await.status, 201);
    let first = server.link_to("new@mail.com").await;
    let resend = "/api/auth/users/resend_activation/";
    let answer = server.client.post(resend, &json!({"email": "new@mail.com"})).await;
    assert_eq!(answer.status, 204);
    let link = server.link_to("new@mail.com").await;
    assert_ne!(link, first);
    let answer = server.client.post(resend, &json!({"email": "user@mail.com"})).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (400, ""));

    assert_eq!(
        server.client.post("/api/auth/jwt/create/", &credentials("new@mail.com")).await.status,
        401
    );
    let body = json!({"uid": link.uid, "token": link.token});
    let answer = server.client.post("/api/auth/users/activation/", &body).await;
    assert_eq!(answer.status, 204);
    let answer = server.client.post("/api/auth/users/activation/", &body).await;
    assert_answer(&answer, 403, &json!({"detail": "Stale token for given user."}));
    assert_eq!(
        server.client.post("/api/auth/jwt/create/", &credentials("new@mail.com")).await.status,
        200
    );
}
