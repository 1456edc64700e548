//! The API of `tests/contract/exchanges-002.json`: usernames, SimpleJWT 5.5, a profile, passwords
//! reset by mail.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Dialect, Home, Views};
use crate::api::{Answers, Context};
use crate::auth::password::Password;
use crate::auth::{Account, NewPassword, Policy, Registration, Requested, ResetPage};
use crate::config::UserIdForm;
use crate::drf::fields::{Form, Text};
use crate::drf::simple_jwt;
use crate::drf::{self, Answer, Call, Reply, View, common_failure};
use crate::error::{Error, TokenFault};
use crate::identifier::{Email, Identifier, Kind, Username};
use crate::openapi::{DRF, Fragment, SIMPLE_JWT};

/// A POST of this API, whose GET is a page for the browser that follows the mailed link.
const RESET_PAGE: ResetPage = ResetPage {
    path: "/api/auth/password/reset/confirm",
    link: "/api/auth/password/reset/confirm/?uid={uid}&token={token}",
};

const ANSWERS: Answers = Answers::SIMPLEJWT_5_5;

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "simplejwt",
        code: 1,
        signs_in_by: &[Kind::Username],
        user_id: UserIdForm::Text,
        reset_page: Some(RESET_PAGE),
        ..Policy::BASE
    },
    signing: None,
    home: Home::Views(Views {
        all: views,
        prefix: "/api/auth",
        header_word: "Bearer",
        sign_in_field: "username",
        answers: ANSWERS,
    }),
    mount: |context| drf::mount(context, views()),
    openapi: |name| {
        Fragment::of(name, &[DRF, SIMPLE_JWT, include_str!("../openapi/simplejwt.json")])
    },
};

/// All its views; those without a path are not in the document.
pub fn views() -> Vec<View> {
    vec![
        View::at("sign_in", "/api/auth/login/", "Token Obtain Pair")
            .described(simple_jwt::OBTAIN_PAIR)
            .post(login),
        View::at("refresh", "/api/auth/token/refresh/", "Token Refresh")
            .described(simple_jwt::REFRESH)
            .post(refresh),
        View::at("verify", "", "Token Verify").described(simple_jwt::VERIFY).post(verify),
        View::at("sign_out", "", "Token Blacklist").described(simple_jwt::BLACKLIST).post(sign_out),
        View::at("profile", "/api/auth/profile/", "Profile")
            .authenticated(simple_jwt::bearer)
            .signed_in_only()
            .get(profile),
        View::at("register", "/api/auth/register/", "Register")
            .making_accounts()
            .authenticated(simple_jwt::bearer)
            .post(register),
        View::at("reset_password", "/api/auth/password/reset/", "Reset")
            .authenticated(simple_jwt::bearer)
            .post(request_reset),
        View::at("reset_password_confirm", "/api/auth/password/reset/confirm/", "Confirm")
            .authenticated(simple_jwt::bearer)
            .post(reset),
    ]
}

async fn login(call: Call) -> Answer {
    simple_jwt::obtain_pair(call, failure).await
}

async fn refresh(call: Call) -> Answer {
    simple_jwt::refresh(call, failure).await
}

async fn verify(call: Call) -> Answer {
    simple_jwt::verify(call, failure).await
}

async fn sign_out(call: Call) -> Answer {
    simple_jwt::blacklist(call, failure).await
}

async fn profile(call: Call) -> Answer {
    let account = simple_jwt::account(&call).await?;
    Ok(Reply::ok(&ProfileResponse::from(account)))
}

async fn register(mut call: Call) -> Answer {
    call.context.auth.admit_registration(call.client()).map_err(failure)?;
    let request = RegisterRequest::read(call.form().await?)?;
    let registration = Registration { language: call.language(), ..request.into() };
    let Context { auth, policy, .. } = &*call.context;
    if policy.strict {
        auth.register_masked(policy, registration, call.asked()).await.map_err(failure)?;
    } else {
        auth.register_at(policy, registration, Some(call.client())).await.map_err(failure)?;
    }
    Ok(Reply::created(&json!({ "message": "User registered successfully." })))
}

