//! RS256 and ES256 JSON Web Tokens (RFC 7518 sections 3.3 and 3.4) under a key pair of the
//! operator's. The kind of the key fixes the algorithm; no token chooses it.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
    VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;

use crate::auth::tokens::hs256::has_algorithm;

/// A key pair for the tokens of an API; no `Debug`.
pub struct TokenKeyPair {
    algorithm: &'static str,
    /// base64url of the header of every token that it signs.
    header: String,
    public: Vec<u8>,
    verifier: ParsedPublicKey,
    signer: Signer,
}

enum Signer {
    Rs256(RsaKeyPair),
    Es256(EcdsaKeyPair),
}

impl TokenKeyPair {
    /// Reads a private key in PEM: RSA of at least 2048 bits, or EC on P-256. `None` for any other
    /// content, and for an encrypted key.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let signer = signer(&PrivateKeyDer::from_pem_slice(pem).ok()?)?;
        let (algorithm, public) = match &signer {
            Signer::Rs256(pair) => ("RS256", pair.public_key().as_ref().to_vec()),
            Signer::Es256(pair) => ("ES256", pair.public_key().as_ref().to_vec()),
        };
        let check: &'static dyn VerificationAlgorithm = match &signer {
            Signer::Rs256(_) => &RSA_PKCS1_2048_8192_SHA256,
            Signer::Es256(_) => &ECDSA_P256_SHA256_FIXED,
        };
        let verifier = ParsedPublicKey::new(check, &public).ok()?;
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#));
        Some(TokenKeyPair { algorithm, header, public, verifier, signer })
    }

    /// Whether both are one key.
    pub fn is_same_as(&self, other: &TokenKeyPair) -> bool {
        self.public == other.public
    }

    /// A token with this JSON payload, in compact form; `None` if the key does not sign.
    pub fn sign(&self, payload: &[u8]) -> Option<String> {
        let mut token = self.header.clone();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Some(token)
    }

    /// The payload of a token that this key signed with its algorithm; times are not checked.
    pub fn verify(&self, token: &str) -> Option<Vec<u8>> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        if header != self.header && !has_algorithm(header, self.algorithm) {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        self.verifier.verify_sig(signed.as_bytes(), &signature).ok()?;
        URL_SAFE_NO_PAD.decode(payload).ok()
    }

    fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.signer {
            Signer::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Signer::Es256(pair) => Some(pair.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }
}

fn signer(key: &PrivateKeyDer<'_>) -> Option<Signer> {
    let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
    match key {
        PrivateKeyDer::Pkcs1(key) => {
            RsaKeyPair::from_der(key.secret_pkcs1_der()).ok().map(Signer::Rs256)
        }
        PrivateKeyDer::Sec1(key) => {
            let pair = EcdsaKeyPair::from_private_key_der(curve, key.secret_sec1_der());
            pair.ok().map(Signer::Es256)
        }
        PrivateKeyDer::Pkcs8(key) => {
            let rsa = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok().map(Signer::Rs256);
            rsa.or_else(|| {
                let pair = EcdsaKeyPair::from_pkcs8(curve, key.secret_pkcs8_der());
                pair.ok().map(Signer::Es256)
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED_SIGNING;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        let content = STANDARD.encode(der);
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    /// An RSA key in both of its forms: PKCS #8 is PKCS #1 with 26 bytes before it.
    fn rsa() -> [String; 2] {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'static> = pair.as_der().expect("DER");
        let der = der.as_ref();
        [pem("PRIVATE KEY", der), pem("RSA PRIVATE KEY", &der[26..])]
    }

    /// A key on P-256 in both of its forms.
    fn p256() -> [String; 2] {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pkcs8 = pair.to_pkcs8v1().expect("DER");
        let sec1: EcPrivateKeyRfc5915Der<'static> = pair.private_key().as_der().expect("DER");
        [pem("PRIVATE KEY", pkcs8.as_ref()), pem("EC PRIVATE KEY", sec1.as_ref())]
    }

    fn read(pem: &str) -> TokenKeyPair {
        TokenKeyPair::read(pem.as_bytes()).expect("a key")
    }

    #[test]
    fn key_fixes_the_algorithm_and_verifies_its_own_tokens_only() {
        let ([rsa, _], [p256, _]) = (rsa(), p256());
        for (own, other, algorithm) in [(&rsa, &p256, "RS256"), (&p256, &rsa, "ES256")] {
            let key = read(own);
            let token = key.sign(br#"{"a":1}"#).expect("a signature");
            let header = token.split_once('.').expect("three parts").0;
            let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
            let expected = format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#);
            assert_eq!(String::from_utf8_lossy(&header), expected);
            assert_eq!(key.verify(&token).as_deref(), Some(br#"{"a":1}"#.as_slice()));
            assert_eq!(read(other).verify(&token), None);
        }
    }

    #[test]
    fn one_key_is_read_from_both_of_its_forms() {
        for forms in [rsa(), p256()] {
            let [one, other] = forms.each_ref().map(|pem| read(pem));
            assert!(one.is_same_as(&other));
            let token = one.sign(b"{}").expect("a signature");
            assert!(other.verify(&token).is_some());
        }
        let [one, other] = [p256(), p256()].map(|[pem, _]| read(&pem));
        assert!(!one.is_same_as(&other));
    }

    #[test]
    fn token_with_another_header_or_a_broken_form_is_refused() {
        let [pem, _] = p256();
        let key = read(&pem);
        let token = key.sign(b"{}").expect("a signature");
        let payload_and_signature = token.split_once('.').expect("three parts").1;
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"HS256"}"#, r#"{"alg":"RS256"}"#, "{}", "x"] {
            let header = URL_SAFE_NO_PAD.encode(header);
            assert_eq!(key.verify(&format!("{header}.{payload_and_signature}")), None, "{header}");
        }
        for broken in ["", ".", "..", "a.b.c", &format!("{token}."), &format!("{token}.x")] {
            assert_eq!(key.verify(broken), None, "{broken}");
        }
    }

    #[test]
    fn content_that_is_no_such_key_is_refused() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).expect("a key");
        let p384 = pair.to_pkcs8v1().expect("DER");
        let [rsa, _] = rsa();
        for content in [
            pem("PRIVATE KEY", p384.as_ref()),
            pem("PRIVATE KEY", b"no key"),
            pem("PUBLIC KEY", b"no key"),
            rsa.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
            rsa.replace("-----END", "-----"),
            String::new(),
            "secret".to_owned(),
        ] {
            assert!(TokenKeyPair::read(content.as_bytes()).is_none(), "{content}");
        }
    }
}
