//! What an app is told when something does not work: kinds that call for a reaction each, and for
//! every sign-out its reason.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Operation;
use crate::rejection::Rejection;
use crate::vault_state::{VaultState, state_in_words};

/// What operations return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation did not work; [`kind`](Self::kind) says what to do about it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Each calls for another reaction.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nobody is signed in: show the sign-in.
    SignedOut {
        /// Why.
        reason: SignOutReason,
    },
    /// The server refused what was asked: show why, and let it be corrected.
    Rejected(Rejection),
    /// The server could not be reached, or something between gave no answer of its: try again when
    /// there is a network. Nobody is signed out by this.
    Network,
    /// The server has too much to do, or has had too many attempts: try again after this time.
    RetryLater {
        /// How long to wait.
        after: Duration,
    },
    /// Somebody else is signed in than whom this was for: nothing was sent in another's name.
    OtherSignIn,
    /// The user, or the app, gave up.
    Cancelled,
    /// The vault cannot be read or written now. Nobody is signed out by this.
    Storage {
        /// In which state it is.
        state: VaultState,
    },
    /// The API that is spoken has no such operation; known before any request.
    Unsupported(Operation),
    /// The server answered something that its API does not have: another version, or no such server.
    Protocol,
    /// The app asked for something that cannot be: a bad address, a builder without its parts.
    Usage,
}

/// Why nobody is signed in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignOutReason {
    /// Nobody has signed in yet.
    NeverSignedIn,
    /// The app signed out, in this process or another.
    SignedOut,
    /// Somebody else has used a copy of the refresh token; the server has ended the session.
    #[serde(rename = "reused")]
    TokenReused,
    /// The account is suspended or gone.
    AccountInactive,
    /// The refresh token had been used, most likely by a refresh whose answer was lost: the API has no
    /// way to hear that again. It cannot happen on an API whose refresh does not spend the token, nor on
    /// `native`. OAuth pairs of `djoser_token` end with this when they expire or are revoked, too, which
    /// their API does not tell apart.
    AnswerLost,
    /// What was stored cannot be read any more: its key is gone, or it is damaged.
    VaultLost,
    /// The session's credential has expired, and the API has no way to renew it.
    Expired,
    /// The server says that the session is over: ended elsewhere, the password changed, not used for
    /// too long. Also what a newer version has stored.
    #[serde(other)]
    Ended,
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    pub(crate) fn new(kind: ErrorKind) -> Self {
        Error(Arc::new(Inner { kind, source: None }))
    }

    pub(crate) fn because(
        kind: ErrorKind,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Error(Arc::new(Inner { kind, source: Some(source.into()) }))
    }

    pub(crate) fn signed_out(reason: SignOutReason) -> Self {
        Error::new(ErrorKind::SignedOut { reason })
    }

    pub(crate) fn unsupported(operation: Operation) -> Self {
        Error::new(ErrorKind::Unsupported(operation))
    }

    pub(crate) fn usage(problem: impl Into<String>) -> Self {
        Error::because(ErrorKind::Usage, problem.into())
    }
}

/// Of an answer of the app's API: the rest of it did not come, or is not what was expected.
impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let kind = match error.is_builder() || error.is_decode() {
            true => ErrorKind::Protocol,
            false => ErrorKind::Network,
        };
        // The address may hold a token.
        Error::because(kind, error.without_url())
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Error::new(kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind(), &self.0.source) {
            // What the app has done wrong stands in no other place.
            (ErrorKind::Usage, Some(problem)) => write!(f, "{}: {problem}", ErrorKind::Usage),
            (ErrorKind::Network, Some(problem)) => match network_in_words(problem.as_ref()) {
                Some(words) => f.write_str(words),
                None => ErrorKind::Network.fmt(f),
            },
            (kind, _) => kind.fmt(f),
        }
    }
}

