//! The answers that all providers share.

use std::io;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde_json::Value;

pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(crate) type Answer = Response<Body>;

pub(crate) const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";

pub(crate) fn json(status: StatusCode, value: &Value) -> Answer {
    with_body(status, JSON, value.to_string())
}

pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Answer {
    with_body(status, TEXT, text.into())
}

pub(crate) fn html(text: impl Into<String>) -> Answer {
    with_body(StatusCode::OK, HTML, text.into())
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

pub(crate) fn redirect(status: StatusCode, location: &str) -> Answer {
    let mut answer = empty(status);
    match HeaderValue::from_str(location) {
        Ok(location) => answer.headers_mut().insert(LOCATION, location),
        Err(_) => return text(StatusCode::INTERNAL_SERVER_ERROR, "the location is no header"),
    };
    answer
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    answer
}

fn with_body(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = Response::new(whole(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
