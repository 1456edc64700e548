//! What a sign-in with a provider keeps secret, made of a key and of what only its parties hold:
//! the code verifier and the nonce of its state, the box around the provider's answer of the
//! one-time code. The database alone opens nothing.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::{Error, Fault, Result};

/// The key that sign-ins with providers are made with; no `Debug`.
#[derive(Clone)]
pub struct FlowKey(Hmac<Sha256>);

impl FlowKey {
    pub fn new(key: [u8; 32]) -> Self {
        FlowKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The code verifier (RFC 7636 section 4.1) that goes to the provider: 43 letters.
    pub(super) fn verifier(&self, state: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("verifier", state))
    }

    pub(super) fn nonce(&self, state: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.derive("nonce", state))
    }

    /// Locks a value so that only `secret`, which must be used for nothing else, opens it.
    pub(super) fn seal(&self, secret: &str, value: &impl Serialize) -> Result<String> {
        let mut bytes = serde_json::to_vec(value)?;
        let sealed = self.lock(secret).and_then(|(key, nonce)| {
            key.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).ok()
        });
        sealed.ok_or(Error::Internal(Fault::Sealed))?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// None: it was locked under another key, as after a change of the server's secret.
    pub(super) fn open<T: DeserializeOwned>(&self, secret: &str, sealed: &str) -> Option<T> {
        let opened = self.try_open(secret, sealed);
        if opened.is_none() {
            tracing::warn!("a sign-in with a provider cannot go on: tokens.secret was changed");
        }
        opened
    }

    fn try_open<T: DeserializeOwned>(&self, secret: &str, sealed: &str) -> Option<T> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (key, nonce) = self.lock(secret)?;
        let opened = key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
        serde_json::from_slice(opened).ok()
    }

    /// The key is new for every secret, so a nonce of nothing is used once.
    fn lock(&self, secret: &str) -> Option<(LessSafeKey, Nonce)> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, &self.derive("box", secret)).ok()?;
        Some((LessSafeKey::new(key), Nonce::assume_unique_for_key([0; NONCE_LEN])))
    }

    fn derive(&self, what: &str, of: &str) -> [u8; 32] {
        self.0
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
pub(super) fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_rfc() {
        // RFC 7636 appendix B.
        let challenge = challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn a_box_opens_by_its_own_secret_and_key_only() {
        let key = FlowKey::new([1; 32]);
        let sealed = key.seal("code", &["a", "b"]).expect("it seals");
        assert_eq!(key.open("code", &sealed), Some(["a".to_owned(), "b".to_owned()]));
        assert!(key.open::<[String; 2]>("edoc", &sealed).is_none());
        assert!(FlowKey::new([2; 32]).open::<[String; 2]>("code", &sealed).is_none());
        for broken in ["", "A", "!", &sealed[1..], &sealed[..sealed.len() - 2]] {
            assert!(key.open::<[String; 2]>("code", broken).is_none(), "{broken}");
        }
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
