//! Refusals: the problem document of each domain error.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::{IntoResponse, Response};
use propusk_wire::{FieldCode, Problem, ProblemCode};

use super::reply::with_headers;
use crate::error::{Error, ProviderFault, SignInFault, TokenFault};

/// The challenge of a 401. RFC 6750 requires a parameter, and without one the HTTP client of Swift on
/// Linux crashes.
const CHALLENGE: &str = "Bearer realm=\"propusk\"";

/// The invalid members of a request, by name.
pub type Fields = BTreeMap<String, Vec<FieldCode>>;

/// A problem document with the headers that belong to it.
#[derive(Debug)]
pub struct Refusal {
    problem: Problem,
    retry_after: Option<i64>,
}

impl Refusal {
    pub fn of(status: StatusCode, code: ProblemCode) -> Self {
        let title = status.canonical_reason().unwrap_or_default().to_owned();
        let problem = Problem { title, status: status.as_u16(), code, fields: Fields::new() };
        Refusal { problem, retry_after: None }
    }

    /// Missing or invalid members.
    pub fn of_fields(fields: Fields) -> Self {
        Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, ProblemCode::InvalidFields).with(fields)
    }

    /// One invalid member.
    pub fn of_field(name: &str, code: FieldCode) -> Self {
        Refusal::of_fields(Fields::from([(name.to_owned(), vec![code])]))
    }

    /// No access token, or an unknown one.
    pub fn unauthorized() -> Self {
        Refusal::of(StatusCode::UNAUTHORIZED, ProblemCode::InvalidCredentials)
    }

    pub fn not_found() -> Self {
        Refusal::of(StatusCode::NOT_FOUND, ProblemCode::NotFound)
    }

    pub fn with(mut self, fields: Fields) -> Self {
        self.problem.fields = fields;
        self
    }

    fn retry_after(self, seconds: i64) -> Self {
        Refusal { retry_after: Some(seconds), ..self }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = with_headers(status, "application/problem+json", &self.problem);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE));
        }
        response
    }
}

/// The answer to a domain error.
pub fn failure(error: Error) -> Refusal {
    use ProblemCode as Code;
    let refused = |code| Refusal::of(StatusCode::FORBIDDEN, code);
    let conflict = |code| Refusal::of(StatusCode::CONFLICT, code);
    let bad = |code| Refusal::of(StatusCode::BAD_REQUEST, code);
    error.note();
    match error {
        Error::Provider(fault) => provider_failure(fault),
        Error::SignIn(SignInFault::Unknown) => bad(Code::SignInUnknown),
        Error::SignIn(SignInFault::RedirectNotAllowed) => refused(Code::RedirectNotAllowed),
        Error::SignIn(SignInFault::ChallengeInvalid) => {
            Refusal::of_field("code_challenge", FieldCode::Invalid)
        }
        Error::SignIn(
            SignInFault::AccountInUse | SignInFault::Registered | SignInFault::NotRegistered,
        ) => conflict(Code::AccountInUse),
        Error::SignIn(SignInFault::IdentityTaken) => conflict(Code::IdentityTaken),
        Error::Taken(kind) => conflict(Code::IdentifierTaken)
            .with(Fields::from([(kind.as_str().to_owned(), vec![FieldCode::Taken])])),
        Error::AccountInactive => refused(Code::AccountInactive),
        Error::WrongPassword => refused(Code::WrongPassword),
        Error::ReauthenticationRequired => refused(Code::ReauthenticationRequired),
        Error::CredentialNotAllowed => refused(Code::AccessDenied),
        Error::InvalidCredentials => Refusal::unauthorized(),
        Error::Token(fault) => token_failure(fault),
        Error::AccountNotFound => Refusal::of(StatusCode::UNAUTHORIZED, Code::SessionEnded),
        Error::NoIdentifier => conflict(Code::NothingToSignInBy),
        Error::PasswordTooLong => Refusal::of_field("password", FieldCode::TooLong),
        Error::UnknownUid | Error::LinkInvalid | Error::LinkSpent => bad(Code::LinkInvalid),
        Error::RateLimited { retry_after } => {
            Refusal::of(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited).retry_after(retry_after)
        }
        Error::Busy { retry_after } | Error::AdoptionOpen { retry_after } => {
            Refusal::of(StatusCode::SERVICE_UNAVAILABLE, Code::Busy).retry_after(retry_after)
        }
        Error::Client(_) | Error::Internal(_) => {
            tracing::error!(%error, "a request failed");
            Refusal::of(StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
        }
    }
}

fn provider_failure(fault: ProviderFault) -> Refusal {
    match fault {
        ProviderFault::Unknown => Refusal::not_found(),
        ProviderFault::Refused => Refusal::of(StatusCode::FORBIDDEN, ProblemCode::ProviderRefused),
        ProviderFault::Status(_) | ProviderFault::Unusable | ProviderFault::Unreachable => {
            Refusal::of(StatusCode::BAD_GATEWAY, ProblemCode::ProviderUnavailable)
        }
    }
}

fn token_failure(fault: TokenFault) -> Refusal {
    let code = match fault {
        TokenFault::Expired => ProblemCode::TokenExpired,
        TokenFault::Spent | TokenFault::Blacklisted => ProblemCode::SessionEnded,
        TokenFault::Reused => ProblemCode::TokenReused,
        TokenFault::Malformed
        | TokenFault::NoExp
        | TokenFault::NoType
        | TokenFault::WrongType
        | TokenFault::NoId
        | TokenFault::NoAccount
        | TokenFault::TooEarly { .. } => ProblemCode::InvalidCredentials,
    };
    Refusal::of(StatusCode::UNAUTHORIZED, code)
}
