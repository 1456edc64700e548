//! Answers in the form of Django REST framework: compact JSON bodies, Django's HTML pages for
//! failures, and the headers of all of them.

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::fields::FieldErrors;
use crate::api::SECURITY_HEADERS;
use crate::error::Error;
use crate::http::answer;

/// An answer before the view's headers are added.
pub struct Reply {
    status: StatusCode,
    body: Content,
    retry_after: Option<i64>,
    is_private: bool,
    /// A 401 about an application, which gets no challenge.
    is_of_client: bool,
}

enum Content {
    Empty,
    EmptyJson,
    /// `{}`.
    EmptyObject,
    Json(Vec<u8>),
    Page(&'static str),
}

impl From<FieldErrors> for Reply {
    fn from(errors: FieldErrors) -> Self {
        Reply::json(StatusCode::BAD_REQUEST, &errors)
    }
}

/// A handler's result; both variants are sent.
pub type Answer = Result<Reply, Reply>;

/// The headers that the view adds to an answer.
pub(super) struct ViewHeaders<'v> {
    pub allow: Option<&'v HeaderValue>,
    pub vary: &'static str,
    pub challenge: Option<&'v HeaderValue>,
    pub no_store: bool,
}

const BAD_REQUEST_PAGE: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Bad Request (400)</title>\n</head>\n<body>\n  <h1>Bad Request (400)</h1><p></p>\n</body>\n</html>\n";
const SERVER_ERROR_PAGE: &str = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Server Error (500)</title>\n</head>\n<body>\n  <h1>Server Error (500)</h1><p></p>\n</body>\n</html>\n";

impl Reply {
    fn new(status: StatusCode, body: Content) -> Self {
        Reply { status, body, retry_after: None, is_private: false, is_of_client: false }
    }

    pub fn json(status: StatusCode, body: &impl Serialize) -> Self {
        match serde_json::to_vec(body) {
            Ok(json) => Reply::new(status, Content::Json(json)),
            Err(error) => {
                tracing::error!(%error, "an answer could not be written as JSON");
                Reply::page(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR_PAGE)
            }
        }
    }

    pub fn ok(body: &impl Serialize) -> Self {
        Reply::json(StatusCode::OK, body)
    }

    /// `{}`, of a view that only says yes.
    pub fn empty_object() -> Self {
        Reply::new(StatusCode::OK, Content::EmptyObject)
    }

    pub fn created(body: &impl Serialize) -> Self {
        Reply::json(StatusCode::CREATED, body)
    }

    pub fn no_content() -> Self {
        Reply::empty(StatusCode::NO_CONTENT)
    }

    /// No content, but with the media type of JSON.
    pub fn no_content_as_json() -> Self {
        Reply { status: StatusCode::NO_CONTENT, body: Content::EmptyJson, ..Reply::no_content() }
    }

    /// An error as OAuth 2 words it (RFC 6749 section 5.2).
    pub fn oauth_error(status: StatusCode, error: &str, description: Option<&str>) -> Self {
        #[derive(Serialize)]
        struct Body<'b> {
            error: &'b str,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_description: Option<&'b str>,
        }
        let reply = Reply::json(status, &Body { error, error_description: description });
        Reply { is_of_client: true, ..reply }
    }

    /// Must not be cached (RFC 6749 section 5.1).
    pub fn private(self) -> Self {
        Reply { is_private: true, ..self }
    }

    /// A status without a body.
    pub fn empty(status: StatusCode) -> Self {
        Reply::new(status, Content::Empty)
    }

    /// `{"detail": text}`, the form of most refusals.
    pub fn detail(status: StatusCode, text: &str) -> Self {
        Reply::json(status, &json!({ "detail": text }))
    }

    /// 400 about one field.
    pub fn field(name: &str, text: &str) -> Self {
        Reply::json(StatusCode::BAD_REQUEST, &json!({ name: [text] }))
    }

    pub fn not_found() -> Self {
        Reply::detail(StatusCode::NOT_FOUND, "Not found.")
    }

    pub fn not_signed_in() -> Self {
        Reply::detail(StatusCode::UNAUTHORIZED, "Authentication credentials were not provided.")
    }

    /// The page for a request that Django itself refuses.
    pub fn bad_request_page() -> Self {
        Reply::page(StatusCode::BAD_REQUEST, BAD_REQUEST_PAGE)
    }

    /// DRF's answer to a throttled request.
    pub fn throttled(retry_after: i64) -> Self {
        let unit = if retry_after == 1 { "second" } else { "seconds" };
        let text = format!("Request was throttled. Expected available in {retry_after} {unit}.");
        Reply::detail(StatusCode::TOO_MANY_REQUESTS, &text).after(retry_after)
    }

    pub fn busy(retry_after: i64) -> Self {
        let text = "Service temporarily unavailable, try again later.";
        Reply::detail(StatusCode::SERVICE_UNAVAILABLE, text).after(retry_after)
    }

    /// A refusal that may not apply to a retry after so many seconds.
    pub fn after(self, retry_after: i64) -> Self {
        Reply { retry_after: Some(retry_after), ..self }
    }

    /// Django's page for a failure; the cause goes to the log only.
    pub fn failed(cause: &dyn std::error::Error) -> Self {
        tracing::error!(error = %cause, "a request failed");
        Reply::page(StatusCode::INTERNAL_SERVER_ERROR, SERVER_ERROR_PAGE)
    }

    fn page(status: StatusCode, html: &'static str) -> Self {
        Reply::new(status, Content::Page(html))
    }

    pub(super) fn into_response(self, view: &ViewHeaders<'_>) -> Response<Body> {
        let unauthorized = self.status == StatusCode::UNAUTHORIZED && !self.is_of_client;
        let no_store = view.no_store || self.is_private;
        let mut response = self.into_bare_response();
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static(view.vary));
        if let Some(allow) = view.allow {
            headers.insert(ALLOW, allow.clone());
        }
        if unauthorized && let Some(challenge) = view.challenge {
            headers.insert(WWW_AUTHENTICATE, challenge.clone());
        }
        if no_store {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }

    /// With only the headers that Django's middleware gives every answer.
    fn into_bare_response(self) -> Response<Body> {
        let (content_type, body) = match self.body {
            Content::Empty => (None, Body::empty()),
            Content::EmptyJson => (Some("application/json"), Body::empty()),
            Content::EmptyObject => (Some("application/json"), Body::from("{}")),
            Content::Json(json) => (Some("application/json"), Body::from(json)),
            Content::Page(html) => (Some("text/html; charset=utf-8"), Body::from(html)),
        };
        let mut response = answer::of(self.status, body);
        let headers = response.headers_mut();
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        headers.extend(SECURITY_HEADERS);
        response
    }
}

/// The errors that have the same answer in every API of this family.
pub fn common_failure(error: &Error) -> Reply {
    match error {
        Error::RateLimited { retry_after } => Reply::throttled(*retry_after),
        Error::Busy { retry_after } | Error::AdoptionOpen { retry_after } => {
            Reply::busy(*retry_after)
        }
        other => Reply::failed(other),
    }
}
