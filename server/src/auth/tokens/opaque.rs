//! Access tokens that say nothing: random text whose hash finds the session.

use crate::auth::secrets::random::{hash, hex, random};
use crate::error::Result;
use crate::store::sessions::Session;

const BYTES: usize = 20;

/// A credential to be given out once; no `Debug`, so that it reaches no log.
pub struct Key(String);

impl Key {
    pub(in crate::auth) fn new() -> Result<Self> {
        Ok(Key(hex(&random::<BYTES>()?)))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored of it.
    pub(in crate::auth) fn hash(&self) -> String {
        hash(&self.0)
    }
}

/// A key lives as long as its session, an access token with a refresh token beside it only its own time.
pub(in crate::auth) fn ends_at(session: &Session) -> i64 {
    match session.refresh_hash {
        Some(_) => session.access_expires_at,
        None => session.expires_at,
    }
}

/// Whether a credential has the form of a key.
pub(in crate::auth) fn is_key(credential: &str) -> bool {
    credential.len() == 2 * BYTES
        && credential.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

const TOKEN_LENGTH: usize = 30;

/// Whether a credential has the form of an opaque access token.
pub(in crate::auth) fn is_opaque_token(credential: &str) -> bool {
    credential.len() == TOKEN_LENGTH && credential.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Letters and digits, each as likely as any other.
pub(in crate::auth) fn random_token() -> Result<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = String::with_capacity(TOKEN_LENGTH);
    while token.len() < TOKEN_LENGTH {
        let bytes: [u8; TOKEN_LENGTH] = random()?;
        // 248 is the highest multiple of 62 that a byte can be below.
        let letters = bytes
            .into_iter()
            .filter(|byte| *byte < 248)
            .map(|byte| LETTERS[usize::from(byte % 62)]);
        token.extend(letters.take(TOKEN_LENGTH - token.len()).map(char::from));
    }
    Ok(token)
}
