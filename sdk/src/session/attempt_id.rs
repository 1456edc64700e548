//! The attempt id of a refresh. It has to be stored before a refresh token is sent, so that a
//! repetition is known as one. Here it is made of the token and of a random key that is stored with
//! the session when it opens: whoever has both makes the same one, a process that was killed and
//! another that shares the vault too, and whoever has stolen the token alone does not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_wire::Secret;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, ErrorKind, Result};

/// The one attempt for this refresh token: 43 characters of base64url.
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
        .map_err(|_| Error::because(ErrorKind::Usage, "the system gives no random numbers"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into())
}
