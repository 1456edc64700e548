//! The Django that answers some operations of an API. A request is sent to it as it has arrived, but
//! for headers that concern one connection, and those by which only a proxy may say who the client is.
//! Its answer goes back as it is. No redirect is followed, nothing is stored or sent twice, and a
//! slow or broken answer is none.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::{CONNECTION, VIA};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use reqwest::{Url, redirect};

use crate::auth::Network;
use crate::http::layers::REQUEST_ID;
use crate::providers::words_of;
use crate::request_record;
use crate::tls::client_config;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Far above the size of any answer about accounts.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// How many requests wait for one Django at a time. If it stalls, they must not take all connections
/// of this server.
const MAX_WAITING: usize = 128;
/// How many of them may be of one network, so that it does not take the Django from all others.
const MAX_OF_NETWORK: usize = 16;
/// The name of this server in `Via`, by which it knows its own requests.
const OWN_HOP: &str = "1.1 propusk";
/// What concerns one connection (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Where the requests go; clones are of one client.
#[derive(Clone)]
pub struct Upstream {
    client: reqwest::Client,
    /// Scheme, host and port.
    address: Url,
    waiting: Arc<Waiting>,
}

/// How many requests wait, by the network of the client.
#[derive(Default)]
struct Waiting(Mutex<HashMap<Network, usize>>);

/// One request that waits, until the end of this value.
struct Place<'w> {
    waiting: &'w Waiting,
    network: Network,
}

/// A request to be forwarded; no `Debug`: it has credentials.
pub struct Forwarded<'r> {
    pub method: Method,
    pub uri: &'r Uri,
    pub headers: &'r HeaderMap,
    pub body: Bytes,
    /// The client, as this server knows it.
    pub client: IpAddr,
    pub network: Network,
    /// Whether clients reach this server over TLS.
    pub is_encrypted: bool,
}

/// Why there is no answer; the cause is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    TooSlow,
    Unusable,
    /// Too many requests wait for one already.
    Busy,
}

impl Upstream {
    /// `address` is a URL with nothing behind host and port; `patience` is for the whole exchange.
    pub fn new(address: &str, patience: Duration) -> Result<Self, String> {
        let address: Url = address.parse().map_err(|_| "is not a URL".to_owned())?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(client_config(None)?)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .referer(false)
            .connect_timeout(CONNECT_TIMEOUT.min(patience))
            .timeout(patience)
            // A Django closes idle connections when it likes, and a request must not be sent twice.
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .build()
            .map_err(|error| format!("no HTTP client: {}", error.without_url()))?;
        Ok(Upstream { client, address, waiting: Arc::default() })
    }

    /// The answer of the Django, whatever its status is.
    pub async fn send(&self, request: Forwarded<'_>) -> Result<Response<Body>, NoAnswer> {
        if was_forwarded_here(request.headers) {
            tracing::warn!("the upstream of an API leads back to this server");
            return Err(NoAnswer::Unusable);
        }
        let Some(_place) = self.waiting.enter(request.network) else { return Err(NoAnswer::Busy) };
        let mut url = self.address.clone();
        url.set_path(request.uri.path());
        url.set_query(request.uri.query());
        let headers = request.headers_of_proxy();
        let Forwarded { method, body, .. } = request;
        let sent = self.client.request(method, url).headers(headers).body(body).send();
        read(sent.await.map_err(no_answer)?).await
    }
}

impl Waiting {
    /// A place for a request, if there is one.
    fn enter(&self, network: Network) -> Option<Place<'_>> {
        let mut counts = self.counts();
        let (all, own) =
            (counts.values().sum::<usize>(), counts.get(&network).map_or(0, |own| *own));
        if all >= MAX_WAITING || own >= MAX_OF_NETWORK {
            return None;
        }
        counts.insert(network, own + 1);
        Some(Place { waiting: self, network })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut counts = self.waiting.counts();
        match counts.get_mut(&self.network) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.network)),
        }
    }
}

impl Forwarded<'_> {
    /// The headers of the request as this server passes it on.
    fn headers_of_proxy(&self) -> HeaderMap {
        let mut headers = end_to_end(self.headers, |name| {
            // The length is that of the body that has been read; nothing waits for a 100.
            !says_what_a_proxy_knows(name) && !matches!(name, "content-length" | "expect")
        });
        if let Ok(client) = HeaderValue::from_str(&self.client.to_string()) {
            headers.insert(FORWARDED_FOR, client);
        }
        let scheme = if self.is_encrypted { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        headers.append(VIA, HeaderValue::from_static(OWN_HOP));
        let id = request_record::current_id();
        if let Some(id) = id.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
            headers.insert(REQUEST_ID, id);
        }
        headers
    }
}

async fn read(mut answer: reqwest::Response) -> Result<Response<Body>, NoAnswer> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > MAX_BYTES {
            tracing::warn!("the upstream of an API has sent an answer above 8 MiB");
            return Err(NoAnswer::Unusable);
        }
        body.extend_from_slice(&chunk);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = answer.status();
    *response.headers_mut() = end_to_end(answer.headers(), |_| true);
    Ok(response)
}

