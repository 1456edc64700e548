//! Which APIs get the access token: the allowed origins, the HTTP clients for them, and what their
//! endpoints have refused.

mod refusals;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use url::{Origin, Url};

pub(crate) use refusals::Endpoint;
use refusals::{Refusals, is_at};

/// How long an API may be silent, unless the app says another.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The limit of a client cannot be taken off a request, so that there are two.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub limited: reqwest::Client,
    /// For requests with a limit of their own.
    pub unlimited: reqwest::Client,
}

/// What all [`Api`]s of a client share.
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
