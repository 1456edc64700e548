//! The routes of drf-social-oauth2: convert, refresh, revoke. The expected answers were measured
//! with the libraries; where we differ on purpose, a test states it.

mod converting;
mod ending;
mod introspection;
mod tokens;

use http_body_util::Full;
use hyper::Request;
use propusk_server::auth::NewClient;
use propusk_tests::providers::CLIENT_ID;

use super::*;

/// The password of these tests.
const PASSWORD: &str = "Str0ng-pass-77";
const SECRET: &str = "an-application-secret";
const SECOND_SECRET: &str = "second-secret-000";
/// Contains every character that the Basic header may get wrong.
const ODD_SECRET: &str = "a:b c+d% of letters";

const INVALID_CLIENT: &str = r#"{"error":"invalid_client"}"#;
const INVALID_GRANT: &str = r#"{"error":"invalid_grant"}"#;
const INVALID_SCOPE: &str = r#"{"error":"invalid_scope"}"#;
const UNAUTHORIZED_CLIENT: &str = r#"{"error":"unauthorized_client"}"#;
const UNSUPPORTED: &str = r#"{"error":"unsupported_grant_type"}"#;
const WRONG_PASSWORD: &str =
    r#"{"error":"invalid_grant","error_description":"Invalid credentials given."}"#;
const NO_QUERY: &str =
    r#"{"error":"invalid_request","error_description":"URL query parameters are not allowed"}"#;
const DEAD_BEARER: &str = r#"{"detail":"Invalid token header. No credentials provided."}"#;
const NOBODY: &str = r#"{"detail":"Authentication credentials were not provided."}"#;

/// Two opaque tokens.
#[derive(Clone)]
struct Pair {
    access: String,
    refresh: String,
}

/// A site with the applications `app` and `second` (confidential), `open` (public), `plain` (no
/// passwords) and `odd`.
async fn site() -> Site {
    let site = Site::start().await;
    site.stand_in.take_oracle_tokens(Provider::Google, CLIENT_ID);
    for (id, secret, is_public, allows_password) in [
        ("app", SECRET, false, true),
        ("second", SECOND_SECRET, false, true),
        ("open", SECRET, true, true),
        ("plain", SECRET, false, false),
        ("odd", ODD_SECRET, false, true),
    ] {
        let new = NewClient {
            id: id.to_owned(),
            name: id.to_owned(),
            secret: Some(secret.to_owned()),
            is_public,
            allows_password,
            introspects: false,
        };
        assert!(site.server.auth.create_client(new).await.expect("the database answers"));
    }
    site
}

/// The credentials of a client.
fn app() -> Value {
    json!({"client_id": "app", "client_secret": SECRET})
}

fn second() -> Value {
    json!({"client_id": "second", "client_secret": SECOND_SECRET})
}

/// All members of the objects; the last value wins.
fn merged(objects: &[&Value]) -> Value {
    let members = objects.iter().flat_map(|object| object.as_object().expect("an object").clone());
    Value::Object(members.collect())
}

fn basic(id: &str, secret: &str) -> String {
    use base64::Engine as _;
    let words = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
    format!("Basic {words}")
}

fn bearer(pair: &Pair) -> String {
    format!("Bearer {}", pair.access)
}

fn form_of(fields: &Value) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.as_object().expect("an object") {
        form.append_pair(name, value.as_str().expect("texts only"));
    }
    form.finish()
}

