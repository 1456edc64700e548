//! An access token: an object, because a generated record would print it.

use std::time::SystemTime;

use crate::status::SignedInUser;
use crate::time;

/// An access token that is valid now. Ask for it again before every request instead of keeping it.
#[derive(uniffi::Object)]
pub struct AccessToken(pub(crate) propusk::AccessToken);

#[uniffi::export]
impl AccessToken {
    /// The token itself.
    pub fn token(&self) -> String {
        self.0.token().expose().to_owned()
    }

    /// The value of the `Authorization` header.
    pub fn header(&self) -> String {
        // A header that was made from a token consists of ASCII characters.
        self.0.header().to_str().unwrap_or_default().to_owned()
    }

    /// The user that the token belongs to.
    pub fn user(&self) -> SignedInUser {
        self.0.user().clone().into()
    }

    /// When it expires by the server's clock. Absent if it does not expire or if the time is
    /// unknown.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.expires_at().map(time::from_seconds)
    }
}
