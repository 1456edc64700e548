//! How a client is put together.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use propusk_wire::Secret;
use url::Url;

use super::{Client, ClientParts};
use crate::api_access::{self, ApiAccess, Http};
use crate::clock::Clock;
use crate::dialects::{App, Dialect, OAuthClient};
use crate::error::{Error, Result};
use crate::http::{self, Transport};
use crate::network::{Network, is_loopback};
use crate::redirect::RedirectUri;
use crate::session::SessionCore;
use crate::vault::Vault;

/// The parts of a [`Client`]; only the server's address must be given.
#[must_use]
pub struct ClientBuilder {
    server: String,
    dialect: Dialect,
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

    /// The API that the server speaks; [`Dialect::Native`] unless this is called.
    pub fn dialect(self, dialect: Dialect) -> Self {
        ClientBuilder { dialect, ..self }
    }

    /// Where the session is kept; in memory unless this is called, so that it ends with the process.
    /// One vault for each server, a staging server too: what another server has issued is never sent,
    /// and the client says [`VaultState::OtherServer`](crate::VaultState::OtherServer).
    pub fn vault(self, vault: Vault) -> Self {
        ClientBuilder { vault: Some(vault), ..self }
    }

    /// Where the browser brings the user back to, such as `https://app.example.org/signed-in` or
    /// `org.example.app:/signed-in`. Call it once for each; the first one is used unless a sign-in
    /// names another.
    pub fn redirect(mut self, redirect: impl Into<String>) -> Self {
        self.redirects.push(redirect.into());
        self
    }

    /// An origin, such as `https://api.example.org`, beside the server's own, to which
    /// [`Client::api`] may send the access token. Call it once for each.
    pub fn api_origin(mut self, origin: impl Into<String>) -> Self {
        self.api_origins.push(origin.into());
        self
    }

    /// An address, such as `https://old.example.org`, at which the same server was reached before: a
    /// session that began there goes on. Call it once for each.
    pub fn former_server(mut self, server: impl Into<String>) -> Self {
        self.former_server.push(server.into());
        self
    }

    /// What the account's list of sessions calls this device.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.app.device_name = Some(name.into());
        self
    }

    /// The OAuth client that the app is on a `djoser_token` server, for tokens of providers.
    pub fn oauth_client(mut self, id: impl Into<String>, secret: impl Into<Secret>) -> Self {
        self.app.oauth_client = Some(OAuthClient { id: id.into(), secret: secret.into() });
        self
    }

    /// How long an answer of the server may take; 20 s unless this is called. Calls to the app's own
    /// API have [`api_timeout`](Self::api_timeout).
    pub fn timeout(self, timeout: Duration) -> Self {
        ClientBuilder { timeout, ..self }
    }

    /// How long the app's own API may be silent: until its answer begins, with the time that sending the
    /// request takes, and between two parts of the answer; 60 s unless this is called. A long download is
    /// not cut off by it; a long upload takes a limit of its own, which replaces this one:
    /// [`ApiRequest::timeout`](crate::ApiRequest::timeout).
    pub fn api_timeout(self, timeout: Duration) -> Self {
        ClientBuilder { api_timeout: timeout, ..self }
    }

    /// Trusts this certificate authority, in PEM, beside those of the system: for a server with a
    /// certificate of one's own. Call it once for each. It works on every system, phones too, for the
    /// server and for [`Client::api`].
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.roots.push(pem.into());
        self
    }

    /// Shows this certificate where a server asks for one (mutual TLS): its chain and its private key,
    /// in PEM.
    pub fn client_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.network.identity = Some(pem.into());
        self
    }

    /// Goes by this proxy, such as `http://proxy.example.org:3128` or `http://name:password@…`, in
    /// place of the system's. What only this machine sees is reached without any.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.network.proxy = Some(url.into());
        self
    }

    /// What requests call the app; `propusk/` and the version unless this is called.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.network.user_agent = Some(name.into());
        self
    }

    /// Another HTTP client for the server. Its TLS, proxy and names are the app's affair, and none of
    /// the above count for it. It must follow no redirects: a redirect would take passwords and tokens,
    /// which stand in bodies, with it.
    pub fn http_client(self, http: reqwest::Client) -> Self {
        ClientBuilder { http: Some(http), ..self }
    }

    /// Takes `http://` addresses beyond this machine: passwords and tokens can be read on the way.
    /// For a server in the next room that has no certificate yet.
    pub fn allow_plain_http(self) -> Self {
        ClientBuilder { allows_plain_http: true, ..self }
    }

    /// Another clock than the device's.
    pub fn clock(self, clock: Clock) -> Self {
        ClientBuilder { clock, ..self }
    }

    /// The client. Nothing is read or sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](crate::ErrorKind::Usage) for an address, a redirect or an origin that is none.
    pub fn build(self) -> Result<Client> {
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
        let former = self.former_server.iter().map(|server| self.address(server));
        let former = former.map(|server| Ok(server?.origin().ascii_serialization()));
        let former = former.collect::<Result<Vec<_>>>()?;
        let tls = self.network.tls()?;
        let http = match self.http {
            Some(http) => http,
            None => self.network.client(&tls, &base)?,
        };
        let api_client = |silence| self.network.client_of_apis(&tls, &origins, silence);
        let (limited, unlimited) = (api_client(Some(self.api_timeout))?, api_client(None)?);
        let api = ApiAccess::new(Http { limited, unlimited }, origins);
        let transport = Transport::new(http, base, self.clock, self.timeout);
        let vault = self.vault.unwrap_or_else(Vault::memory);
        let core = SessionCore::new(transport, vault, self.dialect, self.app, former)?;
        Ok(Client {
            core,
            parts: Arc::new(ClientParts {
                redirects,
                api,
                redeem_lock: tokio::sync::Mutex::default(),
            }),
        })
    }

    fn address(&self, text: &str) -> Result<Url> {
        let url = Url::parse(text).map_err(|_| {
            Error::usage("the address of a server is a whole one, such as https://id.example.org")
        })?;
        let is_plain = url.scheme() == "http" && (self.allows_plain_http || is_loopback(&url));
        if !(url.scheme() == "https" || is_plain) {
            return Err(Error::usage(
                "the address of a server begins with https://, or with http:// on this machine",
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::usage("the address of a server holds no password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(Error::usage("the address of a server has no query and no fragment"));
        }
        Ok(url)
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("server", &self.server)
            .field("dialect", &self.dialect)
            .finish_non_exhaustive()
    }
}
