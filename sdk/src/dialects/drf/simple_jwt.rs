//! djangorestframework-simplejwt: token pairs, their end, and refusals of access tokens.

use propusk_wire::Secret;
use serde::Deserialize;
use serde_json::json;

use super::{Names, refusal};
use crate::dialects::reply::{Token, read, rejection};
use crate::dialects::{
    Call, Credential, Reading, Refusal, Renewal, Reply, Request, Scheme, Tokens, jwt,
};
use crate::error::SignOutReason;
use crate::rejection::RejectionCode;

const NOT_VALID: &str = "token_not_valid";
/// Propusk's answer to a refresh that is too early; the library allows a refresh at any time.
const TOO_EARLY: &str = "Token is not valid yet";
const BLACKLISTED: &str = "Token is blacklisted";
const INACTIVE: &str = "No active account found for the given token.";

/// The answer to a sign-in and to a refresh.
#[derive(Deserialize)]
struct PairResponse {
    access: Token,
    refresh: Option<Token>,
}

impl PairResponse {
    fn tokens(self, scheme: Scheme, now: i64) -> Tokens {
        let Token(access) = self.access;
        let refresh = self.refresh.map(|Token(refresh)| refresh);
        Tokens {
            answered_at: now,
            access_lifetime: jwt::lifetime_of(&access, now),
            access: Credential::new(scheme, access),
            refresh_lifetime: refresh.as_ref().and_then(|refresh| jwt::lifetime_of(refresh, now)),
            refresh,
            session_id: None,
            profile: None,
        }
    }
}

/// The refusal of a token.
#[derive(Deserialize)]
struct TokenRefusal {
    detail: String,
    code: Option<String>,
    /// Present if the token was in a header. We send it in the body, so it must be missing.
    messages: Option<serde_json::Value>,
}

/// Signs in. The API chooses the name of the identifier's field.
pub fn sign_in(
    path: &str,
    field: &'static str,
    identifier: &str,
    password: &Secret,
    scheme: Scheme,
) -> Call<Tokens> {
    let names: Names = match field {
        "email" => &[("email", "identifier")],
        _ => &[("username", "identifier")],
    };
    let request = Request::post(path, json!({ field: identifier, "password": password }));
    Call::new(request, move |reply| {
        read(reply, |reply| pair(reply, scheme), |reply| credentials_refusal(reply, names))
    })
}

/// Refreshes and keeps the refresh token, unless the server is configured to rotate it.
pub fn refresh(path: &str, renewal: &Renewal<'_>) -> Call<Tokens> {
    let (request, scheme) = (refresh_request(path, renewal), renewal.access.scheme);
    let blacklisted = match renewal.rotates {
        true => Refusal::Spent,
        false => Refusal::SignedOut(SignOutReason::Ended),
    };
    Call::new(request, move |reply| {
        read(reply, |reply| tokens(reply, scheme), |reply| refresh_refusal(reply, blacklisted))
    })
}

/// Refreshes with a refresh token that works once.
pub fn rotate(path: &str, renewal: &Renewal<'_>) -> Call<Tokens> {
    let (request, scheme) = (refresh_request(path, renewal), renewal.access.scheme);
    Call::new(request, move |reply| {
        read(reply, |reply| pair(reply, scheme), |reply| refresh_refusal(reply, Refusal::Spent))
    })
}

/// Verifies a token.
pub fn verify(path: &str, access: &Credential) -> Call<bool> {
    let request = Request::post(path, json!({ "token": access.token }));
    Call::new(request, |reply| match read(reply, empty, verify_refusal) {
        Ok(()) => Ok(true),
        Err(Refusal::Unauthorized) => Ok(false),
        Err(other) => Err(other),
    })
}

/// Ends a session.
pub fn blacklist(path: &str, refresh: &Secret) -> Call<()> {
    let request = Request::post(path, json!({ "refresh": refresh }));
    let call = Call::new(request, |reply| {
        let ended = Refusal::SignedOut(SignOutReason::Ended);
        read(reply, empty, |reply| refresh_refusal(reply, ended))
    });
    call.or_already_ended()
}

/// Reads a 401 of a view that needs an access token. A refresh may help; if not, it shows why.
pub fn unauthorized(reply: &Reply) -> Refusal {
    let Some(refusal) = reply.json::<TokenRefusal>() else { return Refusal::Unexpected };
    match refusal.code.as_deref() {
        Some("user_inactive" | "user_not_found") => Refusal::AccountInactive,
        _ => Refusal::Unauthorized,
    }
}

/// Reads the answer of a view that needs an access token.
pub fn read_signed_in<T>(
    reply: &Reply,
    success: impl FnOnce(&Reply) -> Option<T>,
    names: Names,
) -> Reading<T> {
    read(reply, success, |reply| match reply.status {
        401 => unauthorized(reply),
        _ => refusal(reply, names),
    })
}

fn refresh_request(path: &str, renewal: &Renewal<'_>) -> Request {
    Request::post(path, json!({ "refresh": renewal.refresh }))
}

fn tokens(reply: &Reply, scheme: Scheme) -> Option<Tokens> {
    Some(reply.json::<PairResponse>()?.tokens(scheme, reply.server_now))
}

/// Tokens with a refresh token.
fn pair(reply: &Reply, scheme: Scheme) -> Option<Tokens> {
    tokens(reply, scheme).filter(|tokens| tokens.refresh.is_some())
}

/// `{}`
fn empty(reply: &Reply) -> Option<()> {
    reply.json::<serde_json::Map<_, _>>().filter(serde_json::Map::is_empty).map(|_| ())
}

fn credentials_refusal(reply: &Reply, names: Names) -> Refusal {
    match (reply.status, reply.detail()) {
        (401, Some(sentence)) => {
            Refusal::Rejected(rejection(RejectionCode::InvalidCredentials, sentence))
        }
        _ => refusal(reply, names),
    }
}

/// The refusal of a token in the body.
fn token_refusal(reply: &Reply) -> Option<TokenRefusal> {
    let refusal = (reply.status == 401).then(|| reply.json::<TokenRefusal>()).flatten()?;
    refusal.messages.is_none().then_some(refusal)
}

/// Whether the session has ended. `blacklisted` is the meaning of a token on the blacklist.
fn refresh_refusal(reply: &Reply, blacklisted: Refusal) -> Refusal {
    let Some(said) = token_refusal(reply) else { return refusal(reply, &[]) };
    let is_not_valid = said.code.as_deref() == Some(NOT_VALID);
    match said.detail.as_str() {
        INACTIVE => Refusal::SignedOut(SignOutReason::AccountInactive),
        TOO_EARLY if is_not_valid => Refusal::TooEarly,
        BLACKLISTED if is_not_valid => blacklisted,
        _ if is_not_valid => Refusal::SignedOut(SignOutReason::Ended),
        _ => Refusal::Unexpected,
    }
}

/// Before version 5.4, a token on the blacklist is refused as an invalid field.
fn verify_refusal(reply: &Reply) -> Refusal {
    if token_refusal(reply).is_some_and(|said| said.code.as_deref() == Some(NOT_VALID)) {
        return Refusal::Unauthorized;
    }
    match refusal(reply, &[]) {
        Refusal::Rejected(rejection) if rejection.detail.as_deref() == Some(BLACKLISTED) => {
            Refusal::Unauthorized
        }
        other => other,
    }
}
