//! Cross-origin requests, as in the Fetch standard: scripts of the configured origins may call the
//! APIs, with any headers and with credentials. Other requests are not affected.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

/// The methods of the APIs. A fixed list instead of the requested method: a cached answer must not
/// depend on the request.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
/// Headers that front ends of Django servers send, as in `django-cors-headers`, and the language of
/// mails: always allowed, so that one preflight serves more requests.
const HEADERS: &str = "accept, accept-language, authorization, content-type, user-agent, x-csrftoken, x-requested-with";
/// Headers that scripts may read in addition to the standard ones.
const EXPOSED: &str = "Retry-After, WWW-Authenticate, X-Request-Id";
/// In seconds; only one browser caches it longer.
const MAX_AGE: &str = "7200";

/// The maximum size of requested headers in the answer: tracing tools add a few.
const MAX_ASKED_HEADERS: usize = 2_048;

/// The origins whose scripts may call.
#[derive(Clone)]
struct Origins(Arc<[String]>);

/// Lets scripts of these origins call the router.
pub fn allow(router: Router, origins: &[String]) -> Router {
    if origins.is_empty() {
        return router;
    }
    router.layer(from_fn_with_state(Origins(origins.into()), answer))
}

impl Origins {
    /// The request's origin, if it is allowed; compared exactly, because browsers write an origin
    /// in only one way.
    fn allowed(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut sent = headers.get_all(ORIGIN).iter();
        let origin = sent.next().filter(|_| sent.next().is_none())?;
        let is_allowed = self.0.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
        is_allowed.then(|| origin.clone())
    }
}

/// Answers preflights of the configured origins and marks the answers to their requests.
/// (tower-http's `CorsLayer` answers every OPTIONS as a preflight and rewrites `Vary`: the answers
/// of the APIs would no longer be those that were recorded.)
async fn answer(State(origins): State<Origins>, request: Request, next: Next) -> Response {
    let Some(origin) = origins.allowed(request.headers()) else {
        return answer_others(request, next).await;
    };
    if is_preflight(&request) {
        return preflight(origin, request.headers());
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    vary_by_origin(headers);
    response
}

/// A cache must not serve this answer to a script of a configured origin, whose headers it lacks.
/// Only reads can be cached; other answers are not changed.
async fn answer_others(request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = next.run(request).await;
    if is_read {
        vary_by_origin(response.headers_mut());
    }
    response
}

/// A browser's preflight; other clients send OPTIONS to get the description of a route.
fn is_preflight(request: &Request) -> bool {
    *request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(origin: HeaderValue, asked: &HeaderMap) -> Response {
    let fixed = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, origin),
        fixed(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        fixed(ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed_headers(asked)),
        fixed(ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        fixed(VARY, "Origin, Access-Control-Request-Headers"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// The usual headers and the requested ones; a request that no browser would write adds none.
fn allowed_headers(asked: &HeaderMap) -> HeaderValue {
    let usual = || HeaderValue::from_static(HEADERS);
    let lines = asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let asked = lines.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b","[..]);
    if asked.len() > MAX_ASKED_HEADERS {
        return usual();
    }
    let names: Option<Vec<HeaderName>> = asked
        .split(|byte| *byte == b',')
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty())
        .map(|name| HeaderName::from_bytes(name).ok())
        .collect();
    let names = names.unwrap_or_default();
    let all = std::iter::once(HEADERS).chain(names.iter().map(HeaderName::as_str));
    HeaderValue::try_from(all.collect::<Vec<_>>().join(", ")).unwrap_or_else(|_| usual())
}

/// Adds `Origin` to `Vary`, in one line: some caches read only the first one.
fn vary_by_origin(headers: &mut HeaderMap) {
    let stated: Vec<&[u8]> = headers.get_all(VARY).iter().map(HeaderValue::as_bytes).collect();
    let mut names = stated.iter().flat_map(|line| line.split(|byte| *byte == b','));
    let is_covered = |name: &[u8]| name == b"*" || name.eq_ignore_ascii_case(b"origin");
    if names.any(|name| is_covered(name.trim_ascii())) {
        return;
    }
    let joined = [&stated[..], &[b"Origin"]].concat().join(&b", "[..]);
    // Joined valid headers are valid.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(VARY, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vary_of(lines: &[&'static str]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(VARY, HeaderValue::from_static(line));
        }
        vary_by_origin(&mut headers);
        let lines = headers.get_all(VARY).iter();
        lines.map(|line| String::from_utf8_lossy(line.as_bytes()).into_owned()).collect()
    }

    #[test]
    fn vary_keeps_what_it_names_and_names_the_origin_once() {
        assert_eq!(vary_of(&[]), ["Origin"]);
        assert_eq!(vary_of(&["Accept, Cookie"]), ["Accept, Cookie, Origin"]);
        assert_eq!(vary_of(&["Accept", "Cookie"]), ["Accept, Cookie, Origin"]);
        assert_eq!(vary_of(&["Accept, origin"]), ["Accept, origin"]);
        assert_eq!(vary_of(&["Accept", "ORIGIN , Cookie"]), ["Accept", "ORIGIN , Cookie"]);
        assert_eq!(vary_of(&["*"]), ["*"]);
        assert_eq!(vary_of(&["X-Origin"]), ["X-Origin, Origin"]);
    }

    fn allowed(configured: &[&str], sent: &[&str]) -> Option<String> {
        let configured: Vec<String> = configured.iter().map(|&origin| origin.to_owned()).collect();
        let mut headers = HeaderMap::new();
        for origin in sent {
            headers.append(ORIGIN, HeaderValue::from_str(origin).expect("a header"));
        }
        let origin = Origins(configured.clone().into()).allowed(&headers)?;
        Some(origin.to_str().expect("text").to_owned())
    }

    #[test]
    fn origin_is_compared_exactly() {
        const APP: &str = "https://app.example.com";
        let configured = [APP, "http://localhost:5173"];
        for origin in configured {
            assert_eq!(allowed(&configured, &[origin]).as_deref(), Some(origin));
        }
        for other in [
            "",
            "null",
            "*",
            "http://app.example.com",
            "https://APP.example.com",
            "https://app.example.com/",
            "https://app.example.com:443",
            "https://app.example.com.evil.example",
            "https://evil.example/https://app.example.com",
            "https://app.example.co",
            "http://localhost",
            "http://localhost:51730",
            "https://app.example.com, https://app.example.com",
        ] {
            assert_eq!(allowed(&configured, &[other]), None, "{other}");
        }
        assert_eq!(allowed(&configured, &[]), None);
        assert_eq!(allowed(&configured, &[APP, APP]), None, "no browser sends two");
        assert_eq!(allowed(&[], &[APP]), None);
    }
}
