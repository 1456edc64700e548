//! What strict mode hides, API by API: whether an account exists, and whether a link's uid is
//! correct.

use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "a fair password";

/// A server with all APIs in strict mode, and an account.
async fn server() -> TestServer {
    let server = TestServer::with(|config| {
        for dialect in propusk_server::default_config().dialects.keys() {
            config.dialect(dialect).strict = true;
        }
    })
    .await;
    let account = json!({"username": "anna", "email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/register/", &account).await.status, 201);
    server
}

#[track_caller]
fn assert_bad_request(answer: &Answer, refusal: &Value) {
    assert_eq!((answer.status.as_u16(), answer.text()), (400, refusal.to_string()));
}

/// An answer without the values that are always new.
fn shape(answer: &Answer) -> (u16, Vec<String>) {
    let keys = answer.json().as_object().map(|body| body.keys().cloned().collect());
    (answer.status.as_u16(), keys.unwrap_or_default())
}

#[tokio::test]
async fn registration_that_answers_no_id_succeeds_for_an_address_in_use() {
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
    // The owner is notified each time, and no account was created.
    let mails = server.mails().await;
    assert_eq!(mails.iter().flat_map(|mail| &mail.to).collect::<Vec<_>>(), [EMAIL, EMAIL]);
    assert!(server.auth.find_account("second").await.expect("an answer").is_none());
    let owner = json!({"username": "anna", "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/login/", &owner).await.status, 200);
}

