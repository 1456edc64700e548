//! The record that the vault contains.

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::adopted_tokens::AdoptedTokens;
use super::lease::Lease;
use super::pending_sign_outs::PendingSignOuts;
use super::stored_session::Session;
use crate::error::SignOutReason;
use crate::pending_sign_in::Journal;
use crate::unknown_members::UnknownMembers;

/// The version of the record that is written. A newer record is read if it allows this version.
pub(crate) const VERSION: u32 = 1;
/// Everything that the vault contains.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    pub version: u32,
    /// The oldest version that may read and change this record. Members that such a version does
    /// not know are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable_by: Option<u32>,
    pub held: StoredState,
    #[serde(default)]
    pub journal: Journal,
    /// The id of a chain of records, each written over the one before.
    #[serde(default)]
    pub series: String,
    /// The number of the record in its series. A lower number than one seen before is a restored
    /// older record.
    #[serde(default)]
    pub number: u64,
    /// The renewal that is running now.
    #[serde(default)]
    pub lease: Option<Lease>,
    /// Sessions whose end the server does not know yet, the oldest first.
    #[serde(default)]
    #[serde(rename = "owed")]
    pub pending_sign_outs: PendingSignOuts,
    /// The fingerprints of adopted tokens, the oldest first.
    #[serde(default)]
    pub adopted: AdoptedTokens,
    /// The sign-in that was given up because the answer to its renewal was lost.
    #[serde(default)]
    #[serde(rename = "lost")]
    pub lost_sign_in_id: Option<Secret>,
    /// The latest server time that was ever known on this device.
    #[serde(default)]
    #[serde(rename = "latest")]
    pub latest_server_time: i64,
    /// The reason of a sign-out, if a newer version has stored one that is read as
    /// [`SignOutReason::Ended`].
    #[serde(skip)]
    pub unknown_reason: Option<Value>,
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
            unknown_reason: None,
            unknown: UnknownMembers::default(),
        }
    }
}

impl Record {
    /// The session; `None` if the user is signed out.
    pub fn session(&self) -> Option<&Session> {
        match &self.held {
            StoredState::SignedIn(session) => Some(session),
            StoredState::SignedOut(_) => None,
        }
    }

    /// Whether this version may read and write the record.
    pub fn is_known(&self) -> bool {
        self.version == VERSION
            || (self.version > VERSION && self.readable_by.is_some_and(|by| by <= VERSION))
    }
}

/// Whether a user is signed in, as it is stored.
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
