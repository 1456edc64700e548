//! The way back to a real Django: what has changed at Propusk reaches its database, and the owners
//! sign in there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use propusk_tests::django::{Django, Stack};
use propusk_tests::http::Client;
use propusk_tests::links::Link;
use propusk_tests::operator::Operator;
use propusk_tests::process::Finished;
use serde_json::{Value, json};

use super::export::{SETTINGS, posted, successor};

const ANNA: &str = "anna@example.com";
const BORIS: &str = "boris@example.com";
const NEW_BORIS: &str = "boris@example.org";
const VERA: &str = "vera@example.com";
const PASSWORD: &str = "Str0ng-pass-77";
const NEW_PASSWORD: &str = "N3w-strong-pass-78";

/// Registers an account at the Django, and signs in; returns the key.
async fn key_of(django: &Django, email: &str) -> String {
    let account = json!({ "email": email, "password": PASSWORD, "re_password": PASSWORD });
    posted(django, "/auth/users/", account).await;
    let Link { uid, token, .. } =
        Link::of(&django.newest_to(email).expect("a mail")).expect("a link");
    posted(django, "/auth/users/activation/", json!({ "uid": uid, "token": token })).await;
    let credentials = json!({ "username": email, "password": PASSWORD });
    let key = posted(django, "/auth/token/login/", credentials).await;
    format!("Token {}", key["auth_token"].as_str().expect("a key"))
}

async fn assert_sign_in(client: &Client, path: &str, name: &str, password: &str, status: u16) {
    let answer = client.post(path, &json!({ "username": name, "password": password })).await;
    assert_eq!(answer.status, status, "{name}: {}", answer.text());
}

async fn succeeds(operator: &Operator, arguments: &[&str], input: &str) -> String {
    let Finished { status, stdout, stderr } = operator.run(SETTINGS, arguments, input).await;
    assert!(status.success(), "{arguments:?}: {stderr}");
    stdout
}

/// The statements of the way back, and what the command says of them.
async fn way_back(operator: &Operator) -> (PathBuf, Value) {
    let file = operator.path().join("back.sql");
    let path = file.to_str().expect("a path");
    let report = succeeds(operator, &["adopt", "--reverse", path, "--json"], "").await;
    let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let refused = operator.refused(SETTINGS, &["adopt", "--reverse", path]).await;
    assert!(refused.contains("cannot be written"), "{refused}");
    (file, serde_json::from_str(&report).expect("JSON"))
}

async fn profile(client: &Client, access: &str) -> Value {
    client.get("/api/auth/profile/", Some(&format!("Bearer {access}"))).await.json()
}

/// Runs the statements twice.
async fn apply(django: &Django, stack: Stack, statements: &Path) {
    let once = django.apply(stack, statements).await;
    assert_eq!(django.apply(stack, statements).await, once);
}

#[tokio::test]
async fn owners_sign_in_at_the_django_after_the_way_back() {
    let django = Django::start(Stack::DjoserToken).await;
    let (anna, boris) = (key_of(&django, ANNA).await, key_of(&django, BORIS).await);
    key_of(&django, VERA).await;
    let operator = Operator::new().await;
    let server = successor(&operator, &django, Stack::DjoserToken).await;
    let client = &server.client;
    let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    let changed = client.post_as(&anna, "/auth/users/set_password/", &body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    let body = json!({ "current_password": PASSWORD, "new_email": NEW_BORIS });
    let moved = client.post_as(&boris, "/auth/users/set_email/", &body).await;
    assert_eq!(moved.status, 204, "{}", moved.text());
    let signed_out = client.post_as(&boris, "/auth/token/logout/", &json!({})).await;
    assert_eq!(signed_out.status, 204, "{}", signed_out.text());
    // The address goes to a new account.
    succeeds(&operator, &["user", "delete", VERA, "--yes"], "").await;
    succeeds(&operator, &["user", "create", VERA], NEW_PASSWORD).await;
    assert_sign_in(client, "/auth/token/login/", NEW_BORIS, PASSWORD, 200).await;

    let (statements, report) = way_back(&operator).await;
    assert_eq!(report["table"], "djoser_token_user");
    for (what, count) in [
        ("new_accounts", 1),
        ("passwords", 1),
        ("passwords_removed", 0),
        ("names", 1),
        ("deleted", 1),
        ("disabled", 0),
        ("keys_issued_here", 1),
        ("pairs_issued_here", 0),
    ] {
        assert_eq!(report[what], count, "{what}: {report}");
    }
    apply(&django, Stack::DjoserToken, &statements).await;
    let me = django.client.get("/auth/users/me/", Some(&boris)).await;
    assert_eq!(me.status, 401, "the key of a session that was ended");
    for (email, password, status) in [
        (ANNA, NEW_PASSWORD, 200),
        (ANNA, PASSWORD, 400),
        (NEW_BORIS, PASSWORD, 200),
        (BORIS, PASSWORD, 400),
        (VERA, NEW_PASSWORD, 200),
        (VERA, PASSWORD, 400),
    ] {
        assert_sign_in(&django.client, "/auth/token/login/", email, password, status).await;
    }
}

#[tokio::test]
async fn new_account_has_all_columns_of_djangos_own_users_after_the_way_back() {
    let django = Django::start(Stack::Simplejwt).await;
    let account =
        |name: &str, email: &str| json!({ "username": name, "email": email, "password": PASSWORD });
    posted(&django, "/api/auth/register/", account("anna", ANNA)).await;
    posted(&django, "/api/auth/register/", account("boris", BORIS)).await;
    let operator = Operator::new().await;
    let server = successor(&operator, &django, Stack::Simplejwt).await;
    let body = account("neil", "o'neil@example.com");
    let registered = server.client.post("/api/auth/register/", &body).await;
    assert!(registered.status.is_success(), "{}", registered.text());
    succeeds(&operator, &["user", "set-password", "anna"], NEW_PASSWORD).await;
    succeeds(&operator, &["user", "disable", "boris"], "").await;

    let (statements, report) = way_back(&operator).await;
    for (what, count) in [("new_accounts", 1), ("passwords", 1), ("disabled", 1), ("names", 0)] {
        assert_eq!(report[what], count, "{what}: {report}");
    }
    apply(&django, Stack::Simplejwt, &statements).await;
    let path = "/api/auth/login/";
    for (name, password, status) in [
        ("anna", NEW_PASSWORD, 200),
        ("anna", PASSWORD, 401),
        ("boris", PASSWORD, 401),
        ("neil", PASSWORD, 200),
    ] {
        assert_sign_in(&django.client, path, name, password, status).await;
    }
    let credentials = json!({ "username": "neil", "password": PASSWORD });
    let here = server.client.post(path, &credentials).await.field("access");
    let at_django = django.client.post(path, &credentials).await.field("access");
    let expected = profile(&server.client, &here).await;
    assert_eq!(expected["email"], "o'neil@example.com");
    assert_eq!(profile(&django.client, &at_django).await, expected);
}

#[tokio::test]
async fn way_back_needs_an_adoption() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let file = operator.path().join("back.sql");
    let path = file.to_str().expect("a path");
    let refused = operator.refused(&[], &["adopt", "--reverse", path]).await;
    assert!(refused.contains("nothing was adopted"), "{refused}");
    assert!(!file.exists());
}
