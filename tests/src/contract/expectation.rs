//! What an answer must be: as recorded, except for what is free, or as a deviation states.
//!
//! Free: bodies and headers of HTML pages (unknown paths, the browsable API), bodies of `OPTIONS`.
//! Free within bodies ([`super::matching`]): the text after `JSON parse error - `, some claims.

use serde_json::{Map, Value};

use super::rows::{Exchange, Response};

/// The headers that are compared, with their value if a row does not name them.
const COMPARED: [(&str, Option<&str>); 8] = [
    ("Content-Type", None),
    ("Allow", None),
    ("WWW-Authenticate", None),
    ("Vary", None),
    ("X-Frame-Options", Some("DENY")),
    ("X-Content-Type-Options", Some("nosniff")),
    ("Referrer-Policy", Some("same-origin")),
    ("Cross-Origin-Opener-Policy", Some("same-origin")),
];

/// Compared only if a row names it.
const CACHE_CONTROL: &str = "Cache-Control";

/// An answer to compare with.
#[derive(Clone, Debug)]
pub struct Expectation {
    pub status: u16,
    /// Each compared header; `None`: the header must be absent. Empty if headers are free.
    pub headers: Vec<(&'static str, Option<String>)>,
    pub body: ExpectedBody,
    pub tokens: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub enum ExpectedBody {
    Json(Value),
    Empty,
    Free,
}

/// Two headers that depend on the route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub allow: &'static str,
    pub vary: &'static str,
}

impl Expectation {
    /// As recorded.
    pub fn recorded(exchange: &Exchange) -> Self {
        let response = &exchange.response;
        if is_page(response) {
            return Expectation::status_only(response.status);
        }
        let mut headers = headers(|name| response.headers.get(name).cloned());
        let caching = response.headers.get(CACHE_CONTROL);
        headers.extend(caching.map(|value| (CACHE_CONTROL, value.clone())));
        Expectation {
            status: response.status,
            headers,
            body: body(&exchange.request.method, response),
            tokens: exchange.jwt.clone(),
        }
    }

    /// An answer of one of our routes, with the headers of that route.
    pub fn of_route(status: u16, route: Route, body: ExpectedBody) -> Self {
        let named = |name: &str| match name {
            "Content-Type" => Some(Some("application/json".to_owned())),
            "Allow" => Some(Some(route.allow.to_owned())),
            "Vary" => Some(Some(route.vary.to_owned())),
            "WWW-Authenticate" if status == 401 => Some(Some("Bearer realm=\"api\"".to_owned())),
            _ => None,
        };
        Expectation { status, headers: headers(named), body, tokens: Map::new() }
    }

    /// A page of ours.
    pub fn of_page(status: u16) -> Self {
        let html = Some("text/html; charset=utf-8".to_owned());
        Expectation { headers: vec![("Content-Type", html)], ..Expectation::status_only(status) }
    }

    fn status_only(status: u16) -> Self {
        Expectation { status, headers: Vec::new(), body: ExpectedBody::Free, tokens: Map::new() }
    }
}

/// All compared headers: those named, and those of every answer.
fn headers(named: impl Fn(&str) -> Option<Option<String>>) -> Vec<(&'static str, Option<String>)> {
    let compared = COMPARED.into_iter();
    compared.map(|(name, usual)| (name, named(name).unwrap_or(usual.map(str::to_owned)))).collect()
}

fn is_page(response: &Response) -> bool {
    let content_type = response.headers.get("Content-Type").cloned().flatten();
    content_type.is_some_and(|content_type| content_type.starts_with("text/html"))
}

fn body(method: &str, response: &Response) -> ExpectedBody {
    match &response.json {
        Some(_) if method == "OPTIONS" && response.status == 200 => ExpectedBody::Free,
        Some(json) => ExpectedBody::Json(json.clone()),
        None if response.text.as_deref() == Some("") => ExpectedBody::Empty,
        None => panic!("a recorded answer that is neither JSON nor empty nor a page: {response:?}"),
    }
}
