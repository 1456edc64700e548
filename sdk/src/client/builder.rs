//! Builds a client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use propusk_wire::Secret;
use url::Url;

use super::{Client, ClientParts, NewTokenRefusals};
use crate::api_access::{self, ApiAccess, Http};
use crate::clock::Clock;
use crate::dialects::{App, Dialect, OAuthClient};
use crate::error::{Error, Result};
use crate::http::{self, Transport};
use crate::network::{Network, is_loopback};
use crate::redirect::RedirectUri;
use crate::session::SessionCore;
use crate::vault::Vault;

/// The options of a [`Client`]. Only the server's address is required.
#[must_use]
pub struct ClientBuilder {
    server: String,
    dialect: Dialect,
    rotates_refresh_tokens: bool,
    vault: Option<Vault>,
    redirects: Vec<String>,
    api_origins: Vec<String>,
    former_server: Vec<String>,
    app: App,
    network: Network,
    http: Option<reqwest::Client>,
    timeout: Duration,
    api_timeout: Duration,
    allows_plain_http: bool,
    clock: Clock,
}

impl ClientBuilder {
    pub(super) fn new(server: String) -> Self {
        ClientBuilder {
            server,
            dialect: Dialect::default(),
            rotates_refresh_tokens: false,
            vault: None,
            redirects: Vec::new(),
            api_origins: Vec::new(),
            former_server: Vec::new(),
            app: App::default(),
            network: Network::default(),
            http: None,
            timeout: http::TIMEOUT,
            api_timeout: api_access::TIMEOUT,
            allows_plain_http: false,
            clock: Clock::system(),
        }
    }

    /// The API of the server. Default: [`Dialect::Native`].
    pub fn dialect(self, dialect: Dialect) -> Self {
        ClientBuilder { dialect, ..self }
    }

    /// The server of `simplejwt` or `djoser_jwt` is configured to rotate refresh tokens
    /// (`ROTATE_REFRESH_TOKENS` with `BLACKLIST_AFTER_ROTATION`). Without this option, a session
    /// learns it from its first renewal, and an answer to that one that was lost is reported as a
    /// session that has [`Ended`](crate::SignOutReason::Ended). It applies to sessions that are
    /// opened or adopted with it.
    pub fn rotates_refresh_tokens(self) -> Self {
        ClientBuilder { rotates_refresh_tokens: true, ..self }
    }

    /// Where the session is stored. Default: in memory, so it ends with the process. Use one vault
    /// for each server, including a staging server: a session of another server is never sent, and
    /// the vault state is [`VaultState::OtherServer`](crate::VaultState::OtherServer).
    pub fn vault(self, vault: Vault) -> Self {
        ClientBuilder { vault: Some(vault), ..self }
    }

    /// Adds a redirect to which the browser returns, such as `https://app.example.org/signed-in` or
    /// `org.example.app:/signed-in`. The first one is used unless a sign-in names another.
    pub fn redirect(mut self, redirect: impl Into<String>) -> Self {
        self.redirects.push(redirect.into());
        self
    }

    /// Adds an origin, such as `https://api.example.org`, to which [`Client::api`] may send the
    /// access token. The server's own origin is always allowed.
    pub fn api_origin(mut self, origin: impl Into<String>) -> Self {
        self.api_origins.push(origin.into());
        self
    }

    /// Adds a former address of the same server, such as `https://old.example.org`. Sessions that
    /// started there stay valid. Nothing is sent to it, so it may be a plain `http://` address.
    pub fn former_server(mut self, server: impl Into<String>) -> Self {
        self.former_server.push(server.into());
        self
    }

