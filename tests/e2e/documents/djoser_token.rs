//! `/auth/users/…`, `/auth/token/…`: registration confirmed by mail, an opaque token for each sign-in,
//! and the other routes of djoser.

use http_body_util::Full;
use hyper::{Method, Request};
use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use propusk_tests::smtp::Behaviour;
use serde_json::{Value, json};

use super::assert_answer;

const EMAIL: &str = "email@example.com";
const PASSWORD: &str = "Str0ng-pass-77";
const OTHER: &str = "Even-Str0nger-88";

fn user(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "re_password": PASSWORD})
}

/// A server on which the address is registered and confirmed.
async fn server_with_a_user() -> TestServer {
    let server = TestServer::start().await;
    assert_eq!(server.client.post("/auth/users/", &user(EMAIL)).await.status, 201);
    let link = server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
    server
}

async fn sign_in(server: &TestServer, email: &str, password: &str) -> Answer {
    let body = json!({"username": email, "password": password});
    server.client.post("/auth/token/login/", &body).await
}

/// The header of a new sign-in.
async fn key(server: &TestServer) -> String {
    format!("Token {}", sign_in(server, EMAIL, PASSWORD).await.field("auth_token"))
}

async fn me(server: &TestServer, authorization: &str) -> Answer {
    server.client.get("/auth/users/me/", Some(authorization)).await
}

async fn send(
    server: &TestServer,
    method: Method,
    authorization: &str,
    path: &str,
    body: &Value,
) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Authorization", authorization)
        .header("Content-Type", "application/json")
        .body(Full::from(body.to_string()))
        .expect("a request of the test's own");
    server.client.send(request).await.expect("an answer")
}

#[tokio::test]
async fn registration_confirmation_sign_in_and_sign_out() {
    let server = TestServer::start().await;
    let answer = server.client.post("/auth/users/", &user(EMAIL)).await;
    assert_answer(&answer, 201, &json!({"email": EMAIL, "id": 1}));

    let refused = json!({"non_field_errors": ["Unable to log in with provided credentials."]});
    assert_answer(&sign_in(&server, EMAIL, PASSWORD).await, 400, &refused);

    let link = server.link_to(EMAIL).await;
    assert!(link.url.ends_with(&format!("/auth/activate/{}/{}", link.uid, link.token)));
    let body = json!({"uid": link.uid, "token": link.token});
    let answer = server.client.post("/auth/users/activation/", &body).await;
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (204, ""));

    let answer = sign_in(&server, EMAIL, PASSWORD).await;
    let key = answer.field("auth_token");
    assert_answer(&answer, 200, &json!({"auth_token": key}));
    assert!(key.len() == 40 && key.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));

    let header = format!("Token {key}");
    assert_answer(&me(&server, &header).await, 200, &json!({"id": 1, "email": EMAIL}));
    let answer = server.client.get("/auth/users/", Some(&header)).await;
    assert_answer(&answer, 200, &json!([{"id": 1, "email": EMAIL}]));

    let answer = server.client.post_as(&header, "/auth/token/logout/", &json!({})).await;
    assert_eq!(answer.status, 204);
    let answer = me(&server, &header).await;
    assert_answer(&answer, 401, &json!({"detail": "Invalid token."}));
    assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some("Token"));
}

#[tokio::test]
async fn activation_link_works_once_and_says_so_until_the_first_sign_in() {
    let server = server_with_a_user().await;
    let link = server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token});
    let again = server.client.post("/auth/users/activation/", &body).await;
    assert_answer(&again, 403, &json!({"detail": "Stale token for given user."}));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 200);
    let again = server.client.post("/auth/users/activation/", &body).await;
    assert_answer(&again, 400, &json!({"token": ["Invalid token for given user."]}));

    let wrong = json!({"uid": "OTk5OTk5", "token": link.token});
    let answer = server.client.post("/auth/users/activation/", &wrong).await;
    assert_answer(&answer, 400, &json!({"uid": ["Invalid user id or user doesn't exist."]}));
}

#[tokio::test]
async fn activation_link_is_accepted_only_as_text_and_as_it_was_sent() {
    let server = TestServer::start().await;
    assert_eq!(server.client.post("/auth/users/", &user(EMAIL)).await.status, 201);
    let link = server.link_to(EMAIL).await;
    let invalid_token = json!({"token": ["Invalid token for given user."]});
    for token in [json!(format!(" {}", link.token)), json!(12345)] {
        let body = json!({"uid": link.uid, "token": token});
        let answer = server.client.post("/auth/users/activation/", &body).await;
        assert_answer(&answer, 400, &invalid_token);
    }
    let body = json!({"uid": 12345, "token": link.token});
    let answer = server.client.post("/auth/users/activation/", &body).await;
    assert_answer(&answer, 400, &json!({"uid": ["Invalid user id or user doesn't exist."]}));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 400);
}

