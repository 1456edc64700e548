//! An OpenID provider that answers whatever a test wants, with keys of its own.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData, SigningKey,
};
use serde_json::{Value, json};

use super::peer::{Peer, Reply};

pub const CLIENT_ID: &str = "propusk";
pub const DISCOVERY: &str = "/.well-known/openid-configuration";

pub struct Issuer {
    pub peer: Peer,
    /// Also its issuer.
    pub url: String,
    /// One of each kind: RS256, ES256, EdDSA.
    pub keys: [Key; 3],
}

/// A key that signs id tokens, named like its algorithm.
pub struct Key {
    pub alg: &'static str,
    pair: KeyPair,
}

impl Issuer {
    /// Starts one that behaves correctly until a test changes that.
    pub async fn start() -> Self {
        let peer = Peer::start().await;
        let keys = ["RS256", "ES256", "EdDSA"].map(Key::new);
        let issuer = Issuer { url: peer.url(""), peer, keys };
        issuer.restore();
        issuer
    }

    /// Makes it correct again.
    pub fn restore(&self) {
        let keys: Vec<_> = self.keys.iter().map(Key::jwk).collect();
        self.publish(&self.discovery());
        self.peer.answer("/jwks", Reply::Json(json!({ "keys": keys })));
        self.peer.answer("/userinfo", Reply::Json(json!({"sub": "1001"})));
    }

    pub fn discovery(&self) -> Value {
        let at = |path| format!("{}{path}", self.url);
        json!({
            "issuer": self.url,
            "authorization_endpoint": at("/authorize"),
            "token_endpoint": at("/token"),
            "userinfo_endpoint": at("/userinfo"),
            "jwks_uri": at("/jwks"),
        })
    }

    pub fn publish(&self, discovery: &Value) {
        self.peer.answer(DISCOVERY, Reply::Json(discovery.clone()));
    }

    pub fn hang_up_at_discovery(&self) {
        self.peer.answer(DISCOVERY, Reply::HangUp);
    }

    pub fn discoveries(&self) -> usize {
        self.peer.asked(DISCOVERY).len()
    }

    /// Sets the id token for every code.
    pub fn give(&self, id_token: Option<&str>) {
        let answer = json!({
            "access_token": "a-token-of-the-issuer", "token_type": "Bearer", "expires_in": 300,
            "id_token": id_token,
        });
        self.peer.answer("/token", Reply::Json(answer));
    }

    /// Correct claims of a user at this time.
    pub fn claims(&self, nonce: &str, now: i64) -> Value {
        json!({
            "iss": self.url, "sub": "1001", "aud": CLIENT_ID, "exp": now + 300, "iat": now, "nonce": nonce,
            "email": "ivo@example.com", "email_verified": true, "name": "Ivo",
        })
    }
}

impl Key {
    pub fn new(alg: &'static str) -> Self {
        let kind = match alg {
            "RS256" => &PKCS_RSA_SHA256,
            "ES256" => &PKCS_ECDSA_P256_SHA256,
            _ => &PKCS_ED25519,
        };
        Key { alg, pair: KeyPair::generate_for(kind).expect("random numbers") }
    }

    pub fn jwk(&self) -> Value {
        let public = self.pair.der_bytes();
        let mut jwk = match self.alg {
            "RS256" => {
                let numbers = integers(public);
                json!({"kty": "RSA", "n": encoded(&numbers[0]), "e": encoded(&numbers[1])})
            }
            "ES256" => {
                let (x, y) = public[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": encoded(x), "y": encoded(y)})
            }
            _ => json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(public)}),
        };
        jwk["kid"] = self.alg.into();
        jwk["alg"] = self.alg.into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token signed with the key.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.alg, "kid": self.alg});
        token(&header, claims, |input| self.sign(input))
    }

    /// The common forms of the public key.
    pub fn public_forms(&self) -> Vec<Vec<u8>> {
        let (pem, jwk) = (self.pair.public_key_pem(), self.jwk());
        let unix = pem.replace("\r\n", "\n");
        vec![
            unix.trim_end().as_bytes().to_vec(),
            format!(" {unix}").into_bytes(),
            format!("\u{feff}{unix}").into_bytes(),
            unix.replace('\n', "\r\n").into_bytes(),
            unix.into_bytes(),
            self.pair.subject_public_key_info(),
            self.pair.der_bytes().to_vec(),
            jwk.to_string().into_bytes(),
            jwk["x"].as_str().or(jwk["n"].as_str()).expect("a number").as_bytes().to_vec(),
        ]
    }

    pub fn sign(&self, input: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(input).expect("a signature");
        match self.alg {
            "ES256" => integers(&signature).iter().flat_map(|number| padded(number)).collect(),
            _ => signature,
        }
    }
}

/// A token of any parts.
pub fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let part = |part: &Value| encoded(part.to_string().as_bytes());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = encoded(&sign(input.as_bytes()));
    format!("{input}.{signature}")
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The numbers of a DER sequence, without leading zeros.
fn integers(der: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut numbers) = (content(der).0, Vec::new());
    while !rest.is_empty() {
        let (number, after) = content(rest);
        numbers.push(number.iter().copied().skip_while(|byte| *byte == 0).collect());
        rest = after;
    }
    numbers
}

/// The content of the first element, and the bytes after it.
fn content(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        short @ 0..=127 => (usize::from(short), 2),
        0x81 => (usize::from(der[2]), 3),
        _ => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
    };
    der[start..].split_at(length)
}

fn padded(number: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 32 - number.len()];
    bytes.extend_from_slice(number);
    bytes
}
