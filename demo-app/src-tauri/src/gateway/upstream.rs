//! Passes requests on to the server and reads its answers.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use url::{Host, Url};

use super::GatewayError;
use super::exchange::{Answered, Asked};

/// A little shorter than the SDK waits, so that the log shows what happened.
const TIMEOUT: Duration = Duration::from_secs(18);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest answer that is passed on, in bytes.
const MAX_ANSWER: usize = 4 << 20;

/// A server.
pub struct Upstream {
    server: Url,
    http: reqwest::Client,
}

impl Upstream {
    pub fn new(address: &str) -> Result<Self, GatewayError> {
        let server = server_of(address)?;
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls()?)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        let builder = if is_on_this_machine(&server) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| GatewayError::Http(error.to_string()))?;
        Ok(Upstream { server, http })
    }

    pub fn server(&self) -> &Url {
        &self.server
    }

    /// Whether it answers at all. The error is an English sentence.
    pub async fn answers(&self) -> Result<(), String> {
        let request = self.http.get(self.server.clone()).timeout(CONNECT_TIMEOUT);
        request.send().await.map(drop).map_err(in_words)
    }

    /// The error is an English sentence.
    pub async fn send(&self, asked: &Asked) -> Result<Answered, String> {
        let mut url = self.server.clone();
        url.set_path(asked.head.uri.path());
        url.set_query(asked.head.uri.query());
        let request = self
            .http
            .request(asked.head.method.clone(), url)
            .headers(passed_on(&asked.head.headers))
            .body(asked.body.clone());
        let mut response = request.send().await.map_err(in_words)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(in_words)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err("the answer of the server is too large".to_owned());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answered { status, headers: passed_on(&headers), body: Bytes::from(body) })
    }
}

/// The address of a server: https, or http on this machine.
pub fn server_of(address: &str) -> Result<Url, GatewayError> {
    let wrong = |why: &str| GatewayError::Address(why.to_owned());
    let url = Url::parse(address.trim())
        .map_err(|_| wrong("must be a URL, such as https://id.example.org"))?;
    if !(url.scheme() == "https" || url.scheme() == "http" && is_on_this_machine(&url)) {
        return Err(wrong("must begin with https://, or with http:// on this machine"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not contain a password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not have a query or a fragment"));
    }
    Ok(url)
}

fn is_on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Without the headers that belong to one connection.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    const OF_THE_CONNECTION: [HeaderName; 7] =
        [CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    let passes = |name: &HeaderName| {
        !OF_THE_CONNECTION.contains(name)
            && name != "keep-alive"
            && !name.as_str().starts_with("proxy-")
    };
    let kept = headers.iter().filter(|(name, _)| passes(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Without the address, which may contain a token.
fn in_words(error: reqwest::Error) -> String {
    let what = match () {
        () if error.is_connect() => "the server cannot be reached",
        () if error.is_timeout() => "the server does not answer in time",
        () => "the server has not answered",
    };
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
    while let Some(inner) = cause.and_then(std::error::Error::source) {
        cause = Some(inner);
    }
    cause.map_or_else(|| what.to_owned(), |cause| format!("{what}: {cause}"))
}

/// With ring, as the SDK: the embedded server brings another provider, so there is no default.
fn tls() -> Result<ClientConfig, GatewayError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: rustls::Error| GatewayError::Http(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider);
    trusting(builder.with_safe_default_protocol_versions().map_err(failed)?).map_err(failed)
}

#[cfg(not(target_os = "android"))]
fn trusting(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::clone(builder.crypto_provider());
    // A Linux without certificates trusts no server; one on this machine still works.
    match rustls_platform_verifier::Verifier::new(provider) {
        Ok(verifier) => Ok(builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth()),
        Err(error) => {
            tracing::warn!(%error, "there are no root certificates: TLS trusts no server");
            let none = rustls::RootCertStore::empty();
            Ok(builder.with_root_certificates(none).with_no_client_auth())
        }
    }
}

/// On Android the system's verifier would need the Java context of the app.
#[cfg(target_os = "android")]
fn trusting(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> Result<ClientConfig, rustls::Error> {
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
