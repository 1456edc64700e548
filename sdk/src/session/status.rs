//! What an app watches to know which screen to show: whether somebody is signed in, who, and why it
//! has changed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::stored_session::Session;
use crate::dialects::account_of;
use crate::error::SignOutReason;

/// Whether somebody is signed in, as far as is known now, and who.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Whether somebody is.
    pub phase: Phase,
    /// Who is; `None` where nobody is, or where it is not known yet.
    pub user: Option<SignedInUser>,
    /// What has led to it.
    pub change: StatusChange,
}

/// Whether somebody is signed in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Not known yet: the vault has not been read, or cannot be read now. Wait; this is no sign-out.
    Unknown,
    /// Nobody is.
    SignedOut {
        /// Why.
        reason: SignOutReason,
    },
    /// Somebody is.
    SignedIn,
    /// Somebody is, and the access token is being renewed.
    Refreshing,
    /// Somebody is, and the server could not be reached when the access token had to be renewed.
    Offline,
}

/// Who is signed in. Two of them are equal in [`sign_in_id`](Self::sign_in_id) if and only if they are of one
/// sign-in: the same account after another sign-in is somebody else here.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct SignedInUser {
    /// Names the sign-in, in every API and in all processes that share the vault. Made on this device;
    /// no secret.
    pub sign_in_id: String,
    /// The server's id of the session, where the API tells (`native`).
    pub session_id: Option<String>,
    /// The server's id of the account, as in [`Profile::id`](crate::Profile::id); `None` until the API
    /// has told it.
    pub account_id: Option<String>,
}

/// Why a [`Status`] is what it is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum StatusChange {
    /// Nothing has changed: it is what the vault held at the start, or nothing is known yet.
    Initial,
    /// This app has signed in.
    SignedIn,
    /// This app has handed over the tokens that it kept until now.
    Adopted,
    /// The access token was renewed, or is being renewed, or could not be.
    Refreshed,
    /// This app has signed out.
    SignedOut,
    /// The server has ended the session, or what was stored is lost; the reason says which.
    SessionEnded,
    /// Another process that shares the vault has signed in or out, or has renewed.
    OtherProcess,
    /// The account's profile was asked for or changed.
    ProfileUpdated,
}

/// In English, for a log.
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Phase::Unknown => f.write_str("not known yet"),
            Phase::SignedOut { reason } => write!(f, "signed out: {reason}"),
            Phase::SignedIn => f.write_str("signed in"),
            Phase::Refreshing => f.write_str("signed in, the access token is being renewed"),
            Phase::Offline => f.write_str("signed in, offline"),
        }
    }
}

/// In English, for a log.
impl fmt::Display for StatusChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StatusChange::Initial => "at the start",
            StatusChange::SignedIn => "by a sign-in",
            StatusChange::Adopted => "by tokens of before",
            StatusChange::Refreshed => "by a renewal",
            StatusChange::SignedOut => "by a sign-out",
            StatusChange::SessionEnded => "by the end of the session",
            StatusChange::OtherProcess => "by another process",
            StatusChange::ProfileUpdated => "by the account's profile",
        })
    }
}

impl Status {
    /// Whether somebody is signed in, with or without a network.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.phase, Phase::SignedIn | Phase::Refreshing | Phase::Offline)
    }

    /// Why nobody is signed in; `None` where somebody is, or where it is not known yet.
    pub fn reason(&self) -> Option<SignOutReason> {
        match self.phase {
            Phase::SignedOut { reason } => Some(reason),
            _ => None,
        }
    }

    pub(super) fn unknown() -> Self {
        Status { phase: Phase::Unknown, user: None, change: StatusChange::Initial }
    }
}

impl SignedInUser {
    pub(super) fn of(session: &Session) -> Self {
        let current = session.profile.as_ref().and_then(|profile| profile.id.clone());
        let hash = digest(&SHA256, session.sign_in_id.expose().as_bytes());
        let short = hash.as_ref().get(..16).unwrap_or_default();
        SignedInUser {
            sign_in_id: URL_SAFE_NO_PAD.encode(short),
            session_id: session.session_id.clone(),
            account_id: current.or_else(|| account_of(&session.credential)),
        }
    }

    /// Whether both are of one sign-in.
    pub fn is_same(&self, other: &SignedInUser) -> bool {
        self.sign_in_id == other.sign_in_id
    }
}
