//! JWT pairs; the app sends its passwords hashed (`/authorization/…`, `/validate/jwt/…`).
//!
//! The document of this API does not define the hash. The password is sent as the app gives it: an
//! app that hashes passes the hash. Accounts of an app that passes the password itself can sign in
//! through every other API too. Tokens are in URLs, because the document requires it.

use propusk_wire::{FieldCode, Secret};
use serde::Deserialize;
use serde_json::{Value, json};

use super::existing_tokens;
use super::reply::{Token, read, rejection};
use super::request::members_of;
use super::{App, Call, Credential, Refusal, Renewal, Reply, Request, Scheme, Tokens, Wire, jwt};
use crate::account::{Operation, Profile, Registered, Registration};
use crate::error::{Error, Result, SignOutReason};
use crate::rejection::{FieldProblem, Rejection, RejectionCode};

pub(super) struct Prehashed;

impl Wire for Prehashed {
    fn operations(&self) -> &'static [Operation] {
        &[
            Operation::Register,
            Operation::Adopt,
            Operation::SignIn,
            Operation::ProviderTokenSignIn,
            Operation::Refresh,
            Operation::Verify,
        ]
    }

    /// The tokens in the answer are not used: a registration does not sign in.
    fn adopt(&self, kept: &crate::existing_tokens::ExistingTokens, now: i64) -> Result<Tokens> {
        existing_tokens::jwt_pair(kept, Scheme::Bearer, now)
    }

    fn register(&self, new: &Registration) -> Result<Call<Registered>> {
        let mut body = members_of(new, &[("phone", "phone_number"), ("email", "email")])?;
        body.insert("hash_password".to_owned(), json!(new.password));
        let request = Request::post("/authorization/registration", body.into());
        Ok(Call::new(request, |reply| read(reply, registered, refusal)))
    }

    fn sign_in(&self, identifier: &str, password: &Secret, _: &App) -> Result<Call<Tokens>> {
        let (path, field) = match identifier.contains('@') {
            true => ("/authorization/login/email", "email"),
            false => ("/authorization/login/phone/number", "phone_number"),
        };
        let body = json!({ field: identifier, "hash_password": password });
        Ok(signing_in(Request::post(path, body)))
    }

    fn sign_in_with_token(&self, provider: &str, token: &Secret, _: &App) -> Result<Call<Tokens>> {
        with_token(provider, "login", token)
    }

    fn register_with_token(&self, provider: &str, token: &Secret, _: &App) -> Result<Call<Tokens>> {
        with_token(provider, "registration", token)
    }

    fn refresh(&self, renewal: &Renewal<'_>) -> Result<Call<Tokens>> {
        let request = Request::get("/validate/jwt/refresh").query("refresh", renewal.refresh);
        Ok(Call::new(request, |reply| read(reply, renewed, refresh_refusal)))
    }

    fn verify(&self, access: &Credential) -> Result<Call<bool>> {
        let request = Request::get("/validate/jwt/access").query("access", &access.token);
        Ok(Call::new(request, |reply| read(reply, Reply::json, refusal)))
    }
}

fn signing_in(request: Request) -> Call<Tokens> {
    Call::new(request, |reply| read(reply, pair, refusal))
}

fn with_token(provider: &str, entry: &str, token: &Secret) -> Result<Call<Tokens>> {
    let root = match provider {
        "google" => "/google",
        "vk" => "/vk",
        "mail_ru" => "/mail.ru",
        "yandex" => "/yandex",
        _ => return Err(Error::usage("this API supports only google, vk, mail_ru and yandex")),
    };
    let request = Request::get(format!("{root}/{entry}")).query("access_token", token);
    Ok(Call::new(request, |reply| read(reply, pair, provider_refusal)))
}

/// A pair, or `{}` if the server does not reveal whether the names are taken.
fn registered(reply: &Reply) -> Option<Registered> {
    #[derive(Deserialize)]
    struct Accepted {}
    let into_verification = reply.status == 202 && reply.json::<Accepted>().is_some();
    (into_verification || pair(reply).is_some()).then_some(Registered::Active)
}

