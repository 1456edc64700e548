//! Which APIs get the access token: the allowed origins, the HTTP clients for them, and what their
//! endpoints have refused.

mod refusals;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::{Origin, Url};

pub(crate) use refusals::Endpoint;
use refusals::{Refusals, is_at};

/// How long an API may be silent by default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// Two HTTP clients, because a request cannot remove the read timeout of its client.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub limited: reqwest::Client,
    /// For requests with their own timeout.
    pub unlimited: reqwest::Client,
}

/// The state that all [`Api`](crate::Api) values of a client share.
pub(crate) struct ApiAccess {
    origins: Vec<Origin>,
    pub http: Http,
    refusals: Mutex<Refusals>,
}

impl ApiAccess {
    pub fn new(http: Http, origins: Vec<Origin>) -> Self {
        ApiAccess { origins, http, refusals: Mutex::default() }
    }

    pub fn allows(&self, url: &Url) -> bool {
        self.origins.iter().any(|origin| is_at(origin, url))
    }

    pub fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