#[tokio::test]
async fn activation_mail_is_sent_again_only_to_accounts_that_need_it() {
    let server = TestServer::start().await;
    assert_eq!(server.client.post("/auth/users/", &user(EMAIL)).await.status, 201);
    let first = server.link_to(EMAIL).await;
    let ask = |email: &'static str| {
        let client = server.client.clone();
        async move { client.post("/auth/users/resend_activation/", &json!({"email": email})).await }
    };
    assert_eq!(ask(EMAIL).await.status, 204);
    assert_ne!(server.link_to(EMAIL).await, first);

    let body = json!({"uid": first.uid, "token": first.token});
    assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
    for email in [EMAIL, "unknown@example.com"] {
        let answer = ask(email).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (400, ""));
    }
    assert_eq!(server.mails().await.len(), 2);
}

#[tokio::test]
async fn sign_in_issues_a_token_of_its_own_and_sign_out_ends_that_one() {
    let server = server_with_a_user().await;
    let (one, other) = (key(&server).await, key(&server).await);
    assert_ne!(one, other);
    let answer = server.client.post_as(&one, "/auth/token/logout/", &json!({})).await;
    assert_eq!(answer.status, 204);
    assert_eq!(me(&server, &one).await.status, 401);
    assert_eq!(me(&server, &other).await.status, 200);
}

#[tokio::test]
async fn suspension_refuses_the_token_until_the_account_is_enabled() {
    let server = server_with_a_user().await;
    let key = key(&server).await;
    let refused = json!({"detail": "User inactive or deleted."});
    assert!(server.auth.set_active(1, false).await.expect("an answer"));
    for scheme in ["Token", "Bearer"] {
        let header = key.replace("Token", scheme);
        assert_answer(&me(&server, &header).await, 401, &refused);
    }
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 400);
    assert!(server.auth.set_active(1, true).await.expect("an answer"));
    assert_eq!(me(&server, &key).await.status, 200);
}

#[tokio::test]
async fn password_change_keeps_the_token_that_made_it_and_ends_the_others() {
    let server = server_with_a_user().await;
    let (acting, other) = (key(&server).await, key(&server).await);
    let wrong = json!({"current_password": "wrong", "new_password": OTHER});
    let answer = server.client.post_as(&acting, "/auth/users/set_password/", &wrong).await;
    assert_answer(&answer, 400, &json!({"current_password": ["Invalid password."]}));
    let body = json!({"current_password": PASSWORD, "new_password": OTHER});
    let answer = server.client.post_as(&acting, "/auth/users/set_password/", &body).await;
    assert_eq!(answer.status, 204);
    assert_eq!(me(&server, &acting).await.status, 200);
    assert_eq!(me(&server, &other).await.status, 401);
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 400);
    assert_eq!(sign_in(&server, EMAIL, OTHER).await.status, 200);
}

#[tokio::test]
async fn reset_by_the_mailed_link_works_once_and_ends_every_token() {
    let server = server_with_a_user().await;
    let key = key(&server).await;
    let ask = json!({"email": EMAIL});
    assert_eq!(server.client.post("/auth/users/reset_password/", &ask).await.status, 204);
    let link = server.link_to(EMAIL).await;
    assert!(link.url.ends_with(&format!("/auth/reset/{}/{}", link.uid, link.token)));
    let with = |new: &str| json!({"uid": link.uid, "token": link.token, "new_password": new});
    let confirm = "/auth/users/reset_password_confirm/";
    let weak = server.client.post(confirm, &with("12345")).await;
    assert!(weak.json()["new_password"].is_array());
    assert_eq!(server.client.post(confirm, &with(OTHER)).await.status, 204);
    let invalid = json!({"token": ["Invalid token for given user."]});
    assert_answer(&server.client.post(confirm, &with(PASSWORD)).await, 400, &invalid);
    assert_eq!(me(&server, &key).await.status, 401);
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 400);
    assert_eq!(sign_in(&server, EMAIL, OTHER).await.status, 200);
}

