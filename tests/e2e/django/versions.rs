//! The newest libraries beside an API that has their versions in its settings: every request of a
//! scenario gets the same status and the same JSON from both.

use propusk_server::config::{ApiSettings, Version};
use propusk_tests::django::{Django, Stack};
use propusk_tests::http::Client;
use propusk_tests::links::Link;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "Str0ng-pass-77";

/// A server with an API of this dialect at the paths of its document.
async fn api_of(dialect: &str, change: impl FnOnce(&mut ApiSettings)) -> TestServer {
    TestServer::with(|config| {
        config.dialect(dialect).enabled = false;
        let api = config.api("newest");
        api.dialect = Some(dialect.to_owned());
        change(api);
    })
    .await
}

fn with_simplejwt(api: &mut ApiSettings) {
    api.versions.simplejwt = Some(Version([5, 5, 1]));
}

fn with_djoser(api: &mut ApiSettings) {
    api.versions.djoser = Some(Version([2, 3, 5]));
    api.versions.djangorestframework = Some(Version([3, 16, 0]));
}

/// Both servers, each with the tokens that it has issued.
struct Sides([Side; 2]);

struct Side {
    client: Client,
    access: String,
    refresh: String,
}

impl Sides {
    fn of(django: &Django, server: &TestServer) -> Self {
        Sides([&django.client, &server.client].map(|client| Side {
            client: client.clone(),
            access: String::new(),
            refresh: String::new(),
        }))
    }

    async fn post(&self, path: &str, body: &Value, status: u16) {
        for side in &self.0 {
            let answer = side.client.post(path, body).await;
            assert_eq!(answer.status, status, "{path}: {}", answer.text());
        }
    }

    /// Signs in at both. The answers and the claims have the same members, with values of one type.
    async fn sign_in(&mut self, path: &str, field: &str) {
        let body = json!({ field: EMAIL, "password": PASSWORD });
        let mut shapes = Vec::new();
        for side in &mut self.0 {
            let pair = side.client.post(path, &body).await;
            (side.access, side.refresh) = (pair.field("access"), pair.field("refresh"));
            let claims = [&side.access, &side.refresh].map(|token| shape(&claims_of(token)));
            shapes.push((masked(pair.json()).to_string(), claims));
        }
        assert_eq!(shapes[0], shapes[1], "{path}");
    }

    /// In header and body, `<access>` and `<refresh>` stand for the tokens of the side.
    async fn assert_same(&self, method: &str, path: &str, header: Option<&str>, body: Value) {
        let [django, ours] = &self.0;
        let django = django.answer(method, path, header, &body).await;
        let ours = ours.answer(method, path, header, &body).await;
        assert_eq!(ours, django, "{method} {path} {header:?} {body}");
    }
}

impl Side {
    /// The status, and the JSON as it is written, without what differs each time.
    async fn answer(
        &self,
        method: &str,
        path: &str,
        header: Option<&str>,
        body: &Value,
    ) -> (u16, String) {
        let filled =
            |text: &str| text.replace("<access>", &self.access).replace("<refresh>", &self.refresh);
        let body = serde_json::from_str(&filled(&body.to_string())).expect("JSON");
        let header = header.map(filled);
        let answer = self.client.call(method, path, header.as_deref(), &body).await;
        let shown = match answer.body.is_empty() {
            true => String::new(),
            false => masked(answer.json()).to_string(),
        };
        (answer.status.as_u16(), shown)
    }
}

/// Without tokens.
fn masked(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("ey") => "a token".into(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, masked(value))).collect()
        }
        other => other,
    }
}

/// The members in their order, each with whether it is a text.
fn shape(claims: &Value) -> Vec<(String, bool)> {
    let claims = claims.as_object().expect("an object").iter();
    claims.map(|(name, value)| (name.clone(), value.is_string())).collect()
}

