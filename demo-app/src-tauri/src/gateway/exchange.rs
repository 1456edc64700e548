//! A request and its answer, as the log shows them.

use std::time::Instant;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Serialize;
use url::Url;

use super::curl;
use super::masking::{self, Side};

/// A request as it arrived.
pub struct Asked {
    pub at: i64,
    pub began: Instant,
    pub head: Parts,
    pub body: Bytes,
}

/// An answer as it arrived.
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A request and its answer, with secrets masked.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchange {
    pub id: u64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub method: String,
    /// With the query.
    pub path: String,
    /// `None` without an answer of the server.
    pub status: Option<u16>,
    pub milliseconds: u64,
    /// What went wrong between client and server.
    pub error: Option<String>,
    pub request_headers: Vec<(String, String)>,
    pub request_body: Option<String>,
    pub response_headers: Vec<(String, String)>,
    pub response_body: Option<String>,
    /// The request for a terminal.
    pub curl: String,
}

impl Answered {
    pub fn to_response(&self) -> Option<Response<Full<Bytes>>> {
        let mut response = Response::builder().status(self.status);
        response.headers_mut()?.clone_from(&self.headers);
        response.body(Full::new(self.body.clone())).ok()
    }
}

impl Exchange {
    pub fn of(
        id: u64,
        server: &Url,
        asked: &Asked,
        answered: Option<Answered>,
        error: Option<String>,
    ) -> Self {
        let Asked { at, began, head, body } = asked;
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let path = masking::target(target);
        let request_headers = headers(&head.headers);
        let request_body = shown(&head.headers, body, Side::Request);
        let method = head.method.to_string();
        let url = format!("{}{path}", server.origin().ascii_serialization());
        let curl = curl::command(&method, &url, &request_headers, request_body.as_deref());
        Exchange {
            id,
            at: *at,
            method,
            path,
            status: answered.as_ref().map(|answer| answer.status.as_u16()),
            milliseconds: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            error,
            request_headers,
            request_body,
            response_headers: answered.as_ref().map(|a| headers(&a.headers)).unwrap_or_default(),
            response_body: answered.and_then(|a| shown(&a.headers, &a.body, Side::Answer)),
            curl,
        }
    }
}

fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let shown = headers.iter().map(|(name, value)| {
        let name = name.as_str();
        (name.to_owned(), masking::header(name, &text(value.as_bytes())))
    });
    shown.collect()
}

fn shown(headers: &HeaderMap, body: &[u8], side: Side) -> Option<String> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    masking::body(content_type.unwrap_or_default(), body, side)
}
