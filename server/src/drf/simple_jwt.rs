//! djangorestframework-simplejwt's part of an API: its views, its serializers, how it reads the
//! `Authorization` header, and the texts of its refusals, in which two versions differ.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::fields::{Form, Text};
use super::reply::{Answer, Reply, common_failure};
use super::view::{Authenticated, Call};
use crate::api::Context;
use crate::auth::{Account, Pair, RefreshedTokens, SignedIn};
use crate::error::{Error, TokenFault};

/// The descriptions that its views give in the answer to OPTIONS.
pub const OBTAIN_PAIR: &str = "Takes a set of user credentials and returns an access and refresh JSON web\ntoken pair to prove the authentication of those credentials.";
pub const REFRESH: &str = "Takes a refresh type JSON web token and returns an access type JSON web\ntoken if the refresh token is valid.";
pub const VERIFY: &str = "Takes a token and indicates if it is valid.  This view provides no\ninformation about a token's fitness for a particular use.";
pub const BLACKLIST: &str = "Takes a token and blacklists it. Must be used with the\n`rest_framework_simplejwt.token_blacklist` app installed.";

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
    let members = place.members_of(&account, &attributes);
    Ok(Reply::ok(&PairResponse { refresh, access, members }).private())
}

/// The library's view that refreshes.
pub async fn refresh(mut call: Call, failure: Failure) -> Answer {
    let token = TokenRequest::read(call.form().await?, "refresh")?.0;
    let Context { auth, policy, .. } = &*call.context;
    let renewed = auth.refresh_jwt(policy, &token, call.client()).await.map_err(failure)?;
    Ok(Reply::ok(&RenewedResponse::from(renewed)).private())
}

/// The library's view that verifies a token of any type.
pub async fn verify(mut call: Call, failure: Failure) -> Answer {
    let token = TokenRequest::read(call.form().await?, "token")?.0;
    let Context { auth, policy, .. } = &*call.context;
    auth.verify(policy, &token).await.map_err(failure)?;
    Ok(Reply::ok(&json!({})))
}

/// The library's view that ends a session.
pub async fn blacklist(mut call: Call, failure: Failure) -> Answer {
    let token = TokenRequest::read(call.form().await?, "refresh")?.0;
    let Context { auth, policy, .. } = &*call.context;
    auth.end_jwt_session(policy, &token).await.map_err(failure)?;
    Ok(Reply::ok(&json!({})))
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

/// The texts in which the versions differ.
pub struct Wording {
    invalid: &'static str,
    expired: &'static str,
    spent: &'static str,
}

/// Until 5.4, with its blacklist.
pub const V5_3: Wording = Wording {
    invalid: "Token is invalid or expired",
    expired: "Token is invalid or expired",
    spent: "Token is blacklisted",
};

/// From 5.5 on, without a blacklist: an ended token has no text of its own.
pub const V5_5: Wording =
    Wording { invalid: "Token is invalid", expired: "Token is expired", spent: "Token is invalid" };

/// The same with a blacklist, for refresh tokens.
pub const V5_5_BLACKLIST: Wording = Wording { spent: "Token is blacklisted", ..V5_5 };

impl Wording {
    fn text(&self, fault: TokenFault) -> &'static str {
        match fault {
            TokenFault::Malformed | TokenFault::NoAccount => self.invalid,
            TokenFault::Expired => self.expired,
            TokenFault::Spent | TokenFault::Reused => self.spent,
            TokenFault::NoExp => "Token has no 'exp' claim",
            TokenFault::NoType => "Token has no type",
            TokenFault::WrongType => "Token has wrong type",
            TokenFault::NoId => "Token has no id",
            TokenFault::TooEarly { .. } => "Token is not valid yet",
        }
    }

    /// 401 of the views that take a token in the body.
    pub fn token_refusal(&self, fault: TokenFault) -> Reply {
        let body = json!({ "detail": self.text(fault), "code": "token_not_valid" });
        let reply = Reply::json(StatusCode::UNAUTHORIZED, &body);
        match fault {
            TokenFault::TooEarly { retry_after } => reply.after(retry_after),
            _ => reply,
        }
    }

    /// 401 of the views that take a token in the header.
    pub fn header_refusal(&self, error: &Error) -> Reply {
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
                    "message": self.text(*fault),
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

    /// The account of a call that has passed [`bearer_5_3`] or [`bearer_5_5`].
    pub async fn account(&self, call: &Call) -> Result<Account, Reply> {
        let (Context { auth, policy, .. }, who) = (&*call.context, call.signed_in()?);
        let account = auth.account(who).await.map_err(|error| self.header_refusal(&error))?;
        auth.shown_at(policy, account).await.map_err(|error| self.header_refusal(&error))
    }
}

/// 401 of a sign-in, for every reason.
pub fn no_active_account() -> Reply {
    Reply::detail(StatusCode::UNAUTHORIZED, "No active account found with the given credentials")
}

/// 401 of a refresh by a suspended account.
pub fn no_active_account_for_token() -> Reply {
    Reply::detail(StatusCode::UNAUTHORIZED, "No active account found for the given token.")
}

/// Reads `Authorization: <word> <token>`, where the word is one of the API's, and refuses in the texts
/// of 5.3.
pub fn bearer_5_3(call: &Call) -> Authenticated<'_> {
    Box::pin(bearer(call, &V5_3))
}

/// The same in the texts of 5.5.
pub fn bearer_5_5(call: &Call) -> Authenticated<'_> {
    Box::pin(bearer(call, &V5_5))
}

async fn bearer(call: &Call, wording: &Wording) -> Result<Option<SignedIn>, Reply> {
    let words = &call.context.place.header_words;
    let Some(token) = token_behind(words, call.authorization().as_deref())? else {
        return Ok(None);
    };
    let (Context { auth, policy, .. }, from) = (&*call.context, call.client());
    let who = auth.signed_in_at(policy, &token, Some(from)).await;
    who.map(Some).map_err(|error| wording.header_refusal(&error))
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
