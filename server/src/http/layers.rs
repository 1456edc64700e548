//! Around every request: its id, one log line, the counts, the time, and a 500 instead of a closed
//! connection if a handler panics. The log line contains the route, never the path, query or body as
//! sent: they may contain secrets.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request};
use axum::http::header::DATE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use futures_util::FutureExt;
use tokio::time::Instant;
use tower::Service;

use super::client::TrustedProxies;
use super::requests::{Requests, RouteCounts, known_method};
use crate::address_privacy::AddressPrivacy;
use crate::clock::Clock;
use crate::request_record::{Cause, RequestId, RequestRecord};

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What [`Watched`] needs to know.
pub struct Watch {
    pub proxies: TrustedProxies,
    /// How much of a client's address is logged, and stored with events.
    pub addresses: AddressPrivacy,
    pub requests: Requests,
    /// The clock that tokens use: apps correct their own clocks with the date of an answer.
    pub clock: Clock,
}

/// A route that logs and counts the results of its requests, and answers their ids and the time. A
/// service of its own, because a layer that is a function copies the route and allocates several
/// times for each request.
#[derive(Clone)]
pub struct Watched {
    route: Route,
    shared: Arc<Shared>,
}

/// What the copies of a route share.
struct Shared {
    watch: Arc<Watch>,
    counts: RouteCounts,
}

impl Watched {
    pub fn new(route: Route, watch: Arc<Watch>) -> Self {
        Watched { route, shared: Arc::new(Shared { watch, counts: RouteCounts::default() }) }
    }
}

impl Service<Request> for Watched {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    /// A route is always ready.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (started, shared) = (Instant::now(), Arc::clone(&self.shared));
        let record = shared.watch.record_of(&request);
        let method = known_method(request.method().as_str());
        let path = request.extensions().get::<MatchedPath>().cloned();
        // A route does nothing before it is polled, so all its work has this cause.
        let serving = AssertUnwindSafe(self.route.call(request)).catch_unwind();
        let cause = Cause::Request(Arc::clone(&record));
        Box::pin(cause.during(async move {
            let mut response = match serving.await {
                Ok(Ok(response)) => response,
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            };
            shared.conclude(&record, path, method, started.elapsed(), &mut response);
            Ok::<_, Infallible>(response)
        }))
    }
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

impl Shared {
    /// Logs and counts an answer, and gives it the headers of all answers.
    fn conclude(
        &self,
        record: &RequestRecord,
        path: Option<MatchedPath>,
        method: &'static str,
        took: Duration,
        response: &mut Response,
    ) {
        let status = response.status();
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let route = path.as_ref().map_or("-", MatchedPath::as_str);
        tracing::info!(method, route, status = status.as_u16(), took_ms, "request");
        let known = record.known();
        if let Some(reason) = known.refusal {
            self.watch.requests.count_refusal(known.dialect, reason);
        }
        self.counts.count(&self.watch.requests, path, method, status, took);
        let headers = response.headers_mut();
        // An id is made of characters that a header may have.
        if let Ok(id) = HeaderValue::from_str(record.id().as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(date) = date(self.watch.clock.now()) {
            headers.insert(DATE, date);
        }
    }
}

thread_local! {
    /// The last date that this thread has sent, which is usually the next one too.
    static LAST_DATE: RefCell<Option<(i64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The value of `Date` at this time, if a header can have it.
fn date(now: i64) -> Option<HeaderValue> {
    LAST_DATE.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(at, _)| *at != now) {
            *last = written(now).map(|date| (now, date));
        }
        last.as_ref().map(|(_, date)| date.clone())
    })
}

fn written(now: i64) -> Option<HeaderValue> {
    let since = Duration::from_secs(u64::try_from(now).ok()?);
    let date = httpdate::fmt_http_date(UNIX_EPOCH.checked_add(since)?);
    HeaderValue::try_from(date).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_that_of_its_second() {
        for (now, expected) in [
            (0, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            (0, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
            (1, Some("Thu, 01 Jan 1970 00:00:01 GMT")),
            (-1, None),
            (0, Some("Thu, 01 Jan 1970 00:00:00 GMT")),
        ] {
            assert_eq!(date(now), expected.map(HeaderValue::from_static), "{now}");
        }
    }
}
