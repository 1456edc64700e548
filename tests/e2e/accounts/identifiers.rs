//! Identifiers: one account per mailbox, phone and name, however spelled, and who may change them.

use hyper::Request;
use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

async fn register(server: &TestServer, field: &str, value: &str) -> Answer {
    let body = json!({field: value, "password": PASSWORD});
    server.client.post("/api/auth/users/", &body).await
}

async fn access(server: &TestServer, name: &str) -> Answer {
    let body = json!({"username": name, "password": PASSWORD});
    server.client.post("/api/auth/jwt/create/", &body).await
}

async fn patch(server: &TestServer, access: &str, body: Value) -> Answer {
    let request = Request::patch("/api/auth/users/me/")
        .header("Authorization", format!("Bearer {access}"))
        .header("Content-Type", "application/json");
    let request = request.body(body.to_string().into()).expect("a request");
    server.client.send(request).await.expect("an answer")
}

#[tokio::test]
async fn every_spelling_of_a_mailbox_is_one_account() {
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
        assert_eq!(access(&server, spelling).await.status, 200, "{spelling}");
    }
    assert_eq!(register(&server, "email", "anna.b+tag@пример.рф").await.status, 201);
}

#[tokio::test]
async fn every_spelling_of_a_phone_is_one_account() {
    let server = TestServer::start().await;
    let account = register(&server, "phone", "+49 (170) 123-45.67").await;
    assert_eq!(account.json()["phone"], "+491701234567");
    let taken = json!({"phone": ["user with this phone already exists."]});
    assert_eq!(register(&server, "phone", "+491701234567").await.json(), taken);
    assert_eq!(access(&server, "+49 170 1234567").await.status, 200);
}

#[tokio::test]
async fn a_username_cannot_sit_on_an_address_or_a_number() {
    let server = TestServer::start().await;
    for username in ["anna@example.com", "ａｎｎａ＠example.com", "+491701234567", "4917 0123 4567"]
    {
        let body = json!({"username": username, "email": "x@example.com", "password": PASSWORD});
        let answer = server.client.post("/api/auth/register/", &body).await;
        assert_eq!(answer.json(), json!({"error": "Username already exists."}), "{username}");
    }
}

#[tokio::test]
async fn a_changed_address_signs_in_and_the_old_one_is_free() {
    let server = TestServer::start().await;
    register(&server, "email", "old@example.com").await;
    let token = access(&server, "old@example.com").await.field("access");
    let changed = patch(&server, &token, json!({"email": "new@example.com"})).await;
    assert_eq!((changed.status.as_u16(), changed.field("email")), (200, "new@example.com".into()));
    assert_eq!(access(&server, "new@example.com").await.status, 200);
    assert_eq!(access(&server, "old@example.com").await.status, 401);
    assert_eq!(register(&server, "email", "old@example.com").await.status, 201);
}

#[tokio::test]
async fn an_address_that_was_given_up_is_not_shown_as_a_username() {
    let server = TestServer::start().await;
    register(&server, "email", "victim@example.com").await;
    let token = access(&server, "victim@example.com").await.field("access");
    let changed = patch(&server, &token, json!({"email": "other@example.com"})).await;
    assert_eq!(changed.field("username"), "other@example.com");
    let phone = patch(&server, &token, json!({"phone": "+491701234567", "email": null})).await;
    assert_eq!(phone.field("username"), "+491701234567");
}

#[tokio::test]
async fn the_username_stays_what_an_account_registered_with_and_still_has() {
    let server = TestServer::start().await;
    register(&server, "phone", "+491701234567").await;
    let token = access(&server, "+491701234567").await.field("access");
    let changed = patch(&server, &token, json!({"email": "anna@example.com"})).await;
    assert_eq!(changed.field("username"), "+491701234567");
}

#[tokio::test]
async fn nobody_takes_anothers_address() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    register(&server, "email", "bob@example.com").await;
    let token = access(&server, "bob@example.com").await.field("access");
    let answer = patch(&server, &token, json!({"email": "ANNA@example.com"})).await;
    let taken = json!({"email": ["user with this email already exists."]});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, taken));
    assert_eq!(access(&server, "bob@example.com").await.status, 200);
}

#[tokio::test]
async fn identifiers_change_only_within_five_minutes_of_a_sign_in() {
    let server =
        TestServer::with(|config| config.dialect("djoser_jwt").access_seconds = 3_600).await;
    register(&server, "email", "anna@example.com").await;
    let token = access(&server, "anna@example.com").await.field("access");
    server.clock.advance(301);
    for body in [json!({"email": "new@example.com"}), json!({"phone": "+491701234567"})] {
        assert_eq!(patch(&server, &token, body).await.status, 403);
    }
    // What changes nothing needs no proof.
    assert_eq!(patch(&server, &token, json!({"email": "anna@example.com"})).await.status, 200);
    let again = access(&server, "anna@example.com").await.field("access");
    server.clock.advance(300);
    assert_eq!(patch(&server, &again, json!({"phone": "+491701234567"})).await.status, 200);
}

#[tokio::test]
async fn a_refreshed_access_token_is_no_recent_sign_in() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    let refresh = access(&server, "anna@example.com").await.field("refresh");
    server.clock.advance(301);
    let body = json!({"refresh": refresh});
    let token = server.client.post("/api/auth/jwt/refresh/", &body).await.field("access");
    assert_eq!(patch(&server, &token, json!({"email": "new@example.com"})).await.status, 403);
}

#[tokio::test]
async fn the_last_identifier_stays() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    let token = access(&server, "anna@example.com").await.field("access");
    let answer = patch(&server, &token, json!({"email": null})).await;
    let refused = json!({"non_field_errors": ["Email or phone is required."]});
    assert_eq!((answer.status.as_u16(), answer.json()), (400, refused));
    assert_eq!(access(&server, "anna@example.com").await.status, 200);
}

#[tokio::test]
async fn deleting_oneself_needs_the_password() {
    let server = TestServer::start().await;
    register(&server, "email", "anna@example.com").await;
    let token = access(&server, "anna@example.com").await.field("access");
    for (password, status) in [("wrong", 400), (PASSWORD, 204)] {
        let request = Request::delete("/api/auth/users/me/")
            .header("Authorization", format!("Bearer {token}"))
            .header("Content-Type", "application/json");
        let body = json!({"current_password": password}).to_string();
        let answer = server.client.send(request.body(body.into()).expect("a request")).await;
        assert_eq!(answer.expect("an answer").status, status);
    }
    assert_eq!(access(&server, "anna@example.com").await.status, 401);
}

#[tokio::test]
async fn being_shown_as_a_superuser_opens_nobody_elses_account() {
    let server = TestServer::with(|config| {
        config.superuser.email = Some("root@example.com".to_owned());
        config.superuser.password = Some(propusk_server::config::Secret::new(PASSWORD));
    })
    .await;
    let other = register(&server, "email", "anna@example.com").await.json()["id"].clone();
    let token = access(&server, "root@example.com").await.field("access");
    let authorization = format!("Bearer {token}");
    let list = server.client.get("/api/auth/users/", Some(&authorization)).await.json();
    assert_eq!(list.as_array().map(Vec::len), Some(1));
    assert_eq!(list[0]["is_superuser"], true);
    let path = format!("/api/auth/users/{other}/");
    let answer = server.client.get(&path, Some(&authorization)).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (404, json!({"detail": "Not found."})));
}
