//! A session as it is stored: its credentials and when they expire.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

use crate::account::Profile;
use crate::dialects::{Credential, Dialect, Tokens};
use crate::unknown_members::UnknownMembers;

/// A token is renewed this many seconds before it expires, but at most a tenth of its lifetime
/// before.
const MARGIN: i64 = 60;

/// One sign-in and its newest credentials.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Session {
    /// The id of the sign-in, known only on this device.
    #[serde(rename = "lineage")]
    pub sign_in_id: Secret,
    /// The key from which attempt ids are derived; see [`attempt_id`](super::attempt_id).
    pub attempt_key: Secret,
    /// The origin of the server that issued the credentials. `None` in records of older versions.
    #[serde(default)]
    pub origin: Option<String>,
    /// Grows with every renewal and verification: of two records the higher one is later.
    pub generation: u64,
    pub dialect: Dialect,
    pub credential: Credential,
    /// By the server's clock. `None` if it does not expire or if the time is unknown.
    pub access_expires_at: Option<i64>,
    /// The lifetime of the access token in seconds, when it was received.
    #[serde(rename = "access_lives")]
    pub access_lifetime: Option<i64>,
    pub refresh: Option<Secret>,
    /// By the server's clock. `None` if it does not expire or if the time is unknown.
    pub refresh_expires_at: Option<i64>,
    pub session_id: Option<String>,
    pub profile: Option<Profile>,
    /// Seconds to add to this device's clock to get the server's time.
    pub clock_offset: i64,
    /// Whether renewals have brought new refresh tokens in an API that usually keeps them, or the
    /// app has said that its server does so.
    #[serde(default)]
    pub rotates: bool,
    /// Whether the tokens were adopted and the server has not verified them yet.
    #[serde(default)]
    pub is_unverified: bool,
    /// When the server last confirmed the session, by its clock.
    #[serde(default)]
    #[serde(rename = "vouched_at")]
    pub confirmed_at: Option<i64>,
    #[serde(flatten)]
    pub unknown: UnknownMembers,
}

/// The values that are fixed when a session is opened.
pub(crate) struct NewSession {
    pub dialect: Dialect,
    pub sign_in_id: Secret,
    pub attempt_key: Secret,
}

impl Session {
    pub fn open(new: NewSession, tokens: Tokens, clock_offset: i64) -> Self {
        let NewSession { dialect, sign_in_id, attempt_key } = new;
        let mut session = Session {
            sign_in_id,
            attempt_key,
            origin: None,
            generation: 0,
            dialect,
            credential: tokens.access.clone(),
            access_expires_at: None,
            access_lifetime: None,
            refresh: None,
            refresh_expires_at: None,
            session_id: None,
            profile: None,
            clock_offset: 0,
            rotates: false,
            is_unverified: false,
            confirmed_at: None,
            unknown: UnknownMembers::default(),
        };
        session.take(tokens, clock_offset);
        session
    }

    /// A session with adopted tokens: the server has not confirmed it yet.
    pub fn adopt(new: NewSession, tokens: Tokens, clock_offset: i64) -> Self {
        Session {
            is_unverified: true,
            confirmed_at: None,
            ..Session::open(new, tokens, clock_offset)
        }
    }

    /// The session after a refresh, or after its adopted tokens were verified.
    pub fn renewed(mut self, tokens: Tokens, clock_offset: i64) -> Self {
        // Another process may verify the adopted tokens while this one renews them, or the other way
        // round: the new tokens must be the later ones.
        let is_renewed_unverified = self.is_unverified && tokens.access != self.credential;
        self.generation += if is_renewed_unverified { 2 } else { 1 };
        let is_another = tokens.refresh.is_some() && tokens.refresh != self.refresh;
        self.rotates |= is_another && self.dialect != Dialect::Native;
        self.take(tokens, clock_offset);
        self
    }

    /// Whether a renewal spends the refresh token, so that a lost answer cannot be requested again.
    pub fn spends_refresh_token(&self) -> bool {
        self.refresh.is_some() && (self.rotates || self.dialect.wire().spends_refresh_tokens())
    }

    /// Whether both sessions have the same access token. Two that were adopted without one do not.
    pub fn has_same_token(&self, other: &Session) -> bool {
        self.credential == other.credential && !self.credential.token.expose().is_empty()
    }

    fn take(&mut self, tokens: Tokens, clock_offset: i64) {
        let expiry = |lifetime| tokens.answered_at.saturating_add(lifetime);
        self.credential = tokens.access;
        self.access_lifetime = tokens.access_lifetime;
        self.access_expires_at = match self.credential.token.expose().is_empty() {
            // Adopted without an access token: expired, whatever the clock says.
            true => Some(0),
            false => tokens.access_lifetime.map(expiry),
        };
        if tokens.refresh.is_some() {
            self.refresh = tokens.refresh;
        }
        if let Some(lives) = tokens.refresh_lifetime {
            self.refresh_expires_at = Some(expiry(lives));
        }
        self.session_id = tokens.session_id.or(self.session_id.take());
        self.profile = tokens.profile.or(self.profile.take());
        self.clock_offset = clock_offset;
        self.is_unverified = false;
        self.confirmed_at = Some(tokens.answered_at);
    }

    /// Whether the access token can be used for a request that starts now, by the server's clock.
    pub fn is_fresh(&self, server_now: i64) -> bool {
        self.fresh_until().is_none_or(|until| server_now < until)
    }

    /// Until when the access token is returned without a renewal, by the server's clock.
    pub fn fresh_until(&self) -> Option<i64> {
        let expires_at = self.access_expires_at?;
        let after_expiry = self.dialect.wire().refreshes_after_expiry();
        let margin = if after_expiry || self.refresh.is_none() { 0 } else { self.margin() };
        Some(expires_at.saturating_sub(margin))
    }

    /// Whether the access token has not expired, by the server's clock.
    pub fn is_alive(&self, server_now: i64) -> bool {
        self.access_expires_at.is_none_or(|expires_at| server_now < expires_at)
    }

    /// How many seconds before expiry the token is renewed. It differs between sign-ins, so that
    /// clients that signed in together do not renew together.
    fn margin(&self) -> i64 {
        let lives = self.access_lifetime.unwrap_or(0).max(0);
        let spread = self.sign_in_id.expose().bytes().map(i64::from).sum::<i64>() % 32;
        let margin = MARGIN.min(lives / 10);
        margin + margin * spread / 64
    }
}
