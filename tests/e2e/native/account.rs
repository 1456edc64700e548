//! What an owner sees and changes of an account.

use super::*;

async fn change(server: &TestServer, session: &str, body: Value) -> Answer {
    call(server, "PATCH", "account", Some(session), body).await
}

#[tokio::test]
async fn account_is_shown_with_an_access_token_of_any_api_and_not_without() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let account = own(&server, &session).await;
    let token = session.trim_start_matches("Bearer ").to_owned();
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let simple = server.client.post("/api/auth/jwt/create/", &login).await.field("access");
    let key = server.client.post("/auth/token/login/", &login).await.field("auth_token");
    let login = json!({"email": EMAIL, "password": PASSWORD});
    let rotating = server.client.post("/token", &login).await.field("access");
    let login = json!({"email": EMAIL, "hash_password": PASSWORD});
    let named = server.client.post("/authorization/login/email", &login).await.field("access");
    for header in [
        token.clone(),
        format!("bearer {token}"),
        format!("Token {key}"),
        format!("Bearer {key}"),
        rotating,
        format!("Bearer {simple}"),
        format!("JWT {named}"),
    ] {
        assert_eq!(own(&server, &header).await, account, "{header}");
    }
    for header in [None, Some("x"), Some("Bearer"), Some("Basic YTpi"), Some("Bearer x y")] {
        let answer = call(&server, "GET", "account", header, Value::Null).await;
        assert_refused(&answer, 401, "invalid_credentials");
        assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some("Bearer realm=\"propusk\""));
    }
    // Tokens are not accepted in the URL, where others may see them.
    for name in ["access_token", "access", "token"] {
        let path = format!("account?{name}={token}");
        let answer = call(&server, "GET", &path, None, Value::Null).await;
        assert_refused(&answer, 401, "invalid_credentials");
    }
}

#[tokio::test]
async fn change_affects_only_what_it_names() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let before = own(&server, &session).await;
    let unchanged: propusk_wire::Account = read(&change(&server, &session, json!({})).await, 200);
    assert_eq!(unchanged, before);
    let body = json!({"phone": "+49 170 1234567", "username": "anna", "display_name": "Anna"});
    let changed: propusk_wire::Account = read(&change(&server, &session, body).await, 200);
    assert_eq!(
        changed,
        propusk_wire::Account {
            phone: Some("+491701234567".to_owned()),
            username: Some("anna".to_owned()),
            display_name: Some("Anna".to_owned()),
            ..before.clone()
        }
    );
    let body = json!({"phone": null, "username": null, "display_name": null});
    let changed: propusk_wire::Account = read(&change(&server, &session, body).await, 200);
    assert_eq!(changed, before);
    assert_eq!(own(&server, &session).await, before);
    assert_eq!(mailed(&server, 0).await, [EMAIL], "it hears of the phone");
}

#[tokio::test]
async fn change_with_mistakes_names_them_and_changes_nothing() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let body = json!({"email": "x", "phone": "", "username": 1, "display_name": "Anna"});
    let fields = json!({"username": ["invalid"]});
    assert_refused_with(&change(&server, &session, body).await, 422, "invalid_fields", fields);
    let body = json!({"email": "x", "phone": "", "username": EMAIL, "display_name": "\n"});
    let fields = json!({
        "display_name": ["invalid"], "email": ["invalid"], "phone": ["invalid"],
        "username": ["invalid"],
    });
    assert_refused_with(&change(&server, &session, body).await, 422, "invalid_fields", fields);
    signed_up(&server, "bob@example.com").await;
    let body = json!({"email": "BOB@example.com", "username": "anna", "display_name": "Anna"});
    let fields = json!({"email": ["taken"]});
    assert_refused_with(&change(&server, &session, body).await, 409, "identifier_taken", fields);
    let account = own(&server, &session).await;
    let names = (account.email.as_deref(), account.username, account.display_name);
    assert_eq!(names, (Some(EMAIL), None, None));
}

