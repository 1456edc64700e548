//! The domain's errors, without status codes and texts of an API. Every dialect matches all of them
//! without a wildcard, so that a new error gets its answer everywhere.

use crate::identifier::Kind;
use crate::request_record;

pub type Result<T> = std::result::Result<T, Error>;

/// A refused use case.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Unknown identifier, wrong password or suspended account: deliberately indistinguishable.
    #[error("the credentials are wrong")]
    InvalidCredentials,
    /// The current password, asked for again before a sensitive change, is wrong.
    #[error("the current password is wrong")]
    WrongPassword,
    /// A token was not accepted.
    #[error("token refused: {0:?}")]
    Token(TokenFault),
    /// A valid credential of a suspended account.
    #[error("the account is suspended")]
    AccountInactive,
    /// A valid credential of an account that does not exist (any more).
    #[error("there is no such account")]
    AccountNotFound,
    /// The identifier belongs to another account.
    #[error("the {} is taken", .0.as_str())]
    Taken(Kind),
    /// The change would leave no identifier to sign in with.
    #[error("the account would have no identifier left")]
    NoIdentifier,
    /// A password above the limit of 1 024 bytes.
    #[error("the password is too long")]
    PasswordTooLong,
    /// The change needs the current password or a recent sign-in.
    #[error("a recent sign-in is needed")]
    ReauthenticationRequired,
    /// A credential that others may have: of an OAuth client, or sent in a URL. No password and no
    /// sign-in makes it enough.
    #[error("this credential may not do that")]
    CredentialNotAllowed,
    /// The uid of a mailed link names no account.
    #[error("the link names no account")]
    UnknownUid,
    /// A one-time token that was never mailed for this purpose, or has become invalid.
    #[error("the link is not valid (any more)")]
    LinkInvalid,
    /// A spent one-time token, if there was no sign-in since.
    #[error("the link is spent")]
    LinkSpent,
    /// A provider's answer could not be obtained.
    #[error("provider: {0:?}")]
    Provider(ProviderFault),
    /// A sign-in with a provider failed.
    #[error("sign-in with a provider: {0:?}")]
    SignIn(SignInFault),
    /// An application was not accepted.
    #[error("client application: {0:?}")]
    Client(ClientFault),
    /// Too many failed attempts; seconds until the next one is allowed.
    #[error("too many attempts, next in {retry_after} s")]
    RateLimited { retry_after: i64 },
    /// Too much load; seconds until a retry makes sense.
    #[error("busy, next in {retry_after} s")]
    Busy { retry_after: i64 },
    /// The accounts of another system are not complete here, so that a refusal could be wrong;
    /// seconds until a retry makes sense.
    #[error("not known until the adoption is complete, next in {retry_after} s")]
    AdoptionOpen { retry_after: i64 },
    /// Storage or another part of the server failed; the cause goes to the log and not to the
    /// client.
    #[error(transparent)]
    Internal(#[from] Fault),
}

impl Error {
    /// Its name in the log and in metrics, which do not depend on the dialect.
    pub fn code(&self) -> &'static str {
        match self {
            Error::InvalidCredentials => "invalid_credentials",
            Error::WrongPassword => "wrong_password",
            Error::Token(fault) => fault.code(),
            Error::AccountInactive => "account_inactive",
            Error::AccountNotFound => "account_not_found",
            Error::Taken(_) => "taken",
            Error::NoIdentifier => "no_identifier",
            Error::PasswordTooLong => "password_too_long",
            Error::ReauthenticationRequired => "reauthentication_required",
            Error::CredentialNotAllowed => "credential_not_allowed",
            Error::UnknownUid | Error::LinkInvalid => "link_invalid",
            Error::LinkSpent => "link_spent",
            Error::Provider(ProviderFault::Unknown) => "provider_unknown",
            Error::Provider(ProviderFault::Refused) => "provider_refused",
            Error::Provider(_) => "provider_unavailable",
            Error::SignIn(fault) => fault.code(),
            Error::Client(_) => "client_refused",
            Error::RateLimited { .. } => "rate_limited",
            Error::Busy { .. } => "busy",
            Error::AdoptionOpen { .. } => "adoption_unfinished",
            Error::Internal(_) => "internal",
        }
    }

    /// Notes it as the reason of the present request's answer.
    pub fn note(&self) {
        request_record::note_refusal(self.code());
    }
}