#[tokio::test]
async fn djoser_with_jwt_answers_like_the_api() {
    let django = Django::newest(Stack::DjoserJwt).await;
    let server = api_of("djoser_jwt", |api| {
        with_simplejwt(api);
        with_djoser(api);
    })
    .await;
    let mut sides = Sides::of(&django, &server);
    let account = json!({ "email": EMAIL, "password": PASSWORD });
    sides.post("/api/auth/users/", &account, 201).await;
    sides.sign_in("/api/auth/jwt/create/", "username").await;
    for (path, field) in
        [("jwt/refresh/", "refresh"), ("jwt/verify/", "token"), ("logout/", "refresh")]
    {
        for token in ["no token", "<access>"] {
            let path = format!("/api/auth/{path}");
            sides.assert_same("POST", &path, None, json!({ field: token })).await;
        }
    }
    let refresh = json!({ "refresh": "<refresh>" });
    sides.assert_same("POST", "/api/auth/jwt/refresh/", None, refresh.clone()).await;
    for header in ["Bearer no-token", "Bearer <refresh>", "Bearer"] {
        sides.assert_same("GET", "/api/auth/users/me/", Some(header), Value::Null).await;
    }
    let bearer = Some("Bearer <access>");
    for id in ["999999999", "anna"] {
        let path = format!("/api/auth/users/{id}/");
        sides.assert_same("GET", &path, bearer, Value::Null).await;
    }
    let unknown = json!({ "email": "nobody@example.com" });
    sides.assert_same("POST", "/api/auth/users/resend_activation/", None, unknown).await;
    django.set_on(301).await;
    server.clock.advance(301);
    sides.assert_same("GET", "/api/auth/users/me/", bearer, Value::Null).await;
    let access = json!({ "token": "<access>" });
    sides.assert_same("POST", "/api/auth/jwt/verify/", None, access).await;
    for path in ["/api/auth/logout/", "/api/auth/logout/", "/api/auth/jwt/refresh/"] {
        sides.assert_same("POST", path, None, refresh.clone()).await;
    }
}

#[tokio::test]
async fn simplejwt_that_rotates_answers_like_the_api() {
    let django = Django::newest(Stack::SimplejwtRotating).await;
    let server = api_of("simplejwt_rotating", |api| {
        with_simplejwt(api);
        // The library refreshes at once.
        api.early_refresh_seconds = Some(300);
    })
    .await;
    let mut sides = Sides::of(&django, &server);
    let account = json!({ "login": "anna", "email": EMAIL, "password": PASSWORD });
    sides.post("/v1/creat_autor", &account, 201).await;
    sides.sign_in("/token", "email").await;
    for token in ["no token", "<access>", "<refresh>"] {
        sides.assert_same("POST", "/token/verify", None, json!({ "token": token })).await;
    }
    // The last is spent.
    for token in ["no token", "<access>", "<refresh>", "<refresh>"] {
        sides.assert_same("POST", "/token/refresh", None, json!({ "refresh": token })).await;
    }
    for token in ["<refresh>", "<access>"] {
        sides.assert_same("POST", "/token/verify", None, json!({ "token": token })).await;
    }
    django.set_on(301).await;
    server.clock.advance(301);
    sides.assert_same("POST", "/token/verify", None, json!({ "token": "<access>" })).await;
}

#[tokio::test]
async fn djoser_with_keys_answers_like_the_api() {
    let django = Django::newest(Stack::DjoserToken).await;
    let server = api_of("djoser_token", |api| {
        with_djoser(api);
        api.versions.drf_social_oauth2 = Some(Version([3, 5, 0]));
    })
    .await;
    let mut sides = Sides::of(&django, &server);
    let account = json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD });
    sides.post("/auth/users/", &account, 201).await;
    let links = [
        Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link"),
        server.link_to(EMAIL).await,
    ];
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    for (side, Link { uid, token, .. }) in sides.0.iter_mut().zip(links) {
        let body = json!({ "uid": uid, "token": token });
        assert_eq!(side.client.post("/auth/users/activation/", &body).await.status, 204);
        let key = side.client.post("/auth/token/login/", &credentials).await;
        side.access = key.field("auth_token");
    }
    for email in [EMAIL, "nobody@example.com"] {
        let path = "/auth/users/resend_activation/";
        sides.assert_same("POST", path, None, json!({ "email": email })).await;
    }
    let key = Some("Token <access>");
    for path in ["convert-token", "revoke-token", "invalidate-sessions"] {
        let path = format!("/auth/{path}/");
        for body in [json!({}), json!({ "client_id": " " })] {
            sides.assert_same("POST", &path, key, body).await;
        }
        let unknown = json!({
            "client_id": "none", "grant_type": "convert_token", "backend": "google-oauth2",
            "token": "ok-anna",
        });
        sides.assert_same("POST", &path, key, unknown).await;
    }
    for id in ["999999999", "anna"] {
        let path = format!("/auth/users/{id}/");
        sides.assert_same("GET", &path, key, Value::Null).await;
    }
}
