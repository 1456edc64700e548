//! The document against the running server: each operation gets its example and unexpected
//! requests. Every answer must be described, and none may be a server error.

use std::collections::BTreeMap;

use http_body_util::Full;
use hyper::Request;
use propusk_server::auth::NewClient;
use propusk_tests::http::Answer;
use propusk_tests::openapi::{Asked, Document, Operation};
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

/// The password of the examples.
const PASSWORD: &str = "blue-herons-at-dawn";
const CLIENT_SECRET: &str = "a secret of the application";
const JSON: &str = "application/json";

/// The example of these operations is not enough for success: they need a link from a mail, an
/// account that waits for one, a page before, or a browser that has been at a provider.
const NEED_MORE: [&str; 15] = [
    "native.activate",
    "native.confirm_reset",
    "native.complete",
    "native.events",
    "native.link",
    "native.unlink",
    "djoser_token.activate",
    "djoser_token.resend_activation",
    "djoser_token.reset_password_confirm",
    "djoser_token.reset_email_confirm",
    "djoser_token.convert_token",
    "djoser_jwt.activate",
    "djoser_jwt.resend_activation",
    "djoser_jwt.reset_password_confirm",
    "simplejwt.reset",
];

/// The names and credentials of a user who has just signed in with an API, by the placeholders that
/// the examples contain.
struct Person {
    words: BTreeMap<&'static str, String>,
    /// The header for operations that need one.
    authorization: String,
}