fn no_answer(error: reqwest::Error) -> NoAnswer {
    let is_slow = error.is_timeout();
    let error = words_of(error);
    tracing::warn!(%error, "the upstream of an API does not answer");
    if is_slow { NoAnswer::TooSlow } else { NoAnswer::Unusable }
}

/// The headers that concern more than one connection, of those that are `passed`.
fn end_to_end(headers: &HeaderMap, passed: impl Fn(&str) -> bool) -> HeaderMap {
    let named: Vec<&[u8]> = headers.get_all(CONNECTION).iter().flat_map(items).collect();
    let is_named = |name: &str| named.iter().any(|item| item.eq_ignore_ascii_case(name.as_bytes()));
    let mut kept = HeaderMap::new();
    for (name, value) in headers {
        let text = name.as_str();
        if !HOP_BY_HOP.contains(&text) && !is_named(text) && passed(text) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

/// Whether a header says what a client may not say of itself, or can be taken for one: a WSGI server
/// reads an underscore as a hyphen.
fn says_what_a_proxy_knows(name: &str) -> bool {
    name.starts_with("x-forwarded-")
        || matches!(name, "forwarded" | "x-real-ip" | "x-request-id")
        || name.contains('_')
}

fn was_forwarded_here(headers: &HeaderMap) -> bool {
    headers.get_all(VIA).iter().flat_map(items).any(|hop| hop == OWN_HOP.as_bytes())
}

/// The items of a list in a header.
fn items(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn network(last: u8) -> Network {
        Network::of(Ipv4Addr::new(192, 0, 2, last).into())
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))
        };
        let mut lines: Vec<_> = headers.iter().map(line).collect();
        lines.sort();
        lines
    }

    #[test]
    fn django_gets_what_the_client_has_sent_and_what_this_server_knows() {
        let sent = headers(&[
            ("host", "shop.example.com"),
            ("authorization", "JWT secret"),
            ("cookie", "a=b"),
            ("cookie", "c=d"),
            ("accept-encoding", "gzip"),
            ("connection", "keep-alive, X-Own"),
            ("x-own", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("content-length", "7"),
            ("expect", "100-continue"),
            ("upgrade", "websocket"),
            ("via", "1.1 nginx"),
            ("forwarded", "for=10.0.0.1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-port", "1"),
            ("x-real-ip", "10.0.0.1"),
            ("x_forwarded_for", "10.0.0.1"),
            ("x-request-id", "chosen"),
        ]);
        let request = Forwarded {
            method: Method::POST,
            uri: &Uri::from_static("/auth/users/"),
            headers: &sent,
            body: Bytes::new(),
            client: Ipv4Addr::new(192, 0, 2, 7).into(),
            network: network(7),
            is_encrypted: false,
        };
        assert_eq!(
            shown(&request.headers_of_proxy()),
            [
                "accept-encoding: gzip",
                "authorization: JWT secret",
                "cookie: a=b",
                "cookie: c=d",
                "host: shop.example.com",
                "via: 1.1 nginx",
                "via: 1.1 propusk",
                "x-forwarded-for: 192.0.2.7",
                "x-forwarded-proto: http",
            ]
        );
    }

    #[tokio::test]
    async fn request_is_refused_if_too_many_wait() {
        let upstream = Upstream::new("http://127.0.0.1:9", Duration::from_secs(1));
        let upstream = upstream.expect("a client");
        let (uri, headers) = (Uri::from_static("/auth/users/"), HeaderMap::new());
        let request = |last| Forwarded {
            method: Method::GET,
            uri: &uri,
            headers: &headers,
            body: Bytes::new(),
            client: Ipv4Addr::LOCALHOST.into(),
            network: network(last),
            is_encrypted: false,
        };
        let enter = |last| upstream.waiting.enter(network(last)).expect("a free place");
        let busy: Vec<_> = (0..MAX_OF_NETWORK).map(|_| enter(0)).collect();
        assert!(matches!(upstream.send(request(0)).await, Err(NoAnswer::Busy)));
        assert!(matches!(upstream.send(request(1)).await, Err(NoAnswer::Unusable)));
        let others: Vec<_> = (1..=112).map(enter).collect();
        assert!(matches!(upstream.send(request(200)).await, Err(NoAnswer::Busy)));
        drop((busy, others));
        assert!(matches!(upstream.send(request(0)).await, Err(NoAnswer::Unusable)));
        assert!(upstream.waiting.counts().is_empty());
    }

    #[test]
    fn own_request_is_known() {
        assert!(was_forwarded_here(&headers(&[("via", "1.1 nginx, 1.1 propusk")])));
        assert!(was_forwarded_here(&headers(&[("via", "1.1 propusk"), ("via", "1.1 nginx")])));
        assert!(!was_forwarded_here(&headers(&[("via", "1.1 nginx")])));
        assert!(!was_forwarded_here(&HeaderMap::new()));
    }
}
