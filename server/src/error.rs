//! What can be refused, in the domain's own words: no status codes and no texts of an API.
//! Every dialect matches all of it without a wildcard, so a new refusal gets its answer everywhere.

use crate::identifier::Kind;

pub type Result<T> = std::result::Result<T, Error>;

/// A refused use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown identifier, wrong password or suspended account: on purpose not told apart.
    #[error("the credentials do not fit")]
    InvalidCredentials,
    /// The current password, asked for again before a sensitive change, is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// A token was not accepted.
    #[error("token refused: {0:?}")]
    Token(TokenFault),
    /// A good credential of a suspended account.
    #[error("the account is suspended")]
    AccountInactive,
    /// A good credential of an account that is not (or no longer) there.
    #[error("there is no such account")]
    AccountNotFound,
    /// The identifier belongs to another account.
    #[error("the {} is taken", .0.as_str())]
    Taken(Kind),
    /// The change would leave nothing to sign in by.
    #[error("the account would have no identifier left")]
    NoIdentifier,
    /// A password above the limit of 1 024 bytes.
    #[error("the password is too long")]
    PasswordTooLong,
    /// The change needs the current password or a recent sign-in.
    #[error("a recent sign-in is needed")]
    ReauthenticationRequired,
    /// The uid of a mailed link names no account.
    #[error("a link of no account")]
    UnknownUid,
    /// A one-time token that was never mailed for this, or works no longer.
    #[error("the link works no longer")]
    LinkInvalid,
    /// A one-time token that has done its work, with no sign-in since.
    #[error("the link has done its work")]
    LinkSpent,
    /// A provider's word could not be had.
    #[error("provider: {0:?}")]
    Provider(ProviderFault),
    /// A sign-in with a provider came to nothing.
    #[error("sign-in with a provider: {0:?}")]
    SignIn(SignInFault),
    /// An application was not accepted.
    #[error("client application: {0:?}")]
    Client(ClientFault),
    /// Too many failed attempts; seconds until the next one is looked at.
    #[error("too many attempts, next in {retry_after} s")]
    RateLimited { retry_after: i64 },
    /// More work than can be done in a reasonable time; seconds until a retry makes sense.
    #[error("busy, next in {retry_after} s")]
    Busy { retry_after: i64 },
    /// Storage or another part of the server failed; the log has the cause, the client does not.
    #[error(transparent)]
    Internal(#[from] Fault),
}

/// Why a token was not accepted, as finely as an API tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a token of ours: form, signature, algorithm, or a time claim that makes no sense.
    Malformed,
    Expired,
    NoExp,
    NoType,
    WrongType,
    NoId,
    /// No claim that names an account.
    NoAccount,
    /// Used up, or its session has ended.
    Spent,
    /// A refresh token that had been used before: its session is ended by that.
    Reused,
    /// A refresh token whose access token is still alive, where the policy wants it to be over; seconds
    /// until a refresh is granted.
    TooEarly {
        retry_after: i64,
    },
}

/// Why a provider's word could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderFault {
    /// No such provider is configured.
    Unknown,
    /// It does not honour the code or token, or issued it to another application.
    Refused,
    /// It answers with this status and no reason.
    Status(u16),
    /// What it answers cannot be used.
    Unusable,
    Unreachable,
}

/// Why a sign-in with a provider came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInFault {
    /// It was never begun, is over, took too long, or is another's.
    Unknown,
    /// The app may not be returned to there.
    RedirectNotAllowed,
    /// What the app sends as its code challenge is none.
    ChallengeInvalid,
    /// Nobody has registered with this identity.
    NotRegistered,
    /// Somebody has registered with this identity.
    Registered,
    /// The address belongs to an account that this identity does not open.
    AccountInUse,
    /// The identity that was to be linked opens another account.
    IdentityTaken,
}

/// Why an application was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    Unknown,
    /// Its secret is wrong.
    Secret,
    /// It may not sign in this way.
    Grant,
}

/// A failure of the server's own parts.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("database: {}", words_of(.0))]
    Database(#[from] sqlx::Error),
    #[error("database commit: {0}")]
    Commit(String),
    #[error("the database writer has stopped")]
    WriterGone,
    #[error("password hashing: {0}")]
    Hashing(String),
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("a random session id is taken")]
    SessionIdTaken,
    #[error("token payload: {0}")]
    Payload(#[from] serde_json::Error),
    #[error("something cannot be sealed")]
    Sealed,
    #[error("a signing key cannot be made")]
    KeyNotMade,
    #[error(
        "no key to sign with: the one in force is sealed under another tokens.secret; see propusk key list"
    )]
    NoSigningKey,
}

impl From<SignInFault> for Error {
    fn from(fault: SignInFault) -> Self {
        Error::SignIn(fault)
    }
}

impl From<ClientFault> for Error {
    fn from(fault: ClientFault) -> Self {
        Error::Client(fault)
    }
}

impl From<TokenFault> for Error {
    fn from(fault: TokenFault) -> Self {
        Error::Token(fault)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_passing(&error) {
            tracing::warn!(error = words_of(&error), "the database is not available");
            return Error::Busy { retry_after: 1 };
        }
        Error::Internal(Fault::Database(error))
    }
}

/// An error in words for operators: with its code, and without the line of Postgres' own source that sqlx
/// adds.
pub(crate) fn words_of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(told) => match told.code() {
            Some(code) => format!("{} ({code})", told.message()),
            None => told.message().to_owned(),
        },
        other => other.to_string(),
    }
}

/// Whether the same request may well succeed in a moment: no connection, a lock, a full disk.
pub(crate) fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // SQLite: busy, locked, full (the low byte of the extended code). Postgres: connection
            // failures, out of resources, an operator's or a timeout's doing, serialisation.
            let sqlite = code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 13));
            let postgres = ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class));
            if code.len() == 5 { postgres } else { sqlite }
        }),
        _ => false,
    }
}

impl From<getrandom::Error> for Error {
    fn from(error: getrandom::Error) -> Self {
        Error::Internal(Fault::Random(error))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::Internal(Fault::Payload(error))
    }
}
