//! HS256 JSON Web Tokens (RFC 7519, RFC 7515): signing and verifying, nothing about claims. The
//! algorithm is fixed, never chosen by the token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// base64url of `{"alg":"HS256","typ":"JWT"}`, the header of every token that is signed here.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const SIGNATURE_BYTES: usize = 32;

/// A key for HS256; no `Debug`, so that it cannot be printed.
#[derive(Clone)]
pub struct Hs256(Hmac<Sha256>);

impl Hs256 {
    pub fn new(key: &[u8]) -> Self {
        Hs256(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// A token with this JSON payload, in compact form.
    pub fn sign(&self, payload: &[u8]) -> String {
        let mut token = String::with_capacity(HEADER.len() + payload.len() * 4 / 3 + 50);
        token.push_str(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.0.clone().chain_update(&token).finalize().into_bytes();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }

    /// The payload of a token that this key signed with HS256; times are not checked.
    pub fn verify(&self, token: &str) -> Option<Vec<u8>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if header != HEADER && !has_algorithm(header, "HS256") {
            return None;
        }
        let mut given = [0; SIGNATURE_BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(signature, &mut given).ok()?;
        self.0.clone().chain_update(signed).verify_slice(&given[..length]).ok()?;
        URL_SAFE_NO_PAD.decode(payload).ok()
    }
}

/// Whether this is another spelling of the header for this algorithm: other libraries add members or
/// order them differently.
pub fn has_algorithm(header: &str, algorithm: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Header {
        alg: String,
        // RFC 7797 and RFC 7515 section 4.1.11: an extension that is not supported must be refused.
        b64: Option<bool>,
        crit: Option<serde::de::IgnoredAny>,
    }
    URL_SAFE_NO_PAD
        .decode(header)
        .ok()
        .and_then(|json| serde_json::from_slice::<Header>(&json).ok())
        .is_some_and(|header| {
            header.alg == algorithm && header.b64 != Some(false) && header.crit.is_none()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_verifies_with_its_own_key_only() {
        let token = Hs256::new(b"one").sign(br#"{"a":1}"#);
        assert_eq!(Hs256::new(b"one").verify(&token).as_deref(), Some(br#"{"a":1}"#.as_slice()));
        assert_eq!(Hs256::new(b"two").verify(&token), None);
    }

    #[test]
    fn token_of_rfc_7515_appendix_a_1_verifies() {
        let key = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .expect("base64url");
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(Hs256::new(&key).verify(token).is_some());
    }

    #[test]
    fn token_with_another_algorithm_or_a_broken_form_is_refused() {
        let key = Hs256::new(b"key");
        let good = key.sign(b"{}");
        let payload_and_signature = good.split_once('.').expect("three parts").1;
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"hs256"}"#, r#"{"alg":"HS512"}"#, "{}", "x"] {
            let header = URL_SAFE_NO_PAD.encode(header);
            assert_eq!(key.verify(&format!("{header}.{payload_and_signature}")), None, "{header}");
        }
        let unsigned = good.rsplit_once('.').expect("three parts").0.to_owned();
        for broken in
            ["", ".", "..", "a.b.c", &unsigned, &format!("{unsigned}."), &format!("{good}.x")]
        {
            assert_eq!(key.verify(broken), None, "{broken}");
        }
    }
}
