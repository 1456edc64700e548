//! The characters that names may contain: the same rule in every API, refused in each API's own
//! form.

use propusk_tests::http::Answer;
use propusk_tests::native::{self, assert_refused_with};
use propusk_tests::operator::Operator;
use propusk_tests::server::TestServer;
use propusk_tests::user::{PASSWORD, signed_up};
use propusk_wire::TokenResponse;
use serde_json::{Value, json};

/// Control characters and other line breakers.
const DISTURBING: [&str; 6] =
    ["a\u{202e}b", "a\u{1b}[2Jb", "a\nb", "a\u{2028}b", "a\u{2029}b", "a\u{2066}b"];
/// Invisible text.
const INVISIBLE: [&str; 7] =
    ["a\u{200b}b", "a\u{ad}", "a\u{3164}", "a\u{fe0f}b", "a\u{2800}", "a\u{fffc}b", "\u{e0100}b"];

/// The `Authorization` of a new account.
async fn bearer_of(server: &TestServer, email: &str) -> String {
    format!("Bearer {}", signed_up(server, email).await.0)
}

async fn change(server: &TestServer, bearer: &str, body: &Value) -> Answer {
    server.client.call("PATCH", "/propusk/v1/account", Some(bearer), body).await
}

#[track_caller]
fn assert_invalid(answer: &Answer, field: &str) {
    assert_refused_with(answer, 422, "invalid_fields", json!({field: ["invalid"]}));
}

/// The database gives an account's names as JSON.
#[tokio::test]
async fn name_with_quotes_and_backslashes_stays_as_it_is() {
    let server = TestServer::start().await;
    for name in [r#"an"na"#, r"an\na\", r#"[{"a":1}]"#, "an'na,\\u0041", "аня👩"] {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = server.client.post("/propusk/v1/accounts", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let tokens = native::open(&server, name).await;
        assert_eq!(tokens.account.username.as_deref(), Some(name));
        let attempt = "attempt-of-a-name-with-quotes";
        let next = native::refresh(&server, &tokens, attempt).await;
        let next: TokenResponse = native::read(&next, 200);
        assert_eq!(next.account.username.as_deref(), Some(name));
        let own = native::own(&server, &native::bearer(&next)).await;
        assert_eq!(own.username.as_deref(), Some(name));
    }
}

#[tokio::test]
async fn display_name_with_control_characters_is_refused_by_every_api() {
    let server = TestServer::start().await;
    let bearer = bearer_of(&server, "anna@example.com").await;
    for name in DISTURBING.into_iter().chain(["\u{200d}", "\u{2800}"]) {
        let email = "new@example.com";
        let body = json!({"login": name, "email": email, "password": PASSWORD});
        let answer = server.client.post("/v1/creat_autor", &body).await;
        assert_eq!(answer.status, 400, "{name:?}");
        assert_eq!(answer.json(), json!({"login": ["Enter a valid value."]}));
        let body = json!({"display_name": name, "email": email, "password": PASSWORD});
        assert_invalid(&server.client.post("/propusk/v1/accounts", &body).await, "display_name");
        let body = json!({ "display_name": name });
        assert_invalid(&change(&server, &bearer, &body).await, "display_name");
        let body =
            json!({"identifier": "anna@example.com", "password": PASSWORD, "device_name": name});
        assert_invalid(&server.client.post("/propusk/v1/sessions", &body).await, "device_name");
    }
    // Joiners and emoji are allowed in names.
    for (number, name) in ["می\u{200c}خواهم", "👩\u{200d}💻 O'Brien"].into_iter().enumerate()
    {
        let email = format!("{number}@example.com");
        let body = json!({"login": name, "email": email, "password": PASSWORD});
        let answer = server.client.post("/v1/creat_autor", &body).await;
        assert_eq!((answer.status.as_u16(), answer.field("login").as_str()), (201, name));
        let changed = change(&server, &bearer, &json!({ "display_name": name })).await;
        assert_eq!(changed.field("display_name"), name);
    }
}

#[tokio::test]
async fn username_with_invisible_characters_is_refused_by_every_api() {
    let server = TestServer::start().await;
    let bearer = bearer_of(&server, "anna@example.com").await;
    let stand_ins = ["propusk-1", "PROPUSK-7", "propusk\u{2011}7"];
    for name in DISTURBING.into_iter().chain(INVISIBLE).chain(stand_ins) {
        let body = json!({"username": name, "email": "new@example.com", "password": PASSWORD});
        let answer = server.client.post("/api/auth/register/", &body).await;
        assert_eq!(answer.status, 400, "{name:?}");
        assert_eq!(answer.json(), json!({"error": "Username already exists."}));
        let body = json!({"username": name, "password": PASSWORD});
        assert_invalid(&server.client.post("/propusk/v1/accounts", &body).await, "username");
        assert_invalid(&change(&server, &bearer, &json!({ "username": name })).await, "username");
    }
}

