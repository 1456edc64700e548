//! What a log line says of its request: the id that the client gets too, whose account and session it
//! was about, and why it was refused; and what it does not say.

use std::process::Command;

use propusk_tests::handbook::block_below;
use propusk_tests::http::{Answer, Client};
use propusk_tests::native::{self, bearer, open, post};
use propusk_tests::operator::Operator;
use propusk_tests::user::PASSWORD;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const JSON: (&str, &str) = ("PROPUSK_LOG_FORMAT", "json");
const REQUEST_ID: &str = "X-Request-Id";

/// Every line of a log in JSON. The first lines of the output are the program's own.
fn lines(output: &str) -> Vec<Value> {
    let logged = output.lines().filter(|line| line.starts_with('{'));
    logged.map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// The id that a client got.
fn id_of(answer: &Answer) -> String {
    answer.header(REQUEST_ID).expect("an id")
}

/// The line of the request with this answer.
fn line_of(lines: &[Value], answer: &Answer) -> Value {
    let id = id_of(answer);
    let of_request =
        |line: &&Value| line["message"] == "request" && line["request_id"] == id.as_str();
    let mut found = lines.iter().filter(of_request);
    let line = found.next().unwrap_or_else(|| panic!("no line of {id}: {lines:#?}")).clone();
    assert!(found.next().is_none(), "{id} has one line");
    line
}

/// The members of a line that its request explains.
fn known(line: &Value) -> Value {
    let names = ["route", "status", "dialect", "account", "session", "refusal"];
    let known = names.iter().filter(|name| line.get(**name).is_some());
    known.map(|name| ((*name).to_owned(), line[*name].clone())).collect()
}

async fn ask(client: &Client, path: &str, ids: &[&str]) -> Answer {
    let headers: Vec<_> = ids.iter().map(|id| (REQUEST_ID, *id)).collect();
    client.request("GET", path, &headers, None).await
}

#[tokio::test]
async fn log_line_in_json_has_the_request() {
    let operator = Operator::new().await;
    let server = operator.start(&[JSON]).await;
    let answer = ask(&server.client, "/healthz?canary", &[]).await;
    let unknown = ask(&server.client, "/canary", &[]).await;
    let (_, output) = server.terminate().await;
    let lines = lines(&output);
    let line = line_of(&lines, &answer);
    for (name, value) in [
        ("level", json!("INFO")),
        ("target", json!("propusk_server::http::layers")),
        ("method", json!("GET")),
        ("route", json!("/healthz")),
        ("status", json!(200)),
        ("client", json!("127.0.0.0/24")),
    ] {
        assert_eq!(line[name], value, "{name} of {line}");
    }
    assert!(line["took_ms"].is_u64() && line["time"].is_string(), "{line}");
    assert_eq!(line_of(&lines, &unknown)["route"], "-");
    assert!(lines.iter().any(|line| line["message"] == "listening"), "{lines:#?}");
    assert!(!output.contains("canary"), "{output}");
}

#[tokio::test]
async fn log_line_in_text_ends_with_the_request() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let answer = ask(&server.client, "/healthz", &[]).await;
    let (_, output) = server.terminate().await;
    let end = format!(" request_id={} client=127.0.0.0/24", id_of(&answer));
    let line = output.lines().find(|line| line.ends_with(&end));
    let line = line.unwrap_or_else(|| panic!("{end}: {output}"));
    assert!(line.contains("INFO propusk_server::http::layers: request method=\"GET\""), "{line}");
}

