//! Requests to a provider, or to a service of the operator: a time limit for the whole, a size limit
//! for the answer, no redirects, no proxies, no internal addresses, and a retry only if the first
//! attempt cannot have had an effect.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url, redirect};

use super::ProviderError;
use super::address::AllowedHosts;
use crate::config::Outbound as OutboundSettings;
use crate::tls::{client_config, explained};

/// Far above the size of any legitimate answer.
const MAX_BYTES: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The HTTP clients for one provider or service.
pub struct Outbound {
    client: reqwest::Client,
    /// For unencrypted requests, whose names must resolve to this machine or a private network.
    plain: reqwest::Client,
    allowed_hosts: Arc<AllowedHosts>,
}

/// A whole answer.
pub struct Reply {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

/// One request; no `Debug`: it holds secrets.
pub struct ProviderRequest {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether the request is idempotent.
    pub repeatable: bool,
}

impl ProviderRequest {
    pub fn get(url: Url) -> Self {
        let headers =
            HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        ProviderRequest { method: Method::GET, url, headers, body: Vec::new(), repeatable: true }
    }
}

impl Outbound {
    /// For requests to this URL of the settings.
    pub fn for_url(
        url: &Url,
        settings: &OutboundSettings,
        ca_file: Option<&Path>,
    ) -> Result<Self, String> {
        let mut allowed_hosts = AllowedHosts::new(settings.internal_networks.clone());
        allowed_hosts.include(url);
        Outbound::new(allowed_hosts, Duration::from_secs(settings.timeout_seconds), ca_file)
    }

    /// `ca_file`: certificates to trust in addition to the public ones.
    pub(super) fn new(
        allowed_hosts: AllowedHosts,
        timeout: Duration,
        ca_file: Option<&Path>,
    ) -> Result<Self, String> {
        let (allowed_hosts, tls) = (Arc::new(allowed_hosts), client_config(ca_file)?);
        let client = |encrypted| {
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT.min(timeout))
                .timeout(timeout)
                .dns_resolver(GuardedNames { allowed_hosts: Arc::clone(&allowed_hosts), encrypted })
                .retry(reqwest::retry::never())
                .user_agent(concat!("propusk/", env!("CARGO_PKG_VERSION")))
                .build();
            client.map_err(|error| format!("no HTTP client: {}", error.without_url()))
        };
        Ok(Outbound { client: client(true)?, plain: client(false)?, allowed_hosts })
    }

    pub async fn send(&self, ask: ProviderRequest) -> Result<Reply, ProviderError> {
        self.allowed_hosts.check(&ask.url)?;
        match self.try_once(&ask).await {
            // Nothing was sent, or the request is idempotent.
            Err(error) if error.is_connect() || (ask.repeatable && error.is_request()) => {
                if error.is_timeout() {
                    return Err(unreachable(error));
                }
                self.read(self.try_once(&ask).await.map_err(unreachable)?).await
            }
            answer => self.read(answer.map_err(unreachable)?).await,
        }
    }

    async fn try_once(&self, ask: &ProviderRequest) -> reqwest::Result<reqwest::Response> {
        let client = if ask.url.scheme() == "https" { &self.client } else { &self.plain };
        let request = client.request(ask.method.clone(), ask.url.clone());
        request.headers(ask.headers.clone()).body(ask.body.clone()).send().await
    }

    async fn read(&self, mut response: reqwest::Response) -> Result<Reply, ProviderError> {
        let (status, mut body) = (response.status(), Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(ProviderError::Unusable("an answer above 1 MiB"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }
}

fn unreachable(error: reqwest::Error) -> ProviderError {
    ProviderError::Unreachable(explained(words_of(error), "ca_file in its settings"))
}

/// The error with its causes. The URL is never logged: it may contain a token.
pub fn words_of(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A DNS resolver that returns only allowed addresses, which are then the ones connected to.
struct GuardedNames {
    allowed_hosts: Arc<AllowedHosts>,
    encrypted: bool,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed_hosts, encrypted) = (Arc::clone(&self.allowed_hosts), self.encrypted);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let is_admitted = |address: &SocketAddr| {
                allowed_hosts.allows_for(name.as_str(), address.ip(), encrypted)
            };
            let admitted: Vec<SocketAddr> = found.filter(is_admitted).collect();
            if admitted.is_empty() {
                return Err("the name resolves to no allowed address".into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
