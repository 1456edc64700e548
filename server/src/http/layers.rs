//! Around every request: one log line, the time, and a 500 instead of a closed connection if a
//! handler panics. The log line contains the route, never the path, query or body as sent: they may
//! contain secrets.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::Instant;

use crate::clock::Clock;

/// Runs the request and logs its result.
pub async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = known_method(request.method().as_str());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::info!(method, route, status = response.status().as_u16(), took_ms, "request");
    response
}

/// Sends the time of the clock that tokens use; apps correct their own clocks with it.
pub async fn date(State(clock): State<Clock>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let now = u64::try_from(clock.now())
        .ok()
        .and_then(|now| UNIX_EPOCH.checked_add(Duration::from_secs(now)));
    let date = now.map(httpdate::fmt_http_date).and_then(|date| HeaderValue::try_from(date).ok());
    if let Some(date) = date {
        response.headers_mut().insert(DATE, date);
    }
    response
}

/// A client may send any word as a method; only known ones are logged.
fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
