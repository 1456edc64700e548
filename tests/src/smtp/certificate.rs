//! A certificate authority of the test's own, and what it certifies.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

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
        let key = key();
        let params = CertificateParams::new([host.to_owned()]).expect("a host name");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions of the provider's own")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            );
        TlsAcceptor::from(Arc::new(config.expect("a key that fits its certificate")))
    }
}

impl Default for Authority {
    fn default() -> Self {
        Authority::new()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("random numbers")
}