#[tokio::test]
async fn address_change_needs_the_password_and_notifies_the_old_address() {
    let server = server_with_a_user().await;
    let key = key(&server).await;
    assert_eq!(
        server.client.post("/auth/users/reset_password/", &json!({"email": EMAIL})).await.status,
        204
    );
    let open = server.link_to(EMAIL).await;
    let mails = server.mails().await.len();

    let body =
        |password: &str| json!({"new_email": "new@example.com", "current_password": password});
    let answer = server.client.post_as(&key, "/auth/users/set_email/", &body("wrong")).await;
    assert_answer(&answer, 400, &json!({"current_password": ["Invalid password."]}));
    let taken = json!({"new_email": EMAIL, "current_password": PASSWORD});
    let answer = server.client.post_as(&key, "/auth/users/set_email/", &taken).await;
    assert_answer(&answer, 400, &json!({"new_email": ["user with this email already exists."]}));
    let answer = server.client.post_as(&key, "/auth/users/set_email/", &body(PASSWORD)).await;
    assert_eq!(answer.status, 204);

    let notified = server.mails().await.split_off(mails);
    let mut notified: Vec<_> = notified.iter().flat_map(|mail| &mail.to).collect();
    notified.sort_unstable();
    // The new address is not confirmed yet: resets go to the old one.
    assert_eq!(notified, [EMAIL, "new@example.com"]);
    assert_answer(&me(&server, &key).await, 200, &json!({"id": 1, "email": "new@example.com"}));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 400);
    assert_eq!(sign_in(&server, "new@example.com", PASSWORD).await.status, 200);
    let body = json!({"uid": open.uid, "token": open.token, "new_password": OTHER});
    let answer = server.client.post("/auth/users/reset_password_confirm/", &body).await;
    assert_answer(&answer, 400, &json!({"token": ["Invalid token for given user."]}));
}

#[tokio::test]
async fn address_change_notifies_the_old_address_even_if_the_account_is_deleted_first() {
    let server = server_with_a_user().await;
    let key = key(&server).await;
    let mails = server.mails().await.len();
    server.smtp.behave(Behaviour::Greylist);
    let body = json!({"new_email": "thief@example.com", "current_password": PASSWORD});
    let answer = server.client.post_as(&key, "/auth/users/set_email/", &body).await;
    assert_eq!(answer.status, 204);
    let body = json!({"current_password": PASSWORD});
    let answer = send(&server, Method::DELETE, &key, "/auth/users/me/", &body).await;
    assert_eq!(answer.status, 204);
    server.smtp.behave(Behaviour::Fine);
    server.clock.advance(60);
    let mut notified = server.mails().await.split_off(mails);
    // The mail to the new address may have been in delivery before the deletion.
    notified.retain(|mail| mail.to != ["thief@example.com"]);
    let notified: Vec<_> = notified.iter().flat_map(|mail| &mail.to).collect();
    // It also gets the notice of the deletion, because the new address is not confirmed.
    assert_eq!(notified, [EMAIL, EMAIL]);
}

