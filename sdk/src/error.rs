//! What an app is told when something does not work: kinds that call for a reaction each, and for
//! every sign-out its reason.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Operation, VaultState};

/// What operations return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation did not work; [`kind`](Self::kind) says what to do about it.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: Kind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Each calls for another reaction.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Kind {
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
    Later {
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

/// What the server refused, and why.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rejection {
    /// What happened, in the words of [`ProblemCode`](propusk_wire::ProblemCode) whatever API is
    /// spoken: `invalid_credentials`, `invalid_fields`, `weak_password`, … Where OAuth refuses the app
    /// and not who uses it, OAuth's own: `invalid_client`, …
    pub code: String,
    /// What is wrong with members of what was sent, by their names in [`Registration`](crate::Registration).
    /// Codes of [`FieldCode`](propusk_wire::FieldCode) on `native`, else the server's own sentences.
    pub fields: BTreeMap<String, Vec<String>>,
    /// The server's own sentence, where it has one.
    pub detail: Option<String>,
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
    Reused,
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
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    pub(crate) fn new(kind: Kind) -> Self {
        Error(Arc::new(Inner { kind, source: None }))
    }

    pub(crate) fn because(kind: Kind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Error(Arc::new(Inner { kind, source: Some(source.into()) }))
    }

    pub(crate) fn signed_out(reason: SignOutReason) -> Self {
        Error::new(Kind::SignedOut { reason })
    }

    pub(crate) fn unsupported(operation: Operation) -> Self {
        Error::new(Kind::Unsupported(operation))
    }

    pub(crate) fn usage(problem: impl Into<String>) -> Self {
        Error::because(Kind::Usage, problem.into())
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Error::new(kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind() {
            Kind::SignedOut { reason } => write!(f, "nobody is signed in: {reason:?}"),
            Kind::Rejected(rejection) => write!(f, "the server refuses: {}", rejection.code),
            Kind::Network => f.write_str("the server cannot be reached"),
            Kind::Later { after } => write!(f, "the server asks to wait {} s", after.as_secs()),
            Kind::OtherSignIn => f.write_str("somebody else is signed in"),
            Kind::Cancelled => f.write_str("given up"),
            Kind::Storage { state } => write!(f, "the vault cannot be used: {state:?}"),
            Kind::Unsupported(operation) => write!(f, "this API has no {operation:?}"),
            Kind::Protocol => f.write_str("the server answers what its API does not have"),
            Kind::Usage => f.write_str("this cannot be asked for"),
        }
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
