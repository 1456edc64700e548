//! The errors: those of the page, one kind for each reaction of an app, as in
//! [`propusk::ErrorKind`], and that of an app that cannot start.

use std::fmt;

use propusk::{Error, ErrorKind, Rejection};
use serde::Serialize;

use crate::names::{reason_code, vault_state};

/// Why the client could not be built; the app then does not start.
pub type SetupError = Box<dyn std::error::Error>;

/// Why an operation of the page failed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CommandError {
    /// The reaction that it needs, such as `signed_out`.
    pub kind: &'static str,
    /// An English sentence without secrets.
    pub detail: String,
    /// What the user did wrong, with some errors of the kind `usage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    /// Why the server refused, with `rejected`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejection: Option<Box<CommandRejection>>,
    /// How long to wait, with `retry_later`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u64>,
    /// Why no user is signed in, with `signed_out`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_out_reason: Option<String>,
    /// The state of the vault, with `storage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault_state: Option<&'static str>,
}

/// Why the server refused.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CommandRejection {
    /// The code of the refusal, such as `invalid_credentials`.
    pub code: String,
    /// An English sentence for the user.
    pub sentence: String,
    /// The problems of the fields that were sent.
    pub fields: Vec<RejectedField>,
}

/// A problem of one field.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RejectedField {
    /// The name of the field, such as `email`.
    pub field: String,
    /// The code of the problem, such as `too_short`.
    pub code: String,
    /// The server's own sentence, if it sent one.
    pub sentence: Option<String>,
}

impl CommandError {
    pub(crate) fn usage(problem: impl fmt::Display) -> Self {
        CommandError::new("usage", format!("invalid use: {problem}"))
    }

    /// A mistake of the user, for which an app may have a text.
    pub(crate) fn of_user(code: &'static str, problem: &str) -> Self {
        CommandError { code: Some(code), ..CommandError::usage(problem) }
    }

    pub(crate) fn cancelled(why: &str) -> Self {
        CommandError::new("cancelled", why.to_owned())
    }

    fn new(kind: &'static str, detail: String) -> Self {
        CommandError {
            kind,
            detail,
            code: None,
            rejection: None,
            retry_after_seconds: None,
            sign_out_reason: None,
            vault_state: None,
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for CommandError {}

impl From<Error> for CommandError {
    fn from(error: Error) -> Self {
        let of = |kind| CommandError::new(kind, error.to_string());
        match error.kind() {
            ErrorKind::SignedOut { reason } => {
                CommandError { sign_out_reason: Some(reason_code(*reason)), ..of("signed_out") }
            }
            ErrorKind::Rejected(rejection) => {
                CommandError { rejection: Some(Box::new(rejection.into())), ..of("rejected") }
            }
            ErrorKind::Network => of("network"),
            ErrorKind::RetryLater { after } => {
                CommandError { retry_after_seconds: Some(after.as_secs()), ..of("retry_later") }
            }
            ErrorKind::OtherSignIn => of("other_sign_in"),
            ErrorKind::Cancelled => of("cancelled"),
            ErrorKind::Storage { state } => {
                let detail = with_causes(&error);
                CommandError {
                    vault_state: Some(vault_state(*state)),
                    ..CommandError::new("storage", detail)
                }
            }
            ErrorKind::Unsupported(_) => of("unsupported"),
            ErrorKind::Usage => of("usage"),
            // Also a kind that this crate does not know yet.
            _ => of("protocol"),
        }
    }
}

impl From<&Rejection> for CommandRejection {
    fn from(rejection: &Rejection) -> Self {
        let fields = rejection.fields.iter().flat_map(|(field, problems)| {
            problems.iter().map(|problem| RejectedField {
                field: field.clone(),
                code: problem.code.as_str().to_owned(),
                sentence: problem.detail.clone(),
            })
        });
        CommandRejection {
            code: rejection.code.as_str().to_owned(),
            sentence: rejection.message(),
            fields: fields.collect(),
        }
    }
}

/// Which store fails, and why.
fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use propusk::SignOutReason;

    use super::*;

    fn json(kind: ErrorKind) -> serde_json::Value {
        serde_json::to_value(CommandError::from(Error::from(kind))).expect("JSON")
    }

    #[test]
    fn error_has_the_kind_that_is_the_reaction() {
        let ended = json(ErrorKind::SignedOut { reason: SignOutReason::TokenReused });
        assert_eq!(
            (&ended["kind"], &ended["signOutReason"]),
            (&"signed_out".into(), &"token_reused".into())
        );
        let later = json(ErrorKind::RetryLater { after: Duration::from_secs(7) });
        assert_eq!(
            (&later["kind"], &later["retryAfterSeconds"]),
            (&"retry_later".into(), &7.into())
        );
        let locked = json(ErrorKind::Storage { state: propusk::VaultState::Locked });
        assert_eq!((&locked["kind"], &locked["vaultState"]), (&"storage".into(), &"locked".into()));
        assert_eq!(json(ErrorKind::Network)["kind"], "network");
        assert!(json(ErrorKind::Network).get("rejection").is_none());
    }
}