/// A server with an application, and providers without users.
async fn server() -> (TestServer, propusk_stand_in::StandIn) {
    let (server, stand_in) = TestServer::with_providers(|config| {
        config.dialect("simplejwt_rotating").early_refresh_seconds = Some(300);
        config.redirects.allowed = vec!["com.example.app:/signed-in".to_owned()];
        config.app_links.apple = vec!["A1B2C3D4E5.com.example.app".to_owned()];
        config.app_links.android = vec![format!("com.example.app={}", ["0F"; 32].join(":"))];
        config.app_links.paths = vec!["/signed-in".to_owned()];
    })
    .await;
    let new = NewClient {
        id: "my-app".to_owned(),
        name: "My app".to_owned(),
        secret: Some(CLIENT_SECRET.to_owned()),
        is_public: false,
        allows_password: true,
        introspects: false,
    };
    assert!(server.auth.create_client(new).await.expect("the database answers"));
    let service = NewClient {
        id: "my-service".to_owned(),
        name: "My service".to_owned(),
        secret: Some(CLIENT_SECRET.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: true,
    };
    assert!(server.auth.create_client(service).await.expect("the database answers"));
    (server, stand_in)
}

impl Person {
    /// Registers the `number`th user and signs in with the API of the operation.
    async fn new(server: &TestServer, number: usize, api: &str) -> Self {
        let (email, phone, username) = (
            format!("anna{number}@example.com"),
            format!("+7912345{number:04}"),
            format!("anna{number}"),
        );
        let account =
            json!({"email": email, "phone": phone, "username": username, "password": PASSWORD});
        let registered = server.client.post("/propusk/v1/accounts", &account).await;
        assert_eq!(registered.status, 201, "{}", registered.text());
        let id = registered.json()["account"]["id"].to_string();
        let (path, body) = match api {
            "djoser_token" => (
                "/auth/token/",
                json!({"grant_type": "password", "username": email, "client_id": "my-app", "client_secret": CLIENT_SECRET}),
            ),
            "djoser_jwt" => ("/api/auth/jwt/create/", json!({"username": email})),
            "simplejwt" => ("/api/auth/login/", json!({"username": username})),
            "simplejwt_rotating" => ("/token", json!({"email": email})),
            "prehashed" => {
                ("/authorization/login/email", json!({"email": email, "hash_password": PASSWORD}))
            }
            "native" => ("/propusk/v1/sessions", json!({"identifier": email})),
            other => panic!("nobody knows how to sign in by {other}"),
        };
        let mut body = body;
        body["password"] = PASSWORD.into();
        let signed_in = server.client.post(path, &body).await;
        assert_eq!(signed_in.status, 200, "{api}: {}", signed_in.text());
        let tokens = signed_in.json();
        let token = |names: [&str; 2]| {
            names.iter().find_map(|name| tokens[*name].as_str()).expect("a token").to_owned()
        };
        let access = token(["access", "access_token"]);
        let authorization = match api {
            "djoser_token" => {
                let body = json!({"username": email, "password": PASSWORD});
                let key = server.client.post("/auth/token/login/", &body).await;
                format!("Token {}", key.field("auth_token"))
            }
            _ => format!("Bearer {access}"),
        };
        let words = BTreeMap::from([
            ("<access token>", access),
            ("<refresh token>", token(["refresh", "refresh_token"])),
            ("<client secret>", CLIENT_SECRET.to_owned()),
            ("5e884898da28047151d0e56f8dc62927", PASSWORD.to_owned()),
            ("adc186109ddaec7", tokens["session_id"].as_str().unwrap_or_default().to_owned()),
            ("anna@example.com", email),
            ("anna@example.org", format!("anna{number}@example.org")),
            ("+79123456789", phone),
            ("+71234567890", format!("+7123456{number:04}")),
            ("anna", username),
            ("1", id),
        ]);
        Person { words, authorization }
    }

    /// A user who is not registered yet.
    fn stranger(number: usize) -> Self {
        let words = BTreeMap::from([
            ("anna@example.com", format!("bob{number}@example.com")),
            ("+79123456789", format!("+7812345{number:04}")),
            ("anna", format!("bob{number}")),
        ]);
        Person { words, authorization: String::new() }
    }

    /// An example with the user's values in place of its placeholders.
    fn fill(&self, example: &Value) -> Value {
        match example {
            Value::String(text) => self.word(text).into(),
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                let members = members.iter();
                Value::Object(
                    members.map(|(name, value)| (name.clone(), self.fill(value))).collect(),
                )
            }
            other => other.clone(),
        }
    }

    fn word(&self, example: &str) -> String {
        self.words.get(example).map_or(example, String::as_str).to_owned()
    }

    fn path(&self, operation: &Operation<'_>) -> String {
        let mut path = operation.path.to_owned();
        let mut query = form_urlencoded::Serializer::new(String::new());
        for parameter in operation.parameters() {
            let name = parameter["name"].as_str().expect("a name");
            let value = self.word(parameter["example"].as_str().expect("an example"));
            match parameter["in"].as_str() {
                Some("path") => path = path.replace(&format!("{{{name}}}"), &value),
                _ => drop(query.append_pair(name, &value)),
            }
        }
        match query.finish() {
            query if query.is_empty() => path,
            query => format!("{path}?{query}"),
        }
    }
}

/// What is sent in addition to method and path.
#[derive(Clone, Default)]
struct Sent {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Sent {
    fn as_one(authorization: &str) -> Self {
        let header = ("Authorization", authorization.to_owned());
        let headers = if authorization.is_empty() { Vec::new() } else { vec![header] };
        Sent { headers, body: Vec::new() }
    }