/// `{"access": …, "refresh": …}`
fn pair(reply: &Reply) -> Option<Tokens> {
    #[derive(Deserialize)]
    struct Response {
        access: Token,
        refresh: Token,
    }
    let Response { access, refresh: Token(refresh) } = reply.json()?;
    Some(Tokens {
        refresh_lifetime: jwt::lifetime_of(&refresh, reply.server_now),
        refresh: Some(refresh),
        ..tokens(access, reply.server_now)
    })
}

/// `{"access": …, "email": …}`. `email` is the account name in the token.
fn renewed(reply: &Reply) -> Option<Tokens> {
    #[derive(Deserialize)]
    struct Response {
        access: Token,
        email: String,
    }
    let Response { access, email } = reply.json()?;
    let profile = email.contains('@').then(|| Profile { email: Some(email), ..Profile::default() });
    Some(Tokens { profile, ..tokens(access, reply.server_now) })
}

fn tokens(Token(access): Token, now: i64) -> Tokens {
    Tokens {
        answered_at: now,
        access_lifetime: jwt::lifetime_of(&access, now),
        access: Credential::new(Scheme::Bearer, access),
        refresh: None,
        refresh_lifetime: None,
        session_id: None,
        profile: None,
    }
}

fn refusal(reply: &Reply) -> Refusal {
    let rejection = match reply.status {
        401 => reply.detail().map(|said| rejection(RejectionCode::InvalidCredentials, said)),
        409 => reply.detail().map(|said| rejection(RejectionCode::IdentifierTaken, said)),
        422 => unprocessable(reply),
        _ => None,
    };
    rejection.map_or(Refusal::Unexpected, Refusal::Rejected)
}

/// One sentence for all reasons.
fn refresh_refusal(reply: &Reply) -> Refusal {
    match (reply.status, reply.detail().as_deref()) {
        (401, Some("Invalid refresh token")) => Refusal::SignedOut(SignOutReason::Ended),
        (401, _) => Refusal::Unexpected,
        _ => refusal(reply),
    }
}

fn provider_refusal(reply: &Reply) -> Refusal {
    let Some(said) = reply.detail() else { return refusal(reply) };
    let code = match (reply.status, said.as_str()) {
        (401, "Invalid provider token") => RejectionCode::ProviderRefused,
        // Here only suspended accounts get this answer.
        (401, "Invalid credentials") => RejectionCode::AccountInactive,
        (404, "User not found") => RejectionCode::NotFound,
        (409, "This account is already in use") => RejectionCode::AccountInUse,
        (502, _) => RejectionCode::ProviderUnavailable,
        _ => return refusal(reply),
    };
    Refusal::Rejected(rejection(code, said))
}

/// FastAPI's validation errors, by field.
fn unprocessable(reply: &Reply) -> Option<Rejection> {
    #[derive(Deserialize)]
    struct Response {
        detail: Vec<Finding>,
    }
    let Response { detail } = reply.json()?;
    let is_weak = |finding: &Finding| {
        finding.kind == "string_too_short" && finding.field() == Some("password")
    };
    let weak = !detail.is_empty() && detail.iter().all(is_weak);
    let code = if weak { RejectionCode::WeakPassword } else { RejectionCode::InvalidFields };
    let mut rejection = Rejection::new(code);
    for finding in detail {
        match finding.field().map(str::to_owned) {
            Some(field) => rejection.fields.entry(field).or_default().push(finding.problem()),
            None => rejection.detail = Some(finding.msg),
        }
    }
    Some(rejection)
}

#[derive(Deserialize)]
struct Finding {
    #[serde(rename = "type")]
    kind: String,
    /// The location: the part of the request, then the field.
    loc: Vec<Value>,
    msg: String,
}

impl Finding {
    fn problem(self) -> FieldProblem {
        let code = match self.kind.as_str() {
            "missing" => FieldCode::Required,
            "string_too_short" => FieldCode::TooShort,
            "string_too_long" => FieldCode::TooLong,
            _ => FieldCode::Invalid,
        };
        FieldProblem::new(code, Some(self.msg))
    }

    fn field(&self) -> Option<&str> {
        match self.loc.get(1)?.as_str()? {
            "phone_number" => Some("phone"),
            "hash_password" => Some("password"),
            other => Some(other),
        }
    }
}
