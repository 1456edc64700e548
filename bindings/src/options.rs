//! The options of a client.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{PropuskError, Result};
use crate::vault::Vault;

/// The API of a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, uniffi::Enum)]
pub enum Dialect {
    /// Propusk's own.
    #[default]
    Native,
    /// djoser with opaque tokens and drf-social-oauth2.
    DjoserToken,
    /// JWT pairs; the app sends its passwords hashed.
    Prehashed,
    /// djangorestframework-simplejwt.
    Simplejwt,
    /// djangorestframework-simplejwt with rotation and blacklist.
    SimplejwtRotating,
    /// djoser with SimpleJWT.
    DjoserJwt,
}

impl From<Dialect> for propusk::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Native => propusk::Dialect::Native,
            Dialect::DjoserToken => propusk::Dialect::DjoserToken,
            Dialect::Prehashed => propusk::Dialect::Prehashed,
            Dialect::Simplejwt => propusk::Dialect::Simplejwt,
            Dialect::SimplejwtRotating => propusk::Dialect::SimplejwtRotating,
            Dialect::DjoserJwt => propusk::Dialect::DjoserJwt,
        }
    }
}

/// A text that is never printed.
#[derive(uniffi::Object)]
pub struct Secret(String);

#[uniffi::export]
impl Secret {
    /// Wraps a text.
    #[uniffi::constructor]
    pub fn new(text: String) -> Arc<Self> {
        Arc::new(Secret(text))
    }
}

/// The options of a client. Only the server's address is required.
#[derive(uniffi::Record)]
pub struct ClientOptions {
    /// The address of the server, such as `https://id.example.org`.
    pub server: String,
    /// The API of the server; the native one if it is absent.
    #[uniffi(default)]
    pub dialect: Option<Dialect>,
    /// Where the session is stored; in memory if it is absent, so it ends with the process.
    #[uniffi(default)]
    pub vault: Option<Arc<Vault>>,
    /// The redirects to which the browser returns, such as `org.example.app:/signed-in`. The first
    /// one is used.
    #[uniffi(default)]
    pub redirects: Vec<String>,
    /// Origins, such as `https://api.example.org`, to which the app's HTTP client may send the
    /// access token, besides the server's own; see `Client.is_allowed_origin`.
    #[uniffi(default)]
    pub api_origins: Vec<String>,
    /// Former addresses of the same server. Sessions that started there stay valid.
    #[uniffi(default)]
    pub former_servers: Vec<String>,
    /// The name of this device in the account's list of sessions.
    #[uniffi(default)]
    pub device_name: Option<String>,
    /// The app's OAuth client at a `djoser_token` server.
    #[uniffi(default)]
    pub oauth_client_id: Option<String>,
    /// The secret of that OAuth client.
    #[uniffi(default)]
    pub oauth_client_secret: Option<Arc<Secret>>,
    /// The time limit of a request to the server; 20 s if it is absent.
    #[uniffi(default)]
    pub timeout: Option<Duration>,
    /// Trusted certificate authorities, in PEM, in addition to those of the system.
    #[uniffi(default)]
    pub root_certificates: Vec<String>,
    /// The client certificate for mutual TLS: the chain and the private key, in PEM.
    #[uniffi(default)]
    pub client_certificate: Option<Arc<Secret>>,
    /// The proxy, such as `http://proxy.example.org:3128` or `http://name:password@…`, instead of
    /// the system's.
    #[uniffi(default)]
    pub proxy: Option<Arc<Secret>>,
    /// The `User-Agent` of requests.
    #[uniffi(default)]
    pub user_agent: Option<String>,
    /// Allows `http://` addresses on other machines. Passwords and tokens can then be read on the
    /// network.
    #[uniffi(default = false)]
    pub allow_plain_http: bool,
    /// The server of `simplejwt` or `djoser_jwt` is configured to rotate refresh tokens. Without
    /// this, a session learns it from its first renewal.
    #[uniffi(default = false)]
    pub rotates_refresh_tokens: bool,
}

impl ClientOptions {
    /// The options of a client in memory.
    pub fn new(server: impl Into<String>) -> Self {
        ClientOptions {
            server: server.into(),
            dialect: None,
            vault: None,
            redirects: Vec::new(),
            api_origins: Vec::new(),
            former_servers: Vec::new(),
            device_name: None,
            oauth_client_id: None,
            oauth_client_secret: None,
            timeout: None,
            root_certificates: Vec::new(),
            client_certificate: None,
            proxy: None,
            user_agent: None,
            allow_plain_http: false,
            rotates_refresh_tokens: false,
        }
    }

    pub(crate) fn build(self) -> Result<propusk::Client> {
        let mut builder =
            propusk::Client::builder(self.server).dialect(self.dialect.unwrap_or_default().into());
        if let Some(vault) = self.vault {
            builder = builder.vault(vault.0.clone());
        }
        for redirect in self.redirects {
            builder = builder.redirect(redirect);
        }
        for origin in self.api_origins {
            builder = builder.api_origin(origin);
        }
        for server in self.former_servers {
            builder = builder.former_server(server);
        }
        if let Some(name) = self.device_name {
            builder = builder.device_name(name);
        }
        builder = match (self.oauth_client_id, self.oauth_client_secret) {
            (Some(id), Some(secret)) => builder.oauth_client(id, secret.0.clone()),
            (None, None) => builder,
            _ => return Err(PropuskError::usage("an OAuth client has an id and a secret")),
        };
        for pem in self.root_certificates {
            builder = builder.root_certificate(pem);
        }
        if let Some(pem) = self.client_certificate {
            builder = builder.client_certificate(pem.0.clone());
        }
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(proxy.0.clone());
        }
        if let Some(name) = self.user_agent {
            builder = builder.user_agent(name);
        }
        if let Some(timeout) = self.timeout {
            builder = builder.timeout(timeout);
        }
        if self.allow_plain_http {
            builder = builder.allow_plain_http();
        }
        if self.rotates_refresh_tokens {
            builder = builder.rotates_refresh_tokens();
        }
        Ok(builder.build()?)
    }
}