#[tokio::test]
async fn links_die_with_their_address_and_another_spelling_is_no_change() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let link = server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
    assert_done(&post(&server, "password/reset/confirm", body.clone()).await, 204);
    assert!(!is_alive(&server, &session).await);
    let session = sign_in(&server, EMAIL, NEW_PASSWORD).await.expect("it signs in");
    assert!(own(&server, &session).await.email_verified);

    post(&server, "password/reset", json!({"email": EMAIL})).await;
    let link = server.link_to(EMAIL).await;
    let before = server.mails().await.len();
    // The same mailbox in another spelling stays proved.
    let again = json!({"email": "Anna@example.com"});
    let changed: propusk_wire::Account = read(&change(&server, &session, again).await, 200);
    assert_eq!(
        (changed.email.as_deref(), changed.email_verified),
        (Some("Anna@example.com"), true)
    );
    let moved = json!({"email": "anna@example.org"});
    let changed: propusk_wire::Account = read(&change(&server, &session, moved).await, 200);
    assert_eq!(changed.pending_email.as_deref(), Some("anna@example.org"));
    let mut mails = mailed(&server, before).await;
    mails.sort_unstable();
    assert_eq!(mails, ["Anna@example.com", "anna@example.org"]);
    let confirm = server.link_to("anna@example.org").await.url;
    let confirm = confirm.trim().strip_prefix(&server.public_url).expect("the server's link");
    assert_eq!(server.client.post(confirm, &json!({})).await.status, 200);
    assert_eq!(own(&server, &session).await.email.as_deref(), Some("anna@example.org"));
    let body = json!({"uid": link.uid, "token": link.token, "new_password": PASSWORD});
    assert_refused(&post(&server, "password/reset/confirm", body).await, 400, "link_invalid");
    assert_eq!(sign_in(&server, EMAIL, NEW_PASSWORD).await, None);
    assert!(sign_in(&server, "anna@example.org", NEW_PASSWORD).await.is_some());
}

#[tokio::test]
async fn last_means_of_sign_in_cannot_be_removed() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let answer = change(&server, &session, json!({"email": null, "display_name": "Anna"})).await;
    assert_refused(&answer, 409, "nothing_to_sign_in_by");
    assert_eq!(own(&server, &session).await.display_name, None);
    let body = json!({"email": null, "username": "anna"});
    let changed: propusk_wire::Account = read(&change(&server, &session, body).await, 200);
    assert_eq!((changed.email, changed.username.as_deref()), (None, Some("anna")));
    assert_eq!(mailed(&server, 0).await, [EMAIL]);
    let answer = change(&server, &session, json!({"username": null})).await;
    assert_refused(&answer, 409, "nothing_to_sign_in_by");
    assert!(sign_in(&server, "anna", PASSWORD).await.is_some());
}

#[tokio::test]
async fn deleted_account_leaves_nothing() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let other = sign_in(&server, EMAIL, PASSWORD).await.expect("it signs in");
    let id = own(&server, &session).await.id;
    assert_done(&call(&server, "DELETE", "account", Some(&session), Value::Null).await, 204);
    for session in [&session, &other] {
        assert!(!is_alive(&server, session).await);
    }
    assert_eq!(sign_in(&server, EMAIL, PASSWORD).await, None);
    let again = signed_up(&server, EMAIL).await;
    assert!(own(&server, &again).await.id > id, "ids are never used again");
}

#[tokio::test]
async fn suspended_account_is_not_shown() {
    let server = TestServer::start().await;
    let session = signed_up(&server, EMAIL).await;
    let id = own(&server, &session).await.id;
    assert!(server.auth.set_active(id, false).await.expect("the database answers"));
    for (method, path) in [
        ("GET", "account"),
        ("PATCH", "account"),
        ("DELETE", "account"),
        ("GET", "account/identities"),
    ] {
        let answer = call(&server, method, path, Some(&session), json!({})).await;
        assert_refused(&answer, 403, "account_inactive");
    }
    assert!(server.auth.set_active(id, true).await.expect("the database answers"));
    assert_eq!(own(&server, &session).await.id, id);
}

#[tokio::test]
async fn paths_answer_alike_with_and_without_a_slash() {
    let server = TestServer::start().await;
    for (path, allow) in [
        ("accounts", "POST, OPTIONS"),
        ("accounts/activate", "POST, OPTIONS"),
        ("accounts/resend", "POST, OPTIONS"),
        ("account", "GET, PATCH, DELETE, HEAD, OPTIONS"),
        ("account/password", "POST, OPTIONS"),
        ("password/reset", "POST, OPTIONS"),
        ("password/reset/confirm", "POST, OPTIONS"),
        ("account/identities", "GET, POST, HEAD, OPTIONS"),
        ("account/identities/google/1", "DELETE, OPTIONS"),
    ] {
        for path in [path.to_owned(), format!("{path}/")] {
            let answer = call(&server, "PUT", &path, None, Value::Null).await;
            assert_refused(&answer, 405, "method_not_allowed");
            assert_eq!(answer.header("Allow").as_deref(), Some(allow), "{path}");
            let answer = call(&server, "OPTIONS", &path, None, Value::Null).await;
            assert_done(&answer, 204);
            for method in allow.split(", ").filter(|method| *method != "OPTIONS") {
                let answer = call(&server, method, &path, None, Value::Null).await;
                assert!(matches!(answer.status.as_u16(), 400 | 401), "{method} {path}");
            }
        }
    }
}
