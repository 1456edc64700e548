//! PKCE (RFC 7636): proves that the app that completes a sign-in is the one that started it. A
//! stolen code is useless without the verifier, which is sent only to the server.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_wire::Secret;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use crate::error::{Error, ErrorKind, Result};

/// A new verifier: 32 random bytes as 43 characters of base64url.
pub(crate) fn verifier() -> Result<Secret> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::because(ErrorKind::Usage, "the system provides no random bytes"))?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes)))
}

/// The challenge that is sent first: S256, the only method that is supported.
pub(crate) fn challenge(verifier: &Secret) -> String {
    hash(verifier)
}

/// SHA-256 in base64url.
pub(crate) fn hash(secret: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, secret.expose().as_bytes()))
}

/// Whether two texts are equal. The time depends only on their lengths.
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_matches_the_rfc() {
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn verifier_is_new_and_matches_the_rfc() {
        let (one, other) = (verifier().expect("random"), verifier().expect("random"));
        assert_ne!(one, other);
        let text = one.expose();
        assert_eq!(text.len(), 43);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
    }

    #[test]
    fn comparison_is_true_only_for_equal_texts() {
        assert!(is_same("", "") && is_same("abc", "abc"));
        for (one, other) in [("abc", "abd"), ("abc", "ab"), ("", "a"), ("abc", "ABC")] {
            assert!(!is_same(one, other), "{one} {other}");
        }
    }
}
