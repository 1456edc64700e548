//! What the fake server stores: accounts, mailed links, sessions, tokens and pending sign-ins.

use propusk_wire::{Event, RefreshRequest, Secret};

/// An account.
#[derive(Default)]
pub(super) struct StoredAccount {
    pub email: Option<String>,
    pub email_verified: bool,
    pub pending_email: Option<String>,
    pub phone: Option<String>,
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub password: Option<Secret>,
    pub created_at: i64,
    /// The account must be activated.
    pub is_new: bool,
    pub is_suspended: bool,
}

/// A mailed link that still works.
pub(super) struct StoredLink {
    pub email: String,
    pub account: i64,
    pub token: Secret,
    pub purpose: Purpose,
}

/// The purpose of a mailed link.
#[derive(Clone, Eq, PartialEq)]
pub(super) enum Purpose {
    Activation,
    /// With the challenge of the app that requested it.
    Reset {
        challenge: Option<String>,
    },
}

/// A session, live or ended.
pub(super) struct StoredSession {
    pub account: i64,
    pub device_name: Option<String>,
    pub created_at: i64,
    pub last_used_at: i64,
    pub expires_at: i64,
    /// The refresh token that was not used yet.
    pub current: String,
    pub is_ended: bool,
}

/// Something that happened to an account.
pub(super) struct StoredEvent {
    pub id: i64,
    pub account: i64,
    pub event: Event,
}

/// An access token that was issued.
pub(super) struct AccessToken {
    pub session: String,
    pub expires_at: i64,
    pub is_revoked: bool,
}

/// A refresh token that was issued.
pub(super) struct RefreshToken {
    pub session: String,
    /// Set when the token is spent.
    pub spent: Option<Spent>,
}

/// The refresh that spent a token.
pub(super) struct Spent {
    pub attempt: Option<Secret>,
    pub successor: String,
}

/// A sign-in that waits for the browser.
pub(super) struct Flow {
    pub provider: String,
    pub redirect: String,
    pub challenge: String,
    /// The account to which the identity is linked. `None` for a sign-in.
    pub links: Option<i64>,
    pub expires_at: i64,
}

/// A code that waits for the app.
pub(super) struct Grant {
    pub provider: String,
    pub email: String,
    pub challenge: String,
    pub links: Option<i64>,
    pub expires_at: i64,
}

impl StoredAccount {
    pub fn is_inactive(&self) -> bool {
        self.is_new || self.is_suspended
    }
}

impl StoredSession {
    pub fn is_live(&self, now: i64) -> bool {
        !self.is_ended && now < self.expires_at
    }
}

impl Spent {
    /// Whether the request repeats the refresh that spent the token.
    pub fn is_by(&self, request: &RefreshRequest) -> bool {
        self.attempt.is_some() && self.attempt == request.attempt
    }
}
