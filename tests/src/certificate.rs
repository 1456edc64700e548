//! A certificate authority of the test's own, and its certificates.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::{WantsServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::{ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a certificate");
        Authority(issuer)
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Accepts TLS with a certificate for this host name or address.
    pub fn acceptor(&self, host: &str) -> TlsAcceptor {
        self.acceptor_as(host, builder().with_no_client_auth())
    }

    /// The same, but only for clients with a certificate of this authority.
    pub fn acceptor_of_known(&self, host: &str) -> TlsAcceptor {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a certificate");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let clients = clients.build().expect("a root");
        self.acceptor_as(host, builder().with_client_cert_verifier(clients))
    }

    /// A client's certificate and its key, in PEM.
    pub fn identity(&self, name: &str) -> String {
        let (certificate, key) = self.certified(name);
        format!("{}{}", certificate.pem(), key.serialize_pem())
    }

    fn acceptor_as(
        &self,
        host: &str,
        builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    ) -> TlsAcceptor {
        let (certificate, key) = self.certified(host);
        let config = builder.with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        );
        TlsAcceptor::from(Arc::new(config.expect("a key that fits its certificate")))
    }

    fn certified(&self, name: &str) -> (Certificate, KeyPair) {
        let key = key();
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        (params.signed_by(&key, &self.0).expect("a certificate"), key)
    }
}

fn builder() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of the provider's own")
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("random numbers")
}
