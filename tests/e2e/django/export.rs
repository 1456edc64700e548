//! `export.py` in the real Djangos: its file is whole and has what they have, and with it the owners
//! go on at Propusk.

use std::collections::BTreeMap;

use propusk_tests::django::{CLIENT_ID, CLIENT_SECRET, Django, Stack};
use propusk_tests::links::Link;
use propusk_tests::operator::{NO_SECRET, Operator};
use propusk_tests::process::{Finished, Process};
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "Str0ng-pass-77";
const NEW_PASSWORD: &str = "N3w-strong-pass-78";

/// What `propusk adopt --check` says of the Django's export. The file has no password, no token and
/// no key in it.
async fn report(django: &Django, stack: Stack, secrets: &[&str]) -> Value {
    let operator = Operator::new().await;
    let file = django.export(stack).await;
    let text = std::fs::read_to_string(&file).expect("an import file");
    for secret in [PASSWORD, CLIENT_SECRET, propusk_tests::SECRET].iter().chain(secrets) {
        assert!(!text.contains(secret), "{stack:?}");
    }
    let file = file.to_str().expect("a path");
    let Finished { status, stdout, stderr } =
        operator.run(&[], &["adopt", "--check", file, "--json"], "").await;
    assert!(status.success(), "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

pub const SETTINGS: &[(&str, &str)] =
    &[("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true"), ("PROPUSK_ACCOUNTS__FIRST_ID", "1000")];

/// A server that has adopted what the Django has.
pub async fn successor(operator: &Operator, django: &Django, stack: Stack) -> Process {
    let server = operator.start(SETTINGS).await;
    let file = django.export(stack).await;
    let file = file.to_str().expect("a path");
    for (arguments, is_first) in
        [(&["adopt", file][..], true), (&["adopt", file, "--final"], false)]
    {
        let Finished { status, stdout, stderr } = operator.run(SETTINGS, arguments, "").await;
        assert!(status.success(), "{stderr}");
        assert_eq!(stdout.trim_end().ends_with(": 0 changes"), !is_first, "{stdout}");
    }
    let completed = operator.run(SETTINGS, &["adopt", "--complete"], "").await;
    assert!(completed.status.success(), "{}", completed.stderr);
    server
}

pub async fn posted(django: &Django, path: &str, body: Value) -> Value {
    let answer = django.client.post(path, &body).await;
    assert!(answer.status.is_success(), "{path}: {}", answer.text());
    match answer.text().is_empty() {
        true => Value::Null,
        false => answer.json(),
    }
}

#[tokio::test]
async fn export_has_api_tokens_applications_pairs_and_identities() {
    let django = Django::start(Stack::DjoserToken).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD });
    posted(&django, "/auth/users/", account).await;
    let Link { uid, token, .. } =
        Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link");
    posted(&django, "/auth/users/activation/", json!({ "uid": uid, "token": token })).await;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    let key = posted(&django, "/auth/token/login/", credentials).await;
    let convert = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "token": "ok-bob",
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    });
    let pair = posted(&django, "/auth/convert-token/", convert).await;
    let secrets = [&key["auth_token"], &pair["access_token"], &pair["refresh_token"]];
    let secrets = secrets.map(|secret| secret.as_str().expect("a token"));
    let report = report(&django, Stack::DjoserToken, &secrets).await;
    let lines = json!({
        "account": 2, "api_token": 1, "identity": 1, "oauth_client": 1, "oauth_pair": 1,
    });
    assert_eq!(report["lines"], lines);
    assert_eq!(report["tokens"], json!({ "api_token": 1, "oauth_pair": 1 }));
    assert_eq!(report["accounts"]["active"], 2);
    assert_eq!(report["accounts"]["with_all_names"], 2);
    assert_eq!(report["passwords"], json!({ "md5": 1 }));
}

#[tokio::test]
async fn export_has_signed_tokens_that_are_live_or_spent() {
    let django = Django::start(Stack::DjoserJwt).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD });
    posted(&django, "/api/auth/users/", account).await;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let pair = posted(&django, "/api/auth/jwt/create/", credentials.clone()).await;
        tokens.push(pair["refresh"].as_str().expect("a token").to_owned());
    }
    posted(&django, "/api/auth/logout/", json!({ "refresh": tokens[0] })).await;
    let secrets: Vec<_> = tokens.iter().map(String::as_str).collect();
    let report = report(&django, Stack::DjoserJwt, &secrets).await;
    assert_eq!(report["tokens"], json!({ "refresh_token": 2, "spent_token": 1 }));
    assert_eq!(report["accounts"]["highest_number"], 1);
}

