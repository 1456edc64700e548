//! The API of `tests/contract/exchanges-001.json`: e-mail and phone, a password that the client has
//! hashed, tokens with a user name. Its document shows no refusals; they are FastAPI's here.
//!
//! `strict`: for a provider's code it answers a handle in place of the provider's tokens
//! (`provider`), and to a registration 202 without tokens, whether the names are taken or not.

mod provider;
mod read;
mod reply;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use self::read::Form;
use self::reply::{Answer, Finding, Reply};
use super::{Dialect, Home};
use crate::api::{self, Context, HEAD_SECOND, Route, Shared};
use crate::auth::password::Password;
use crate::auth::{NewPassword, Pair, Policy, Registration, TokenForm, UserNameToken};
use crate::config::Signing;
use crate::error::Error;
use crate::identifier::{Email, Identifier, Kind, Phone};
use crate::language::Language;
use crate::openapi::Fragment;

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "prehashed",
        code: 4,
        signs_in_by: &[Kind::Email, Kind::Phone],
        access_seconds: 3600,
        // The document's tokens expire 10 800 seconds apart.
        refresh_seconds: 14_400,
        form: TokenForm::UserName,
        ..Policy::BASE
    },
    signing: Some(Signing::Derived),
    home: Home::Below(roots),
    mount,
    openapi: |name| Fragment::of(name, &[include_str!("../../openapi/prehashed.json")]),
};

/// All its routes.
pub fn routes() -> Vec<Route> {
    let own = [
        Route::at("/authorization/registration").post(register),
        Route::at("/authorization/login/email").post(sign_in_by_email),
        Route::at("/authorization/login/phone/number").post(sign_in_by_phone),
        Route::at("/validate/jwt/refresh").get(renew).post(renew),
        Route::at("/validate/jwt/access").get(verify).post(verify),
    ];
    own.into_iter().chain(provider::routes()).collect()
}

/// The first parts of all paths.
fn roots() -> Vec<&'static str> {
    ["/authorization", "/validate"].into_iter().chain(provider::roots()).collect()
}

fn mount(context: &Arc<Context>) -> Router {
    let not_found = || Reply::detail(StatusCode::NOT_FOUND, "Not Found");
    let router = api::mount(routes(), &HEAD_SECOND, other_method);
    roots()
        .into_iter()
        .fold(router, |router, root| api::not_found_below(router, root, not_found))
        .with_state(Arc::clone(context))
}

async fn register(State(context): Shared, request: Request) -> Answer {
    let Context { auth, policy, .. } = &*context;
    let asked = context.asked(&request);
    auth.admit_registration(asked.from).map_err(failure)?;
    let request = RegisterRequest::read(read::form(request).await?)?;
    let registration = request.registration(asked.language);
    if policy.strict {
        auth.register_masked(policy, registration, asked).await.map_err(failure)?;
        return Ok(Reply::accepted());
    }
    let pair = auth.register_and_sign_in(policy, registration, asked.from).await;
    Ok(Reply::ok(&PairResponse::from(pair.map_err(failure)?)))
}

async fn sign_in_by_email(State(context): Shared, request: Request) -> Answer {
    let from = context.client(&request);
    let mut form = read::form(request).await?;
    let email = form.email("email").map(Identifier::Email);
    sign_in(&context, &[Kind::Email], CredentialsRequest::read(form, email)?, from).await
}

async fn sign_in_by_phone(State(context): Shared, request: Request) -> Answer {
    let from = context.client(&request);
    let mut form = read::form(request).await?;
    let phone = form.phone("phone_number").map(Identifier::Phone);
    sign_in(&context, &[Kind::Phone], CredentialsRequest::read(form, phone)?, from).await
}

async fn sign_in(
    context: &Context,
    signs_in_by: &'static [Kind],
    request: CredentialsRequest,
    from: IpAddr,
) -> Answer {
    let policy = Policy { signs_in_by, ..context.policy };
    let pair = context.auth.sign_in_jwt(&policy, request.name.shown(), &request.secret, from).await;
    Ok(Reply::ok(&PairResponse::from(pair.map_err(failure)?)))
}

