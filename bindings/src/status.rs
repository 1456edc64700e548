//! The status that an app shows: whether a user is signed in, which one, and why it changed.

/// Whether a user is signed in, as far as is known now, and which one.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct Status {
    /// Whether a user is signed in.
    pub phase: Phase,
    /// The signed-in user, if there is one and it is known.
    pub user: Option<SignedInUser>,
    /// What caused this status.
    pub change: StatusChange,
}

/// Whether a user is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
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

/// The signed-in user: one sign-in of one account. After signing in again, the same account has
/// another `sign_in_id`.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Record)]
pub struct SignedInUser {
    /// The id of the sign-in. It is created on this device and is not a secret.
    pub sign_in_id: String,
    /// The server's id of the session, if the API reports it.
    pub session_id: Option<String>,
    /// The server's id of the account, if the API has reported it.
    pub account_id: Option<String>,
}

/// What caused a status.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
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

/// Why no user is signed in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, uniffi::Enum)]
pub enum SignOutReason {
    /// No user has signed in yet.
    NeverSignedIn,
    /// The app signed out, in this process or another.
    SignedOut,
    /// A copy of the refresh token was used, and the server has ended the session.
    TokenReused,
    /// The account is suspended or deleted.
    AccountInactive,
    /// The answer to the last renewal was lost, and the API cannot repeat it.
    AnswerLost,
    /// The stored session cannot be read any more.
    VaultLost,
    /// The credential has expired, and the API cannot renew it.
    Expired,
    /// The server says that the session has ended.
    Ended,
}

impl From<propusk::Status> for Status {
    fn from(status: propusk::Status) -> Self {
        Status {
            phase: status.phase.into(),
            user: status.user.map(SignedInUser::from),
            change: status.change.into(),
        }
    }
}

impl From<propusk::Phase> for Phase {
    fn from(phase: propusk::Phase) -> Self {
        match phase {
            propusk::Phase::SignedOut { reason } => Phase::SignedOut { reason: reason.into() },
            propusk::Phase::SignedIn => Phase::SignedIn,
            propusk::Phase::Refreshing => Phase::Refreshing,
            propusk::Phase::Offline => Phase::Offline,
            _ => Phase::Unknown,
        }
    }
}

impl From<propusk::SignedInUser> for SignedInUser {
    fn from(user: propusk::SignedInUser) -> Self {
        SignedInUser {
            sign_in_id: user.sign_in_id,
            session_id: user.session_id,
            account_id: user.account_id,
        }
    }
}

impl From<propusk::StatusChange> for StatusChange {
    fn from(change: propusk::StatusChange) -> Self {
        match change {
            propusk::StatusChange::SignedIn => StatusChange::SignedIn,
            propusk::StatusChange::Adopted => StatusChange::Adopted,
            propusk::StatusChange::Refreshed => StatusChange::Refreshed,
            propusk::StatusChange::SignedOut => StatusChange::SignedOut,
            propusk::StatusChange::SessionEnded => StatusChange::SessionEnded,
            propusk::StatusChange::OtherProcess => StatusChange::OtherProcess,
            propusk::StatusChange::ProfileUpdated => StatusChange::ProfileUpdated,
            _ => StatusChange::Initial,
        }
    }
}

impl From<propusk::SignOutReason> for SignOutReason {
    fn from(reason: propusk::SignOutReason) -> Self {
        match reason {
            propusk::SignOutReason::NeverSignedIn => SignOutReason::NeverSignedIn,
            propusk::SignOutReason::SignedOut => SignOutReason::SignedOut,
            propusk::SignOutReason::TokenReused => SignOutReason::TokenReused,
            propusk::SignOutReason::AccountInactive => SignOutReason::AccountInactive,
            propusk::SignOutReason::AnswerLost => SignOutReason::AnswerLost,
            propusk::SignOutReason::VaultLost => SignOutReason::VaultLost,
            propusk::SignOutReason::Expired => SignOutReason::Expired,
            _ => SignOutReason::Ended,
        }
    }
}