#[tokio::test]
async fn export_of_a_django_without_accounts_is_a_whole_file() {
    for stack in [Stack::Simplejwt, Stack::SimplejwtRotating] {
        let django = Django::start(stack).await;
        let report = report(&django, stack, &[]).await;
        assert_eq!(report["lines"], json!({}), "{stack:?}");
    }
}

/// The settings that have a value with the `propusk.toml` of the Django's export.
async fn settings_found(django: &Django, stack: Stack) -> BTreeMap<String, Value> {
    let written = django.export(stack).await.with_file_name("propusk.toml");
    let operator = Operator::new().await;
    operator.write("propusk.toml", &std::fs::read_to_string(written).expect("a file"));
    let settings = [NO_SECRET, ("PROPUSK_ACCOUNTS__FIRST_ID", "1000")];
    let Finished { status, stdout, stderr } =
        operator.run(&settings, &["check-config", "--json"], "").await;
    assert!(status.success(), "{stack:?}: {stderr}");
    stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| !line["value"].is_null())
        .filter_map(|line| Some((line["key"].as_str()?.to_owned(), line["value"].clone())))
        .collect()
}

#[tokio::test]
async fn export_writes_the_versions_of_libraries_that_its_api_knows() {
    let (djoser, framework) =
        (("djoser", "djoser"), ("djangorestframework", "djangorestframework"));
    let social = ("drf_social_oauth2", "drf-social-oauth2");
    let simplejwt = ("simplejwt", "djangorestframework-simplejwt");
    for (stack, api, dialect, expected) in [
        (Stack::DjoserToken, "django_token", "djoser_token", &[framework, djoser, social][..]),
        (Stack::DjoserJwt, "django_jwt", "djoser_jwt", &[framework, djoser, simplejwt][..]),
        (Stack::Simplejwt, "django_jwt", "simplejwt", &[simplejwt][..]),
        (Stack::SimplejwtRotating, "django_jwt", "simplejwt_rotating", &[simplejwt][..]),
    ] {
        let django = Django::start(stack).await;
        let found = settings_found(&django, stack).await;
        assert_eq!(found[&format!("apis.{api}.dialect")], dialect);
        assert_eq!(found[&format!("dialects.{dialect}.enabled")], false);
        let prefix = format!("apis.{api}.versions.");
        let known: Vec<_> = found.keys().filter_map(|key| key.strip_prefix(&prefix)).collect();
        assert_eq!(known, expected.iter().map(|(setting, _)| *setting).collect::<Vec<_>>());
        for (setting, library) in expected {
            let version = found[&format!("{prefix}{setting}")].as_str().expect("a text");
            let pinned = format!("{library}=={version}");
            // Either spelling is the same package.
            let libraries = stack.libraries().replace('_', "-");
            assert!(libraries.lines().any(|line| line == pinned), "{stack:?}: {pinned}");
        }
    }
}

#[tokio::test]
async fn export_writes_the_kinds_of_names_that_sign_in() {
    for (stack, api, kinds) in [
        (Stack::DjoserToken, "django_token", &["email"][..]),
        (Stack::DjoserJwt, "django_jwt", &["email", "phone", "username"]),
        (Stack::Simplejwt, "django_jwt", &["username"]),
        (Stack::SimplejwtRotating, "django_jwt", &["email"]),
    ] {
        let django = Django::start(stack).await;
        let found = settings_found(&django, stack).await;
        assert_eq!(found[&format!("apis.{api}.signs_in_by")], json!(kinds), "{stack:?}");
    }
    // An account whose username is its address.
    let django = Django::start(Stack::Simplejwt).await;
    let account = json!({ "username": EMAIL, "email": EMAIL, "password": PASSWORD });
    posted(&django, "/api/auth/register/", account).await;
    let found = settings_found(&django, Stack::Simplejwt).await;
    assert_eq!(found["apis.django_jwt.signs_in_by"], json!(["email", "username"]));
}

/// As the handbook's last copy does.
#[tokio::test]
async fn later_export_into_the_same_folder_leaves_the_settings_as_they_are() {
    let django = Django::start(Stack::Simplejwt).await;
    let first = django.export(Stack::Simplejwt).await;
    let settings = first.with_file_name("propusk.toml");
    std::fs::write(&settings, "# Edited.\n").expect("a file");
    let last = django.export_as("last.jsonl", Stack::Simplejwt).await;
    assert!(last.exists() && first.exists());
    assert_eq!(std::fs::read_to_string(&settings).expect("a file"), "# Edited.\n");
}

