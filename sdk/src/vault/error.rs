//! The error of a vault.

use std::error::Error as StdError;
use std::fmt;

use crate::error::{Error, ErrorKind};
use crate::vault_state::{VaultState, state_in_words};

/// Why a vault could not be read or written. The stored record is not lost, except in the state
/// [`Unreadable`](VaultState::Unreadable).
#[derive(Debug)]
pub struct VaultError {
    state: VaultState,
    source: Box<dyn StdError + Send + Sync>,
}

impl VaultError {
    /// The state of the vault.
    pub fn state(&self) -> VaultState {
        self.state
    }

    pub(super) fn new(
        state: VaultState,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        VaultError { state, source: source.into() }
    }
}

impl fmt::Display for VaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the vault cannot be used: {} ({})", state_in_words(self.state), self.source)
    }
}

impl StdError for VaultError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

impl From<VaultError> for Error {
    fn from(error: VaultError) -> Self {
        Error::because(ErrorKind::Storage { state: error.state }, error)
    }
}
