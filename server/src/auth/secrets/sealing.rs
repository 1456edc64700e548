//! Encryption of stored values: each is sealed with a key of its own, derived from the server's key
//! and from a name that is used once.

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::error::{Error, Fault, Result};

/// Seals and opens values; no `Debug`.
#[derive(Clone)]
pub struct SealingKey(Hmac<Sha256>);

impl SealingKey {
    pub fn new(key: [u8; 32]) -> Self {
        SealingKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// Encrypts bytes under `name`, which must be used for nothing else.
    pub fn seal(&self, name: &str, mut bytes: Vec<u8>) -> Result<String> {
        let sealed = self.key_of(name).and_then(|(key, nonce)| {
            key.seal_in_place_append_tag(nonce, Aad::empty(), &mut bytes).ok()
        });
        sealed.ok_or(Error::Internal(Fault::Sealed))?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Decrypts bytes; `None` if they were sealed under another key or name.
    pub fn open(&self, name: &str, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (key, nonce) = self.key_of(name)?;
        let length = key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }

    /// Every name has a key of its own, so the zero nonce is used once per key.
    fn key_of(&self, name: &str) -> Option<(LessSafeKey, Nonce)> {
        let key = self.0.clone().chain_update("box\0").chain_update(name).finalize().into_bytes();
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).ok()?;
        Some((LessSafeKey::new(key), Nonce::assume_unique_for_key([0; NONCE_LEN])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_with_their_own_name_and_key_only() {
        let key = SealingKey::new([1; 32]);
        let sealed = key.seal("code", b"abc".to_vec()).expect("it seals");
        assert_eq!(key.open("code", &sealed).as_deref(), Some(b"abc".as_slice()));
        assert!(key.open("edoc", &sealed).is_none());
        assert!(SealingKey::new([2; 32]).open("code", &sealed).is_none());
        for broken in ["", "A", "!", &sealed[1..], &sealed[..sealed.len() - 2]] {
            assert!(key.open("code", broken).is_none(), "{broken}");
        }
    }
}