async fn renew(State(context): Shared, request: Request) -> Answer {
    let from = context.client(&request);
    let refresh = read::token(request, "refresh").await?;
    let named = context.auth.refresh_user_name(&context.policy, &refresh, from).await;
    let named = named.map_err(failure)?;
    Ok(Reply::ok(&RenewedResponse::from(named)))
}

async fn verify(State(context): Shared, request: Request) -> Answer {
    let access = read::token(request, "access").await?;
    match context.auth.signed_in(&access, None).await {
        Ok(_) => Ok(Reply::ok(&true)),
        Err(error @ (Error::Token(_) | Error::AccountInactive | Error::AccountNotFound)) => {
            error.note();
            Ok(Reply::ok(&false))
        }
        Err(error) => Err(failure(error)),
    }
}

fn other_method(method: &Method, allow: HeaderValue) -> Response {
    let reply = match *method {
        Method::OPTIONS => Reply::allowed(allow),
        _ => Reply::method_not_allowed(allow),
    };
    reply.into_response()
}

/// No `Debug`: it holds a secret.
struct RegisterRequest {
    phone: Phone,
    email: Email,
    secret: Password,
}

impl RegisterRequest {
    fn read(mut form: Form) -> Result<Self, Reply> {
        let phone = form.phone("phone_number");
        let email = form.email("email");
        let secret = form.new_secret("hash_password");
        match (phone, email, secret) {
            (Some(phone), Some(email), Some(secret)) => {
                Ok(RegisterRequest { phone, email, secret })
            }
            _ => Err(form.refusal()),
        }
    }

    fn registration(self, language: Option<Language>) -> Registration {
        Registration {
            identifiers: vec![Identifier::Email(self.email), Identifier::Phone(self.phone)],
            password: NewPassword::Plain(self.secret),
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
            language,
            awaits_activation: false,
        }
    }
}

/// No `Debug`: it holds a secret.
struct CredentialsRequest {
    name: Identifier,
    secret: String,
}

impl CredentialsRequest {
    fn read(mut form: Form, name: Option<Identifier>) -> Result<Self, Reply> {
        match (name, form.text("hash_password")) {
            (Some(name), Some(secret)) => Ok(CredentialsRequest { name, secret }),
            _ => Err(form.refusal()),
        }
    }
}

#[derive(Serialize)]
struct PairResponse {
    access: String,
    refresh: String,
}

impl From<Pair> for PairResponse {
    fn from(pair: Pair) -> Self {
        PairResponse { access: pair.access, refresh: pair.refresh }
    }
}

/// `email` is the user name in the token, which need not be an address.
#[derive(Serialize)]
struct RenewedResponse {
    access: String,
    email: String,
}

impl From<UserNameToken> for RenewedResponse {
    fn from(named: UserNameToken) -> Self {
        RenewedResponse { access: named.access, email: named.user_name }
    }
}

fn failure(error: Error) -> Reply {
    error.note();
    match error {
        Error::InvalidCredentials | Error::WrongPassword => {
            Reply::detail(StatusCode::UNAUTHORIZED, "Invalid credentials")
        }
        Error::Token(_) | Error::AccountInactive | Error::AccountNotFound => {
            Reply::detail(StatusCode::UNAUTHORIZED, "Invalid refresh token")
        }
        // Naming the identifier would reveal which phone and address belong together.
        Error::Taken(Kind::Email | Kind::Phone | Kind::Username) => {
            Reply::detail(StatusCode::CONFLICT, "User already exists")
        }
        Error::PasswordTooLong => Reply::unprocessable(&[Finding::too_long("hash_password")]),
        // The routes of `provider` answer these themselves.
        Error::Provider(_) | Error::SignIn(_) | Error::Client(_) => Reply::failed(&error),
        Error::RateLimited { retry_after } => {
            Reply::later(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests", retry_after)
        }
        Error::Busy { retry_after } | Error::AdoptionOpen { retry_after } => {
            Reply::later(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable", retry_after)
        }
        Error::NoIdentifier
        | Error::ReauthenticationRequired
        | Error::CredentialNotAllowed
        | Error::UnknownUid
        | Error::LinkInvalid
        | Error::LinkSpent
        | Error::Internal(_) => Reply::failed(&error),
    }
}
