//! Endpoints that have recently refused a token. Each may cause one renewal a minute, until it
//! accepts a token, and all unknown endpoints of an origin together a few: the origin may refuse
//! all that this user may not see. An endpoint that has accepted a token before is heard even then,
//! so that it can detect that the session has ended.

use std::collections::VecDeque;

use propusk_wire::Secret;
use url::{Origin, Url};

use crate::session::CurrentToken;

/// For this many seconds, an endpoint that keeps refusing causes no other renewal.
const MEMORY_SECONDS: i64 = 60;
/// At most this many endpoints are remembered; the oldest is dropped first.
const MAX_ENDPOINTS: usize = 64;
/// After this many renewals that have not helped, an unknown endpoint of the same origin causes no
/// other one: the origin refuses with 401 what it should forbid with 403, or it expects the tokens
/// of another server.
const MAX_RENEWALS: usize = 8;
/// As above, for an endpoint that has accepted a token: its refusal probably means more.
const MAX_RENEWALS_OF_ACCEPTING: usize = 16;
/// At most this many accepting endpoints are remembered; the oldest is dropped first.
const MAX_ACCEPTING: usize = 64;

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
    /// Whether the renewal is for this endpoint, and not one of another endpoint that is shared.
    is_first: bool,
    /// By this device's clock, in seconds since 1970.
    at: i64,
}

#[derive(Default)]
pub(crate) struct Refusals {
    /// The oldest first.
    entries: Vec<Refusal>,
    /// Endpoints that have accepted a token and not refused one since; the oldest first.
    accepting: VecDeque<Endpoint>,
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

    /// It does not copy the address, because it runs for every request.
    fn is_of(&self, url: &Url) -> bool {
        self.path == url.path() && is_at(&self.origin, url)
    }
}

impl Refusals {
    /// Whether this refusal justifies a renewal. The refusal is remembered.
    pub fn may_renew(&mut self, endpoint: &Endpoint, refused: &CurrentToken, now: i64) -> bool {
        let (sign_in_id, token) = (&refused.sign_in_id, &refused.credential.token);
        // A clock that was set back does not extend the time.
        self.entries
            .retain(|entry| (entry.at..entry.at.saturating_add(MEMORY_SECONDS)).contains(&now));
        let same = self.entries.iter().filter(|entry| entry.sign_in_id == *sign_in_id);
        if let Some(entry) = same.clone().find(|entry| entry.endpoint == *endpoint) {
            return entry.token.as_ref() == Some(token);
        }
        let is_shared = same.clone().any(|entry| entry.token.as_ref() == Some(token));
        let renewals =
            same.filter(|entry| entry.is_first && entry.endpoint.origin == endpoint.origin).count();
        let position = self.accepting.iter().position(|accepting| accepting == endpoint);
        let limit = if position.is_some() { MAX_RENEWALS_OF_ACCEPTING } else { MAX_RENEWALS };
        if renewals >= limit && !is_shared {
            return false;
        }
        if let Some(position) = position {
            self.accepting.remove(position);
        }
        self.entries.retain(|entry| entry.endpoint != *endpoint);
        if self.entries.len() >= MAX_ENDPOINTS {
            self.entries.remove(0);
        }
        let (sign_in_id, token) = (sign_in_id.clone(), Some(token.clone()));
        let (endpoint, is_first) = (endpoint.clone(), !is_shared);
        self.entries.push(Refusal { endpoint, sign_in_id, token, is_first, at: now });
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
        self.entries.retain(|entry| !entry.endpoint.is_of(url));
        if self.accepting.iter().any(|endpoint| endpoint.is_of(url)) {
            return;
        }
        if self.accepting.len() >= MAX_ACCEPTING {
            self.accepting.pop_front();
        }
        self.accepting.push_back(Endpoint::of(url));
    }
}
