//! The API of `tests/contract/exchanges-002.json`: usernames, SimpleJWT 5.5, a profile.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::Dialect;
use crate::auth::password::Password;
use crate::auth::{Account, NewPassword, Policy, Registration};
use crate::drf::fields::{Form, Text};
use crate::drf::simple_jwt::{self, V5_5};
use crate::drf::{Answer, Call, Reply, View, common_failure};
use crate::error::{Error, TokenFault};
use crate::identifier::{Email, Identifier, Kind, Username};

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "simplejwt",
        code: 1,
        signs_in_by: &[Kind::Username],
        access_seconds: 300,
        refresh_seconds: 86_400,
        rotating: false,
        early_refresh: false,
    },
    views,
};

fn views() -> Vec<View> {
    vec![
        View::at("/api/auth/login/", "Token Obtain Pair")
            .described(simple_jwt::OBTAIN_PAIR)
            .post(login),
        View::at("/api/auth/token/refresh/", "Token Refresh")
            .described(simple_jwt::REFRESH)
            .post(refresh),
        View::at("/api/auth/profile/", "Profile")
            .authenticated(simple_jwt::bearer_5_5)
            .signed_in_only()
            .get(profile),
        View::at("/api/auth/register/", "Register")
            .authenticated(simple_jwt::bearer_5_5)
            .post(register),
    ]
}

async fn login(call: Call) -> Answer {
    simple_jwt::obtain_pair(call, "username", failure).await
}

async fn refresh(call: Call) -> Answer {
    simple_jwt::refresh(call, failure).await
}

async fn profile(call: Call) -> Answer {
    let account = V5_5.account(&call).await?;
    Ok(Reply::ok(&ProfileResponse::from(account)))
}

async fn register(mut call: Call) -> Answer {
    call.context.auth.admit_registration(call.client()).map_err(failure)?;
    let request = RegisterRequest::read(call.form().await?)?;
    call.context.auth.register(request.into()).await.map_err(failure)?;
    Ok(Reply::created(&json!({ "message": "User registered successfully." })))
}

struct RegisterRequest {
    username: Username,
    email: Email,
    password: Password,
}

impl RegisterRequest {
    /// The document's own view has one text for whatever is missing.
    fn read(mut form: Form) -> Result<Self, Reply> {
        let mut text = |name| form.text(name, &Text::REQUIRED);
        let (Some(username), Some(email), Some(password)) =
            (text("username"), text("email"), text("password"))
        else {
            return Err(refused("All fields are required."));
        };
        let username = Username::parse(&username).ok_or_else(|| taken(Kind::Username))?;
        let email = Email::parse(&email).ok_or_else(|| refused("Enter a valid email address."))?;
        let password = Password::parse(&password).map_err(|_| failure(Error::PasswordTooLong))?;
        Ok(RegisterRequest { username, email, password })
    }
}

impl From<RegisterRequest> for Registration {
    fn from(request: RegisterRequest) -> Self {
        Registration {
            identifiers: vec![
                Identifier::Username(request.username),
                Identifier::Email(request.email),
            ],
            password: NewPassword::Plain(request.password),
            display_name: None,
            sign_up_name: None,
            is_superuser: false,
        }
    }
}

#[derive(Serialize)]
struct ProfileResponse {
    id: i64,
    username: String,
    email: String,
}

impl From<Account> for ProfileResponse {
    fn from(account: Account) -> Self {
        ProfileResponse {
            id: account.id,
            username: account.username_shown().to_owned(),
            email: account.email.unwrap_or_default(),
        }
    }
}

fn refused(text: &str) -> Reply {
    Reply::json(StatusCode::BAD_REQUEST, &json!({ "error": text }))
}

fn taken(kind: Kind) -> Reply {
    refused(match kind {
        Kind::Email => "Email already exists.",
        Kind::Phone => "Phone already exists.",
        Kind::Username => "Username already exists.",
    })
}

fn failure(error: Error) -> Reply {
    match error {
        Error::InvalidCredentials => simple_jwt::no_active_account(),
        Error::Token(fault) => V5_5.token_refusal(fault),
        Error::AccountInactive => simple_jwt::no_active_account_for_token(),
        Error::AccountNotFound => V5_5.token_refusal(TokenFault::Malformed),
        Error::Taken(kind) => taken(kind),
        Error::PasswordTooLong => refused("Ensure this field has no more than 1024 characters."),
        Error::NoIdentifier => refused("All fields are required."),
        Error::WrongPassword => refused("Invalid password."),
        Error::ReauthenticationRequired => refused("Sign in again to change this."),
        Error::RateLimited { .. } | Error::Busy { .. } | Error::Internal(_) => {
            common_failure(&error)
        }
    }
}
