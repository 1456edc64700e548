//! djangorestframework-simplejwt's part of an API: its views, its serializers, how it reads the
//! `Authorization` header, and its refusals, in which the versions differ ([`Answers`]).

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::fields::{Form, Text};
use super::reply::{Answer, Reply, common_failure};
use super::view::{Authenticated, Call};
use crate::api::{Answers, Context};
use crate::auth::{Account, Pair, RefreshedTokens, SignedIn};
use crate::error::{Error, TokenFault};

/// The descriptions that its views give in the answer to OPTIONS.
pub const OBTAIN_PAIR: &str = "Takes a set of user credentials and returns an access and refresh JSON web\ntoken pair to prove the authentication of those credentials.";
pub const REFRESH: &str = "Takes a refresh type JSON web token and returns an access type JSON web\ntoken if the refresh token is valid.";
pub const VERIFY: &str = "Takes a token and indicates if it is valid.  This view provides no\ninformation about a token's fitness for a particular use.";
pub const BLACKLIST: &str = "Takes a token and blacklists it. Must be used with the\n`rest_framework_simplejwt.token_blacklist` app installed.";

/// The text for a token in its blacklist.
const BLACKLISTED: &str = "Token is blacklisted";

/// How an API answers an error.
type Failure = fn(Error) -> Reply;

/// The library's view that signs in; the API's place has the name of the first field.
pub async fn obtain_pair(mut call: Call, failure: Failure) -> Answer {
    let name = call.context.place.sign_in_field;
    let request = CredentialsRequest::read(call.form().await?, name)?;
    let (Context { auth, policy, place, .. }, from) = (&*call.context, call.client());
    let CredentialsRequest { name, password } = &request;
    let signed_in = auth.sign_in_jwt_and_account(policy, name, password, from).await;
    let (Pair { access, refresh }, account) = signed_in.map_err(failure)?;
    let attributes = match place.shows_attributes() {
        true => auth.attributes(account.id).await.map_err(failure)?,
        false => Map::new(),
    };
    let members = place.members_of(policy, &account, &attributes);
    Ok(Reply::ok(&PairResponse { refresh, access, members }).private())
}

/// The library's view that refreshes.
pub async fn refresh(mut call: Call, failure: Failure) -> Answer {
    let token = TokenRequest::read(call.form().await?, "refresh")?.0;
    let Context { auth, policy, place, .. } = &*call.context;
    let renewed = auth.refresh_jwt(policy, &token, call.client()).await;
    let renewed = renewed.map_err(|error| refresh_refusal(&place.answers, error, failure))?;
    Ok(Reply::ok(&RenewedResponse::from(renewed)).private())
}

/// The library's view that verifies a token of any type.
pub async fn verify(mut call: Call, failure: Failure) -> Answer {
    let token = TokenRequest::read(call.form().await?, "token")?.0;
    let Context { auth, policy, place, .. } = &*call.context;
    let verified = auth.verify(policy, &token).await;
    verified.map_err(|error| verify_refusal(&place.answers, error, failure))?;
    Ok(Reply::empty_object())
}

/// The library's view that ends a session.
pub async fn blacklist(mut call: Call, failure: Failure) -> Answer {
    let token = TokenRequest::read(call.form().await?, "refresh")?.0;
    let Context { auth, policy, place, .. } = &*call.context;
    let ended = auth.end_jwt_session(policy, &token).await;
    ended.map_err(|error| refresh_refusal(&place.answers, error, failure))?;
    Ok(Reply::empty_object())
}

/// A name, in a field that the API chooses, and a password; no `Debug`.
struct CredentialsRequest {
    name: String,
    password: String,
}

impl CredentialsRequest {
    fn read(mut form: Form, name: &'static str) -> Result<Self, Reply> {
        let name = form.text(name, &Text::REQUIRED).unwrap_or_default();
        let password = form.text("password", &Text::REQUIRED).unwrap_or_default();
        form.finish()?;
        Ok(CredentialsRequest { name, password })
    }
}

/// One token, in a field that the view chooses; no `Debug`.
struct TokenRequest(String);

impl TokenRequest {
    fn read(mut form: Form, field: &'static str) -> Result<Self, Reply> {
        let token = form.text(field, &Text::REQUIRED).unwrap_or_default();
        form.finish()?;
        Ok(TokenRequest(token))
    }
}

#[derive(Serialize)]
struct PairResponse {
    refresh: String,
    access: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// The refresh token is present if the API rotates it. The order of the fields is the library's and
/// differs from the pair's.
#[derive(Serialize)]
struct RenewedResponse {
    access: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<String>,
}

impl From<RefreshedTokens> for RenewedResponse {
    fn from(renewed: RefreshedTokens) -> Self {
        RenewedResponse { access: renewed.access, refresh: renewed.refresh }
    }
}

/// The text of a refused token. `names_spent` says whether that of an ended session has its own.
fn text(answers: &Answers, names_spent: bool, fault: TokenFault) -> &'static str {
    match fault {
        TokenFault::Malformed | TokenFault::NoAccount => answers.invalid_token,
        TokenFault::Expired => answers.expired_token,
        TokenFault::Spent | TokenFault::Blacklisted | TokenFault::Reused if names_spent => {
            BLACKLISTED
        }
        TokenFault::Spent | TokenFault::Blacklisted | TokenFault::Reused => answers.invalid_token,
        TokenFault::NoExp => "Token has no 'exp' claim",
        TokenFault::NoType => "Token has no type",
        TokenFault::WrongType => "Token has wrong type",
        TokenFault::NoId => "Token has no id",
        TokenFault::TooEarly { .. } => "Token is not valid yet",
    }
}

