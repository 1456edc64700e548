//! A password as the user types it, and as it is stored. No log shows either.

use std::fmt;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::python;

/// A password is longer than [`Password::MAX_BYTES`].
#[derive(Debug, thiserror::Error)]
#[error("the password is longer than {} bytes", Password::MAX_BYTES)]
pub struct TooLong;

/// A plain password without white space at its ends; overwritten in memory when dropped.
pub struct Password {
    text: String,
    /// Compared byte by byte: other Unicode forms of the same characters are other passwords.
    is_verbatim: bool,
}

impl Password {
    pub const MAX_BYTES: usize = 1024;

    /// Trims like Python's `str.strip()`: also the four information separators, which are no white
    /// space in Unicode.
    pub fn parse(text: &str) -> Result<Password, TooLong> {
        let trimmed = python::strip(text);
        if trimmed.len() > Self::MAX_BYTES {
            return Err(TooLong);
        }
        Ok(Password { text: trimmed.to_owned(), is_verbatim: false })
    }

    /// The same password, never normalised: a hash that a client has computed.
    pub fn verbatim(mut self) -> Password {
        self.is_verbatim = true;
        self
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The password in Unicode's form C, if that differs: keyboards differ in how they compose
    /// letters with accents.
    pub(super) fn normalised(&self) -> Option<Password> {
        let differs = !self.is_verbatim && !is_nfc(&self.text);
        differs.then(|| Password { text: self.text.nfc().collect(), is_verbatim: false })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

impl Drop for Password {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.text).into_bytes());
    }
}

/// An encoded password hash, as stored: a PHC string or Django's own encoding.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub fn new(encoded: String) -> PasswordHash {
        PasswordHash(encoded)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash([redacted])")
    }
}

/// Stands before a hash that the other system has and does not accept. Its owner resets the password.
pub const REFUSED: &str = "refused$";

/// Whether this is Django's mark of an account without a password.
pub fn is_unusable(encoded: &str) -> bool {
    encoded.starts_with('!')
}

pub(super) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    // Otherwise the compiler could remove the writes, because the bytes are not read again.
    std::hint::black_box(bytes);
}