/// In English, for a log or a user.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::SignedOut { reason } => write!(f, "nobody is signed in: {reason}"),
            ErrorKind::Rejected(rejection) => rejection.fmt(f),
            ErrorKind::Network => f.write_str("the server cannot be reached"),
            ErrorKind::RetryLater { after } => {
                write!(f, "the server asks to try again in {} s", after.as_secs())
            }
            ErrorKind::OtherSignIn => f.write_str("somebody else is signed in by now"),
            ErrorKind::Cancelled => f.write_str("cancelled"),
            ErrorKind::Storage { state } => {
                write!(f, "the stored session cannot be used now: {}", state_in_words(*state))
            }
            ErrorKind::Unsupported(operation) => {
                write!(f, "the API of this server cannot {}", operation_in_words(*operation))
            }
            ErrorKind::Protocol => {
                f.write_str("the server gives an answer that its API does not have")
            }
            ErrorKind::Usage => f.write_str("invalid use"),
        }
    }
}

/// In English, as the end of a sentence.
impl fmt::Display for SignOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignOutReason::NeverSignedIn => "there has been no sign-in yet",
            SignOutReason::SignedOut => "the user signed out",
            SignOutReason::TokenReused => {
                "the server ended the session because a copy of its token was used"
            }
            SignOutReason::AccountInactive => "the account is suspended or deleted",
            SignOutReason::AnswerLost => {
                "the answer to the last renewal of the session was lost, or the session has expired"
            }
            SignOutReason::VaultLost => "the stored session cannot be read any more",
            SignOutReason::Expired => "the session has expired",
            SignOutReason::Ended => "the session was ended at the server",
        })
    }
}

/// What has happened on the way to a server, where more is known than that it cannot be reached.
fn network_in_words(problem: &(dyn StdError + 'static)) -> Option<&'static str> {
    if problem.is::<Unexpected>() {
        return Some("something else answers in the place of the server, or it fails");
    }
    let error = problem.downcast_ref::<reqwest::Error>()?;
    error.is_timeout().then_some("the server does not answer in time")
}

/// A status that comes with no answer of the API.
#[derive(Debug)]
pub(crate) struct Unexpected(pub u16);

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}, and no answer of the API", self.0)
    }
}

impl StdError for Unexpected {}

/// What follows "cannot".
fn operation_in_words(operation: Operation) -> &'static str {
    match operation {
        Operation::Register => "create an account",
        Operation::Activate => "activate an account",
        Operation::ResendActivation => "send the activation mail again",
        Operation::SignIn => "sign in with a password",
        Operation::Adopt => "take over tokens of this form",
        Operation::Refresh => "renew an access token",
        Operation::SignOut => "end a session",
        Operation::Verify => "verify an access token",
        Operation::Profile => "show the account",
        Operation::UpdateProfile => "change the account",
        Operation::ChangePassword => "change the password",
        Operation::DeleteAccount => "delete the account",
        Operation::RequestReset => "send a link that resets the password",
        Operation::ConfirmReset => "reset the password with a link",
        Operation::ProviderSignIn => "sign in with a provider in the browser",
        Operation::ProviderTokenSignIn => "sign in with a token of a provider",
        Operation::Sessions => "list the sessions of the account",
        Operation::Identities => "list or link the sign-ins of other providers",
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Error");
        shown.field("kind", self.kind());
        if let Some(source) = &self.0.source {
            shown.field("source", source);
        }
        shown.finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_in_words() {
        use crate::RejectionCode;
        let ended = SignOutReason::Ended;
        let rejected = Rejection::new(RejectionCode::WrongPassword);
        for (error, words) in [
            (Error::signed_out(ended), "nobody is signed in: the session was ended at the server"),
            (Error::new(ErrorKind::Rejected(rejected)), "The current password is wrong."),
            (
                Error::new(ErrorKind::RetryLater { after: Duration::from_secs(7) }),
                "the server asks to try again in 7 s",
            ),
            (
                Error::new(ErrorKind::Storage { state: VaultState::ReadOnly }),
                "the stored session cannot be used now: the disk is full or read-only",
            ),
            (
                Error::unsupported(Operation::Sessions),
                "the API of this server cannot list the sessions of the account",
            ),
            (Error::usage("no redirect is given"), "invalid use: no redirect is given"),
            (Error::new(ErrorKind::Usage), "invalid use"),
            (Error::because(ErrorKind::Network, "status 502"), "the server cannot be reached"),
            (Error::new(ErrorKind::Cancelled), "cancelled"),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }
}