/// 401 for a token in the body.
pub fn token_refusal(answers: &Answers, fault: TokenFault) -> Reply {
    body_refusal(answers, answers.names_ended, fault)
}

fn body_refusal(answers: &Answers, names_spent: bool, fault: TokenFault) -> Reply {
    let body = json!({ "detail": text(answers, names_spent, fault), "code": "token_not_valid" });
    let reply = Reply::json(StatusCode::UNAUTHORIZED, &body);
    match fault {
        TokenFault::TooEarly { retry_after } => reply.after(retry_after),
        _ => reply,
    }
}

/// The answer of a view that takes a refresh token.
fn refresh_refusal(answers: &Answers, error: Error, failure: Failure) -> Reply {
    let fault = match error {
        Error::Token(fault) => fault,
        Error::AccountNotFound => TokenFault::Malformed,
        other => return failure(other),
    };
    error.note();
    body_refusal(answers, answers.names_spent, fault)
}

/// The answer of the view that verifies.
fn verify_refusal(answers: &Answers, error: Error, failure: Failure) -> Reply {
    let fault = match error {
        Error::Token(fault) => fault,
        Error::AccountNotFound => TokenFault::Malformed,
        other => return failure(other),
    };
    error.note();
    match fault {
        TokenFault::Blacklisted if answers.spent_is_bad_request => {
            Reply::field("non_field_errors", BLACKLISTED)
        }
        fault => token_refusal(answers, fault),
    }
}

/// 401 for a token in the header.
fn header_refusal(answers: &Answers, error: &Error) -> Reply {
    error.note();
    let body = match error {
        Error::Token(TokenFault::NoAccount) => json!({
            "detail": "Token contained no recognizable user identification",
            "code": "token_not_valid",
        }),
        Error::Token(fault) => json!({
            "detail": "Given token not valid for any token type",
            "code": "token_not_valid",
            "messages": [{
                "token_class": "AccessToken",
                "token_type": "access",
                "message": text(answers, answers.names_ended, *fault),
            }],
        }),
        Error::AccountInactive => {
            json!({ "detail": "User is inactive", "code": "user_inactive" })
        }
        Error::AccountNotFound => {
            json!({ "detail": "User not found", "code": "user_not_found" })
        }
        other => return common_failure(other),
    };
    Reply::json(StatusCode::UNAUTHORIZED, &body)
}

/// The account of a call that has passed [`bearer`].
pub async fn account(call: &Call) -> Result<Account, Reply> {
    let (Context { auth, policy, place, .. }, who) = (&*call.context, call.signed_in()?);
    let refusal = |error: Error| header_refusal(&place.answers, &error);
    let account = auth.account(who).await.map_err(refusal)?;
    auth.shown_at(policy, account).await.map_err(refusal)
}

/// 401 of a sign-in, for every reason.
pub fn no_active_account() -> Reply {
    Reply::detail(StatusCode::UNAUTHORIZED, "No active account found with the given credentials")
}

/// 401 of a refresh by a suspended account.
pub fn no_active_account_for_token() -> Reply {
    Reply::detail(StatusCode::UNAUTHORIZED, "No active account found for the given token.")
}

/// Reads `Authorization: <word> <token>`, where the word is one of the API's.
pub fn bearer(call: &Call) -> Authenticated<'_> {
    Box::pin(read_bearer(call))
}

async fn read_bearer(call: &Call) -> Result<Option<SignedIn>, Reply> {
    let (Context { auth, policy, place, .. }, from) = (&*call.context, call.client());
    let header = call.authorization();
    let Some(token) = token_behind(&place.header_words, header.as_deref())? else {
        return Ok(None);
    };
    let who = auth.signed_in_at(policy, &token, Some(from)).await;
    who.map(Some).map_err(|error| header_refusal(&place.answers, &error))
}

/// The words are case-sensitive; any other word counts as no header.
fn token_behind(words: &[String], header: Option<&[u8]>) -> Result<Option<String>, Reply> {
    let mut parts =
        header.unwrap_or_default().split(u8::is_ascii_whitespace).filter(|part| !part.is_empty());
    let is_word = |part: &[u8]| words.iter().any(|word| word.as_bytes() == part);
    if !parts.next().is_some_and(is_word) {
        return Ok(None);
    }
    match (parts.next(), parts.next()) {
        (Some(token), None) => Ok(Some(String::from_utf8_lossy(token).into_owned())),
        _ => Err(Reply::json(
            StatusCode::UNAUTHORIZED,
            &json!({
                "detail": "Authorization header must contain two space-delimited values",
                "code": "bad_authorization_header",
            }),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str], header: &str) -> String {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        match token_behind(&words, Some(header.as_bytes())) {
            Ok(None) => "anonymous".to_owned(),
            Ok(Some(token)) => format!("token {token}"),
            Err(_) => "refused".to_owned(),
        }
    }

    #[test]
    fn token_is_read_behind_a_word_of_the_api_alone() {
        let cases: [(&[&str], &str, &str); 8] = [
            (&["Bearer"], "Bearer t", "token t"),
            (&["Bearer"], "JWT t", "anonymous"),
            (&["JWT"], "JWT  t", "token t"),
            (&["JWT"], "Bearer t", "anonymous"),
            (&["JWT"], "jwt t", "anonymous"),
            (&["JWT", "Bearer"], "Bearer t", "token t"),
            (&["JWT", "Bearer"], "JWT", "refused"),
            (&["JWT"], "JWT a b", "refused"),
        ];
        for (words, header, expected) in cases {
            assert_eq!(read(words, header), expected, "{words:?} {header}");
        }
    }
}
