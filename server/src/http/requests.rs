//! How many requests each route has had, and how long they took. Labels come from the table of routes:
//! a path that nothing serves has none, so no client can add a label.

use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::extract::MatchedPath;
use axum::http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;

/// In seconds: from an answer out of memory to one that waits for a provider.
const BOUNDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// The counts of one server; clones share them.
#[derive(Clone, Debug)]
pub struct Requests {
    /// By route, method and status.
    pub served: Family<Served, Counter>,
    /// By route and method, in seconds.
    pub seconds: Family<Timed, Histogram>,
    /// By dialect and reason.
    pub refused: Family<Refused, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Served {
    route: RouteLabel,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Timed {
    route: RouteLabel,
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Refused {
    /// `-` for the pages, which belong to no dialect.
    dialect: &'static str,
    reason: &'static str,
}

impl Default for Requests {
    fn default() -> Self {
        Requests {
            served: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(BOUNDS)),
            refused: Family::default(),
        }
    }
}

impl Requests {
    /// Counts a request that no route has answered.
    pub fn count_unrouted(&self, method: &'static str, status: StatusCode, took: Duration) {
        self.counts(None, method, status).add(took);
    }

    fn counts(
        &self,
        route: Option<MatchedPath>,
        method: &'static str,
        status: StatusCode,
    ) -> Counts {
        let route = RouteLabel(route);
        // Any method can be sent to any path: without those that a route does not have, there are
        // not many more histograms than routes.
        let is_timed = status != StatusCode::METHOD_NOT_ALLOWED && route.0.is_some();
        let timed = is_timed.then(|| Timed { route: route.clone(), method });
        let seconds = timed.map(|timed| self.seconds.get_or_create_owned(&timed));
        let served = Served { route, method, status: status.as_u16() };
        Counts { method, status, served: self.served.get_or_create_owned(&served), seconds }
    }

    /// Counts a refusal by a rule.
    pub fn count_refusal(&self, dialect: Option<&'static str>, reason: &'static str) {
        let dialect = dialect.unwrap_or("-");
        self.refused.get_or_create(&Refused { dialect, reason }).inc();
    }
}

/// The counts of one route: each is looked up by its labels only once.
#[derive(Default)]
pub struct RouteCounts(Mutex<Vec<Counts>>);

/// The counts of one method and status.
struct Counts {
    method: &'static str,
    status: StatusCode,
    served: Counter,
    seconds: Option<Histogram>,
}

impl RouteCounts {
    /// Counts an answered request; `route` is always the same.
    pub fn count(
        &self,
        all: &Requests,
        route: Option<MatchedPath>,
        method: &'static str,
        status: StatusCode,
        took: Duration,
    ) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match known.iter().find(|counts| counts.status == status && counts.method == method) {
            Some(counts) => counts.add(took),
            None => {
                let counts = all.counts(route, method, status);
                counts.add(took);
                known.push(counts);
            }
        }
    }
}

impl Counts {
    fn add(&self, took: Duration) {
        if let Some(seconds) = &self.seconds {
            seconds.observe(took.as_secs_f64());
        }
        self.served.inc();
    }
}

/// A route as it is written in the API, without its final slash; `-` for a path that nothing serves.
#[derive(Clone, Debug)]
struct RouteLabel(Option<MatchedPath>);

impl RouteLabel {
    fn as_str(&self) -> &str {
        match self.0.as_ref().map_or("-", MatchedPath::as_str) {
            "/" => "/",
            path => path.trim_end_matches('/'),
        }
    }
}

impl PartialEq for RouteLabel {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for RouteLabel {}

impl Hash for RouteLabel {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl EncodeLabelValue for RouteLabel {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.as_str().encode(encoder)
    }
}

/// A client may send any word as a method; only known ones are logged and counted.
pub(super) fn known_method(method: &str) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
