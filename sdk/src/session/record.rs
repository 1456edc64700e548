//! What is kept of a session between starts, and what time it is for it.

use std::fmt;

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::adoption::Adopted;
use super::lease::Lease;
use super::owed::Owed;
use crate::clock::Moment;
use crate::dialects::{Credential, Dialect, Tokens};
use crate::error::SignOutReason;
use crate::{Profile, pending_sign_in::Journal};

/// The version that is written. A record of a newer one is read where it says that this one may.
pub(crate) const VERSION: u32 = 1;
/// A token is renewed this many seconds before it expires, or a tenth of its life before if that is
/// less.
const MARGIN: i64 = 60;

/// All that the vault holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub version: u32,
    /// The oldest version that may read and write a record of a newer one; what it does not know stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable_by: Option<u32>,
    pub held: Held,
    #[serde(default)]
    pub journal: Journal,
    /// Names this record and those that are written over it.
    #[serde(default)]
    pub series: String,
    /// Counts the writes of a series: a lower number is an older record that somebody has put back.
    #[serde(default)]
    pub number: u64,
    /// Who renews now.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Sessions whose end the server has not been told yet, the oldest first.
    #[serde(default)]
    pub owed: Vec<Owed>,
    /// What was taken over from the app, the oldest first.
    #[serde(default)]
    pub adopted: Vec<Adopted>,
    /// The sign-in whose refresh token was given up because its answer was lost.
    #[serde(default)]
    pub lost: Option<Secret>,
    /// The latest time that was ever known here, by the server's clock.
    #[serde(default)]
    pub latest: i64,
    #[serde(flatten)]
    pub unknown: Unknown,
}

impl Default for Record {
    fn default() -> Self {
        Record {
            version: VERSION,
            readable_by: None,
            held: Held::default(),
            journal: Journal::default(),
            series: String::new(),
            number: 0,
            lease: None,
            owed: Vec::new(),
            adopted: Vec::new(),
            lost: None,
            latest: 0,
            unknown: Unknown::default(),
        }
    }
}

impl Record {
    /// Whoever is signed in.
    pub fn session(&self) -> Option<&Session> {
        match &self.held {
            Held::SignedIn(session) => Some(session),
            Held::SignedOut(_) => None,
        }
    }

    /// Whether this version may read it, and write it again.
    pub fn is_known(&self) -> bool {
        self.version == VERSION
            || (self.version > VERSION && self.readable_by.is_some_and(|by| by <= VERSION))
    }
}

/// Members that a newer version has written: kept as they are.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Unknown(Map<String, Value>);

impl fmt::Debug for Unknown {
    /// Nobody knows which of them are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} redacted]", self.0.len())
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
    /// Each renewal has brought another refresh token, in an API that is not known to do that.
    #[serde(default)]
    pub rotates: bool,
    /// Taken over from the app, and the server has not been asked yet.
    #[serde(default)]
    pub is_unverified: bool,
    /// When the server last vouched for it, by its clock.
    #[serde(default)]
    pub vouched_at: Option<i64>,
    #[serde(flatten)]
    pub unknown: Unknown,
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
            rotates: false,
            is_unverified: false,
            vouched_at: None,
            unknown: Unknown::default(),
        };
        session.take(tokens, at);
        session
    }

    /// One that the server has not opened just now: nobody has vouched for it yet.
    pub fn adopt(opening: Opening, tokens: Tokens, at: Moment) -> Self {
        Session { is_unverified: true, vouched_at: None, ..Session::open(opening, tokens, at) }
    }

    /// The session after a refresh.
    pub fn renewed(mut self, tokens: Tokens, at: Moment) -> Self {
        self.generation += 1;
        let is_another = tokens.refresh.is_some() && tokens.refresh != self.refresh;
        self.rotates |= is_another && self.dialect != Dialect::Native;
        self.take(tokens, at);
        self
    }

    /// Whether a renewal spends the refresh token, so that an answer that is lost cannot be had again.
    pub fn spends(&self) -> bool {
        self.refresh.is_some() && (self.rotates || self.dialect.spelling().spends_refresh_tokens())
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
        self.is_unverified = false;
        self.vouched_at = Some(at.server);
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
