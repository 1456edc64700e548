//! Endpoints that have recently refused a token. Each may cause one renewal a minute, until it
//! accepts a token. A refusal by one endpoint says nothing about the others, so every endpoint can
//! detect that the session has ended.

use propusk_wire::Secret;
use url::{Origin, Url};

use crate::session::CurrentToken;

/// For this many seconds, an endpoint that keeps refusing causes no other renewal.
const MEMORY_SECONDS: i64 = 60;
/// At most this many endpoints are remembered; the oldest is dropped first.
const MAX_ENDPOINTS: usize = 64;
/// If this many endpoints of an origin have refused and none has accepted a token, the origin
/// refuses everything; it may expect the tokens of another server.
const MANY_ENDPOINTS: usize = 8;

/// An address without its query.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Endpoint {
    origin: Origin,
    path: String,
}

/// An endpoint that has refused a token.
struct Refusal {
    endpoint: Endpoint,
    /// The sign-in of the token.
    sign_in_id: Secret,
    /// The refused token: all endpoints that refuse the same token share one renewal. `None` if the
    /// renewal brought no other token.
    token: Option<Secret>,
    /// By this device's clock, in seconds since 1970.
    at: i64,
}

#[derive(Default)]
pub(crate) struct Refusals {
    /// The oldest first.
    entries: Vec<Refusal>,
    /// The allowed origins that have accepted a token.
    accepting: Vec<Origin>,
}

/// Whether the address is at this origin. It does not copy the address, because it runs for every
/// request.
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
    /// Whether this refusal justifies a renewal. The refusal is remembered.
    pub fn may_renew(&mut self, endpoint: &Endpoint, refused: &CurrentToken, now: i64) -> bool {
        let (sign_in_id, token) = (&refused.sign_in_id, &refused.credential.token);
        // A clock that was set back does not extend the time.
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

    /// The renewal brought no other token.
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
