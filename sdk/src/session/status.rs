//! The status that an app watches to choose its screen: whether a user is signed in, which one, and
//! why it changed.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};

use super::stored_session::Session;
use crate::dialects::account_of;
use crate::error::SignOutReason;

/// Whether a user is signed in, as far as is known now, and which one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Status {
    /// Whether a user is signed in.
    pub phase: Phase,
    /// The signed-in user; `None` if there is none or if it is not known yet.
    pub user: Option<SignedInUser>,
    /// What caused this status.
    pub change: StatusChange,
}

/// Whether a user is signed in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Phase {
    /// Not known yet: the vault has not been read, or cannot be read now. Wait; this is not a
    /// sign-out.
    Unknown,
    /// No user is signed in.
    SignedOut {
        /// Why no user is signed in.
        reason: SignOutReason,
    },
    /// A user is signed in.
    SignedIn,
    /// A user is signed in, and the access token is being renewed.
    Refreshing,
    /// A user is signed in, and the server could not be reached when the access token had to be
    /// renewed.
    Offline,
}

/// The signed-in user: one sign-in of one account. Two values have the same
/// [`sign_in_id`](Self::sign_in_id) exactly if they belong to the same sign-in. After signing in
/// again, the same account is a different value.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct SignedInUser {
    /// The id of the sign-in, in every API and in all processes that share the vault. It is created
    /// on this device and is not a secret.
    pub sign_in_id: String,
    /// The server's id of the session. `None` if the API does not report it; `native` does.
    pub session_id: Option<String>,
    /// The server's id of the account, as in [`Profile::id`](crate::Profile::id). `None` if the API
    /// has not reported it yet.
    pub account_id: Option<String>,
}

/// What caused a [`Status`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum StatusChange {
    /// No change: the status that the vault contained at the start, or nothing is known yet.
    Initial,
    /// This process has signed in.
    SignedIn,
    /// This process has adopted existing tokens.
    Adopted,
    /// The access token was renewed, is being renewed, or could not be renewed.
    Refreshed,
    /// This process has signed out.
    SignedOut,
    /// The server has ended the session, or the stored session is lost. See the reason.
    SessionEnded,
    /// Another process that shares the vault has signed in, signed out or renewed.
    OtherProcess,
    /// The account's profile was fetched or changed.
    ProfileUpdated,
}

/// English text for a log.
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

/// English text for a log.
impl fmt::Display for StatusChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StatusChange::Initial => "at the start",
            StatusChange::SignedIn => "by a sign-in",
            StatusChange::Adopted => "by adopted tokens",
            StatusChange::Refreshed => "by a renewal",
            StatusChange::SignedOut => "by a sign-out",
            StatusChange::SessionEnded => "by the end of the session",
            StatusChange::OtherProcess => "by another process",
            StatusChange::ProfileUpdated => "by the account's profile",
        })
    }
}

impl Status {
    /// Whether a user is signed in, with or without a network.
    pub fn is_signed_in(&self) -> bool {
        matches!(self.phase, Phase::SignedIn | Phase::Refreshing | Phase::Offline)
    }

    /// Why no user is signed in; `None` if a user is signed in or if it is not known yet.
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

    /// Whether both values belong to the same sign-in.
    pub fn is_same(&self, other: &SignedInUser) -> bool {
        self.sign_in_id == other.sign_in_id
    }
}