/// Why a token was not accepted, as precisely as any API reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFault {
    /// Not a token of this server: wrong form, signature or algorithm, or an impossible time claim.
    Malformed,
    Expired,
    NoExp,
    NoType,
    WrongType,
    NoId,
    /// No claim that names an account.
    NoAccount,
    /// Spent, or its session has ended.
    Spent,
    /// The same of a refresh token that was only verified, at an API that spends them.
    Blacklisted,
    /// A refresh token that was used before; its session ends.
    Reused,
    /// The access token is still valid, and the policy allows no refresh yet; seconds until it
    /// does.
    TooEarly {
        retry_after: i64,
    },
}

impl TokenFault {
    fn code(self) -> &'static str {
        match self {
            TokenFault::Malformed
            | TokenFault::NoExp
            | TokenFault::NoType
            | TokenFault::WrongType
            | TokenFault::NoId
            | TokenFault::NoAccount => "token_invalid",
            TokenFault::Expired => "token_expired",
            TokenFault::Spent | TokenFault::Blacklisted => "session_ended",
            TokenFault::Reused => "token_reused",
            TokenFault::TooEarly { .. } => "too_early",
        }
    }
}

/// Why a provider's answer could not be obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderFault {
    /// No such provider is configured.
    Unknown,
    /// It refuses the code or token, or issued it to another application.
    Refused,
    /// It answers with this status and without a reason.
    Status(u16),
    /// Its answer cannot be used.
    Unusable,
    Unreachable,
}

/// Why a sign-in with a provider failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInFault {
    /// It was never started, has ended or expired, or belongs to another client.
    Unknown,
    /// The redirect is not registered.
    RedirectNotAllowed,
    /// The code challenge is invalid.
    ChallengeInvalid,
    /// No account has this identity.
    NotRegistered,
    /// An account has this identity already.
    Registered,
    /// The address belongs to an account without this identity.
    AccountInUse,
    /// The identity to link belongs to another account.
    IdentityTaken,
}

impl SignInFault {
    fn code(self) -> &'static str {
        match self {
            SignInFault::Unknown => "sign_in_unknown",
            SignInFault::RedirectNotAllowed => "redirect_not_allowed",
            SignInFault::ChallengeInvalid => "challenge_invalid",
            SignInFault::NotRegistered => "not_registered",
            SignInFault::Registered | SignInFault::AccountInUse => "account_in_use",
            SignInFault::IdentityTaken => "identity_taken",
        }
    }
}

/// Why an application was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientFault {
    Unknown,
    /// Its secret is wrong.
    Secret,
    /// It may not use this grant.
    Grant,
}

/// An internal failure.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("database: {}", words_of(.0))]
    Database(#[from] sqlx::Error),
    #[error("database commit: {0}")]
    Commit(String),
    #[error("a task has ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("the database writer has stopped")]
    WriterGone,
    #[error("password hashing: {0}")]
    Hashing(String),
    #[error("the system provides no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    #[error("a random session id exists already")]
    SessionIdTaken,
    #[error("token payload: {0}")]
    Payload(#[from] serde_json::Error),
    #[error("sealing failed")]
    Sealed,
    #[error("a signing key could not be created")]
    KeyNotMade,
    #[error("the private key of an API does not sign")]
    NotSigned,
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
        if is_transient(&error) {
            tracing::warn!(error = words_of(&error), "the database is not available");
            return Error::Busy { retry_after: 1 };
        }
        Error::Internal(Fault::Database(error))
    }
}

/// A database error for operators: with its code, and without the source line of Postgres that sqlx
/// adds.
pub(crate) fn words_of(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("{} ({code})", error.message()),
            None => error.message().to_owned(),
        },
        other => other.to_string(),
    }
}

/// Whether the same request may succeed soon: no connection, a lock, a full disk.
pub(crate) fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // SQLite: busy, locked, full (the low byte of the extended code). Postgres: connection
            // failures, out of resources, ended by an operator or a time limit, serialisation.
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
