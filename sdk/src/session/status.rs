//! What an app watches to know which screen to show.

use crate::SignOutReason;

/// Whether somebody is signed in, as far as is known now.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Status {
    /// Not known yet: the vault has not been read, or cannot be read now. Wait; this is no sign-out.
    Unknown,
    /// Nobody is.
    SignedOut {
        /// Why.
        reason: SignOutReason,
    },
    /// Somebody is.
    SignedIn,
    /// Somebody is, and the access token is being renewed.
    Refreshing,
    /// Somebody is, and the server could not be reached when the access token had to be renewed.
    Offline,
}

impl Status {
    /// Whether somebody is signed in, with or without a network.
    pub fn is_signed_in(self) -> bool {
        matches!(self, Status::SignedIn | Status::Refreshing | Status::Offline)
    }
}
