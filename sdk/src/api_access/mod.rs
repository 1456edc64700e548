//! Which APIs get the access token: the allowed origins, the HTTP clients for them, and what their
//! endpoints have refused.

mod refusals;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Request;
use url::{Origin, Url};

use crate::error::Result;
use crate::network::{is_loopback, is_loopback_origin};
pub(crate) use refusals::Endpoint;
use refusals::{Refusals, is_at};

/// How long an API may be silent by default.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

/// The HTTP clients for APIs. There are several, because a request cannot remove the proxy or the
/// read timeout of its client.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// Whether the client's server is on this machine.
    is_local: bool,
    /// For APIs that are on this machine, or not, as the server is.
    near_server: HttpPair,
    /// For the other APIs.
    elsewhere: HttpPair,
}

#[derive(Clone, Debug)]
struct HttpPair {
    limited: reqwest::Client,
    /// For requests with their own timeout.
    unlimited: reqwest::Client,
}

impl Http {
    /// The clients for the APIs at these origins; `server` is that of the client's server. `build`
    /// makes one client: for APIs on this machine or for others, with a read timeout or without.
    pub fn new(
        server: &Origin,
        origins: &[Origin],
        timeout: Duration,
        build: impl Fn(bool, Option<Duration>) -> Result<reqwest::Client>,
    ) -> Result<Self> {
        let pair = |is_local| {
            let (limited, unlimited) = (build(is_local, Some(timeout))?, build(is_local, None)?);
            Ok::<_, crate::error::Error>(HttpPair { limited, unlimited })
        };
        let is_local = is_loopback_origin(server);
        let near_server = pair(is_local)?;
        let elsewhere = match origins.iter().all(|origin| is_loopback_origin(origin) == is_local) {
            true => near_server.clone(),
            false => pair(!is_local)?,
        };
        Ok(Http { is_local, near_server, elsewhere })
    }

    /// The app's own client, for every request.
    pub fn only(http: reqwest::Client) -> Self {
        let pair = HttpPair { limited: http.clone(), unlimited: http };
        Http { is_local: false, near_server: pair.clone(), elsewhere: pair }
    }

    /// The client that sends this request.
    pub fn of(&self, request: &Request) -> &reqwest::Client {
        let pair = match is_loopback(request.url()) == self.is_local {
            true => &self.near_server,
            false => &self.elsewhere,
        };
        match request.timeout() {
            Some(_) => &pair.unlimited,
            None => &pair.limited,
        }
    }

    /// Any of the clients, to build a request with.
    pub fn any(&self) -> &reqwest::Client {
        &self.near_server.limited
    }
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
