//! Why the session is renewed, and whether the credentials in memory already meet that purpose.

use propusk_wire::Secret;

use super::decide::Kept;
use super::stored_session::Session;

/// Which token is wanted.
#[derive(Clone, Debug)]
pub(crate) enum Want {
    /// One that works.
    Token,
    /// Another than this one, which a server has refused.
    InsteadOf(Secret),
    /// Another one, whether the one that is held works or not.
    Renewal,
    /// The server's word on what was taken over from the app.
    Verification,
    /// Only that what could not be written is written.
    Saving,
}

impl Want {
    /// Whether what is held will do.
    pub fn is_met_by(&self, kept: &Kept, now: i64) -> bool {
        match self {
            Want::Token => kept.session.is_fresh(now),
            Want::InsteadOf(refused) => *refused != kept.session.credential.token,
            // Where a token has to expire first, the server knows whether it has: this device's clock
            // may have been moved since the server was last heard.
            Want::Renewal => false,
            Want::Verification => !kept.session.is_unverified,
            Want::Saving => kept.is_saved,
        }
    }

    /// Whether the token that is held is of no use.
    pub fn is_of_no_use(&self) -> bool {
        matches!(self, Want::InsteadOf(_) | Want::Renewal)
    }

    /// Whether it takes the refresh token to get it. What may be lost with its answer, or has to wait,
    /// is not sent for a verification.
    pub fn sends_refresh_token(&self, session: &Session) -> bool {
        let is_verification = matches!(self, Want::Verification);
        session.refresh.is_some() && !(is_verification && session.spends())
    }
}