#[tokio::test]
async fn request_ids_are_made_by_the_server_unless_a_trusted_proxy_gives_one() {
    let (operator, proxied) = (Operator::new().await, Operator::new().await);
    let server = operator.start(&[]).await;
    let own = id_of(&ask(&server.client, "/healthz", &["mine"]).await);
    let again = id_of(&ask(&server.client, "/healthz", &["mine"]).await);
    assert!(own != "mine" && own != again, "{own} {again}");
    assert!(own.len() == 16 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{own}");

    let trusting = [JSON, ("PROPUSK_HTTP__TRUSTED_PROXIES", "127.0.0.1")];
    let server = proxied.start(&trusting).await;
    let longest = "a".repeat(64);
    for given in ["3f2b7c1d", "550e8400-e29b-41d4-a716-446655440000", "a_b.c", &longest] {
        assert_eq!(id_of(&ask(&server.client, "/healthz", &[given]).await), given);
    }
    let too_long = "a".repeat(65);
    let hostile =
        ["", "canary id", "canary\"}", "canary=1", "canary,2", "\u{1b}[2Jcanary", "canaryé"];
    for given in hostile.into_iter().chain([&*too_long]) {
        // A client of Rust sends no control character.
        if given.contains('\u{1b}') {
            continue;
        }
        let id = id_of(&ask(&server.client, "/healthz", &[given]).await);
        assert_eq!(id.len(), 16, "{given:?}: {id}");
    }
    let two = id_of(&ask(&server.client, "/healthz", &["one", "two"]).await);
    assert_eq!(two.len(), 16, "{two}");
    let (_, output) = server.terminate().await;
    assert!(!output.contains("canary") && !output.contains(&too_long), "{output}");
    assert_eq!(lines(&output).iter().filter(|line| line["request_id"] == "3f2b7c1d").count(), 1);
}

#[tokio::test]
async fn log_line_shows_as_much_of_an_address_as_the_setting_allows() {
    for (setting, shown) in [
        ("full", json!("198.51.100.7")),
        ("network", json!("198.51.100.0/24")),
        ("none", json!(null)),
    ] {
        let operator = Operator::new().await;
        let settings = [
            JSON,
            ("PROPUSK_HTTP__TRUSTED_PROXIES", "127.0.0.1"),
            ("PROPUSK_PRIVACY__ADDRESSES", setting),
        ];
        let server = operator.start(&settings).await;
        let body = json!({"identifier": EMAIL, "password": PASSWORD});
        let answer = server.client.post_from("198.51.100.7", "/propusk/v1/sessions", &body).await;
        let (_, output) = server.terminate().await;
        assert_eq!(line_of(&lines(&output), &answer)["client"], shown);
        assert_eq!(output.contains("198.51.100.7"), setting == "full", "{output}");
    }
}

#[tokio::test]
async fn log_line_says_whose_session_it_was_and_why_it_was_refused() {
    let operator = Operator::new().await;
    let server = operator.start(&[JSON]).await;
    let account = native::signed_up(&server, EMAIL).await;
    let account = native::own(&server, &account).await.id;
    let tokens = open(&server, EMAIL).await;
    let wrong = post(&server, "sessions", json!({"identifier": EMAIL, "password": "x"})).await;
    let none = native::call(&server, "GET", "account", None, Value::Null).await;
    let own = native::call(&server, "GET", "account", Some(&bearer(&tokens)), Value::Null).await;
    let refreshed = native::refresh(&server, &tokens, &"a".repeat(43)).await;
    assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    let reused = native::refresh(&server, &tokens, &"b".repeat(43)).await;
    let ended = native::call(&server, "GET", "account", Some(&bearer(&tokens)), Value::Null).await;
    let (_, output) = server.terminate().await;
    let lines = lines(&output);
    let session = tokens.session_id.as_str();
    let expected = [
        (
            &wrong,
            json!({"route": "/propusk/v1/sessions", "status": 401, "dialect": "native",
            "account": account, "refusal": "invalid_credentials"}),
        ),
        (
            &none,
            json!({"route": "/propusk/v1/account", "status": 401, "dialect": "native",
            "refusal": "no_credential"}),
        ),
        (
            &own,
            json!({"route": "/propusk/v1/account", "status": 200, "dialect": "native",
            "account": account, "session": session}),
        ),
        (
            &refreshed,
            json!({"route": "/propusk/v1/sessions/refresh", "status": 200,
            "dialect": "native", "account": account, "session": session}),
        ),
        (
            &reused,
            json!({"route": "/propusk/v1/sessions/refresh", "status": 401,
            "dialect": "native", "account": account, "session": session,
            "refusal": "token_reused"}),
        ),
        (
            &ended,
            json!({"route": "/propusk/v1/account", "status": 401, "dialect": "native",
            "account": account, "session": session, "refusal": "session_ended"}),
        ),
    ];
    for (answer, expected) in expected {
        assert_eq!(known(&line_of(&lines, answer)), expected);
    }
}

#[tokio::test]
async fn every_dialect_names_itself_and_the_reason_of_a_refusal() {
    let operator = Operator::new().await;
    let server = operator.start(&[JSON]).await;
    let wrong = "no such password";
    let login = |name: &str| json!({name: EMAIL, "password": wrong});
    let requests = [
        ("djoser_token", "/auth/token/login/", login("email"), "invalid_credentials"),
        ("djoser_jwt", "/api/auth/jwt/create/", login("username"), "invalid_credentials"),
        ("simplejwt", "/api/auth/login/", login("username"), "invalid_credentials"),
        ("simplejwt_rotating", "/token", login("email"), "invalid_credentials"),
        ("native", "/propusk/v1/sessions", login("identifier"), "invalid_credentials"),
        (
            "prehashed",
            "/authorization/login/email",
            json!({"email": EMAIL, "hash_password": "0123456789abcdef"}),
            "invalid_credentials",
        ),
        ("djoser_jwt", "/api/auth/jwt/refresh/", json!({"refresh": "a.b.c"}), "token_invalid"),
        ("simplejwt", "/api/auth/token/refresh/", json!({"refresh": "a.b.c"}), "token_invalid"),
        ("simplejwt_rotating", "/token/refresh", json!({"refresh": "a.b.c"}), "token_invalid"),
        (
            "native",
            "/propusk/v1/sessions/refresh",
            json!({"refresh_token": "pr1.x"}),
            "token_invalid",
        ),
    ];
    let mut answers = Vec::new();
    for (dialect, path, body, reason) in requests {
        answers.push((dialect, path, reason, server.client.post(path, &body).await));
    }
    for (dialect, path) in [
        ("djoser_token", "/auth/users/me/"),
        ("djoser_jwt", "/api/auth/users/me/"),
        ("simplejwt", "/api/auth/profile/"),
    ] {
        let wrong = server.client.get(path, Some("Bearer a.b.c")).await;
        answers.push((dialect, path, "token_invalid", wrong));
        answers.push((dialect, path, "no_credential", server.client.get(path, None).await));
    }
    let (_, output) = server.terminate().await;
    let lines = lines(&output);
    for (dialect, path, reason, answer) in answers {
        assert_ne!(answer.status, 404, "{path}");
        let line = line_of(&lines, &answer);
        let named = (line["dialect"].as_str(), line["refusal"].as_str());
        assert_eq!(named, (Some(dialect), Some(reason)), "{path}: {line}");
    }
}

#[tokio::test]
async fn command_of_the_handbook_finds_the_line_of_an_id() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let answer = ask(&server.client, "/healthz", &[]).await;
    ask(&server.client, "/readyz", &[]).await;
    let (_, output) = server.terminate().await;
    operator.write("log", &output);
    let command =
        block_below("Find the line of an id").replace("8d1f0c4a90b7e326", &id_of(&answer));
    let script = format!("journalctl() {{ cat log; }}\n{command}");
    let mut shell = Command::new("sh");
    let run = shell.args(["-c", &script]).current_dir(operator.path()).output();
    let found = String::from_utf8(run.expect("a shell").stdout).expect("UTF-8");
    assert_eq!(found.lines().count(), 1, "{found}");
    assert!(found.contains("/healthz"), "{found}");
}