#[tokio::test]
async fn email_with_invisible_characters_in_its_domain_is_refused_by_every_api() {
    let server = TestServer::start().await;
    let bearer = bearer_of(&server, "anna@example.com").await;
    for hidden in ["\u{200b}", "\u{ad}", "\u{2060}", "\u{fe0f}", "\u{feff}", "\u{3164}", "\u{34f}"]
    {
        let email = format!("new@ex{hidden}ample.com");
        let body = json!({"email": email, "password": PASSWORD});
        let answer = server.client.post("/api/auth/users/", &body).await;
        assert_eq!(answer.status, 400, "{hidden:?}");
        assert_eq!(answer.json(), json!({"email": ["Enter a valid email address."]}));
        assert_invalid(&server.client.post("/propusk/v1/accounts", &body).await, "email");
        let body = json!({"email": email, "current_password": PASSWORD});
        assert_invalid(&change(&server, &bearer, &body).await, "email");
        let phone = "+491701234567";
        let body = json!({"phone_number": phone, "email": email, "hash_password": PASSWORD});
        let answer = server.client.post("/authorization/registration", &body).await;
        assert_eq!(answer.status, 422);
        let body = json!({"login": "new", "email": email, "password": PASSWORD});
        let answer = server.client.post("/v1/creat_autor", &body).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json(), json!({"email": ["Enter a valid email address."]}));
    }
}

#[tokio::test]
async fn phone_needs_a_country_code_in_every_api() {
    let server = TestServer::start().await;
    let bearer = bearer_of(&server, "anna@example.com").await;
    let phone = "+0 123 456 7890";
    let body = json!({"phone": phone, "password": PASSWORD});
    let answer = server.client.post("/api/auth/users/", &body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (400, json!({"phone": ["Enter a valid value."]}))
    );
    assert_invalid(&server.client.post("/propusk/v1/accounts", &body).await, "phone");
    assert_invalid(&change(&server, &bearer, &json!({ "phone": phone })).await, "phone");
    let body = json!({"phone_number": phone, "email": "b@example.com", "hash_password": PASSWORD});
    let answer = server.client.post("/authorization/registration", &body).await;
    assert_eq!(answer.status, 422);
    assert_eq!(answer.json()["detail"][0]["loc"], json!(["body", "phone_number"]));
}

#[tokio::test]
async fn names_from_the_command_line_follow_the_same_rules() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    for name in ["a\u{2028}b", "a\u{3164}", "propusk-1", "+0 123 456 7890"] {
        let said = operator.refused(&[], &["user", "create", name]).await;
        assert!(said.contains("not an e-mail address, a phone number"), "{said}");
        let first =
            [("PROPUSK_SUPERUSER__USERNAME", name), ("PROPUSK_SUPERUSER__PASSWORD", PASSWORD)];
        let said = operator.refused(&first, &["serve"]).await;
        assert!(said.contains("superuser"), "{said}");
    }
    for name in DISTURBING {
        let create = ["client", "create", "--id", "app", "--name", name];
        let said = operator.refused(&[], &create).await;
        assert!(said.contains("a name must be one line of 1 to 150 characters"), "{said}");
    }
}

/// Names that a mail program would turn into a link.
const LINKED: [&str; 5] =
    ["evil.com", "evil\u{3002}org", "evil\u{ff0e}net", "win evil.biz", "call 12345"];

#[tokio::test]
async fn name_that_would_become_a_link_is_mailed_only_to_a_proved_address() {
    let server = TestServer::start().await;
    for (number, name) in LINKED.into_iter().chain(["anna"]).enumerate() {
        let email = format!("{number}@example.com");
        let body = json!({"username": name, "email": email, "password": PASSWORD});
        let answer = server.client.post("/api/auth/register/", &body).await;
        assert_eq!(answer.status, 201, "{name}: {}", answer.text());
        let link = asked_for_a_reset(&server, &email).await;
        let text = server.smtp.newest_to(&email).expect("a mail").text;
        assert_eq!(text.contains("Account:"), name == "anna", "{name}: {text}");
        assert!(!text.contains("evil") && !text.contains("call 1"), "{name}: {text}");
        let path =
            format!("/api/auth/password/reset/confirm/?uid={}&token={}", link.uid, link.token);
        let body = json!({"new_password": "an0ther fair password"});
        assert_eq!(server.client.post(&path, &body).await.status, 200);
    }
    // The reset has proved the address, so the name is the owner's.
    asked_for_a_reset(&server, "0@example.com").await;
    let text = server.smtp.newest_to("0@example.com").expect("a mail").text;
    assert!(text.contains("Account: evil.com\n"), "{text}");
}

async fn asked_for_a_reset(server: &TestServer, email: &str) -> propusk_tests::links::Link {
    let answer = server.client.post("/api/auth/password/reset/", &json!({ "email": email })).await;
    assert_eq!(answer.status, 200);
    server.link_to(email).await
}
