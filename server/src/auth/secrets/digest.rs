//! Keyed digests of names and networks: equal values can be compared, but a copy of the database
//! shows no name and no network.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::auth::secrets::random::hex;

/// A keyed digest of 128 bits.
pub type Digest = [u8; 16];

/// Computes digests; no `Debug`.
#[derive(Clone)]
pub struct DigestKey(Hmac<Sha256>);

impl DigestKey {
    pub fn new(key: [u8; 32]) -> Self {
        DigestKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The digest of a value of this kind; the same value of another kind has another digest.
    pub fn digest(&self, kind: &str, value: &[u8]) -> Digest {
        let mac = self.0.clone().chain_update(kind).chain_update([0]).chain_update(value);
        let mac = mac.finalize().into_bytes();
        std::array::from_fn(|place| mac[place])
    }

    /// The digest as the database stores it.
    pub fn text(&self, kind: &str, value: &[u8]) -> String {
        hex(&self.digest(kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_depends_on_key_kind_and_value() {
        let key = DigestKey::new([1; 32]);
        let digest = key.digest("place", b"value");
        assert_eq!(digest, key.digest("place", b"value"));
        let others = [
            key.digest("name", b"value"),
            key.digest("place", b"eulav"),
            DigestKey::new([2; 32]).digest("place", b"value"),
        ];
        assert!(!others.contains(&digest));
    }
}