    fn with(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push(("Content-Type", media_type.to_owned()));
        self.body = body.into();
        self
    }
}

async fn send(server: &TestServer, method: &str, path: &str, sent: &Sent) -> Answer {
    let mut request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
    for (name, value) in &sent.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::from(sent.body.clone())).expect("a request");
    server.client.send(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
}

/// Sends a request, and checks that the answer is described.
async fn ask(
    server: &TestServer,
    document: &Document,
    operation: &Operation<'_>,
    path: &str,
    sent: &Sent,
) -> Answer {
    let answer = send(server, operation.method, path, sent).await;
    let is_json = sent.headers.iter().any(|(name, value)| *name == "Content-Type" && value == JSON);
    let body = serde_json::from_slice(&sent.body).ok().filter(|_| is_json);
    let asked = Asked { method: operation.method, path, body: body.as_ref() };
    let problems = document.problems(&asked, &answer);
    let shown = String::from_utf8_lossy(&sent.body).chars().take(300).collect::<String>();
    assert!(problems.is_empty(), "{} {path} {shown}: {problems:#?}", operation.id());
    assert!(
        !answer.status.is_server_error(),
        "{} {path} {shown}: {}",
        operation.id(),
        answer.text()
    );
    answer
}

#[tokio::test]
async fn examples_are_answered_as_described() {
    let (server, _stand_in) = server().await;
    let document = Document::of(&server.client).await;
    for (number, operation) in document.operations().iter().enumerate() {
        let (api, act) = operation.id().split_once('.').expect("the API stands before the name");
        let person = match act {
            "register" => Person::stranger(number),
            _ => Person::new(&server, number, api).await,
        };
        let is_open = operation.value["security"].as_array().is_some_and(|ways| ways.is_empty());
        let mut sent = Sent::as_one(if is_open { "" } else { &person.authorization });
        if let Some(example) = operation.value["requestBody"]["content"][JSON].get("example") {
            sent = sent.with(JSON, person.fill(example).to_string());
        }
        let answer = ask(&server, &document, operation, &person.path(operation), &sent).await;
        let shown = format!("{}: {} {}", operation.id(), answer.status, answer.text());
        assert_eq!(answer.status.is_success(), !needs_more(operation), "{shown}");
    }
}

fn needs_more(operation: &Operation<'_>) -> bool {
    let is_link = operation.id().starts_with("prehashed.link_");
    let tag = operation.value["tags"][0].as_str().expect("a tag");
    let of_provider =
        ["google", "vk", "mail.ru", "yandex"].map(|name| format!("prehashed: {name}"));
    NEED_MORE.contains(&operation.id()) || (of_provider.contains(&tag.to_owned()) && !is_link)
}

#[tokio::test]
async fn unexpected_requests_are_refused_as_described() {
    let (server, _stand_in) = server().await;
    let document = Document::of(&server.client).await;
    for (number, operation) in document.operations().iter().enumerate() {
        let api = operation.id().split_once('.').map(|(api, _)| api).expect("the API's name");
        let person = Person::new(&server, number, api).await;
        let path = person.path(operation);
        for authorization in
            ["", "Bearer", "Bearer nonsense", "Token nonsense", "Basic Og==", "nonsense"]
        {
            ask(&server, &document, operation, &path, &Sent::as_one(authorization)).await;
        }
        if operation.value.get("requestBody").is_none() {
            continue;
        }
        let example = person.fill(&operation.value["requestBody"]["content"][JSON]["example"]);
        let bare = operation.path.replace("{id}", "0");
        for (media_type, body) in broken(&example) {
            let sent = Sent::as_one(&person.authorization).with(media_type, body);
            ask(&server, &document, operation, &bare, &sent).await;
        }
    }
}

/// Invalid bodies, and the example with another value in place of each member.
fn broken(example: &Value) -> Vec<(&'static str, Vec<u8>)> {
    let mut bodies: Vec<(&str, Vec<u8>)> = vec![
        (JSON, b"{".to_vec()),
        (JSON, b"".to_vec()),
        (JSON, b"[1]".to_vec()),
        (JSON, b"null".to_vec()),
        (JSON, b"\"\xff\"".to_vec()),
        (JSON, format!("{{\"password\": \"{}\"}}", "a".repeat(70_000)).into_bytes()),
        ("text/plain", b"password".to_vec()),
        ("application/x-www-form-urlencoded", b"password=%ff%00&=&&a".to_vec()),
        ("multipart/form-data", b"--x".to_vec()),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\nno name".to_vec()),
    ];
    let instead = [
        json!(null),
        json!(5),
        json!([]),
        json!({}),
        json!(""),
        json!("\u{0}"),
        json!("я".repeat(600)),
    ];
    for name in example.as_object().into_iter().flat_map(|members| members.keys()) {
        for value in &instead {
            let mut body = example.clone();
            body[name] = value.clone();
            bodies.push((JSON, body.to_string().into_bytes()));
        }
    }
    bodies
}
