//! How an API reads opaque credentials: `Token <key>` as in Django REST framework, whose word is a
//! setting, `Bearer <token>` and `?access_token=` as in django-oauth-toolkit, and the refusals of
//! drf-social-oauth2, which reads `Bearer` last. Every kind of access credential is accepted in each
//! place.

use axum::http::StatusCode;

use super::reply::{Reply, common_failure};
use super::view::{Authenticated, Call};
use crate::api::Context;
use crate::auth::{Account, SignedIn};
use crate::error::Error;

/// The `WWW-Authenticate` of its refusals.
pub const CHALLENGE: &str = "Token";

/// An API that serves none of these has djoser alone, and knows neither `Bearer` nor tokens in a URL.
const OAUTH_OPERATIONS: [&str; 5] =
    ["convert_token", "token", "revoke_token", "invalidate_sessions", "invalidate_refresh_tokens"];

const NO_CREDENTIALS: &str = "Invalid token header. No credentials provided.";
const NO_BACKEND: &str = "Invalid token header. No backend provided.";
const SPACES: &str = "Invalid token header. Token string should not contain spaces.";
const INVALID_CHARACTERS: &str =
    "Invalid token header. Token string should not contain invalid characters.";
const INVALID_TOKEN: &str = "Invalid token.";

/// A credential, by the place where it was sent.
enum Credential {
    Token(String),
    Bearer(String),
    InUrl(String),
}

/// Reads the credential from every place that the libraries know.
pub fn token_or_bearer(call: &Call) -> Authenticated<'_> {
    Box::pin(authenticate(call))
}

/// 401 for a credential in the `Token` scheme.
pub fn refusal(error: &Error) -> Reply {
    error.note();
    match error {
        Error::Token(_) | Error::AccountNotFound => refused(INVALID_TOKEN),
        Error::AccountInactive => refused("User inactive or deleted."),
        other => common_failure(other),
    }
}

/// The account of a call that has passed [`token_or_bearer`].
pub async fn account(call: &Call) -> Result<Account, Reply> {
    let (Context { auth, policy, .. }, who) = (&*call.context, call.signed_in()?);
    let account = auth.account(who).await.map_err(|error| refusal(&error))?;
    auth.shown_at(policy, account).await.map_err(|error| refusal(&error))
}

async fn authenticate(call: &Call) -> Result<Option<SignedIn>, Reply> {
    let place = &call.context.place;
    let has_oauth = OAUTH_OPERATIONS.iter().any(|operation| place.path(operation).is_some());
    let credential = match call.authorization() {
        Some(header) => of_header(&place.header_words, has_oauth, &header)?,
        None if has_oauth => {
            call.query("access_token").filter(|token| !token.is_empty()).map(Credential::InUrl)
        }
        None => None,
    };
    let (Context { auth, policy, .. }, from) = (&*call.context, Some(call.client()));
    match credential {
        None => Ok(None),
        Some(Credential::Token(key)) => {
            auth.signed_in_at(policy, &key, from).await.map(Some).map_err(|error| refusal(&error))
        }
        Some(Credential::Bearer(token)) => match auth.signed_in_at(policy, &token, from).await {
            Err(error @ (Error::Token(_) | Error::AccountNotFound)) => {
                error.note();
                Err(refused(NO_CREDENTIALS))
            }
            outcome => outcome.map(Some).map_err(|error| refusal(&error)),
        },
        Some(Credential::InUrl(token)) => match auth.signed_in_at(policy, &token, from).await {
            Ok(who) => Ok(Some(SignedIn { in_url: true, ..who })),
            // No library refuses a wrong token in the URL: the call is anonymous.
            Err(Error::Token(_) | Error::AccountNotFound) => Ok(None),
            Err(error) => Err(refusal(&error)),
        },
    }
}

fn of_header(
    words: &[String],
    has_oauth: bool,
    header: &[u8],
) -> Result<Option<Credential>, Reply> {
    let mut parts = header.split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let is_word = |part: &[u8]| words.iter().any(|word| part.eq_ignore_ascii_case(word.as_bytes()));
    if parts.next().is_some_and(is_word) {
        return of_token_scheme(parts.next(), parts.next()).map(Some);
    }
    if has_oauth { of_bearer_scheme(header) } else { Ok(None) }
}

fn of_token_scheme(key: Option<&[u8]>, more: Option<&[u8]>) -> Result<Credential, Reply> {
    match (key, more) {
        (None, _) => Err(refused(NO_CREDENTIALS)),
        (Some(_), Some(_)) => Err(refused(SPACES)),
        (Some(key), None) => match str::from_utf8(key) {
            Ok(key) => Ok(Credential::Token(key.to_owned())),
            Err(_) => Err(refused(INVALID_CHARACTERS)),
        },
    }
}

/// Any other scheme counts as no header.
fn of_bearer_scheme(header: &[u8]) -> Result<Option<Credential>, Reply> {
    // The libraries read these bytes as latin-1, which has more white space than ASCII.
    let header: String = header.iter().copied().map(char::from).collect();
    let words: Vec<_> = header.split_whitespace().collect();
    match words[..] {
        [scheme, ..] if !scheme.eq_ignore_ascii_case("bearer") => Ok(None),
        [] => Ok(None),
        [_] => Err(refused(NO_BACKEND)),
        [_, token] => Ok(Some(Credential::Bearer(token.to_owned()))),
        [_, _, _] => Err(refused(INVALID_TOKEN)),
        _ => Err(refused(SPACES)),
    }
}

fn refused(text: &str) -> Reply {
    Reply::detail(StatusCode::UNAUTHORIZED, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &[u8]) -> String {
        match of_header(&["Token".to_owned()], true, header) {
            Ok(None) => "anonymous".to_owned(),
            Ok(Some(Credential::Token(key))) => format!("token {key}"),
            Ok(Some(Credential::Bearer(token))) => format!("bearer {token}"),
            Ok(Some(Credential::InUrl(_))) => "a URL is no header".to_owned(),
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn scheme_is_case_insensitive_with_any_white_space_after_it() {
        let cases: [(&[u8], &str); 9] = [
            (b"Token k", "token k"),
            (b" tOKEN \t k ", "token k"),
            (b"bEARER  t", "bearer t"),
            (b"Bearer\xa0t", "bearer t"),
            (b"Bearer \xff", "bearer \u{ff}"),
            (b"", "anonymous"),
            (b"Token: k", "anonymous"),
            (b"Basic k", "anonymous"),
            (b"0123456789", "anonymous"),
        ];
        for (header, expected) in cases {
            assert_eq!(read(header), expected, "{header:?}");
        }
    }

    #[test]
    fn scheme_needs_exactly_one_word_of_utf_8() {
        let headers: [&[u8]; 6] = [
            b"Token",
            b"Token a b",
            b"Token \xff",
            b"Bearer",
            b"Bearer google-oauth2 t",
            b"Bearer a b c",
        ];
        for header in headers {
            assert_eq!(read(header), "refused", "{header:?}");
        }
        // Only ASCII white space ends the first scheme.
        assert_eq!(read(b"Token\xa0k"), "anonymous");
    }

    #[test]
    fn bearer_is_any_other_word_without_the_operations_of_oauth() {
        let words = ["Token".to_owned()];
        assert!(matches!(of_header(&words, false, b"Bearer t"), Ok(None)));
        assert!(matches!(of_header(&words, false, b"Bearer"), Ok(None)));
        assert!(matches!(of_header(&words, false, b"Token k"), Ok(Some(Credential::Token(_)))));
    }
}
