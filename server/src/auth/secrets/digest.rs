//! Keyed digests of names and networks: what limits remember can be compared, and a copy of the
//! database shows neither who was named nor from where.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::auth::secrets::random::hex;

/// A keyed digest; one in 2^64 pairs of different values is alike.
pub type Digest = [u8; 16];

/// The key of the digests; no `Debug`.
#[derive(Clone)]
pub struct DigestKey(Hmac<Sha256>);

impl DigestKey {
    pub fn new(key: [u8; 32]) -> Self {
        DigestKey(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The digest of a value of one kind; the same value of another kind has another.
    pub(in crate::auth) fn digest(&self, kind: &str, value: &[u8]) -> Digest {
        let mac = self.0.clone().chain_update(kind).chain_update([0]).chain_update(value);
        let mac = mac.finalize().into_bytes();
        std::array::from_fn(|place| mac[place])
    }

    /// The digest as the database stores it.
    pub(in crate::auth) fn text(&self, kind: &str, value: &[u8]) -> String {
        hex(&self.digest(kind, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_key_kind_and_value() {
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
