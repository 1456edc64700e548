//! What an answer says about the session, and which answers end it: only an explicit statement of
//! the server does. (`dialects` says which answer of an API means what. `decide` says whether it is
//! about the session that is there now.)

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
    /// The access token has expired or was refused. Without a refresh token the session has ended;
    /// with one, only a refresh can show that.
    pub fn of_unusable_access_token(has_refresh_token: bool) -> Self {
        match has_refresh_token {
            true => Verdict::TooEarly,
            false => Verdict::Ended(SignOutReason::Expired),
        }
    }

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
