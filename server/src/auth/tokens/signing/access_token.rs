//! Access tokens that others verify with the published keys: JWTs in the profile of RFC 9068, with
//! a claim `sid` that names the session. The header names the key, and the key fixes the algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::auth::tokens::session_id::{name_of_session, session_of_name};
use crate::auth::tokens::signing::key::SigningKey;
use crate::error::{Error, Fault, Result, TokenFault};

const TYPE: &str = "at+jwt";

/// The `client_id` of sessions that no OAuth client opened: those of our own apps, in any API. No
/// OAuth client may have this name.
pub const OWN_APPS: &str = "propusk";

/// The `iss` and `aud` of all tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub issuer: String,
    pub audience: String,
}

/// The account and session of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessSubject {
    pub account_id: i64,
    pub session: i64,
}

/// What a token with a right signature, issuer and audience says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadToken {
    pub subject: AccessSubject,
    pub expires_at: i64,
}

impl ReadToken {
    /// The subject, before the expiry; there is no leeway.
    pub fn at(self, now: i64) -> std::result::Result<AccessSubject, TokenFault> {
        match now < self.expires_at {
            true => Ok(self.subject),
            false => Err(TokenFault::Expired),
        }
    }
}

/// The header of such a token, not verified.
pub struct Header {
    pub kid: String,
    alg: String,
}

#[derive(Deserialize, Serialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    sid: String,
    jti: String,
    client_id: String,
    iat: i64,
    exp: i64,
}

/// Signs a token for this session; `jti` is the token's own id.
pub fn sign(
    key: &SigningKey,
    issuer: &Issuer,
    access: AccessSubject,
    jti: String,
    now: i64,
    expires_at: i64,
) -> Result<String> {
    let header = serde_json::json!({"alg": key.algorithm.as_str(), "typ": TYPE, "kid": key.kid});
    let claims = Claims {
        iss: issuer.issuer.clone(),
        sub: access.account_id.to_string(),
        aud: issuer.audience.clone(),
        sid: name_of_session(access.session),
        jti,
        client_id: OWN_APPS.to_owned(),
        iat: now,
        exp: expires_at,
    };
    let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(&claims)?, &mut token);
    let signature = key.sign(token.as_bytes()).ok_or(Error::Internal(Fault::NoSigningKey))?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

impl Header {
    /// `None` if the text is no token of this form.
    pub fn of(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw {
            typ: String,
            alg: String,
            kid: String,
            // RFC 7515 section 4.1.11: an extension that is not supported must be refused.
            crit: Option<serde::de::IgnoredAny>,
            b64: Option<serde::de::IgnoredAny>,
        }
        let (header, _) = token.split_once('.')?;
        let raw: Raw = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let is_plain = raw.typ == TYPE && raw.crit.is_none() && raw.b64.is_none();
        is_plain.then_some(Header { kid: raw.kid, alg: raw.alg })
    }

    /// Verifies a token with this header by the key that the header names: algorithm, signature,
    /// issuer and audience.
    pub fn read(
        &self,
        key: &SigningKey,
        issuer: &Issuer,
        token: &str,
    ) -> std::result::Result<ReadToken, TokenFault> {
        let claims = self.claims(key, token).ok_or(TokenFault::Malformed)?;
        if claims.iss != issuer.issuer || claims.aud != issuer.audience || claims.iat < 0 {
            return Err(TokenFault::Malformed);
        }
        let account_id = claims.sub.parse().map_err(|_| TokenFault::Malformed)?;
        let session = session_of_name(&claims.sid).ok_or(TokenFault::Malformed)?;
        let subject = AccessSubject { account_id, session };
        Ok(ReadToken { subject, expires_at: claims.exp })
    }

