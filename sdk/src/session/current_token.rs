//! The access token that callers receive, with its `Authorization` header.

use propusk_wire::Secret;
use reqwest::header::HeaderValue;

use super::status::SignedInUser;
use super::stored_session::Session;
use crate::account::Profile;
use crate::dialects::Credential;
use crate::http::header_of;

/// The current access token and what is known about its session.
pub(crate) struct CurrentToken {
    pub credential: Credential,
    pub header: HeaderValue,
    pub profile: Option<Profile>,
    pub user: SignedInUser,
    /// The sign-in that the token belongs to.
    pub sign_in_id: Secret,
    fresh_until: Option<i64>,
    pub expires_at: Option<i64>,
    /// Only a call that needs the token renews it: its API spends the refresh token.
    pub is_renewed_by_calls: bool,
    pub is_unverified: bool,
}

impl CurrentToken {
    /// `None` if the token cannot be sent in a header.
    pub fn of(session: &Session) -> Option<Self> {
        Some(CurrentToken {
            credential: session.credential.clone(),
            header: header_of(&session.credential).ok()?,
            profile: session.profile.clone(),
            user: SignedInUser::of(session),
            sign_in_id: session.sign_in_id.clone(),
            fresh_until: session.fresh_until(),
            expires_at: session.access_expires_at,
            is_renewed_by_calls: session.spends_refresh_token(),
            is_unverified: session.is_unverified,
        })
    }

    pub fn is_fresh(&self, server_now: i64) -> bool {
        self.fresh_until.is_none_or(|until| server_now < until)
    }

    pub fn is_alive(&self, server_now: i64) -> bool {
        self.expires_at.is_none_or(|at| server_now < at)
    }
}