    /// The name of this device in the account's list of sessions.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.app.device_name = Some(name.into());
        self
    }

    /// The app's OAuth client at a `djoser_token` server, for tokens of providers.
    pub fn oauth_client(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.app.oauth_client = Some(OAuthClient { id: id.into(), secret: secret.into() });
        self
    }

    /// The time limit of a request to the server. Default: 20 s. Calls to the app's own API use
    /// [`api_timeout`](Self::api_timeout). In [`Client::export_account`] it limits how long the
    /// server may be silent.
    pub fn timeout(self, timeout: Duration) -> Self {
        ClientBuilder { timeout, ..self }
    }

    /// How long the app's own API may be silent: from the start of the request until its answer
    /// starts, and between two parts of the answer. Default: 60 s. It does not limit a long
    /// download. A long upload needs its own limit, which replaces this one:
    /// [`ApiRequest::timeout`](crate::ApiRequest::timeout).
    pub fn api_timeout(self, timeout: Duration) -> Self {
        ClientBuilder { api_timeout: timeout, ..self }
    }

    /// Adds a trusted certificate authority, in PEM, in addition to those of the system. Use it for a
    /// server with a private certificate authority. It works on every system, including phones, for
    /// the server and for [`Client::api`].
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.roots.push(pem.into());
        self
    }

    /// The client certificate for mutual TLS: the chain and the private key, in PEM.
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.identity = Some(pem.into());
        self
    }

    /// The proxy, such as `http://proxy.example.org:3128` or `http://name:password@…`, instead of
    /// the system's. Loopback addresses are reached without a proxy.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.network.proxy = Some(url.into());
        self
    }

    /// The `User-Agent` of requests. Default: `propusk/` and the version.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.network.user_agent = Some(name.into());
        self
    }

    /// Another HTTP client for the server. Its TLS, proxy and user agent apply instead of the
    /// options above. It must not follow redirects: a redirect would forward passwords and tokens
    /// in bodies.
    pub fn http_client(self, http: reqwest::Client) -> Self {
        ClientBuilder { http: Some(http), ..self }
    }

    /// Allows `http://` addresses on other machines. Passwords and tokens can then be read on the
    /// network. Use it only for a server without a certificate in a private network.
    pub fn allow_plain_http(self) -> Self {
        ClientBuilder { allows_plain_http: true, ..self }
    }

    /// Another clock instead of the device's.
    pub fn clock(self, clock: Clock) -> Self {
        ClientBuilder { clock, ..self }
    }

    /// Builds the client. It reads nothing and sends nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for an invalid address, redirect or origin, and
    /// for [`rotates_refresh_tokens`](Self::rotates_refresh_tokens) with an API that cannot.
    pub fn build(self) -> Result<Client> {
        if self.rotates_refresh_tokens && !self.dialect.wire().can_rotate_refresh_tokens() {
            return Err(Error::usage(
                "only servers of simplejwt and djoser_jwt can be configured to rotate refresh tokens",
            ));
        }
        let base = self.address(&self.server)?;
        let redirects = self
            .redirects
            .iter()
            .map(|text| RedirectUri::parse(text))
            .collect::<Result<Vec<_>>>()?;
        let mut origins = vec![base.origin()];
        for origin in &self.api_origins {
            origins.push(self.address(origin)?.origin());
        }
        let former = self.former_server.iter().map(|server| former_origin(server));
        let former = former.collect::<Result<Vec<_>>>()?;
        let tls = self.network.tls()?;
        let http = match self.http {
            Some(http) => http,
            None => self.network.client(&tls, &base)?,
        };
        let api_http =
            Http::new(&base.origin(), &origins, self.api_timeout, |is_local, silence| {
                self.network.client_of_apis(&tls, is_local, silence)
            })?;
        let api = ApiAccess::new(api_http, origins);
        let transport = Transport::new(http, base, self.clock, self.timeout);
        let vault = self.vault.unwrap_or_else(Vault::memory);
        let core = SessionCore::new(
            transport,
            vault,
            self.dialect,
            self.rotates_refresh_tokens,
            self.app,
            former,
        )?;
        Ok(Client {
            core,
            parts: Arc::new(ClientParts {
                redirects,
                api,
                redeem_lock: tokio::sync::Mutex::default(),
                new_token_refusals: NewTokenRefusals::default(),
            }),
            user: None,
        })
    }

    fn address(&self, text: &str) -> Result<Url> {
        let url = Url::parse(text).map_err(|_| {
            Error::usage("the address of a server must be a URL, such as https://id.example.org")
        })?;
        let is_plain = url.scheme() == "http" && (self.allows_plain_http || is_loopback(&url));
        if !(url.scheme() == "https" || is_plain) {
            return Err(Error::usage(
                "the address of a server must begin with https://, or with http:// on this machine",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage("the address of a server must not contain a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::usage(
                "the address of a server must not have a query or a fragment",
            ));
        }
        Ok(url)
    }
}

/// The origin of an address that is only compared and never contacted.
fn former_origin(text: &str) -> Result<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        Error::usage("a former address of a server must begin with https:// or http://")
    })?;
    Ok(url.origin().ascii_serialization())
}

/// Without the address: only [`ClientBuilder::build`] refuses one that contains a password.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}
