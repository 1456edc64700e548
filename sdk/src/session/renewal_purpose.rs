//! Why the session is renewed, and whether the credentials in memory already meet that purpose.

use propusk_wire::Secret;

use super::decide::MemorySession;
use super::stored_session::Session;

/// What the renewal is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RenewalPurpose {
    /// Any access token that works.
    UsableToken,
    /// Another token than this one, which a server has refused.
    ReplaceRefused(Secret),
    /// A new token, even if the current one works.
    ForceRenewal,
    /// Verify adopted tokens at the server.
    Verify,
    /// Only write what could not be written before.
    Save,
}

impl RenewalPurpose {
    /// Whether the session in memory already meets the purpose.
    pub fn is_met_by(&self, kept: &MemorySession, now: i64) -> bool {
        match self {
            RenewalPurpose::UsableToken => kept.session.is_fresh(now),
            RenewalPurpose::ReplaceRefused(refused) => *refused != kept.session.credential.token,
            // Where a token must expire before it can be renewed, only the server knows whether it
            // has: this device's clock may be wrong.
            RenewalPurpose::ForceRenewal => false,
            RenewalPurpose::Verify => !kept.session.is_unverified,
            RenewalPurpose::Save => kept.is_saved,
        }
    }

    /// Whether the current token must not be returned.
    pub fn rejects_current_token(&self) -> bool {
        matches!(self, RenewalPurpose::ReplaceRefused(_) | RenewalPurpose::ForceRenewal)
    }

    /// Whether the refresh token must be sent. For a verification it is not sent if a lost answer
    /// would cost the session.
    pub fn sends_refresh_token(&self, session: &Session) -> bool {
        let is_verification = matches!(self, RenewalPurpose::Verify);
        session.refresh.is_some() && !(is_verification && session.spends_refresh_token())
    }
}