async fn request_reset(mut call: Call) -> Answer {
    let request = ResetRequest::read(&call.form().await?)?;
    let Context { auth, policy, .. } = &*call.context;
    let requested = auth.request_password_reset(policy, &request.email, call.asked()).await;
    match requested.map_err(failure)? {
        Requested::Unknown if !policy.strict => {
            auth.check_adopted().map_err(failure)?;
            Err(refused("User with this email does not exist"))
        }
        // A suspended account exists too, although it gets no mail.
        Requested::Sent | Requested::NotSent | Requested::Unknown => {
            Ok(Reply::ok(&json!({ "message": "Password reset link sent" })))
        }
    }
}

async fn reset(mut call: Call) -> Answer {
    let mut form = call.form().await?;
    let ConfirmRequest { uid, token, new_password } = ConfirmRequest::read(&mut form, &call)?;
    let reset = call.context.auth.reset_password(&uid, &token, new_password, call.client()).await;
    reset.map_err(|error| failure(call.mask_link_error(error)))?;
    Ok(Reply::ok(&json!({ "message": "Password has been reset" })))
}

struct RegisterRequest {
    username: Username,
    email: Email,
    password: Password,
}

impl RegisterRequest {
    /// The document's own view has one text for any missing field.
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
            language: None,
            awaits_activation: false,
        }
    }
}

struct ResetRequest {
    email: String,
}

impl ResetRequest {
    fn read(form: &Form) -> Result<Self, Reply> {
        match form.unchecked("email") {
            email if email.is_empty() => Err(refused("Email is required")),
            email => Ok(ResetRequest { email }),
        }
    }
}

/// No `Debug`.
struct ConfirmRequest {
    uid: String,
    token: String,
    new_password: Password,
}

impl ConfirmRequest {
    /// The link's parts are in the query, as in the link itself.
    fn read(form: &mut Form, call: &Call) -> Result<Self, Reply> {
        let query = |name| call.query(name).filter(|value| !value.is_empty());
        let new_password = form.text("new_password", &Text::REQUIRED);
        let (Some(uid), Some(token), Some(new_password)) =
            (query("uid"), query("token"), new_password)
        else {
            return Err(refused("Missing parameters"));
        };
        let new_password =
            Password::parse(&new_password).map_err(|_| failure(Error::PasswordTooLong))?;
        Ok(ConfirmRequest { uid, token, new_password })
    }
}

#[derive(Serialize)]
struct ProfileResponse {
    id: Value,
    username: String,
    email: String,
}

impl From<Account> for ProfileResponse {
    fn from(account: Account) -> Self {
        ProfileResponse {
            id: account.shown_id(),
            username: account.display_username(),
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
    error.note();
    match error {
        Error::InvalidCredentials => simple_jwt::no_active_account(),
        Error::Token(fault) => simple_jwt::token_refusal(&ANSWERS, fault),
        Error::AccountInactive => simple_jwt::no_active_account_for_token(),
        Error::AccountNotFound => simple_jwt::token_refusal(&ANSWERS, TokenFault::Malformed),
        Error::Taken(kind) => taken(kind),
        Error::PasswordTooLong => refused("Ensure this field has no more than 1024 characters."),
        Error::NoIdentifier => refused("All fields are required."),
        Error::WrongPassword => refused("Invalid password."),
        Error::UnknownUid => refused("Invalid uid"),
        Error::LinkInvalid | Error::LinkSpent => refused("Invalid or expired token"),
        Error::ReauthenticationRequired | Error::CredentialNotAllowed => {
            refused("Sign in again to change this.")
        }
        // No route of this API uses a provider.
        Error::Provider(_) | Error::SignIn(_) | Error::Client(_) => common_failure(&error),
        Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::AdoptionOpen { .. }
        | Error::Internal(_) => common_failure(&error),
    }
}
