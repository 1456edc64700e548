//! A new answer, with room for its headers: a map that becomes too small is built again.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};

/// As many headers as nearly every answer has, with those that the layers add.
const HEADERS: usize = 12;

/// An answer without headers.
pub fn of(status: StatusCode, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = HeaderMap::with_capacity(HEADERS);
    answer
}
