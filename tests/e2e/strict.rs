//! What `strict` hides, API by API: whether somebody has an account, and whether a link's uid is right.

use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "a fair password";

/// A server whose APIs are all strict, and an account on it.
async fn server() -> TestServer {
    let server = TestServer::with(|config| {
        for dialect in ["djoser_token", "djoser_jwt", "simplejwt", "simplejwt_rotating"] {
            config.dialect(dialect).strict = true;
        }
    })
    .await;
    let account = json!({"username": "anna", "email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/register/", &account).await.status, 201);
    server
}

#[track_caller]
fn assert_refused(answer: &Answer, refusal: &Value) {
    assert_eq!((answer.status.as_u16(), answer.text()), (400, refusal.to_string()));
}

/// An answer without what is new in every one.
fn shape(answer: &Answer) -> (u16, Vec<String>) {
    let keys = answer.json().as_object().map(|body| body.keys().cloned().collect());
    (answer.status.as_u16(), keys.unwrap_or_default())
}

#[tokio::test]
async fn a_registration_that_answers_no_id_succeeds_for_an_address_in_use() {
    let server = server().await;
    for (path, fresh) in
        [("/api/auth/register/", "bob@example.com"), ("/v1/creat_autor", "cid@example.com")]
    {
        let mut answers = Vec::new();
        for (name, email) in [("first", fresh), ("second", EMAIL)] {
            let body =
                json!({"username": name, "login": name, "email": email, "password": PASSWORD});
            answers.push(shape(&server.client.post(path, &body).await));
        }
        assert_eq!((answers[0].0, &answers[0]), (201, &answers[1]), "{path}");
    }
    // Its owner is told each time, and nobody got an account by it.
    let mails = server.mails().await;
    assert_eq!(mails.iter().flat_map(|mail| &mail.to).collect::<Vec<_>>(), [EMAIL, EMAIL]);
    assert!(server.auth.find_account("second").await.expect("an answer").is_none());
    let owner = json!({"username": "anna", "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/login/", &owner).await.status, 200);
}

#[tokio::test]
async fn a_username_in_use_is_told_before_anything_of_the_address() {
    let server = server().await;
    for email in [EMAIL, "fresh@example.com"] {
        let body = json!({"username": "anna", "email": email, "password": PASSWORD});
        let answer = server.client.post("/api/auth/register/", &body).await;
        assert_refused(&answer, &json!({"error": "Username already exists."}));
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn a_registration_that_answers_an_id_still_tells_of_an_address_in_use() {
    let server = server().await;
    let user =
        json!({"email": EMAIL, "password": "Str0ng-pass-77", "re_password": "Str0ng-pass-77"});
    for path in ["/auth/users/", "/api/auth/users/"] {
        let answer = server.client.post(path, &user).await;
        assert_refused(&answer, &json!({"email": ["user with this email already exists."]}));
    }
}

#[tokio::test]
async fn an_activation_mail_can_be_asked_for_whoever_it_is() {
    let server = server().await;
    for path in ["/auth/users/resend_activation/", "/api/auth/users/resend_activation/"] {
        for email in [EMAIL, "nobody@example.com"] {
            assert_eq!(server.client.post(path, &json!({"email": email})).await.status, 204);
        }
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn a_reset_can_be_asked_for_whatever_the_address_is() {
    let server = server().await;
    let path = "/api/auth/password/reset/";
    for email in [EMAIL, "nobody@example.com", "no address"] {
        let answer = server.client.post(path, &json!({"email": email})).await;
        assert_eq!(answer.text(), json!({"message": "Password reset link sent"}).to_string());
    }
    assert_refused(
        &server.client.post(path, &json!({})).await,
        &json!({"error": "Email is required"}),
    );
    assert_eq!(server.mails().await.len(), 1);
}

#[tokio::test]
async fn a_wrong_uid_is_answered_as_a_wrong_token() {
    let server = server().await;
    let wrong = json!({"token": ["Invalid token for given user."]});
    for uid in ["MQ", "OTk5OTk5", "x"] {
        let link = json!({"uid": uid, "token": "wrong", "new_password": "Str0ng-pass-77", "new_email": "new@example.com"});
        for path in [
            "/auth/users/activation/",
            "/auth/users/reset_password_confirm/",
            "/auth/users/reset_email_confirm/",
            "/api/auth/users/activation/",
            "/api/auth/users/reset_password_confirm/",
        ] {
            assert_refused(&server.client.post(path, &link).await, &wrong);
        }
        let path = format!("/api/auth/password/reset/confirm/?uid={uid}&token=wrong");
        let answer = server.client.post(&path, &link).await;
        assert_refused(&answer, &json!({"error": "Invalid or expired token"}));
    }
}

#[tokio::test]
async fn a_refresh_token_that_comes_again_ends_its_session_and_the_owner_is_told() {
    let server = server().await;
    let credentials = json!({"email": EMAIL, "password": PASSWORD});
    let [first, other] = [
        server.client.post("/token", &credentials).await,
        server.client.post("/token", &credentials).await,
    ];
    server.clock.advance(300);
    let refresh = |token: String| {
        let body = json!({ "refresh": token });
        let client = server.client.clone();
        async move { client.post("/token/refresh", &body).await }
    };
    let next = refresh(first.field("refresh")).await;
    assert_eq!(next.status, 200);
    assert!(server.mails().await.is_empty());
    let spent = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    for again in [first.field("refresh"), first.field("refresh"), next.field("refresh")] {
        let answer = refresh(again).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (401, spent.clone()));
    }
    let access = json!({"token": next.field("access")});
    assert_eq!(server.client.post("/token/verify", &access).await.status, 401);
    let told = server.mails().await;
    assert_eq!(told.iter().flat_map(|mail| &mail.to).collect::<Vec<_>>(), [EMAIL]);
    // The owner's other sign-in goes on.
    assert_eq!(refresh(other.field("refresh")).await.status, 200);
}
