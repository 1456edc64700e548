//! Why the session is renewed, and whether the credentials in memory already meet that purpose.

use propusk_wire::Secret;

use super::decide::MemorySession;
use super::stored_session::Session;

/// Which token is wanted.
#[derive(Clone, Debug)]
pub(crate) enum RenewalPurpose {
    /// One that works.
    UsableToken,
    /// Another than this one, which a server has refused.
    ReplaceRefused(Secret),
    /// Another one, whether the one that is held works or not.
    ForceRenewal,
    /// The server's word on what was taken over from the app.
    Verify,
    /// Only that what could not be written is written.
    Save,
}

impl RenewalPurpose {
    /// Whether what is held will do.
    pub fn is_met_by(&self, kept: &MemorySession, now: i64) -> bool {
        match self {
            RenewalPurpose::UsableToken => kept.session.is_fresh(now),
            RenewalPurpose::ReplaceRefused(refused) => *refused != kept.session.credential.token,
            // Where a token has to expire first, the server knows whether it has: this device's clock
            // may have been moved since the server was last heard.
            RenewalPurpose::ForceRenewal => false,
            RenewalPurpose::Verify => !kept.session.is_unverified,
            RenewalPurpose::Save => kept.is_saved,
        }
    }

    /// Whether the token that is held is of no use.
    pub fn rejects_current_token(&self) -> bool {
        matches!(self, RenewalPurpose::ReplaceRefused(_) | RenewalPurpose::ForceRenewal)
    }

    /// Whether it takes the refresh token to get it. What may be lost with its answer, or has to wait,
    /// is not sent for a verification.
    pub fn sends_refresh_token(&self, session: &Session) -> bool {
        let is_verification = matches!(self, RenewalPurpose::Verify);
        session.refresh.is_some() && !(is_verification && session.spends_refresh_token())
    }
}
