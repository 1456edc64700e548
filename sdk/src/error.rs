//! The errors of the SDK: an error kind for each reaction of an app, and a reason for each
//! sign-out.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::account::Operation;
use crate::rejection::Rejection;
use crate::vault_state::{VaultState, state_in_words};

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// The text of an error after a time limit.
pub(crate) const NO_ANSWER_IN_TIME: &str = "the server does not answer in time";

/// Why an operation failed; [`kind`](Self::kind) shows how to react.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of errors. Each needs another reaction.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No user is signed in: show the sign-in.
    SignedOut {
        /// Why no user is signed in.
        reason: SignOutReason,
    },
    /// The server refused the request: show the reason and let the user correct it.
    Rejected(Rejection),
    /// The server could not be reached, or a proxy answered instead: try again when there is a
    /// network. The user stays signed in.
    Network,
    /// The server is busy or has received too many attempts: try again after this time.
    RetryLater {
        /// How long to wait.
        after: Duration,
    },
    /// Another sign-in has replaced the one that this request belongs to: nothing was sent for it.
    OtherSignIn,
    /// The user or the app cancelled the operation.
    Cancelled,
    /// The vault cannot be read or written now. The user stays signed in.
    Storage {
        /// The state of the vault.
        state: VaultState,
    },
    /// The API does not have this operation. No request was sent.
    Unsupported(Operation),
    /// The server's answer is not part of its API: another version, or the wrong server.
    Protocol,
    /// Invalid use by the app: for example a bad address or a missing option.
    Usage,
}

/// Why no user is signed in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SignOutReason {
    /// No user has signed in yet.
    NeverSignedIn,
    /// The app signed out, in this process or another.
    SignedOut,
    /// A copy of the refresh token was used, and the server has ended the session.
    #[serde(rename = "reused")]
    TokenReused,
    /// The account is suspended or deleted.
    AccountInactive,
    /// The refresh token was used before, most likely by a refresh whose answer was lost, and the
    /// API cannot repeat that answer. It cannot happen if a refresh does not spend the token, nor
    /// on `native`. OAuth pairs of `djoser_token` also end with this reason when they expire or are
    /// revoked, because their API does not distinguish that.
    AnswerLost,
    /// The stored session cannot be read any more: its key is lost, or the file is damaged.
    VaultLost,
    /// The credential has expired, and the API cannot renew it.
    Expired,
    /// The server says that the session has ended: it was ended elsewhere, the password was
    /// changed, or it was not used for too long. Also any reason that a newer version has stored.
    #[serde(other)]
    Ended,
}

impl Error {
    /// The kind of the error, which shows how to react.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Whether the server has said when to try again.
    pub(crate) fn has_retry_after(&self) -> bool {
        let is_missing = self.0.source.as_ref().is_some_and(|source| source.is::<NoRetryAfter>());
        matches!(self.kind(), ErrorKind::RetryLater { .. }) && !is_missing
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

    /// An error whose text is this sentence: what is wrong is not the usual cause of its kind.
    pub(crate) fn explained(kind: ErrorKind, problem: &'static str) -> Self {
        Error::because(kind, Explained(problem))
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

/// An error while reading an answer of the app's API: it was cut off, or has another format.
impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        let kind = match error.is_builder() || error.is_decode() {
            true => ErrorKind::Protocol,
            false => ErrorKind::Network,
        };
        // The address may contain a token.
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
        let source = self.0.source.as_ref();
        if let Some(problem) = source.and_then(|source| source.downcast_ref::<Explained>()) {
            return match self.kind() {
                ErrorKind::RetryLater { after } => {
                    write!(f, "{problem}: try again in {} s", after.as_secs())
                }
                _ => problem.fmt(f),
            };
        }
        match (self.kind(), source) {
            // For an invalid use, the source says what is wrong.
            (ErrorKind::Usage, Some(problem)) => write!(f, "{}: {problem}", ErrorKind::Usage),
            (ErrorKind::Network, Some(problem)) => match network_in_words(problem.as_ref()) {
                Some(words) => f.write_str(words),
                None => ErrorKind::Network.fmt(f),
            },
            (kind, _) => kind.fmt(f),
        }
    }
}

/// English text for a log or a user.
impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ErrorKind::SignedOut { reason } => write!(f, "not signed in: {reason}"),
            ErrorKind::Rejected(rejection) => rejection.fmt(f),
            ErrorKind::Network => f.write_str("the server cannot be reached"),
            ErrorKind::RetryLater { after } => {
                write!(f, "the server asks to try again in {} s", after.as_secs())
            }
            ErrorKind::OtherSignIn => f.write_str("another sign-in has replaced this one"),
            ErrorKind::Cancelled => f.write_str("cancelled"),
            ErrorKind::Storage { state } => {
                write!(f, "the stored session cannot be used now: {}", state_in_words(*state))
            }
            ErrorKind::Unsupported(operation) => {
                write!(f, "the API of this server cannot {}", operation_in_words(*operation))
            }
            ErrorKind::Protocol => f.write_str("the answer of the server is not part of its API"),
            ErrorKind::Usage => f.write_str("invalid use"),
        }
    }
}

