//! The metrics: their names, and the listener of their own that shows them to Prometheus. Each part of
//! the server counts for itself; only this file knows all counts.

use std::fmt;
use std::future::pending;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST, WWW_AUTHENTICATE};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::error::StartError;
use crate::auth::{Auth, Counts, RefusalCount, WaitingMails};
use crate::config::{self, Secret};
use crate::http::head;
use crate::http::listen::{self, Connections};
use crate::http::requests::Requests;
use crate::store::Store;

/// More than the programs that read metrics need.
const CONNECTIONS: Connections = Connections { max: 8, idle: Duration::from_secs(120) };
/// The answer to a request for another host.
const OTHER_HOST: &str =
    "Ask for the metrics at localhost or a loopback address, or set metrics.token.\n";
/// How long a reader waits for the database, before it gets the metrics without those of mails.
const DATABASE_LIMIT: Duration = Duration::from_secs(1);

/// A listener for the metrics, which does not answer yet.
pub struct MetricsListener {
    listener: TcpListener,
    address: SocketAddr,
    app: Router,
}

impl MetricsListener {
    /// Listens if the settings have an address for it.
    pub async fn bind(
        config: &config::Metrics,
        auth: &Arc<Auth>,
        store: &Store,
        requests: &Requests,
    ) -> Result<Option<Self>, StartError> {
        let Some(wanted) = config.listen else { return Ok(None) };
        let failed = |error| StartError::ListenForMetrics(wanted, error);
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let mails = Arc::default();
        let shown = Shown {
            token: config.token.clone(),
            auth: Arc::clone(auth),
            registry: registry(auth, store, requests, &mails),
            mails,
        };
        let app = Router::new().route("/metrics", get(show)).with_state(Arc::new(shown));
        Ok(Some(MetricsListener { listener, address, app }))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the task is aborted.
    pub async fn serve(self) {
        listen::serve(self.listener, self.app, CONNECTIONS, None, pending()).await;
    }
}

struct Shown {
    token: Option<Secret>,
    auth: Arc<Auth>,
    registry: Registry,
    mails: Arc<Mails>,
}

async fn show(State(shown): State<Arc<Shown>>, headers: HeaderMap) -> Response {
    match &shown.token {
        Some(token) if !has_token(token, &headers) => {
            return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, "Bearer")]).into_response();
        }
        None if !is_asked_here(&headers) => {
            return (StatusCode::MISDIRECTED_REQUEST, OTHER_HOST).into_response();
        }
        _ => {}
    }
    shown.mails.read(&shown.auth).await;
    let mut text = String::new();
    match prometheus_text::encode(&mut text, &shown.registry) {
        Ok(()) => ([(CONTENT_TYPE, prometheus_text::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn has_token(token: &Secret, headers: &HeaderMap) -> bool {
    let header = head::authorization(headers).unwrap_or_default();
    let sent = header.strip_prefix(b"Bearer ").unwrap_or_default();
    token.expose().as_bytes().ct_eq(sent).into()
}

/// Whether the request names this machine by itself. Without a token, a page in a browser of this
/// machine could otherwise read the metrics by a name of its own that leads here (DNS rebinding).
/// Every browser names a host.
fn is_asked_here(headers: &HeaderMap) -> bool {
    headers.get_all(HOST).iter().all(|host| {
        let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
        host.is_some_and(|host| is_this_machine(host.host()))
    })
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse();
    let is_loopback = |ip: IpAddr| ip.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(is_loopback)
}

/// The mails that wait, as last read.
#[derive(Debug, Default)]
struct Mails {
    last: Mutex<Option<WaitingMails>>,
    /// Of several readers one asks the database at a time.
    reading: tokio::sync::Mutex<()>,
}

impl Mails {
    /// Reads them again; none if the database does not answer soon, because an old number would look
    /// like a true one.
    async fn read(&self, auth: &Auth) {
        let one_reader = self.reading.lock().await;
        let found = timeout(DATABASE_LIMIT, auth.waiting_mails()).await;
        let found = match found {
            Ok(Ok(found)) => Some(found),
            Ok(Err(error)) => {
                tracing::debug!(%error, "waiting mails are not counted");
                None
            }
            Err(_) => {
                tracing::debug!(
                    "waiting mails are not counted: the database did not answer in time"
                );
                None
            }
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = found;
        drop(one_reader);
    }

    fn last(&self) -> Option<WaitingMails> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All metrics, by name. A counter's name is shown with `_total` behind it, and one with a unit with
/// that unit.
fn registry(auth: &Arc<Auth>, store: &Store, requests: &Requests, mails: &Arc<Mails>) -> Registry {
    let mut registry = Registry::with_prefix("propusk");
    let build = Info::new([("version", env!("CARGO_PKG_VERSION")), ("engine", store.engine())]);
    registry.register("build", "The version of the server and its database engine", build);
    add_counts(&mut registry, auth);
    add_requests(&mut registry, requests);
    add_hashes(&mut registry, auth);
    add_database(&mut registry, auth);
    let (auth, mails) = (Arc::clone(auth), Arc::clone(mails));
    registry.register_collector(Box::new(Moment { auth, mails }));
    registry
}

fn add_counts(registry: &mut Registry, auth: &Auth) {
    let Counts { sign_ins, refreshes, reused, revocations, mails } = auth.counts().clone();
    registry.register("sign_ins", "Opened sessions", sign_ins);
    registry.register("refreshes", "Refreshed sessions", refreshes);
    let help = "Sessions that ended because a spent refresh token came again";
    registry.register("refresh_tokens_reused", help, reused);
    registry.register("revocations", "What made issued access tokens invalid", revocations);
    registry.register("mails", "Mails by what became of them", mails);
}

fn add_requests(registry: &mut Registry, requests: &Requests) {
    let Requests { served, seconds, refused } = requests.clone();
    registry.register("http_requests", "Answered requests", served);
    let help = "How long requests took";
    registry.register_with_unit("http_request_duration", help, Unit::Seconds, seconds);
    registry.register("refusals", "Requests that a rule refused", refused);
}

fn add_hashes(registry: &mut Registry, auth: &Auth) {
    let counts = auth.hasher().counts().clone();
    registry.register("password_hashes_running", "Password hashes in work", counts.running);
    let help = "Password hashes that the full queue refused";
    registry.register("password_hashes_refused", help, counts.refused);
    let help = "How long password hashes waited for a thread";
    registry.register_with_unit("password_hash_wait", help, Unit::Seconds, counts.waited);
    let help = "How long password hashes took, without their wait";
    registry.register_with_unit("password_hash_duration", help, Unit::Seconds, counts.took);
}

fn add_database(registry: &mut Registry, auth: &Auth) {
    let waits = auth.database_waits().clone();
    let help = "How long reads waited for a connection to the database";
    registry.register_with_unit("database_read_wait", help, Unit::Seconds, waits.read);
    let help = "How long writes waited until their transaction began";
    registry.register_with_unit("database_write_wait", help, Unit::Seconds, waits.write);
}

/// What is measured when it is asked for.
struct Moment {
    auth: Arc<Auth>,
    mails: Arc<Mails>,
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Moment").finish_non_exhaustive()
    }
}

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let to = &mut encoder;
        let waiting = number(self.auth.hasher().waiting());
        let help = "Password hashes that wait for a thread.";
        gauge(to, "password_hashes_waiting", help, None, waiting)?;
        let connections = self.auth.database_connections();
        let (open, idle) = (number(connections.open), number(connections.idle));
        gauge(to, "database_connections", "Open connections of the pool.", None, open)?;
        gauge(to, "database_connections_idle", "Those of them that are not in use.", None, idle)?;
        let help = "Reads and writes that wait for a connection, on SQLite writes.";
        gauge(to, "database_waiting", help, None, number(connections.waiting))?;
        self.encode_refusals(to)?;
        let Some(WaitingMails { count, oldest_seconds }) = self.mails.last() else {
            return Ok(());
        };
        gauge(to, "mails_waiting", "Mails that wait to be sent.", None, count)?;
        let help = "The age of the oldest of them that the limit of its mailbox does not delay.";
        gauge(to, "mails_oldest", help, Some(&Unit::Seconds), oldest_seconds)
    }
}

impl Moment {
    /// Refused attempts, which are counted for the events.
    fn encode_refusals(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let dropped = ConstCounter::new(self.auth.dropped_refusals());
        let help = "Refused attempts that are missing in the events.";
        let name = "refused_attempts_dropped";
        dropped.encode(to.encode_descriptor(name, help, None, dropped.metric_type())?)?;
        let help = "Refused passwords, and attempts beyond a limit.";
        let kind = MetricType::Counter;
        let mut metric = to.encode_descriptor("refused_attempts", help, None, kind)?;
        for RefusalCount { dialect, refusal, is_known, count } in self.auth.refusal_counts() {
            let labels = [
                ("dialect", dialect.unwrap_or("-")),
                ("reason", refusal.as_str()),
                ("account", if is_known { "known" } else { "unknown" }),
            ];
            ConstCounter::new(count).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn gauge(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: i64,
) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(to.encode_descriptor(name, help, unit, gauge.metric_type())?)
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn host_without_a_token_is_a_name_of_this_machine() {
        let is_here = |hosts: &[&'static str]| {
            let hosts = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host)));
            is_asked_here(&hosts.collect())
        };
        for host in ["localhost", "LOCALHOST:9", "127.0.0.1:9", "127.9.9.9", "[::1]:9", "[::1]"] {
            assert!(is_here(&[host]), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9",
            "localhost.evil.example",
            "192.0.2.1",
            "a@b",
            ":9",
        ] {
            assert!(!is_here(&[host]), "{host}");
        }
        assert!(is_here(&[]));
        assert!(!is_here(&["localhost", "evil.example"]));
    }
}
