//! Access tokens that anybody can check by the published keys: JWTs in the profile of RFC 9068, with a
//! claim `sid` that names the session. The header names the key, the key fixes the algorithm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::super::session::{name_of_session, session_of_name};
use super::key::SigningKey;
use crate::error::{Error, Fault, Result, TokenFault};

const TYPE: &str = "at+jwt";

/// Who signs tokens, and for whom.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub issuer: String,
    pub audience: String,
}

/// What a token says that has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub account_id: i64,
    pub session: i64,
}

/// The header of a token of this form.
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
    iat: i64,
    exp: i64,
}

/// A token of this account's session.
pub fn sign(
    key: &SigningKey,
    issuer: &Issuer,
    access: Access,
    now: i64,
    expires_at: i64,
) -> Result<String> {
    let header = serde_json::json!({"alg": key.algorithm.as_str(), "typ": TYPE, "kid": key.kid});
    let claims = Claims {
        iss: issuer.issuer.clone(),
        sub: access.account_id.to_string(),
        aud: issuer.audience.clone(),
        sid: name_of_session(access.session),
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
    /// None: a token of another form, or no token.
    pub fn of(token: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Raw {
            typ: String,
            alg: String,
            kid: String,
            // RFC 7515 section 4.1.11: what is not understood must be refused.
            crit: Option<serde::de::IgnoredAny>,
            b64: Option<serde::de::IgnoredAny>,
        }
        let (header, _) = token.split_once('.')?;
        let raw: Raw = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let is_plain = raw.typ == TYPE && raw.crit.is_none() && raw.b64.is_none();
        is_plain.then_some(Header { kid: raw.kid, alg: raw.alg })
    }

    /// Checks a token with this header by the key that it names: algorithm, signature, issuer,
    /// audience, and the time without any leeway.
    pub fn read(
        &self,
        key: &SigningKey,
        issuer: &Issuer,
        token: &str,
        now: i64,
    ) -> std::result::Result<Access, TokenFault> {
        let claims = self.claims(key, token).ok_or(TokenFault::Malformed)?;
        if claims.iss != issuer.issuer || claims.aud != issuer.audience || claims.iat < 0 {
            return Err(TokenFault::Malformed);
        }
        let account_id = claims.sub.parse().map_err(|_| TokenFault::Malformed)?;
        let session = session_of_name(&claims.sid).ok_or(TokenFault::Malformed)?;
        match now < claims.exp {
            true => Ok(Access { account_id, session }),
            false => Err(TokenFault::Expired),
        }
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
