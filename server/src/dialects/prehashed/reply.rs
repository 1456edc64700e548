//! Answers in the form of FastAPI: JSON, with `detail` in refusals. The input is never echoed,
//! because it may be a secret.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use serde_json::json;

/// A handler's result; both variants are sent.
pub type Answer = Result<Reply, Reply>;

pub struct Reply {
    status: StatusCode,
    /// Empty: no body.
    json: Vec<u8>,
    allow: Option<HeaderValue>,
    retry_after: Option<i64>,
}

/// An error in a request, with its place.
#[derive(Serialize)]
pub struct Finding {
    #[serde(rename = "type")]
    kind: &'static str,
    loc: Vec<Place>,
    msg: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Place {
    Name(&'static str),
    Byte(usize),
}

impl Finding {
    pub fn missing(part: &'static str, field: &'static str) -> Self {
        Finding { loc: vec![Place::Name(part), Place::Name(field)], ..Finding::no_body() }
    }

    pub fn no_body() -> Self {
        Finding { kind: "missing", loc: vec![Place::Name("body")], msg: "Field required" }
    }

    pub fn no_object() -> Self {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        Finding { kind: "model_attributes_type", loc: vec![Place::Name("body")], msg }
    }

    pub fn no_json(at: usize) -> Self {
        let loc = vec![Place::Name("body"), Place::Byte(at)];
        Finding { kind: "json_invalid", loc, msg: "JSON decode error" }
    }

    pub fn no_text(field: &'static str) -> Self {
        Finding::about(field, "string_type", "Input should be a valid string")
    }

    pub fn no_email(field: &'static str) -> Self {
        Finding::about(field, "value_error", "value is not a valid email address")
    }

    pub fn no_phone(field: &'static str) -> Self {
        Finding::about(field, "value_error", "value is not a valid phone number")
    }

    pub fn too_short(field: &'static str) -> Self {
        Finding::about(field, "string_too_short", "String should have at least 8 bytes")
    }

    pub fn too_long(field: &'static str) -> Self {
        Finding::about(field, "string_too_long", "String should have at most 1024 bytes")
    }

    fn about(field: &'static str, kind: &'static str, msg: &'static str) -> Self {
        Finding { kind, loc: vec![Place::Name("body"), Place::Name(field)], msg }
    }
}

impl Reply {
    pub fn ok(body: &impl Serialize) -> Self {
        Reply::json(StatusCode::OK, body)
    }

    /// The answer does not reveal the result.
    pub fn accepted() -> Self {
        Reply::json(StatusCode::ACCEPTED, &json!({}))
    }

    pub fn detail(status: StatusCode, text: &str) -> Self {
        Reply::json(status, &json!({ "detail": text }))
    }

    pub fn unprocessable(findings: &[Finding]) -> Self {
        Reply::json(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "detail": findings }))
    }

    pub fn method_not_allowed(allow: HeaderValue) -> Self {
        let reply = Reply::detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
        Reply { allow: Some(allow), ..reply }
    }

    /// The answer to OPTIONS.
    pub fn allowed(allow: HeaderValue) -> Self {
        let status = StatusCode::NO_CONTENT;
        Reply { status, json: Vec::new(), allow: Some(allow), retry_after: None }
    }

    pub fn later(status: StatusCode, text: &str, retry_after: i64) -> Self {
        Reply { retry_after: Some(retry_after), ..Reply::detail(status, text) }
    }

    /// The cause goes to the log only.
    pub fn failed(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "a request failed");
        Reply::detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => Reply { status, json, allow: None, retry_after: None },
            Err(error) => Reply::failed(&error),
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response<Body> {
        let has_body = !self.json.is_empty();
        let mut response = Response::new(Body::from(self.json));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        for (name, value) in [
            (CACHE_CONTROL, "no-store"),
            // The URL may contain tokens.
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if has_body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, allow);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
