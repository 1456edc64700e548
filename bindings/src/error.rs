//! The errors: one variant for each reaction of an app, as in `propusk::ErrorKind`.

use std::error::Error as StdError;
use std::time::Duration;

use crate::account::ApiOperation;
use crate::rejection::Rejection;
use crate::status::SignOutReason;
use crate::vault_state::VaultState;

/// The result of a call.
pub type Result<T> = std::result::Result<T, PropuskError>;

/// Why an operation failed. Each variant needs another reaction. `detail` is an English sentence
/// without secrets, for a log.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Error)]
pub enum PropuskError {
    /// No user is signed in: show the sign-in.
    SignedOut {
        /// Why no user is signed in.
        reason: SignOutReason,
        /// An English sentence for a log.
        detail: String,
    },
    /// The server refused the request: show the reason and let the user correct it.
    Rejected {
        /// The reason.
        rejection: Rejection,
        /// An English sentence for the user.
        detail: String,
    },
    /// The server could not be reached, or a proxy answered instead: try again when there is a
    /// network. The user stays signed in.
    Network {
        /// An English sentence for a log.
        detail: String,
    },
    /// The server is busy or has received too many attempts: try again after this time.
    RetryLater {
        /// How long to wait.
        after: Duration,
        /// An English sentence for a log.
        detail: String,
    },
    /// Another sign-in has replaced the one that this request belongs to: nothing was sent for it.
    OtherSignIn {
        /// An English sentence for a log.
        detail: String,
    },
    /// The user or the app cancelled the operation.
    Cancelled {
        /// An English sentence for a log.
        detail: String,
    },
    /// The vault cannot be read or written now. The user stays signed in.
    Storage {
        /// The state of the vault.
        state: VaultState,
        /// An English sentence for a log.
        detail: String,
    },
    /// The API does not have this operation. No request was sent.
    Unsupported {
        /// The operation.
        operation: ApiOperation,
        /// An English sentence for a log.
        detail: String,
    },
    /// The server's answer is not part of its API: another version, or the wrong server.
    Protocol {
        /// An English sentence for a log.
        detail: String,
    },
    /// Invalid use by the app: for example a bad address or a missing option.
    Usage {
        /// An English sentence for the developer.
        detail: String,
    },
}

impl PropuskError {
    pub(crate) fn usage(problem: impl std::fmt::Display) -> Self {
        PropuskError::Usage { detail: format!("invalid use: {problem}") }
    }

    pub(crate) fn cancelled() -> Self {
        PropuskError::Cancelled { detail: "cancelled".to_owned() }
    }

    pub(crate) fn other_sign_in() -> Self {
        propusk::Error::from(propusk::ErrorKind::OtherSignIn).into()
    }

    fn detail(&self) -> &str {
        match self {
            PropuskError::SignedOut { detail, .. }
            | PropuskError::Rejected { detail, .. }
            | PropuskError::Network { detail }
            | PropuskError::RetryLater { detail, .. }
            | PropuskError::OtherSignIn { detail }
            | PropuskError::Cancelled { detail }
            | PropuskError::Storage { detail, .. }
            | PropuskError::Unsupported { detail, .. }
            | PropuskError::Protocol { detail }
            | PropuskError::Usage { detail } => detail,
        }
    }
}

impl std::fmt::Display for PropuskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.detail())
    }
}

impl StdError for PropuskError {}

impl From<propusk::Error> for PropuskError {
    fn from(error: propusk::Error) -> Self {
        use propusk::ErrorKind;
        let detail = error.to_string();
        match error.kind().clone() {
            ErrorKind::SignedOut { reason } => {
                PropuskError::SignedOut { reason: reason.into(), detail }
            }
            ErrorKind::Rejected(rejection) => {
                PropuskError::Rejected { rejection: rejection.into(), detail }
            }
            ErrorKind::Network => PropuskError::Network { detail },
            ErrorKind::RetryLater { after } => PropuskError::RetryLater { after, detail },
            ErrorKind::OtherSignIn => PropuskError::OtherSignIn { detail },
            ErrorKind::Cancelled => PropuskError::Cancelled { detail },
            ErrorKind::Storage { state } => {
                let detail = with_causes(detail, &error);
                PropuskError::Storage { state: state.into(), detail }
            }
            ErrorKind::Unsupported(operation) => match ApiOperation::of(operation) {
                Some(operation) => PropuskError::Unsupported { operation, detail },
                None => PropuskError::Usage { detail },
            },
            ErrorKind::Usage => PropuskError::Usage { detail },
            // Also a kind that this crate does not know yet.
            _ => PropuskError::Protocol { detail },
        }
    }
}

/// Which store fails, and why: the app's own storage reports its errors only here.
fn with_causes(mut text: String, error: &propusk::Error) -> String {
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An error in the app's own code: in a browser or a session listener.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Error)]
pub enum CallbackError {
    /// It failed.
    Failed {
        /// An English sentence for a log, without secrets.
        detail: String,
    },
    /// The user cancelled.
    Cancelled,
}

impl std::fmt::Display for CallbackError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CallbackError::Failed { detail } => f.write_str(detail),
            CallbackError::Cancelled => f.write_str("cancelled"),
        }
    }
}

impl StdError for CallbackError {}

impl From<uniffi::UnexpectedUniFFICallbackError> for CallbackError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        CallbackError::Failed { detail: unexpected(&error) }
    }
}

/// The type of an exception in the app's code. The rest of its text may contain a secret, such as a
/// URL or a key; so may the first word, unless it is the name of an error.
pub(crate) fn unexpected(error: &uniffi::UnexpectedUniFFICallbackError) -> String {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
    let name: String = error.reason.chars().take_while(is_name).take(80).collect();
    match name.ends_with("Error") || name.ends_with("Exception") {
        true => format!("the app's own code raised an exception: {name}"),
        false => "the app's own code raised an exception".to_owned(),
    }
}
