//! Around every request: its id, one log line, the counts, the time, and a 500 instead of a closed
//! connection if a handler panics. The log line contains the route, never the path, query or body as
//! sent: they may contain secrets.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::DATE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tokio::time::Instant;

use super::client::TrustedProxies;
use super::requests::{Requests, known_method};
use crate::address_privacy::AddressPrivacy;
use crate::clock::Clock;
use crate::request_record::{Cause, RequestId, RequestRecord};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What [`watch`] needs to know.
pub struct Watch {
    pub proxies: TrustedProxies,
    /// How much of a client's address is logged, and stored with events.
    pub addresses: AddressPrivacy,
    pub requests: Requests,
}

/// Runs the request, logs and counts its result, and answers its id.
pub async fn watch(State(watch): State<Arc<Watch>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let record = watch.record_of(&request);
    let serving = async {
        let method = known_method(request.method().as_str());
        let route = request.extensions().get::<MatchedPath>().cloned();
        let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        let mut response =
            response.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
        let (status, took) = (response.status(), started.elapsed());
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let name = route.as_ref().map_or("-", MatchedPath::as_str);
        tracing::info!(method, route = name, status = status.as_u16(), took_ms, "request");
        let known = record.known();
        if let Some(reason) = known.refusal {
            watch.requests.count_refusal(known.dialect, reason);
        }
        watch.requests.count(route, method, status, took);
        // An id is made of characters that a header may have.
        if let Ok(id) = HeaderValue::from_str(record.id().as_str()) {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        response
    };
    Cause::Request(Arc::clone(&record)).during(serving).await
}

impl Watch {
    fn record_of(&self, request: &Request) -> Arc<RequestRecord> {
        let (extensions, headers) = (request.extensions(), request.headers());
        let given = self.proxies.header_of_proxy(extensions, headers, &REQUEST_ID);
        let id = given.and_then(|id| RequestId::parse(id.as_bytes()));
        let client = self.addresses.keep(self.proxies.client(extensions, headers));
        RequestRecord::new(id.unwrap_or_else(RequestId::new), client)
    }
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