#[tokio::test]
async fn adopted_key_and_pair_of_a_real_django_work() {
    let django = Django::start(Stack::DjoserToken).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD });
    posted(&django, "/auth/users/", account).await;
    let Link { uid, token, .. } =
        Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link");
    posted(&django, "/auth/users/activation/", json!({ "uid": uid, "token": token })).await;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    let key = posted(&django, "/auth/token/login/", credentials.clone()).await;
    let key = format!("Token {}", key["auth_token"].as_str().expect("a key"));
    let convert = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "token": "ok-bob",
        "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
    });
    let pair = posted(&django, "/auth/convert-token/", convert).await;
    let access = format!("Bearer {}", pair["access_token"].as_str().expect("a token"));
    let before = django.client.get("/auth/users/me/", Some(&key)).await.json();
    let operator = Operator::new().await;
    let server = successor(&operator, &django, Stack::DjoserToken).await;
    let client = &server.client;
    assert_eq!(client.get("/auth/users/me/", Some(&key)).await.json()["id"], before["id"]);
    assert_eq!(client.get("/auth/users/me/", Some(&access)).await.status, 200);
    assert_eq!(client.post("/auth/token/login/", &credentials).await.status, 200);
    let refresh = |secret: &str| {
        json!({
            "grant_type": "refresh_token", "refresh_token": pair["refresh_token"],
            "client_id": CLIENT_ID, "client_secret": secret,
        })
    };
    assert_eq!(client.post("/auth/token/", &refresh("another secret")).await.status, 401);
    let refreshed = client.post("/auth/token/", &refresh(CLIENT_SECRET)).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let access = format!("Bearer {}", refreshed.field("access_token"));
    assert_eq!(client.get("/auth/users/me/", Some(&access)).await.status, 200);
}

#[tokio::test]
async fn adopted_signed_tokens_of_a_real_django_work_unless_they_are_spent() {
    let django = Django::start(Stack::DjoserJwt).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD });
    posted(&django, "/api/auth/users/", account).await;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    let live = posted(&django, "/api/auth/jwt/create/", credentials.clone()).await;
    let spent = posted(&django, "/api/auth/jwt/create/", credentials.clone()).await;
    posted(&django, "/api/auth/logout/", json!({ "refresh": spent["refresh"] })).await;
    let operator = Operator::new().await;
    let server = successor(&operator, &django, Stack::DjoserJwt).await;
    let client = &server.client;
    let refresh = |pair: &Value| json!({ "refresh": pair["refresh"] });
    assert_eq!(client.post("/api/auth/jwt/refresh/", &refresh(&live)).await.status, 200);
    assert_eq!(client.post("/api/auth/jwt/refresh/", &refresh(&spent)).await.status, 401);
    assert_eq!(client.post("/api/auth/jwt/create/", &credentials).await.status, 200);
}

#[tokio::test]
async fn links_that_a_real_django_has_mailed_work_once_after_adoption() {
    let django = Django::start(Stack::DjoserToken).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD });
    posted(&django, "/auth/users/", account).await;
    let Link { uid, token, .. } =
        Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link");
    let operator = Operator::new().await;
    let server = successor(&operator, &django, Stack::DjoserToken).await;
    let client = &server.client;
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    assert_eq!(client.post("/auth/token/login/", &credentials).await.status, 400);
    let changed = token.replace('-', "-0");
    for (token, status) in [(&changed, 400), (&token, 204)] {
        let body = json!({ "uid": uid, "token": token });
        let answer = client.post("/auth/users/activation/", &body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let body = json!({ "uid": uid, "token": token });
    let again = client.post("/auth/users/activation/", &body).await;
    assert!(again.status.is_client_error());
    assert_eq!(client.post("/auth/token/login/", &credentials).await.status, 200);
}

#[tokio::test]
async fn reset_link_that_a_real_django_has_mailed_sets_a_password_once() {
    let django = Django::start(Stack::DjoserToken).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD });
    posted(&django, "/auth/users/", account).await;
    let Link { uid, token, .. } =
        Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link");
    posted(&django, "/auth/users/activation/", json!({ "uid": uid, "token": token })).await;
    posted(&django, "/auth/users/reset_password/", json!({ "email": EMAIL })).await;
    let Link { uid, token, .. } =
        Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link");
    let operator = Operator::new().await;
    let server = successor(&operator, &django, Stack::DjoserToken).await;
    let client = &server.client;
    let body = json!({
        "uid": uid, "token": token, "new_password": NEW_PASSWORD, "re_new_password": NEW_PASSWORD,
    });
    let path = "/auth/users/reset_password_confirm/";
    let answer = client.post(path, &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(client.post(path, &body).await.status, 400);
    for (password, status) in [(PASSWORD, 400), (NEW_PASSWORD, 200)] {
        let credentials = json!({ "username": EMAIL, "password": password });
        assert_eq!(client.post("/auth/token/login/", &credentials).await.status, status);
    }
}
