//! Requests to a provider: a time for the whole, a size for the answer, no redirects, no proxies,
//! no internal addresses, and a second try only where the first cannot have done anything.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode, Url, redirect};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::ProviderError;
use super::address::Reach;
use crate::tls::explained;

/// Far above any answer that a provider has reason to give.
const MAX_BYTES: usize = 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The way to one provider.
pub(super) struct Outbound {
    client: reqwest::Client,
    /// For what is not encrypted, whose names must lead to an own machine or network.
    plain: reqwest::Client,
    reach: Arc<Reach>,
}

/// A whole answer.
pub(super) struct Reply {
    pub status: StatusCode,
    pub body: Vec<u8>,
}

/// One request; no `Debug`: it holds secrets.
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// Whether asking twice does no more than asking once.
    pub repeatable: bool,
}

impl Ask {
    pub fn get(url: Url) -> Self {
        let headers =
            HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        Ask { method: Method::GET, url, headers, body: Vec::new(), repeatable: true }
    }
}

impl Outbound {
    /// `ca_file` holds certificates to trust besides the public ones.
    pub fn new(reach: Reach, timeout: Duration, ca_file: Option<&Path>) -> Result<Self, String> {
        let (reach, tls) = (Arc::new(reach), tls(ca_file)?);
        let client = |encrypted| {
            let client = reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(redirect::Policy::none())
                .no_proxy()
                .connect_timeout(CONNECT_TIMEOUT.min(timeout))
                .timeout(timeout)
                .dns_resolver(GuardedNames { reach: Arc::clone(&reach), encrypted })
                .retry(reqwest::retry::never())
                .user_agent(concat!("propusk/", env!("CARGO_PKG_VERSION")))
                .build();
            client.map_err(|error| format!("no HTTP client: {}", error.without_url()))
        };
        Ok(Outbound { client: client(true)?, plain: client(false)?, reach })
    }

    pub async fn send(&self, ask: Ask) -> Result<Reply, ProviderError> {
        self.reach.check(&ask.url)?;
        match self.try_once(&ask).await {
            // Nothing was sent, or sending it again does no harm.
            Err(error) if error.is_connect() || (ask.repeatable && error.is_request()) => {
                if error.is_timeout() {
                    return Err(unreachable(error));
                }
                self.read(self.try_once(&ask).await.map_err(unreachable)?).await
            }
            answer => self.read(answer.map_err(unreachable)?).await,
        }
    }

    async fn try_once(&self, ask: &Ask) -> reqwest::Result<reqwest::Response> {
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

/// The URL stays out of every log: it may hold a token.
fn unreachable(error: reqwest::Error) -> ProviderError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    ProviderError::Unreachable(explained(text, "ca_file of the provider"))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let failed = |problem: String| format!("ca_file {}: {problem}", path.display());
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
        let before = roots.len();
        for certificate in certificates {
            let certificate = certificate.map_err(|error| failed(error.to_string()))?;
            roots.add(certificate).map_err(|error| failed(error.to_string()))?;
        }
        if roots.len() == before {
            return Err(failed("holds no certificate (PEM)".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| format!("TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Looks names up and gives only addresses that may be connected to, which are then the ones that
/// are.
struct GuardedNames {
    reach: Arc<Reach>,
    encrypted: bool,
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, encrypted) = (Arc::clone(&self.reach), self.encrypted);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let is_admitted =
                |address: &SocketAddr| reach.admits_for(name.as_str(), address.ip(), encrypted);
            let admitted: Vec<SocketAddr> = found.filter(is_admitted).collect();
            if admitted.is_empty() {
                return Err("the name leads to no address that may be connected to".into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
