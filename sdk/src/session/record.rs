//! What is kept of a session between starts, and what time it is for it.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

use super::adopted_tokens::AdoptedTokens;
use super::lease::Lease;
use super::pending_sign_outs::PendingSignOuts;
use super::stored_session::Session;
use crate::error::SignOutReason;
use crate::pending_sign_in::Journal;
use crate::unknown_members::UnknownMembers;

/// The version that is written. A record of a newer one is read where it says that this one may.
pub(crate) const VERSION: u32 = 1;
/// All that the vault holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub version: u32,
    /// The oldest version that may read and write a record of a newer one; what it does not know stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable_by: Option<u32>,
    pub held: StoredState,
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
    #[serde(rename = "owed")]
    pub pending_sign_outs: PendingSignOuts,
    /// What was taken over from the app, the oldest first.
    #[serde(default)]
    pub adopted: AdoptedTokens,
    /// The sign-in whose refresh token was given up because its answer was lost.
    #[serde(default)]
    #[serde(rename = "lost")]
    pub lost_sign_in_id: Option<Secret>,
    /// The latest time that was ever known here, by the server's clock.
    #[serde(default)]
    #[serde(rename = "latest")]
    pub latest_server_time: i64,
    #[serde(flatten)]
    pub unknown: UnknownMembers,
}

impl Default for Record {
    fn default() -> Self {
        Record {
            version: VERSION,
            readable_by: None,
            held: StoredState::default(),
            journal: Journal::default(),
            series: String::new(),
            number: 0,
            lease: None,
            pending_sign_outs: PendingSignOuts::default(),
            adopted: AdoptedTokens::default(),
            lost_sign_in_id: None,
            latest_server_time: 0,
            unknown: UnknownMembers::default(),
        }
    }
}

impl Record {
    /// Whoever is signed in.
    pub fn session(&self) -> Option<&Session> {
        match &self.held {
            StoredState::SignedIn(session) => Some(session),
            StoredState::SignedOut(_) => None,
        }
    }

    /// Whether this version may read it, and write it again.
    pub fn is_known(&self) -> bool {
        self.version == VERSION
            || (self.version > VERSION && self.readable_by.is_some_and(|by| by <= VERSION))
    }
}

/// Whether somebody is signed in.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredState {
    SignedIn(Box<Session>),
    SignedOut(SignOutReason),
}

impl Default for StoredState {
    fn default() -> Self {
        StoredState::SignedOut(SignOutReason::NeverSignedIn)
    }
}
