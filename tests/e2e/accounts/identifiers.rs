//! Identifiers: one account for each mailbox, phone and username in every spelling, and the
//! conditions to change them.

use propusk_tests::server::TestServer;
use propusk_tests::user::{PASSWORD, change_me, register, sign_in};
use serde_json::json;

#[tokio::test]
async fn mailbox_is_one_account_in_every_spelling() {
    let server = TestServer::start().await;
    assert_eq!(register(&server, "email", "Anna.B@Пример.рф").await.status, 201);
    let taken = json!({"email": ["user with this email already exists."]});
    for spelling in [
        "anna.b@пример.рф",
        "ANNA.B@ПРИМЕР.РФ",
        "anna.b@xn--e1afmkfd.xn--p1ai",
        "anna.b@XN--E1AFMKFD.XN--P1AI",
        "anna.b@пример。рф",
    ] {
        assert_eq!(register(&server, "email", spelling).await.json(), taken, "{spelling}");
        assert_eq!(sign_in(&server, spelling, PASSWORD).await.status, 200, "{spelling}");
    }
    assert_eq!(register(&server, "email", "anna.b+tag@пример.рф").await.status, 201);
}

#[tokio::test]
async fn phone_is_one_account_in_every_spelling() {
    let server = TestServer::start().await;
    let account = register(&server, "phone", "+49 (170) 123-45.67").await;
    assert_eq!(account.json()["phone"], "+491701234567");
    let taken = json!({"phone": ["user with this phone already exists."]});
    assert_eq!(register(&server, "phone", "+491701234567").await.json(), taken);
    assert_eq!(sign_in(&server, "+49 170 1234567", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn username_may_not_be_an_address_or_a_number() {
    let server = TestServer::start().await;
    for username in ["anna@example.com", "ａｎｎａ＠example.com", "+491701234567", "4917 0123 4567"]
    {
        let body = json!({"username": username, "email": "x@example.com", "password": PASSWORD});
        let answer = server.client.post("/api/auth/register/", &body).await;
        assert_eq!(answer.json(), json!({"error": "Username already exists."}), "{username}");
    }
}

#[tokio::test]
async fn changed_address_signs_in_and_the_old_one_is_free() {
    let server = TestServer::start().await;
    register(&server, "email", "old@example.com").await;
    let token = sign_in(&server, "old@example.com", PASSWORD).await.field("access");
    let changed = change_me(&server, &token, &json!({"email": "new@example.com"})).await;
    assert_eq!((changed.status.as_u16(), changed.field("email")), (200, "new@example.com".into()));
    assert_eq!(sign_in(&server, "new@example.com", PASSWORD).await.status, 200);
    assert_eq!(sign_in(&server, "old@example.com", PASSWORD).await.status, 401);
    assert_eq!(register(&server, "email", "old@example.com").await.status, 201);
}

#[tokio::test]
async fn username_is_never_an_address_that_was_removed() {
    let server = TestServer::start().await;
    register(&server, "email", "victim@example.com").await;
    let token = sign_in(&server, "victim@example.com", PASSWORD).await.field("access");
    let changed = change_me(&server, &token, &json!({"email": "other@example.com"})).await;
    assert_eq!(changed.field("username"), "other@example.com");
    let phone = change_me(&server, &token, &json!({"phone": "+491701234567", "email": null})).await;
    assert_eq!(phone.field("username"), "+491701234567");
}

#[tokio::test]
async fn username_stays_what_an_account_registered_with_and_still_has() {
    let server = TestServer::start().await;
    register(&server, "phone", "+491701234567").await;
    let token = sign_in(&server, "+491701234567", PASSWORD).await.field("access");
    let changed = change_me(&server, &token, &json!({"email": "anna@example.com"})).await;
    assert_eq!(changed.field("username"), "+491701234567");
}

#[tokio::test]
async fn address_of_another_account_is_refused() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    register(&server, "email", "bob@example.com").await;
    let token = sign_in(&server, "bob@example.com", PASSWORD).await.field("access");
    let answer = change_me(&server, &token, &json!({"email": "ANNA@example.com"})).await;
    let taken = json!({"email": ["user with this email already exists."]});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, taken));
    assert_eq!(sign_in(&server, "bob@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn identifiers_change_only_within_five_minutes_of_a_sign_in() {
    let server =
        TestServer::with(|config| config.dialect("djoser_jwt").access_seconds = 3_600).await;
    register(&server, "email", "anna@example.com").await;
    let token = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    server.clock.advance(301);
    for body in [json!({"email": "new@example.com"}), json!({"phone": "+491701234567"})] {
        assert_eq!(change_me(&server, &token, &body).await.status, 403);
    }
    // A change without effect needs no recent sign-in.
    assert_eq!(change_me(&server, &token, &json!({"email": "anna@example.com"})).await.status, 200);
    let again = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    server.clock.advance(300);
    assert_eq!(change_me(&server, &again, &json!({"phone": "+491701234567"})).await.status, 200);
}

#[tokio::test]
async fn refreshed_access_token_is_no_recent_sign_in() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    let refresh = sign_in(&server, "anna@example.com", PASSWORD).await.field("refresh");
    server.clock.advance(301);
    let body = json!({"refresh": refresh});
    let token = server.client.post("/api/auth/jwt/refresh/", &body).await.field("access");
    assert_eq!(change_me(&server, &token, &json!({"email": "new@example.com"})).await.status, 403);
}

#[tokio::test]
async fn last_identifier_cannot_be_removed() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    let token = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    let answer = change_me(&server, &token, &json!({"email": null})).await;
    let refused = json!({"non_field_errors": ["Email or phone is required."]});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, refused));
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn deletion_of_the_own_account_needs_the_password() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    let token = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    for (password, status) in [("wrong", 400), (PASSWORD, 204)] {
        let (bearer, body) = (format!("Bearer {token}"), json!({"current_password": password}));
        let path = "/api/auth/users/me/";
        let answer = server.client.call("DELETE", path, Some(&bearer), &body).await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 401);
}

#[tokio::test]
async fn superuser_flag_opens_no_other_account() {
    let server = TestServer::with(|config| {
        config.superuser.email = Some("root@example.com".to_owned());
        config.superuser.password = Some(propusk_server::config::Secret::new(PASSWORD));
    })
    .await;
    let other = register(&server, "email", "anna@example.com").await.json()["id"].clone();
    let token = sign_in(&server, "root@example.com", PASSWORD).await.field("access");
    let authorization = format!("Bearer {token}");
    let list = server.client.get("/api/auth/users/", Some(&authorization)).await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["is_superuser"], true);
    let path = format!("/api/auth/users/{other}/");
    let answer = server.client.get(&path, Some(&authorization)).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (404, json!({"detail": "Not found."})));
}
