//! The secrets of a sign-in with a provider, derived from a key and from values that are not
//! stored: the code verifier and the nonce from the state, the key that seals the provider's answer
//! from the one-time code. So the database alone gives nothing away.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::auth::secrets::sealing::SealingKey;
use crate::error::Result;

/// Derives the secrets of sign-ins with providers; no `Debug`.
#[derive(Clone)]
pub struct FlowKey {
    key: Hmac<Sha256>,
    sealing: SealingKey,
}

impl FlowKey {
    pub fn new(key: [u8; 32]) -> Self {
        FlowKey {
            key: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"),
            sealing: SealingKey::new(key),
        }
    }

    /// The code verifier (RFC 7636 section 4.1) that is sent to the provider: 43 characters.
    pub fn verifier(&self, state: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("verifier", state))
    }

    pub fn nonce(&self, state: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("nonce", state))
    }

    /// Encrypts a value under `secret`, which must be used for nothing else.
    pub fn seal(&self, secret: &str, value: &impl Serialize) -> Result<String> {
        self.sealing.seal(secret, serde_json::to_vec(value)?)
    }

    /// Decrypts a value; `None` if it was sealed under another key, as after a change of the
    /// server's secret.
    pub fn open<T: DeserializeOwned>(&self, secret: &str, sealed: &str) -> Option<T> {
        let opened = self.try_open(secret, sealed);
        if opened.is_none() {
            tracing::warn!("a sign-in with a provider cannot continue: tokens.secret was changed");
        }
        opened
    }

    fn try_open<T: DeserializeOwned>(&self, secret: &str, sealed: &str) -> Option<T> {
        serde_json::from_slice(&self.sealing.open(secret, sealed)?).ok()
    }

    fn derive(&self, what: &str, of: &str) -> [u8; 32] {
        self.key
            .clone()
            .chain_update(what)
            .chain_update([0])
            .chain_update(of)
            .finalize()
            .into_bytes()
            .into()
    }
}

/// The S256 code challenge of a verifier (RFC 7636 section 4.2).
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_is_that_of_the_rfc() {
        // RFC 7636 appendix B.
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn sealed_value_opens_with_its_own_key_only() {
        let key = FlowKey::new([1; 32]);
        let sealed = key.seal("code", &["a", "b"]).expect("it seals");
        assert_eq!(key.open("code", &sealed), Some(["a".to_owned(), "b".to_owned()]));
        assert!(FlowKey::new([2; 32]).open::<[String; 2]>("code", &sealed).is_none());
    }

    #[test]
    fn verifier_and_nonce_differ_and_depend_on_the_state() {
        let key = FlowKey::new([1; 32]);
        assert_eq!(key.verifier("a"), key.verifier("a"));
        assert_eq!(key.verifier("a").len(), 43);
        for other in [key.verifier("b"), key.nonce("a"), FlowKey::new([2; 32]).verifier("a")] {
            assert_ne!(key.verifier("a"), other);
        }
    }
}
