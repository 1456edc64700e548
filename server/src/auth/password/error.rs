//! Why a password was not hashed or verified, and what the client is told.

use crate::error::{Error, Fault};

/// Why a password was not hashed or verified.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    #[error("the password hashing queue is full")]
    Busy,
    #[error("password hashing has ended")]
    Closed,
    /// Names only the scheme, never the hash.
    #[error("a password hash of scheme {0} is malformed, too costly or of no supported kind")]
    Unsupported(&'static str),
    #[error("password hashing settings: {0}")]
    Settings(&'static str),
    #[error("cannot start a password hashing thread")]
    Thread(#[source] std::io::Error),
    #[error("no random bytes for a salt")]
    Randomness(#[source] getrandom::Error),
    #[error("argon2 failed")]
    Argon2(#[source] argon2::Error),
    #[error("argon2 failed: {0}")]
    Kernel(propusk_argon2_kernel::Error),
    #[error("no memory for a hash")]
    Memory(#[source] std::io::Error),
    #[error("a password hashing job panicked")]
    Panicked,
}

impl From<HashError> for Error {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Error::Busy { retry_after: 2 },
            other => Error::Internal(Fault::Hashing(other.to_string())),
        }
    }
}