/// English text for the end of a sentence.
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
                "the answer to the last renewal was lost, or the session has expired"
            }
            SignOutReason::VaultLost => "the stored session cannot be read any more",
            SignOutReason::Expired => "the session has expired",
            SignOutReason::Ended => "the session was ended at the server",
        })
    }
}

/// Describes a network problem more precisely, if possible.
fn network_in_words(problem: &(dyn StdError + 'static)) -> Option<&'static str> {
    if problem.is::<Unexpected>() {
        return Some("a proxy answers instead of the server, or the server fails");
    }
    let error = problem.downcast_ref::<reqwest::Error>()?;
    if error.is_timeout() {
        return Some(NO_ANSWER_IN_TIME);
    }
    tls_error_in(error).map(tls_in_words)
}

/// The TLS error that caused this one.
fn tls_error_in<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(error);
    }
    // The source of an I/O error is not the error that it contains.
    if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        return tls_error_in(inner);
    }
    error.source().and_then(tls_error_in)
}

fn tls_in_words(error: &rustls::Error) -> &'static str {
    use rustls::CertificateError;
    use rustls::Error::{AlertReceived, InvalidCertificate};
    match error {
        InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => "the server's certificate has expired, or the clock of this device is wrong",
        InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another address",
        InvalidCertificate(_) => "the server's certificate is not trusted",
        AlertReceived(_) => "the server refuses the TLS connection",
        _ => "the TLS connection to the server fails",
    }
}

/// A sentence that says what is wrong.
#[derive(Debug)]
struct Explained(&'static str);

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl StdError for Explained {}

/// A status without an answer of the API.
#[derive(Debug)]
pub(crate) struct Unexpected(pub u16);

impl fmt::Display for Unexpected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {} without an answer of the API", self.0)
    }
}

impl StdError for Unexpected {}

/// The server is busy and does not say when to try again.
#[derive(Debug)]
pub(crate) struct NoRetryAfter;

impl fmt::Display for NoRetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer has no Retry-After")
    }
}

impl StdError for NoRetryAfter {}

/// The text after "cannot".
fn operation_in_words(operation: Operation) -> &'static str {
    match operation {
        Operation::Register => "create an account",
        Operation::Activate => "activate an account",
        Operation::ResendActivation => "send the activation mail again",
        Operation::SignIn => "sign in with a password",
        Operation::Adopt => "adopt tokens of this form",
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
        Operation::Events => "list what has happened to the account",
        Operation::Export => "export what it keeps of the account",
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
    fn error_text_says_what_is_wrong() {
        use crate::RejectionCode;
        let ended = SignOutReason::Ended;
        let rejected = Rejection::new(RejectionCode::WrongPassword);
        for (error, words) in [
            (Error::signed_out(ended), "not signed in: the session was ended at the server"),
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
            (Error::explained(ErrorKind::Network, "it is busy"), "it is busy"),
            (
                Error::explained(
                    ErrorKind::RetryLater { after: Duration::from_secs(7) },
                    "it is busy",
                ),
                "it is busy: try again in 7 s",
            ),
        ] {
            assert_eq!(error.to_string(), words);
        }
    }

    #[test]
    fn error_text_says_what_is_wrong_with_a_certificate() {
        use rustls::CertificateError;
        let words = |error| {
            let error = std::io::Error::other(rustls::Error::InvalidCertificate(error));
            tls_error_in(&std::io::Error::other(error)).map(tls_in_words)
        };
        for (error, expected) in [
            (CertificateError::UnknownIssuer, "the server's certificate is not trusted"),
            (CertificateError::NotValidForName, "the server's certificate is for another address"),
            (
                CertificateError::Expired,
                "the server's certificate has expired, or the clock of this device is wrong",
            ),
        ] {
            assert_eq!(words(error), Some(expected));
        }
        assert!(tls_error_in(&std::io::Error::other("cut off")).is_none());
    }
}
