//! TLS to other servers: which certificates are trusted, and why one is refused.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Trusts the public authorities, and the certificates in `ca_file`.
pub fn client_config(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
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
            return Err(failed("contains no certificate (PEM)".to_owned()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| format!("TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The error text, with a remedy if one is known; `setting` is the setting for further certificate
/// authorities.
pub fn explained(words: String, setting: &str) -> String {
    let way_out = if words.contains("CaUsedAsEndEntity") {
        "the server shows a self-signed certificate of an authority as its own: make it one of the server's \
         (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE), or sign one with an authority \
         whose certificate is in"
    } else if words.contains("UnknownIssuer") {
        "the authority that signed the server's certificate is unknown; add its certificate to"
    } else {
        return words;
    };
    format!("{words} ({way_out} {setting})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn self_signed_certificate_is_explained_and_other_errors_are_unchanged() {
        let words = "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))".to_owned();
        let explained_words = explained(words.clone(), "mail.ca_file");
        assert!(explained_words.starts_with(&words) && explained_words.ends_with("mail.ca_file)"));
        assert!(explained_words.contains("self-signed") && explained_words.contains("CA:FALSE"));
        let unknown = "invalid peer certificate: UnknownIssuer".to_owned();
        assert!(explained(unknown, "ca_file").contains("is unknown"));
        assert_eq!(explained("connection refused".to_owned(), "ca_file"), "connection refused");
    }
}