fn multipart_of(fields: &Value) -> String {
    let parts = fields.as_object().expect("an object").iter().map(|(name, value)| {
        let value = value.as_str().expect("texts only");
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    });
    parts.collect::<String>() + "--b--\r\n"
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b";

impl Site {
    /// Sends any request.
    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body.to_owned())).expect("a request");
        self.client().send(request).await.expect("an answer")
    }

    async fn post_with(&self, authorization: Option<&str>, path: &str, body: &Value) -> Answer {
        match authorization {
            Some(authorization) => self.client().post_as(authorization, path, body).await,
            None => self.client().post(path, body).await,
        }
    }

    async fn convert(&self, fields: &Value) -> Answer {
        self.client().post("/auth/convert-token/", &conversion(fields)).await
    }

    /// Converts a token of a stand-in's user for an application.
    async fn converted(&self, name: &str, client: &Value) -> Pair {
        pair(&self.convert(&merged(&[client, &json!({"token": format!("ok-{name}")})])).await)
    }

    async fn refresh(&self, refresh: &str, client: &Value) -> Answer {
        let grant = json!({"grant_type": "refresh_token", "refresh_token": refresh});
        self.client().post("/auth/token/", &merged(&[&grant, client])).await
    }

    /// Registers an account with a password.
    async fn register(&self, email: &str) {
        let body = json!({"email": email, "password": PASSWORD});
        assert_eq!(self.client().post("/api/auth/users/", &body).await.status, 201);
    }

    async fn password(&self, email: &str, client: &Value) -> Answer {
        let grant = json!({"grant_type": "password", "username": email, "password": PASSWORD});
        self.client().post("/auth/token/", &merged(&[&grant, client])).await
    }

    async fn me(&self, authorization: &str) -> Answer {
        self.client().get("/auth/users/me/", Some(authorization)).await
    }

    async fn assert_alive(&self, pair: &Pair) {
        let me = self.me(&bearer(pair)).await;
        assert_eq!(me.status, 200, "{}", me.text());
    }

    /// Both tokens of the pair are refused everywhere.
    async fn assert_dead(&self, pair: &Pair, client: &Value) {
        self.assert_access_dead(pair).await;
        assert_says(
            "a dead refresh",
            &self.refresh(&pair.refresh, client).await,
            400,
            INVALID_GRANT,
        );
    }

    async fn assert_access_dead(&self, pair: &Pair) {
        let me = self.me(&bearer(pair)).await;
        assert_eq!((me.status.as_u16(), me.text().as_str()), (401, DEAD_BEARER));
    }
}

/// A conversion with a token of Google; `fields` may replace values.
fn conversion(fields: &Value) -> Value {
    let usual = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "client_id": "app",
        "client_secret": SECRET, "token": "ok-anna",
    });
    merged(&[&usual, fields])
}

/// The tokens of a success, whose members have the library's order and which is not cached.
fn pair(answer: &Answer) -> Pair {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (access, refresh) = (answer.field("access_token"), answer.field("refresh_token"));
    for token in [&access, &refresh] {
        assert!(token.len() == 30 && token.bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
    }
    let scope = answer.field("scope");
    let expected = format!(
        "{{\"access_token\":\"{access}\",\"expires_in\":36000,\"token_type\":\"Bearer\",\
         \"scope\":\"{scope}\",\"refresh_token\":\"{refresh}\"}}"
    );
    assert_eq!(answer.text(), expected);
    assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"));
    assert_headers("a pair", answer);
    Pair { access, refresh }
}

/// Checks the answer and the headers that all answers of these routes have.
#[track_caller]
fn assert_says(what: &str, answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, body), "{what}");
    assert_headers(what, answer);
}

#[track_caller]
fn assert_headers(what: &str, answer: &Answer) {
    let header = |name| answer.header(name);
    assert_eq!(header("Content-Type").as_deref(), Some("application/json"), "{what}");
    assert_eq!(header("Allow").as_deref(), Some("POST, OPTIONS"), "{what}");
    assert_eq!(header("Vary").as_deref(), Some("Accept"), "{what}");
    // A client is not challenged for a scheme that it cannot use.
    let challenge = (answer.status == 401 && answer.text().contains("detail")).then_some("Token");
    if answer.status == 401 && !answer.text().is_empty() {
        assert_eq!(header("WWW-Authenticate").as_deref(), challenge, "{what}");
    }
}

/// The libraries' text for a mistake in one field.
fn field_error(field: &str, message: &str) -> String {
    format!(r#"{{"{field}":["{message}"]}}"#)
}
