//! Whether an account exists: revealed only by the APIs whose documents reveal it, and by those not
//! if `strict` is set.

use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::json;

const PASSWORD: &str = "a fair password";
/// Active, suspended, waiting for activation, and not registered.
const WHO: [&str; 4] =
    ["anna@example.com", "off@example.com", "new@example.com", "nobody@example.com"];

/// A server that has all accounts of [`WHO`] except the last.
async fn server(strict: Option<&str>) -> TestServer {
    let server = TestServer::with(|config| {
        if let Some(dialect) = strict {
            config.dialect(dialect).strict = true;
        }
    })
    .await;
    for email in ["anna@example.com", "off@example.com"] {
        let account = json!({"email": email, "password": PASSWORD});
        assert_eq!(server.client.post("/api/auth/users/", &account).await.status, 201);
    }
    let off = server.auth.find_account("off@example.com").await.expect("an answer");
    server.auth.set_active(off.expect("the account").id, false).await.expect("an answer");
    let new = json!({"email": "new@example.com", "password": PASSWORD, "re_password": PASSWORD});
    assert_eq!(server.client.post("/auth/users/", &new).await.status, 201);
    server.mails().await;
    server
}

/// Everything in an answer except its time.
fn whole(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers =
        answer.headers.iter().filter(|(name, _)| *name != "date" && *name != "x-request-id");
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.text())
}

/// Sends the request for each of [`WHO`]; returns the recipients of mails.
async fn answered_alike(server: &TestServer, path: &str, status: u16) -> Vec<String> {
    let before = server.mails().await.len();
    let mut answers = Vec::new();
    for email in WHO {
        answers.push(whole(&server.client.post(path, &json!({"email": email})).await));
    }
    assert_eq!(answers[0].0, status);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}: {answers:?}");
    let new = server.mails().await.split_off(before);
    new.into_iter().flat_map(|mail| mail.to).collect()
}

#[tokio::test]
async fn reset_of_djoser_answers_alike_and_mails_only_accounts() {
    let server = server(None).await;
    let mailed = answered_alike(&server, "/auth/users/reset_password/", 204).await;
    assert_eq!(mailed, ["anna@example.com"]);
}

#[tokio::test]
async fn strict_api_answers_alike_where_its_document_does_not() {
    let server = server(Some("djoser_token")).await;
    let mailed = answered_alike(&server, "/auth/users/resend_activation/", 204).await;
    assert_eq!(mailed, ["new@example.com"]);

    let server = self::server(Some("simplejwt")).await;
    let mailed = answered_alike(&server, "/api/auth/password/reset/", 200).await;
    assert_eq!(mailed, ["anna@example.com"]);
}

#[tokio::test]
async fn strict_api_answers_a_wrong_token_alike_for_every_uid() {
    let server = server(Some("djoser_token")).await;
    let uids = [mailed_uid(&server).await, "OTk5OTk5".to_owned(), "MA".to_owned()];
    for (path, more) in [
        ("/auth/users/activation/", json!({})),
        ("/auth/users/reset_password_confirm/", json!({"new_password": "Str0ng-pass-77"})),
    ] {
        let mut answers = Vec::new();
        for uid in &uids {
            let mut body = more.clone();
            body["uid"] = json!(uid);
            body["token"] = json!("d8f1x0-00000000000000000000000000000000");
            answers.push(whole(&server.client.post(path, &body).await));
        }
        assert_eq!(answers[0].2, r#"{"token":["Invalid token for given user."]}"#);
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}: {answers:?}");
    }
}

async fn mailed_uid(server: &TestServer) -> String {
    let body = json!({"email": "anna@example.com"});
    server.client.post("/auth/users/reset_password/", &body).await;
    server.link_to("anna@example.com").await.uid
}

#[tokio::test]
async fn strict_registration_succeeds_for_an_address_in_use_and_informs_its_owner() {
    let server = server(Some("simplejwt")).await;
    let before = server.mails().await.len();
    let mut answers = Vec::new();
    for (username, email) in [("first", "fresh@example.com"), ("second", "anna@example.com")] {
        let body = json!({"username": username, "email": email, "password": PASSWORD});
        answers.push(whole(&server.client.post("/api/auth/register/", &body).await));
    }
    assert_eq!((answers[0].0, &answers[0]), (201, &answers[1]));
    let mails = server.mails().await.split_off(before);
    assert_eq!(mails.iter().flat_map(|mail| &mail.to).collect::<Vec<_>>(), ["anna@example.com"]);
    assert!(server.auth.find_account("second").await.expect("an answer").is_none());
}
