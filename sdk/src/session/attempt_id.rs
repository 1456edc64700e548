//! The attempt id of a refresh. The server recognises a repeated refresh by it, so it must be known
//! before the refresh token is sent. It is derived from the refresh token and a random key that is
//! stored with the session. Every process that shares the vault, also after a crash, derives the
//! same id; a thief who has only the token cannot.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_wire::Secret;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, ErrorKind, Result};

/// The attempt id for this refresh token: 43 characters of base64url.
pub(crate) fn attempt(key: &Secret, refresh: &Secret) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = hmac::sign(&key, refresh.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref()).into()
}

/// 32 random bytes in base64url.
pub(crate) fn random_text() -> Result<Secret> {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Error::because(ErrorKind::Usage, "the system provides no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}
