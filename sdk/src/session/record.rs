//! What is kept of a session between starts, and what time it is for it.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::dialects::{Credential, Dialect, Tokens};
use crate::error::SignOutReason;
use crate::{Profile, pending_sign_in::Journal};

/// The version that is written; another one is a newer SDK's.
pub(crate) const VERSION: u32 = 1;
/// A token is renewed this many seconds before it expires, or a tenth of its life before if that is
/// less.
const MARGIN: i64 = 60;

/// All that the vault holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub version: u32,
    pub held: Held,
    #[serde(default)]
    pub journal: Journal,
}

impl Default for Record {
    fn default() -> Self {
        Record { version: VERSION, held: Held::default(), journal: Journal::default() }
    }
}

/// Whether somebody is signed in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Held {
    SignedIn(Box<Session>),
    SignedOut(SignOutReason),
}

impl Default for Held {
    fn default() -> Self {
        Held::SignedOut(SignOutReason::NeverSignedIn)
    }
}

/// A sign-in, and the newest credentials of it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Session {
    /// Tells this sign-in from others that the vault has held; known here alone.
    pub lineage: Secret,
    /// Makes the attempts of refreshes, so that one token is always presented with the same: see
    /// [`attempt`](fn@super::attempt).
    pub attempt_key: Secret,
    /// The origin of the server that issued the credentials; `None` in records of before it was kept.
    #[serde(default)]
    pub origin: Option<String>,
    /// Counts renewals.
    pub generation: u64,
    pub dialect: Dialect,
    pub credential: Credential,
    /// By the server's clock; `None`: it does not expire, or nobody said when.
    pub access_expires_at: Option<i64>,
    /// Seconds that the access token had to live when it came.
    pub access_lives: Option<i64>,
    pub refresh: Option<Secret>,
    /// By the server's clock.
    pub refresh_expires_at: Option<i64>,
    pub session_id: Option<String>,
    pub profile: Option<Profile>,
    /// What has to be added to this device's clock for the server's.
    pub clock_offset: i64,
}

/// What only whoever opens a session knows.
pub(crate) struct Opening {
    pub dialect: Dialect,
    pub lineage: Secret,
    pub attempt_key: Secret,
}

impl Session {
    pub fn open(opening: Opening, tokens: Tokens, at: Moment) -> Self {
        let Opening { dialect, lineage, attempt_key } = opening;
        let mut session = Session {
            lineage,
            attempt_key,
            origin: None,
            generation: 0,
            dialect,
            credential: tokens.access.clone(),
            access_expires_at: None,
            access_lives: None,
            refresh: None,
            refresh_expires_at: None,
            session_id: None,
            profile: None,
            clock_offset: 0,
        };
        session.take(tokens, at);
        session
    }

    /// The session after a refresh.
    pub fn renewed(mut self, tokens: Tokens, at: Moment) -> Self {
        self.generation += 1;
        self.take(tokens, at);
        self
    }

    fn take(&mut self, tokens: Tokens, at: Moment) {
        self.credential = tokens.access;
        self.access_lives = tokens.access_lives;
        self.access_expires_at = tokens.access_lives.map(|lives| at.server.saturating_add(lives));
        if tokens.refresh.is_some() {
            self.refresh = tokens.refresh;
        }
        if let Some(lives) = tokens.refresh_lives {
            self.refresh_expires_at = Some(at.server.saturating_add(lives));
        }
        self.session_id = tokens.session_id.or(self.session_id.take());
        self.profile = tokens.profile.or(self.profile.take());
        self.clock_offset = at.offset;
    }

    /// Whether the access token is good for a request that begins now, by the server's clock.
    pub fn is_fresh(&self, server_now: i64) -> bool {
        self.fresh_until().is_none_or(|until| server_now < until)
    }

    /// Until when the access token is given out without a thought, by the server's clock.
    pub fn fresh_until(&self) -> Option<i64> {
        let expires_at = self.access_expires_at?;
        let after_expiry = self.dialect.spelling().refreshes_after_expiry();
        let margin = if after_expiry || self.refresh.is_none() { 0 } else { self.margin() };
        Some(expires_at.saturating_sub(margin))
    }

    /// Whether the access token still works, by the server's clock.
    pub fn is_alive(&self, server_now: i64) -> bool {
        self.access_expires_at.is_none_or(|expires_at| server_now < expires_at)
    }

    /// Before the token expires; not the same for everybody, so that those who signed in together do
    /// not come back together.
    fn margin(&self) -> i64 {
        let lives = self.access_lives.unwrap_or(0).max(0);
        let spread = self.lineage.expose().bytes().map(i64::from).sum::<i64>() % 32;
        let margin = MARGIN.min(lives / 10);
        margin + margin * spread / 64
    }
}
