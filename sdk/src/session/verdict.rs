//! What an answer says about the session. Each API says in `dialects` which of its answers means
//! what; here is decided which of them end the session: only an explicit statement of the server.

use crate::dialects::Refusal;
use crate::error::{Error, ErrorKind, SignOutReason, Unexpected};
use crate::http::Failure;

/// Why a renewal brought no tokens.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The server says that the session has ended.
    Ended(SignOutReason),
    /// The server says that the refresh token was used before.
    Spent,
    /// The refresh token works only after the access token has expired.
    TooEarly,
    /// The answer says nothing about the session.
    Inconclusive(Error),
}

impl Verdict {
    /// The reason if the session has ended.
    pub fn end(&self) -> Option<SignOutReason> {
        match self {
            Verdict::Ended(reason) => Some(*reason),
            // The process that used it has not stored the answer.
            Verdict::Spent => Some(SignOutReason::AnswerLost),
            Verdict::TooEarly | Verdict::Inconclusive(_) => None,
        }
    }
}

impl From<Failure> for Verdict {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(Refusal::SignedOut(reason)) => Verdict::Ended(reason),
            Failure::Refused(Refusal::Spent) => Verdict::Spent,
            Failure::Refused(Refusal::TooEarly) => Verdict::TooEarly,
            // The path of a refresh belongs to the API alone: another answer comes from a proxy or
            // from a failing server.
            Failure::Unexpected(status) => {
                Verdict::Inconclusive(Error::because(ErrorKind::Network, Unexpected(status)))
            }
            failure => Verdict::Inconclusive(failure.into()),
        }
    }
}
