//! One key pair: the public half verifies; the private half signs, if it is available. A key is
//! named by the thumbprint of its public half, so that no other key can have its name.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, ParsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::algorithm::Algorithm;
use crate::error::{Error, Fault, Result};

/// The first byte of an uncompressed point (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;
const COORDINATE: usize = 32;

/// A new key pair, to be stored; no `Debug`.
pub struct NewKey {
    pub kid: String,
    /// base64url of the uncompressed point (ES256) or of the public key of RFC 8032 (Ed25519).
    pub public: String,
    /// PKCS #8.
    pub private: Vec<u8>,
}

/// A key ready to use; no `Debug`.
pub struct SigningKey {
    pub kid: String,
    pub algorithm: Algorithm,
    public: Vec<u8>,
    verifier: ParsedPublicKey,
    signer: Option<Signer>,
}

enum Signer {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// A public key for others (RFC 7517 section 4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Jwk {
    pub kty: &'static str,
    pub crv: &'static str,
    pub x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    #[serde(rename = "use")]
    pub purpose: &'static str,
    pub alg: &'static str,
    pub kid: String,
}

impl NewKey {
    pub fn generate(algorithm: Algorithm) -> Result<Self> {
        let made = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| halves(&pair, pair.to_pkcs8v1()?.as_ref())),
            Algorithm::EdDsa => {
                Ed25519KeyPair::generate().and_then(|pair| halves(&pair, pair.to_pkcs8()?.as_ref()))
            }
        };
        let (public, private) = made.map_err(|_| Error::Internal(Fault::KeyNotMade))?;
        let kid = thumbprint(algorithm, &public);
        Ok(NewKey { kid, public: URL_SAFE_NO_PAD.encode(public), private })
    }
}

type Halves = (Vec<u8>, Vec<u8>);

fn halves(
    pair: &impl KeyPair,
    private: &[u8],
) -> std::result::Result<Halves, aws_lc_rs::error::Unspecified> {
    Ok((pair.public_key().as_ref().to_vec(), private.to_vec()))
}

impl SigningKey {
    /// Reads the halves of a [`NewKey`]; `None` if they are malformed. Without the private half the
    /// key only verifies.
    pub fn open(algorithm: Algorithm, public: &str, private: Option<&[u8]>) -> Option<Self> {
        let public = URL_SAFE_NO_PAD.decode(public).ok()?;
        let check: &'static dyn VerificationAlgorithm = match algorithm {
            Algorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
            Algorithm::EdDsa => &ED25519,
        };
        let verifier = ParsedPublicKey::new(check, &public).ok()?;
        let signer = match private {
            Some(private) => Some(signer(algorithm, private)?),
            None => None,
        };
        Some(SigningKey {
            kid: thumbprint(algorithm, &public),
            algorithm,
            public,
            verifier,
            signer,
        })
    }

    pub fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// `None` if the key only verifies.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = match self.signer.as_ref()? {
            Signer::Es256(pair) => pair.sign(&SystemRandom::new(), message).ok()?,
            Signer::EdDsa(pair) => pair.try_sign(message).ok()?,
        };
        Some(signature.as_ref().to_vec())
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }

    pub fn jwk(&self) -> Jwk {
        let (kty, crv, x, y) = match self.algorithm {
            Algorithm::Es256 => {
                let [x, y] = coordinates(&self.public);
                ("EC", "P-256", x, Some(y))
            }
            Algorithm::EdDsa => ("OKP", "Ed25519", URL_SAFE_NO_PAD.encode(&self.public), None),
        };
        let (alg, kid) = (self.algorithm.as_str(), self.kid.clone());
        Jwk { kty, crv, x, y, purpose: "sig", alg, kid }
    }
}

fn signer(algorithm: Algorithm, private: &[u8]) -> Option<Signer> {
    match algorithm {
        Algorithm::Es256 => EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private)
            .ok()
            .map(Signer::Es256),
        Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(private).ok().map(Signer::EdDsa),
    }
}

/// The coordinates of an uncompressed point.
fn coordinates(point: &[u8]) -> [String; 2] {
    let both = point.strip_prefix(&[UNCOMPRESSED]).unwrap_or_default();
    let (x, y) = both.split_at(both.len().min(COORDINATE));
    [x, y].map(|coordinate| URL_SAFE_NO_PAD.encode(coordinate))
}

/// The thumbprint of RFC 7638 section 3: a hash of the required members in this order.
fn thumbprint(algorithm: Algorithm, public: &[u8]) -> String {
    let members = match algorithm {
        Algorithm::Es256 => {
            let [x, y] = coordinates(public);
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
        }
        Algorithm::EdDsa => {
            let x = URL_SAFE_NO_PAD.encode(public);
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)
        }
    };
    URL_SAFE_NO_PAD.encode(Sha256::digest(members))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(algorithm: Algorithm) -> SigningKey {
        let new = NewKey::generate(algorithm).expect("a key");
        SigningKey::open(algorithm, &new.public, Some(&new.private)).expect("the same key")
    }

    #[test]
    fn thumbprint_is_that_of_the_rfc() {
        // RFC 8037 appendix A.3.
        let public = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let public = URL_SAFE_NO_PAD.decode(public).expect("base64url");
        let kid = thumbprint(Algorithm::EdDsa, &public);
        assert_eq!(kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn key_verifies_its_own_signatures_only() {
        for algorithm in Algorithm::ALL {
            let (key, other) = (pair(algorithm), pair(algorithm));
            let signature = key.sign(b"message").expect("a signature");
            assert_eq!(signature.len(), 64);
            assert!(key.verifies(b"message", &signature));
            assert!(!key.verifies(b"massage", &signature));
            assert!(!other.verifies(b"message", &signature));
            assert!(!key.verifies(b"message", &[]));
        }
    }

    #[test]
    fn key_without_its_private_half_verifies_and_does_not_sign() {
        let new = NewKey::generate(Algorithm::Es256).expect("a key");
        let whole = SigningKey::open(Algorithm::Es256, &new.public, Some(&new.private));
        let signature = whole.and_then(|key| key.sign(b"message")).expect("a signature");
        let half = SigningKey::open(Algorithm::Es256, &new.public, None).expect("a key");
        assert!(half.verifies(b"message", &signature) && !half.can_sign());
        assert!(half.sign(b"message").is_none());
    }

    #[test]
    fn key_of_malformed_halves_is_refused() {
        let new = NewKey::generate(Algorithm::Es256).expect("a key");
        for (algorithm, public, private) in [
            (Algorithm::EdDsa, &*new.public, None),
            (Algorithm::Es256, "", None),
            (Algorithm::Es256, "!", None),
            (Algorithm::Es256, &*new.public, Some(b"broken".as_slice())),
        ] {
            assert!(SigningKey::open(algorithm, public, private).is_none());
        }
    }

    #[test]
    fn jwk_contains_the_public_half_only() {
        for (algorithm, members) in [
            (Algorithm::Es256, "kty crv x y use alg kid"),
            (Algorithm::EdDsa, "kty crv x use alg kid"),
        ] {
            let jwk = serde_json::to_value(pair(algorithm).jwk()).expect("JSON");
            let names: Vec<_> = jwk.as_object().expect("an object").keys().cloned().collect();
            assert_eq!(names.join(" "), members);
        }
    }
}