#[tokio::test]
async fn address_that_is_not_confirmed_is_free_again_after_a_month() {
    let server = server_with_a_user().await;
    let waiting = user("waiting@example.com");
    assert_eq!(server.client.post("/auth/users/", &waiting).await.status, 201);
    for (days, status) in [(29, 400), (2, 201)] {
        server.clock.advance(days * 24 * 3_600);
        server.auth.sweep().await.expect("the database answers");
        assert_eq!(server.client.post("/auth/users/", &waiting).await.status, status);
    }
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn address_reset_link_changes_the_address_once() {
    let server = server_with_a_user().await;
    let ask = json!({"email": EMAIL});
    assert_eq!(server.client.post("/auth/users/reset_email/", &ask).await.status, 204);
    let link = server.link_to(EMAIL).await;
    let with = |new: &str| json!({"uid": link.uid, "token": link.token, "new_email": new});
    let confirm = "/auth/users/reset_email_confirm/";
    let answer = server.client.post(confirm, &with("no address")).await;
    assert_answer(&answer, 400, &json!({"new_email": ["Enter a valid email address."]}));
    assert_eq!(server.client.post(confirm, &with("new@example.com")).await.status, 204);
    let answer = server.client.post(confirm, &with("other@example.com")).await;
    assert_answer(&answer, 400, &json!({"token": ["Invalid token for given user."]}));
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await.status, 400);
    assert_eq!(sign_in(&server, "new@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn address_is_read_only_where_djoser_has_it_so() {
    let server = server_with_a_user().await;
    let key = key(&server).await;
    let shown = json!({"id": 1, "email": EMAIL});
    for method in [Method::PUT, Method::PATCH] {
        let body = json!({"email": "new@example.com"});
        let answer = send(&server, method, &key, "/auth/users/me/", &body).await;
        assert_answer(&answer, 200, &shown);
    }
    assert_answer(&me(&server, &key).await, 200, &shown);
}

#[tokio::test]
async fn deletion_needs_the_password() {
    let server = server_with_a_user().await;
    let key = key(&server).await;
    let wrong = json!({"current_password": "wrong"});
    let answer = send(&server, Method::DELETE, &key, "/auth/users/me/", &wrong).await;
    assert_answer(&answer, 400, &json!({"current_password": ["Invalid password."]}));
    let right = json!({"current_password": PASSWORD});
    let answer = send(&server, Method::DELETE, &key, "/auth/users/me/", &right).await;
    assert_eq!(answer.status, 204);
    assert_answer(&me(&server, &key).await, 401, &json!({"detail": "Invalid token."}));
}

#[tokio::test]
async fn token_expires_a_year_after_its_last_use() {
    const YEAR: i64 = 31_536_000;
    let server = server_with_a_user().await;
    let (used, unused) = (key(&server).await, key(&server).await);
    server.clock.advance(YEAR - 1);
    assert_eq!(me(&server, &used).await.status, 200);
    server.clock.advance(1);
    assert_eq!(me(&server, &unused).await.status, 401);
    server.clock.advance(YEAR - 2);
    assert_eq!(me(&server, &used).await.status, 200);
    server.clock.advance(YEAR);
    assert_eq!(me(&server, &used).await.status, 401);
}

#[tokio::test]
async fn access_credentials_work_in_other_dialects_and_sign_outs_do_not() {
    let server = server_with_a_user().await;
    let key = sign_in(&server, EMAIL, PASSWORD).await.field("auth_token");
    let credentials = json!({"username": EMAIL, "password": PASSWORD});
    let pair = server.client.post("/api/auth/jwt/create/", &credentials).await;
    let access = pair.field("access");

    for header in [format!("Bearer {access}"), format!("Token {access}"), format!("Bearer {key}")] {
        assert_answer(&me(&server, &header).await, 200, &json!({"id": 1, "email": EMAIL}));
    }
    let header = format!("Bearer {key}");
    let answer = server.client.get("/api/auth/users/me/", Some(&header)).await;
    assert_eq!((answer.status.as_u16(), answer.field("email").as_str()), (200, EMAIL));

    let refresh = format!("Bearer {}", pair.field("refresh"));
    let none = json!({"detail": "Invalid token header. No credentials provided."});
    assert_answer(&me(&server, &refresh).await, 401, &none);
    // The other dialect's token endpoint verifies what its header accepts.
    let answer = server.client.post("/token/verify", &json!({"token": key})).await;
    assert_eq!(answer.status, 200);

    let header = format!("Bearer {access}");
    let answer = server.client.post_as(&header, "/auth/token/logout/", &json!({})).await;
    assert_answer(&answer, 401, &json!({"detail": "Invalid token."}));
    assert_eq!(me(&server, &header).await.status, 200);
}

#[tokio::test]
async fn credential_in_the_url_is_read_without_a_header_and_its_answer_is_not_cached() {
    let server = server_with_a_user().await;
    let key = sign_in(&server, EMAIL, PASSWORD).await.field("auth_token");
    let path = format!("/auth/users/me/?access_token={key}");
    let answer = server.client.get(&path, None).await;
    assert_answer(&answer, 200, &json!({"id": 1, "email": EMAIL}));
    assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"));

    let missing = json!({"detail": "Authentication credentials were not provided."});
    assert_answer(&server.client.get(&path, Some("Basic x")).await, 401, &missing);
    let answer = server.client.get("/auth/users/me/?access_token=unknown", None).await;
    assert_answer(&answer, 401, &missing);
    let answer = me(&server, &format!("Token {key}")).await;
    assert_eq!(answer.header("Cache-Control"), None);
}

#[tokio::test]
async fn answers_that_an_address_is_taken_are_limited() {
    let server = TestServer::with(|config| {
        config.limits.enabled = true;
        config.limits.registrations_per_address = 3;
    })
    .await;
    assert_eq!(server.client.post("/auth/users/", &user(EMAIL)).await.status, 201);
    let ask = json!({"uid": "MQ", "token": "wrong", "new_email": EMAIL});
    for status in [400, 400, 429] {
        let answer = server.client.post("/auth/users/reset_email_confirm/", &ask).await;
        assert_eq!(answer.status, status);
    }
}
