//! A correct client, so that each test can make one mistake; and the HTTP client below it.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::client::legacy::{Client as Connections, Error};
use hyper_util::rt::TokioExecutor;
use propusk_stand_in::{Client, Endpoint, Provider, StandIn};
use serde_json::Value;
use sha2::{Digest, Sha256};

pub const CLIENT: &str = "app-1";
pub const SECRET: &str = "secret-1";
pub const REDIRECT: &str = "http://127.0.0.1:8000/callback?of=app";
pub const STATE: &str = "a-state-of-more-than-thirty-two-characters";
pub const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-accepted-by-all";

/// Parameters by name; a later one replaces an earlier one, an empty one counts as left out.
pub type Parameters<'a> = [(&'a str, &'a str)];

pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

pub async fn stand_in(provider: Provider) -> StandIn {
    let stand_in = StandIn::start().await.expect("a free port");
    for (id, secret) in [(CLIENT, SECRET), ("app-2", "secret-2")] {
        let redirects = vec![REDIRECT.to_owned(), format!("{REDIRECT}&second=1")];
        let (id, secret) = (id.to_owned(), Some(secret.to_owned()));
        stand_in.register(provider, Client { id, secret, redirects });
    }
    stand_in
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The parameters of the redirect back.
    #[track_caller]
    pub fn callback(&self) -> HashMap<String, String> {
        assert!(self.status.is_redirection(), "{} {}", self.status, self.text());
        let location = self.headers["location"].to_str().expect("a text");
        let query = location.strip_prefix(REDIRECT).expect("the client's redirect");
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The status and the two texts of an error.
    #[track_caller]
    pub fn error(&self) -> (u16, String, String) {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (self.status.as_u16(), text("error"), text("error_description"))
    }

    #[track_caller]
    pub fn assert_error(&self, status: u16, error: &str, description: &str) {
        assert_eq!(self.error(), (status, error.to_owned(), description.to_owned()));
    }
}

pub async fn begin(request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Error> {
    Connections::builder(TokioExecutor::new()).build_http().request(request).await
}

pub async fn send(request: Request<Full<Bytes>>) -> Answer {
    let (head, body) = begin(request).await.expect("an answer").into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    Answer { status: head.status, headers: head.headers, body }
}

pub async fn get(url: &str, query: &Parameters<'_>, headers: &Parameters<'_>) -> Answer {
    let mut request = Request::get(format!("{url}?{}", encoded(&[], query)));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::default()).expect("a request")).await
}

pub async fn post(url: &str, form: &Parameters<'_>, headers: &Parameters<'_>) -> Answer {
    let mut request =
        Request::post(url).header("Content-Type", "application/x-www-form-urlencoded");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(request.body(Full::from(encoded(&[], form))).expect("a request")).await
}

/// A correct authorization request for a provider, with `changes`.
pub fn authorize_url(stand_in: &StandIn, provider: Provider, changes: &Parameters<'_>) -> String {
    let scope = match provider {
        Provider::Google => "openid email profile",
        Provider::Vk => "email phone",
        Provider::Yandex => "",
        Provider::MailRu => "userinfo",
    };
    let challenge = challenge();
    let right = [
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", REDIRECT),
        ("scope", scope),
        ("state", STATE),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let query = encoded(&right, changes);
    format!("{}?{query}", stand_in.url(provider, Endpoint::Authorize))
}

pub async fn authorize(stand_in: &StandIn, provider: Provider, changes: &Parameters<'_>) -> Answer {
    let url = authorize_url(stand_in, provider, changes);
    send(Request::get(url).body(Full::default()).expect("a request")).await
}

/// A correct token request for this callback, with `changes`.
pub async fn exchange(
    stand_in: &StandIn,
    provider: Provider,
    callback: &HashMap<String, String>,
    changes: &Parameters<'_>,
    headers: &Parameters<'_>,
) -> Answer {
    let right = [
        ("grant_type", "authorization_code"),
        ("code", callback["code"].as_str()),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("device_id", callback.get("device_id").map_or("", String::as_str)),
        ("state", if provider == Provider::Vk { "state-of-this-call" } else { "" }),
    ];
    let form = encoded(&right, changes);
    let pairs: Vec<_> = form_urlencoded::parse(form.as_bytes()).collect();
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    post(&stand_in.url(provider, Endpoint::Token), &pairs, headers).await
}

/// Signs in and exchanges the code, with one change in the token request.
pub async fn sign_in(stand_in: &StandIn, provider: Provider, changes: &Parameters<'_>) -> Answer {
    let callback = authorize(stand_in, provider, &[]).await.callback();
    exchange(stand_in, provider, &callback, changes, &[]).await
}

pub async fn tokens(stand_in: &StandIn, provider: Provider) -> Value {
    let answer = sign_in(stand_in, provider, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
pub fn text<'a>(object: &'a Value, name: &str) -> &'a str {
    object[name].as_str().unwrap_or_else(|| panic!("no text {name}: {object}"))
}

pub fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn encoded(right: &Parameters<'_>, changes: &Parameters<'_>) -> String {
    let kept = right.iter().filter(|(name, _)| changes.iter().all(|(other, _)| other != name));
    let all = kept.chain(changes).filter(|(_, value)| !value.is_empty());
    form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish()
}
