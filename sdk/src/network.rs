//! The HTTP clients of the SDK: TLS with rustls and ring, trusted certificates, proxy and user
//! agent.

use std::sync::Arc;
#[cfg(not(target_os = "android"))]
use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{NoProxy, Proxy, redirect};
use rustls::client::WantsClientCert;
#[cfg(not(target_os = "android"))]
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
#[cfg(not(target_os = "android"))]
use rustls_platform_verifier::Verifier;
use url::{Host, Origin, Url};

use crate::error::{Error, ErrorKind, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const USER_AGENT: &str = concat!("propusk/", env!("CARGO_PKG_VERSION"));
/// Addresses that are reached without a proxy.
const THIS_MACHINE: &str = "localhost,127.0.0.0/8,::1";

/// The network options of an app.
#[derive(Default)]
pub(crate) struct Network {
    /// Root certificates in PEM, in addition to those of the system.
    pub roots: Vec<Vec<u8>>,
    /// The client certificate and its key, in PEM.
    pub identity: Option<Vec<u8>>,
    pub proxy: Option<String>,
    pub user_agent: Option<String>,
}

impl Network {
    /// The client for the server. It does not follow redirects.
    pub fn client(&self, tls: &ClientConfig, server: &Url) -> Result<reqwest::Client> {
        let builder = self.builder(tls, is_loopback(server))?;
        built(builder.redirect(redirect::Policy::none()))
    }

    /// The client for the app's own APIs: those on this machine, or all others.
    pub fn client_of_apis(
        &self,
        tls: &ClientConfig,
        is_local: bool,
        longest_silence: Option<Duration>,
    ) -> Result<reqwest::Client> {
        let builder = self.builder(tls, is_local)?.redirect(within_an_origin());
        built(match longest_silence {
            Some(silence) => builder.read_timeout(silence),
            None => builder,
        })
    }

    fn builder(&self, tls: &ClientConfig, is_local: bool) -> Result<reqwest::ClientBuilder> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(self.user_agent.as_deref().unwrap_or(USER_AGENT));
        Ok(match &self.proxy {
            Some(proxy) => {
                let proxy = Proxy::all(proxy).map_err(|error| unusable("the proxy", error))?;
                builder.proxy(proxy.no_proxy(NoProxy::from_string(THIS_MACHINE)))
            }
            // Not through the system's proxy either.
            None if is_local => builder.no_proxy(),
            None => builder,
        })
    }

    /// Builds the TLS configuration. It reads the system's certificates once for a process.
    pub fn tls(&self) -> Result<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = Vec::new();
        for pem in &self.roots {
            roots.extend(certificates(pem, "a root certificate")?);
        }
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable("TLS", error))?;
        let builder = trusting(builder, roots)
            .map_err(|error| unusable("a root certificate, or the system's,", error))?;
        let Some(pem) = &self.identity else { return Ok(builder.with_no_client_auth()) };
        let chain = certificates(pem, "the client identity")?;
        let key = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|error| unusable("the client identity's key", error))?;
        let config = builder.with_client_auth_cert(chain, key);
        config.map_err(|error| unusable("the client identity", error))
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => {
            Err(unusable(what, "there is no certificate in it; PEM is expected"))
        }
        read => read.map_err(|error| unusable(what, error)),
    }
}

type Trusting = ConfigBuilder<ClientConfig, WantsClientCert>;

/// Trusts the certificate authorities of the system and these roots. A Linux without certificates,
/// such as a minimal container, trusts no server; a server on this machine still works.
#[cfg(not(target_os = "android"))]
fn trusting(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    roots: Vec<CertificateDer<'static>>,
) -> std::result::Result<Trusting, rustls::Error> {
    let provider = Arc::clone(builder.crypto_provider());
    let verifier = if roots.is_empty() {
        match system_verifier(provider) {
            Ok(verifier) => verifier,
            Err(error) => {
                tracing::warn!(%error, "there are no root certificates: TLS trusts no server");
                return Ok(builder.with_root_certificates(RootCertStore::empty()));
            }
        }
    } else {
        Arc::new(Verifier::new_with_extra_roots(roots, provider)?)
    };
    Ok(builder.dangerous().with_custom_certificate_verifier(verifier))
}

/// Trusts the certificate authorities of the system. A Linux has them in a file, which takes milliseconds to
/// read: all clients of a process share them.
#[cfg(not(target_os = "android"))]
fn system_verifier(
    provider: Arc<CryptoProvider>,
) -> std::result::Result<Arc<Verifier>, rustls::Error> {
    static READ: OnceLock<Arc<Verifier>> = OnceLock::new();
    if let Some(verifier) = READ.get() {
        return Ok(Arc::clone(verifier));
    }
    let verifier = Arc::new(Verifier::new(provider)?);
    Ok(Arc::clone(READ.get_or_init(|| verifier)))
}

/// On Android the system's verifier would need the Java context of the app.
#[cfg(target_os = "android")]
fn trusting(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
    roots: Vec<CertificateDer<'static>>,
) -> std::result::Result<Trusting, rustls::Error> {
    let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for root in roots {
        store.add(root)?;
    }
    Ok(builder.with_root_certificates(store))
}

fn unusable(what: &str, error: impl std::fmt::Display) -> Error {
    Error::because(ErrorKind::Usage, format!("{what} cannot be used: {error}"))
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|error| unusable("the HTTP client", error))
}

/// Whether the address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_this_machine(&host))
}

/// Whether the origin is on this machine.
pub(crate) fn is_loopback_origin(origin: &Origin) -> bool {
    matches!(origin, Origin::Tuple(_, host, _) if is_this_machine(host))
}

fn is_this_machine<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Domain(name) => name.as_ref() == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Follows redirects only within the same origin.
fn within_an_origin() -> redirect::Policy {
    redirect::Policy::custom(|attempt| {
        let from = attempt.previous().last().map(Url::origin);
        match from {
            Some(from) if from == attempt.url().origin() && attempt.previous().len() < 10 => {
                attempt.follow()
            }
            _ => attempt.stop(),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(not(target_os = "android"))]
    #[test]
    fn clients_of_a_process_share_the_authorities_of_the_system() {
        let provider = || Arc::new(rustls::crypto::ring::default_provider());
        let (one, other) = (system_verifier(provider()), system_verifier(provider()));
        match (one, other) {
            (Ok(one), Ok(other)) => assert!(Arc::ptr_eq(&one, &other)),
            // This system has none.
            (one, other) => assert!(one.is_err() && other.is_err()),
        }
    }
}
