//! Opaque access tokens: random text without a meaning. The database finds the session by the
//! text's hash, so these tokens are looked up at every use. Two forms: API tokens (40 hex digits,
//! as djoser's) and the access tokens of an OAuth server (30 letters and digits).

use crate::auth::secrets::random::{hash, hex, random};
use crate::error::Result;
use crate::store::sessions::Session;

const API_TOKEN_BYTES: usize = 20;
const ACCESS_TOKEN_LENGTH: usize = 30;

/// An API token; no `Debug`, so that it reaches no log.
pub struct ApiToken(String);

impl ApiToken {
    pub(in crate::auth) fn new() -> Result<Self> {
        Ok(ApiToken(hex(&random::<API_TOKEN_BYTES>()?)))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The text that is stored in its place.
    pub(in crate::auth) fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// A new opaque access token: letters and digits, all equally likely.
pub fn random_token() -> Result<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = String::with_capacity(ACCESS_TOKEN_LENGTH);
    while token.len() < ACCESS_TOKEN_LENGTH {
        let bytes: [u8; ACCESS_TOKEN_LENGTH] = random()?;
        // 248 is the highest multiple of 62 in a byte: without the bytes from there on, the
        // remainders are equally likely.
        let letters = bytes
            .into_iter()
            .filter(|byte| *byte < 248)
            .map(|byte| LETTERS[usize::from(byte % 62)]);
        token.extend(letters.take(ACCESS_TOKEN_LENGTH - token.len()).map(char::from));
    }
    Ok(token)
}

/// Whether a credential has the form of an API token.
pub fn is_api_token(credential: &str) -> bool {
    credential.len() == 2 * API_TOKEN_BYTES
        && credential.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a credential has the form of an opaque access token.
pub fn is_opaque_token(credential: &str) -> bool {
    credential.len() == ACCESS_TOKEN_LENGTH
        && credential.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// When the session's opaque credential expires: an API token with the session, an access token
/// that has a refresh token at its own time.
pub fn access_expiry(session: &Session) -> i64 {
    match session.refresh_hash {
        Some(_) => session.access_expires_at,
        None => session.expires_at,
    }
}