#[tokio::test]
async fn username_in_use_is_reported_before_the_address_is_looked_up() {
    let server = server().await;
    for email in [EMAIL, "fresh@example.com"] {
        let body = json!({"username": "anna", "email": email, "password": PASSWORD});
        let answer = server.client.post("/api/auth/register/", &body).await;
        assert_bad_request(&answer, &json!({"error": "Username already exists."}));
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn registration_of_djoser_answers_a_number_even_for_an_address_in_use() {
    let server = server().await;
    for (path, fresh) in
        [("/auth/users/", "bob@example.com"), ("/api/auth/users/", "cid@example.com")]
    {
        let mut answers = Vec::new();
        let before = server.mails().await.len();
        for email in [fresh, EMAIL, "Anna@EXAMPLE.com"] {
            let body = json!({"email": email, "password": "Str0ng-pass-77", "re_password": "Str0ng-pass-77"});
            let answer = server.client.post(path, &body).await;
            assert_eq!(answer.status, 201, "{path}: {}", answer.text());
            let mut body = answer.json();
            let id = body["id"].take().as_i64().expect("a number");
            answers.push((id, body.to_string().replace(&answer.field("email"), "it")));
        }
        let [(first, made), (second, pretended), (third, again)] = &answers[..] else { panic!() };
        assert_eq!((second - first, third - second), (1, 1), "{path}");
        assert_eq!((made, made), (pretended, again), "{path}");
        let mails = server.mails().await.split_off(before);
        // They are sent concurrently.
        let mut notified: Vec<_> = mails.iter().flat_map(|mail| &mail.to).collect();
        notified.sort();
        assert_eq!(notified, [EMAIL, EMAIL, fresh], "{path}");
        // The number that was used up has no account, and the new account can be opened by its mail
        // alone.
        assert!(server.auth.account_by_id(*second).await.expect("an answer").is_none());
        let sign_in = json!({"username": fresh, "password": "Str0ng-pass-77"});
        let signed_in = || server.client.post("/api/auth/jwt/create/", &sign_in);
        assert_eq!(signed_in().await.status, 401, "{path}");
        let link = server.link_to(fresh).await;
        let body = json!({"uid": link.uid, "token": link.token});
        let activation = format!("{path}activation/");
        assert_eq!(server.client.post(&activation, &body).await.status, 204);
        assert_eq!(signed_in().await.status, 200, "{path}");
    }
    let owner = json!({"username": "anna", "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/login/", &owner).await.status, 200);
}

#[tokio::test]
async fn registration_of_djoser_shows_an_account_that_waits() {
    let server = server().await;
    for email in ["bob@example.com", EMAIL] {
        let body = json!({"email": email, "phone": "+491701234567", "password": "Str0ng-pass-77"});
        let answer = server.client.post("/api/auth/users/", &body).await;
        let mut shown = answer.json();
        shown["id"] = json!(0);
        let expected = json!({
            "id": 0, "username": email, "email": email, "phone": "+491701234567",
            "is_active": false, "is_superuser": false,
        });
        assert_eq!((answer.status.as_u16(), shown), (201, expected));
    }
}

#[tokio::test]
async fn phone_or_username_alone_is_refused_as_needing_an_email() {
    let server = server().await;
    let phones = ["+491701234567", "+491701234568"];
    let registered =
        json!({"phone_number": phones[0], "email": "bob@example.com", "hash_password": PASSWORD});
    let path = "/authorization/registration";
    assert_eq!(server.client.post(path, &registered).await.status, 202);
    for phone in phones {
        let body = json!({"phone": phone, "password": PASSWORD});
        let answer = server.client.post("/api/auth/users/", &body).await;
        assert_bad_request(&answer, &json!({"email": ["This field is required."]}));
        let answer = server.client.post("/propusk/v1/accounts", &body).await;
        assert_eq!(answer.status, 422);
        assert_eq!(answer.json()["fields"], json!({"email": ["required"]}));
    }
    for username in ["anna", "fresh"] {
        let body = json!({"username": username, "password": PASSWORD});
        let answer = server.client.post("/propusk/v1/accounts", &body).await;
        assert_eq!(answer.json()["fields"], json!({"email": ["required"]}));
    }
}

#[tokio::test]
async fn registration_of_prehashed_answers_no_tokens_and_leaves_out_a_phone_in_use() {
    let server = server().await;
    let [first, other] = ["+491701234567", "+491701234568"];
    for (email, phone) in [("bob@example.com", first), (EMAIL, other), ("cid@example.com", first)] {
        let body = json!({"email": email, "phone_number": phone, "hash_password": PASSWORD});
        let answer = server.client.post("/authorization/registration", &body).await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (202, "{}"), "{email}");
    }
    let account = |who| server.auth.find_account(who);
    let phone_of = |who| async move { account(who).await.expect("an answer").expect(who).phone };
    assert_eq!(phone_of("bob@example.com").await.as_deref(), Some(first));
    assert_eq!(phone_of("cid@example.com").await, None);
    assert!(account(other).await.expect("an answer").is_none());
    let mails = server.mails().await;
    assert_eq!(mails.iter().flat_map(|mail| &mail.to).collect::<Vec<_>>(), [EMAIL]);
    let sign_in = json!({"email": "cid@example.com", "hash_password": PASSWORD});
    let answer = server.client.post("/authorization/login/email", &sign_in).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn activation_mail_can_be_requested_for_any_address() {
    let server = server().await;
    for path in ["/auth/users/resend_activation/", "/api/auth/users/resend_activation/"] {
        for email in [EMAIL, "nobody@example.com"] {
            assert_eq!(server.client.post(path, &json!({"email": email})).await.status, 204);
        }
    }
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn reset_can_be_requested_for_any_address() {
    let server = server().await;
    let path = "/api/auth/password/reset/";
    for email in [EMAIL, "nobody@example.com", "no address"] {
        let answer = server.client.post(path, &json!({"email": email})).await;
        assert_eq!(answer.text(), json!({"message": "Password reset link sent"}).to_string());
    }
    assert_bad_request(
        &server.client.post(path, &json!({})).await,
        &json!({"error": "Email is required"}),
    );
    assert_eq!(server.mails().await.len(), 1);
}

#[tokio::test]
async fn wrong_uid_is_answered_as_a_wrong_token() {
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
            assert_bad_request(&server.client.post(path, &link).await, &wrong);
        }
        let path = format!("/api/auth/password/reset/confirm/?uid={uid}&token=wrong");
        let answer = server.client.post(&path, &link).await;
        assert_bad_request(&answer, &json!({"error": "Invalid or expired token"}));
    }
}

#[tokio::test]
async fn reused_refresh_token_ends_its_session_and_notifies_the_owner() {
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
    let notified = server.mails().await;
    assert_eq!(notified.iter().flat_map(|mail| &mail.to).collect::<Vec<_>>(), [EMAIL]);
    // The owner's other session stays.
    assert_eq!(refresh(other.field("refresh")).await.status, 200);
}