    fn claims(&self, key: &SigningKey, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (_, payload) = signed.split_once('.')?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let is_right =
            self.alg == key.algorithm.as_str() && key.verifies(signed.as_bytes(), &signature);
        let payload = is_right.then(|| URL_SAFE_NO_PAD.decode(payload).ok())??;
        serde_json::from_slice(&payload).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::algorithm::Algorithm;
    use crate::auth::tokens::signing::key::NewKey;

    const ACCESS: AccessSubject =
        AccessSubject { account_id: 7, session: 0x0123_4567_89ab_cdef >> 4 };

    fn issuer() -> Issuer {
        Issuer { issuer: "https://a.example".to_owned(), audience: "apps".to_owned() }
    }

    fn key(algorithm: Algorithm) -> SigningKey {
        let new = NewKey::generate(algorithm).expect("a key");
        SigningKey::open(algorithm, &new.public, Some(&new.private)).expect("the same key")
    }

    fn header_of(key: &SigningKey) -> Value {
        json!({"alg": key.algorithm.as_str(), "typ": "at+jwt", "kid": key.kid})
    }

    fn claims() -> Value {
        let sid = name_of_session(ACCESS.session);
        let iss = "https://a.example";
        json!({
            "iss": iss,
            "sub": "7",
            "aud": "apps",
            "sid": sid,
            "jti": "j",
            "client_id": "propusk",
            "iat": 100,
            "exp": 1_000,
        })
    }

    /// A token with any header and claims and a valid signature.
    fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let [header, claims] =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signature = key.sign(format!("{header}.{claims}").as_bytes()).expect("a signature");
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn read(
        key: &SigningKey,
        token: &str,
        now: i64,
    ) -> std::result::Result<AccessSubject, TokenFault> {
        let header = Header::of(token).ok_or(TokenFault::Malformed)?;
        header.read(key, &issuer(), token)?.at(now)
    }

    #[test]
    fn access_token_is_read_back_and_expires_at_its_expiry() {
        for algorithm in Algorithm::ALL {
            let key = key(algorithm);
            let token = sign(&key, &issuer(), ACCESS, "j".to_owned(), 100, 1_000);
            let token = token.expect("a token");
            let expected = signed(&key, &header_of(&key), &claims());
            assert_eq!(unsigned(&token), unsigned(&expected));
            assert_eq!(read(&key, &token, 999), Ok(ACCESS));
            assert_eq!(read(&key, &token, 1_000), Err(TokenFault::Expired));
        }
    }

    /// Signatures are not compared: ECDSA makes another one each time.
    fn unsigned(token: &str) -> &str {
        token.rsplit_once('.').expect("a signature").0
    }

    #[test]
    fn access_token_with_another_header_is_refused() {
        let key = key(Algorithm::Es256);
        let good = header_of(&key);
        assert_eq!(read(&key, &signed(&key, &good, &claims()), 500), Ok(ACCESS));
        for (name, value) in [
            ("alg", json!("none")),
            ("alg", json!("HS256")),
            ("alg", json!("ES384")),
            ("alg", json!("EdDSA")),
            ("alg", json!("es256")),
            ("alg", Value::Null),
            ("typ", json!("JWT")),
            ("typ", json!("AT+JWT")),
            ("typ", Value::Null),
            ("kid", Value::Null),
            ("crit", json!(["exp"])),
            ("b64", json!(false)),
        ] {
            let mut header = good.clone();
            header[name] = value;
            assert!(read(&key, &signed(&key, &header, &claims()), 500).is_err(), "{header}");
        }
        for name in ["alg", "typ", "kid"] {
            let mut header = good.clone();
            header.as_object_mut().expect("an object").remove(name);
            assert!(read(&key, &signed(&key, &header, &claims()), 500).is_err(), "{header}");
        }
    }

    #[test]
    fn access_token_of_another_key_issuer_or_audience_is_refused() {
        let (own, other) = (key(Algorithm::Es256), key(Algorithm::Es256));
        let forged = signed(&other, &header_of(&own), &claims());
        assert_eq!(read(&own, &forged, 500), Err(TokenFault::Malformed));
        for name in ["iss", "aud"] {
            for value in [json!("https://b.example"), json!(["apps"]), json!("")] {
                let mut claims = claims();
                claims[name] = value;
                let token = signed(&own, &header_of(&own), &claims);
                assert_eq!(read(&own, &token, 500), Err(TokenFault::Malformed), "{claims}");
            }
        }
    }

    #[test]
    fn access_token_with_any_change_is_refused() {
        let key = key(Algorithm::EdDsa);
        let token = sign(&key, &issuer(), ACCESS, "j".to_owned(), 100, 1_000).expect("a token");
        for place in 0..token.len() {
            let mut other = token.clone().into_bytes();
            other[place] = if other[place] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).expect("letters");
            assert!(read(&key, &other, 500).is_err(), "{other}");
        }
        for other in ["", ".", "..", "...", &format!("{token}."), &format!(".{token}")] {
            assert!(read(&key, other, 500).is_err(), "{other}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            Just(json!(1e300)),
            Just(json!(1_u64 << 63)),
            Just(json!(-1)),
            Just(json!("9999999999")),
            ".*".prop_map(Value::from),
            Just(json!([1_000])),
            Just(json!({"exp": 1_000})),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn access_token_reading_never_panics(
            text in ".*",
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..5),
        ) {
            let key = key(Algorithm::EdDsa);
            prop_assert!(read(&key, &text, 500).is_err());
            let parts: Vec<_> = parts.iter().map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
            prop_assert!(read(&key, &parts.join("."), 500).is_err());
            let header = URL_SAFE_NO_PAD.encode(header_of(&key).to_string());
            let token = [header, parts.join(".")].join(".");
            prop_assert!(read(&key, &token, 500).is_err());
        }

        #[test]
        fn access_token_claim_of_another_type_or_range_is_refused(
            name in prop::sample::select(
                vec!["iss", "sub", "aud", "sid", "jti", "client_id", "iat", "exp"],
            ),
            value in json_value(),
        ) {
            let key = key(Algorithm::EdDsa);
            let mut changed = claims();
            changed[name] = value.clone();
            let outcome = read(&key, &signed(&key, &header_of(&key), &changed), 500);
            let is_right = match name {
                "iss" | "aud" | "sid" => value == claims()[name],
                "jti" | "client_id" => value.is_string(),
                "sub" => value.as_str().is_some_and(|text| text.parse::<i64>().is_ok()),
                "iat" => value.as_i64().is_some_and(|at| at >= 0),
                _ => value.as_i64().is_some_and(|at| at > 500),
            };
            prop_assert_eq!(outcome.is_ok(), is_right, "{} {}", name, value);
            let mut missing = claims();
            missing.as_object_mut().expect("an object").remove(name);
            prop_assert!(read(&key, &signed(&key, &header_of(&key), &missing), 500).is_err());
        }
    }
}
