//! Replies of the fake server: a status with headers and a body, and the refusals of its API.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use propusk_wire::{FieldCode, Problem, ProblemCode};
use serde::Serialize;

/// The result of a request.
pub(super) type Handled = Result<Reply, Refusal>;

/// A status with headers and a body.
#[derive(Clone)]
pub(super) struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why a request is refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub status: StatusCode,
    pub code: ProblemCode,
    pub fields: BTreeMap<String, Vec<FieldCode>>,
}

impl Reply {
    pub fn new(status: StatusCode) -> Self {
        Reply { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    pub fn of_json(status: StatusCode, body: &impl Serialize) -> Self {
        let mut reply = Reply::new(status);
        reply.set_json("application/json", body);
        reply
    }

    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// The response at this time by the server's clock, in seconds since 1970.
    pub fn sent_at(self, now: i64) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        // A scripted date is kept, for tests with a wrong server clock.
        response.headers_mut().entry(DATE).or_insert_with(|| date(now));
        response
    }

    pub fn set_json(&mut self, media_type: &'static str, body: &(impl Serialize + ?Sized)) {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        self.body = serde_json::to_vec(body).expect("a body that can be written as JSON").into();
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let Refusal { status, code, fields } = refusal;
        let title = status.canonical_reason().unwrap_or_default().to_owned();
        let mut reply = Reply::new(status);
        let problem = Problem { title, status: status.as_u16(), code, fields };
        reply.set_json("application/problem+json", &problem);
        match status {
            StatusCode::UNAUTHORIZED => {
                reply.with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            _ => reply,
        }
    }
}

impl Refusal {
    pub fn new(status: StatusCode, code: ProblemCode) -> Self {
        Refusal { status, code, fields: BTreeMap::new() }
    }

    pub fn unauthorized(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::UNAUTHORIZED, code)
    }

    pub fn forbidden(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::FORBIDDEN, code)
    }

    pub fn conflict(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::CONFLICT, code)
    }

    pub fn bad_request(code: ProblemCode) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, code)
    }

    pub fn not_found() -> Self {
        Refusal::new(StatusCode::NOT_FOUND, ProblemCode::NotFound)
    }

    /// A member of the request is not valid.
    pub fn of_field(name: &str, code: FieldCode) -> Self {
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, ProblemCode::InvalidFields).with(name, code)
    }

    pub fn with(mut self, field: &str, code: FieldCode) -> Self {
        self.fields.insert(field.to_owned(), vec![code]);
        self
    }
}

pub(super) fn no_content() -> Reply {
    Reply::new(StatusCode::NO_CONTENT)
}

pub(super) fn accepted() -> Reply {
    Reply::new(StatusCode::ACCEPTED)
}

fn date(now: i64) -> HeaderValue {
    let since = std::time::Duration::from_secs(now.try_into().unwrap_or(0));
    let text = httpdate::fmt_http_date(std::time::UNIX_EPOCH + since);
    HeaderValue::try_from(text).expect("a date is a header's value")
}
