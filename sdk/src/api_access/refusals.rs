//! Which endpoints have refused a token a moment ago: each may cause one renewal a minute until it
//! accepts a token. What one endpoint refuses says nothing about the others, so that a session that was
//! really ended is noticed at each of them.

use propusk_wire::Secret;
use url::{Origin, Url};

use crate::session::CurrentToken;

/// Seconds in which an endpoint that goes on refusing causes no other renewal.
const MEMORY_SECONDS: i64 = 60;
/// More endpoints are not remembered; the oldest is forgotten first.
const MAX_ENDPOINTS: usize = 64;
/// So many endpoints of an origin that has accepted no token yet: it refuses everything, such as an API
/// that expects the tokens of another server.
const MANY_ENDPOINTS: usize = 8;

/// An address without its query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    origin: Origin,
    path: String,
}

/// An endpoint that has refused.
struct Refusal {
    endpoint: Endpoint,
    /// The sign-in whose token it was.
    sign_in_id: Secret,
    /// The token: all that were refused with it share the one renewal.
    token: Option<Secret>,
    /// In seconds since 1970, by this device's clock.
    at: i64,
}

#[derive(Default)]
pub(crate) struct Refusals {
    /// The oldest first.
    entries: Vec<Refusal>,
    /// Origins that have accepted a token; no more of them than the app has named.
    accepting: Vec<Origin>,
}

/// Whether the address is at this origin; no copy is made of it, since every request asks.
pub(crate) fn is_at(origin: &Origin, url: &Url) -> bool {
    match origin {
        Origin::Tuple(scheme, host, port) => {
            scheme == url.scheme()
                && url.port_or_known_default() == Some(*port)
                && url.host().is_some_and(|at| *host == at)
        }
        Origin::Opaque(_) => false,
    }
}

impl Endpoint {
    pub fn of(url: &Url) -> Self {
        Endpoint { origin: url.origin(), path: url.path().to_owned() }
    }
}

impl Refusals {
    /// Whether the refusal of this token is worth a renewal, which is then remembered.
    pub fn may_renew(&mut self, endpoint: &Endpoint, refused: &CurrentToken, now: i64) -> bool {
        let (sign_in_id, token) = (&refused.sign_in_id, &refused.credential.token);
        // A clock that was set back makes nothing last longer.
        self.entries
            .retain(|entry| (entry.at..entry.at.saturating_add(MEMORY_SECONDS)).contains(&now));
        let mut same = self.entries.iter().filter(|entry| entry.sign_in_id == *sign_in_id);
        if let Some(entry) = same.clone().find(|entry| entry.endpoint == *endpoint) {
            return entry.token.as_ref() == Some(token);
        }
        let is_shared = same.clone().any(|entry| entry.token.as_ref() == Some(token));
        let of_origin = same.by_ref().filter(|entry| entry.endpoint.origin == endpoint.origin);
        let refuses_all =
            of_origin.count() >= MANY_ENDPOINTS && !self.accepting.contains(&endpoint.origin);
        if refuses_all && !is_shared {
            return false;
        }
        self.entries.retain(|entry| entry.endpoint != *endpoint);
        if self.entries.len() >= MAX_ENDPOINTS {
            self.entries.remove(0);
        }
        let (sign_in_id, token) = (sign_in_id.clone(), Some(token.clone()));
        self.entries.push(Refusal { endpoint: endpoint.clone(), sign_in_id, token, at: now });
        true
    }

    /// The renewal has given no other token.
    pub fn note_same_token(&mut self, endpoint: &Endpoint) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.endpoint == *endpoint) {
            entry.token = None;
        }
    }

    /// The endpoint at this address has accepted a token.
    pub fn note_accepted(&mut self, url: &Url) {
        if !self.accepting.iter().any(|origin| is_at(origin, url)) {
            self.accepting.push(url.origin());
        }
        self.entries.retain(|entry| {
            !(is_at(&entry.endpoint.origin, url) && entry.endpoint.path == url.path())
        });
    }
}
