//! The API of `tests/contract/exchanges-003.json`: e-mail addresses, SimpleJWT 5.3 with refresh
//! tokens that can be used once.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::{Dialect, Home, Views};
use crate::api::{Answers, Context};
use crate::auth::password::Password;
use crate::auth::{NewPassword, Policy, Registration};
use crate::drf::fields::{Form, Text};
use crate::drf::simple_jwt;
use crate::drf::{self, Answer, Call, Reply, View, common_failure};
use crate::error::{Error, TokenFault};
use crate::identifier::{Email, Identifier, Kind};
use crate::openapi::{DRF, Fragment, SIMPLE_JWT};
use crate::readable::display_name;

const ANSWERS: Answers = Answers::SIMPLEJWT_5_3;

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "simplejwt_rotating",
        code: 2,
        signs_in_by: &[Kind::Email],
        rotating: true,
        early_refresh_seconds: Some(30),
        ..Policy::BASE
    },
    signing: None,
    home: Home::Views(Views {
        all: views,
        prefix: "",
        header_word: "Bearer",
        sign_in_field: "email",
        answers: ANSWERS,
    }),
    mount: |context| drf::mount(context, views()),
    openapi: |name| {
        Fragment::of(name, &[DRF, SIMPLE_JWT, include_str!("../openapi/simplejwt_rotating.json")])
    },
};

/// All its views; one without a path is not in the document.
pub fn views() -> Vec<View> {
    vec![
        View::at("register", "/v1/creat_autor", "Create Autor")
            .making_accounts()
            .authenticated(simple_jwt::bearer)
            .post(register),
        View::at("sign_in", "/token", "Token Obtain Pair")
            .described(simple_jwt::OBTAIN_PAIR)
            .post(obtain),
        View::at("verify", "/token/verify", "Token Verify")
            .described(simple_jwt::VERIFY)
            .post(verify),
        View::at("refresh", "/token/refresh", "Token Refresh")
            .described(simple_jwt::REFRESH)
            .post(refresh),
        View::at("sign_out", "", "Token Blacklist").described(simple_jwt::BLACKLIST).post(sign_out),
    ]
}

async fn register(mut call: Call) -> Answer {
    call.context.auth.admit_registration(call.client()).map_err(failure)?;
    let mut form = call.form().await?;
    let request = RegisterRequest::read(&mut form);
    let Context { auth, policy, .. } = &*call.context;
    if let Some(email) = request.email.as_ref().filter(|_| !policy.strict) {
        let email = Identifier::Email(email.clone());
        if auth.is_taken(&email, None).await.map_err(failure)? {
            form.fail("email", EMAIL_TAKEN);
        }
    }
    form.finish()?;
    let response = RegisterResponse::new(&request)?;
    let registration = Registration { language: call.language(), ..request.try_into()? };
    if policy.strict {
        auth.register_masked(policy, registration, call.asked()).await.map_err(failure)?;
    } else {
        auth.register_at(policy, registration, Some(call.client())).await.map_err(failure)?;
    }
    Ok(Reply::created(&response))
}

async fn obtain(call: Call) -> Answer {
    simple_jwt::obtain_pair(call, failure).await
}

async fn verify(call: Call) -> Answer {
    simple_jwt::verify(call, failure).await
}

async fn refresh(call: Call) -> Answer {
    simple_jwt::refresh(call, failure).await
}

async fn sign_out(call: Call) -> Answer {
    simple_jwt::blacklist(call, failure).await
}

struct RegisterRequest {
    login: String,
    password: String,
    email: Option<Email>,
}

impl RegisterRequest {
    /// Missing fields are recorded in the form, which must be finished before this is used.
    fn read(form: &mut Form) -> Self {
        let login = form.text("login", &Text::REQUIRED.max(150));
        if login.as_deref().is_some_and(|login| display_name(login).is_none()) {
            form.fail("login", "Enter a valid value.");
        }
        RegisterRequest {
            login: login.unwrap_or_default(),
            password: form
                .text("password", &Text::REQUIRED.max(128).password())
                .unwrap_or_default(),
            email: form
                .text("email", &Text::REQUIRED.max(254).email())
                .and_then(|email| Email::parse(&email)),
        }
    }
}

impl TryFrom<RegisterRequest> for Registration {
    type Error = Reply;

    fn try_from(request: RegisterRequest) -> Result<Self, Reply> {
        let password =
            Password::parse(&request.password).map_err(|_| failure(Error::PasswordTooLong))?;
        Ok(Registration {
            identifiers: request.email.map(Identifier::Email).into_iter().collect(),
            password: NewPassword::Plain(password),
            display_name: Some(request.login),
            sign_up_name: None,
            is_superuser: false,
            language: None,
            awaits_activation: false,
        })
    }
}

/// The document shows the stored hash; ours never leaves the store, so `password` is a decoy.
#[derive(Serialize)]
struct RegisterResponse {
    login: String,
    password: String,
    email: String,
}

impl RegisterResponse {
    fn new(request: &RegisterRequest) -> Result<Self, Reply> {
        Ok(RegisterResponse {
            login: request.login.clone(),
            password: decoy_hash().map_err(failure)?,
            email: request.email.as_ref().map_or("", Email::shown).to_owned(),
        })
    }
}

/// What Django would store: `pbkdf2_sha256$720000$<22 letters and digits>$<32 bytes in base64>`.
fn decoy_hash() -> Result<String, Error> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let (mut salt, mut hash) = ([0; 22], [0; 32]);
    getrandom::fill(&mut salt)?;
    getrandom::fill(&mut hash)?;
    let salt: String =
        salt.iter().map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect();
    Ok(format!("pbkdf2_sha256$720000${salt}${}", STANDARD.encode(hash)))
}

const EMAIL_TAKEN: &str = "user with this email already exists.";

fn failure(error: Error) -> Reply {
    error.note();
    match error {
        Error::InvalidCredentials => simple_jwt::no_active_account(),
        Error::Token(fault) => simple_jwt::token_refusal(&ANSWERS, fault),
        Error::AccountInactive => simple_jwt::no_active_account_for_token(),
        Error::AccountNotFound => simple_jwt::token_refusal(&ANSWERS, TokenFault::Malformed),
        Error::Taken(Kind::Email) => Reply::field("email", EMAIL_TAKEN),
        Error::Taken(Kind::Phone | Kind::Username) => {
            Reply::field("login", "user with this login already exists.")
        }
        Error::PasswordTooLong => {
            Reply::field("password", "Ensure this field has no more than 1024 characters.")
        }
        Error::NoIdentifier => Reply::field("email", "This field is required."),
        Error::WrongPassword => Reply::field("password", "Invalid password."),
        Error::ReauthenticationRequired | Error::CredentialNotAllowed => {
            Reply::detail(StatusCode::FORBIDDEN, "Sign in again to change this.")
        }
        Error::UnknownUid => Reply::field("uid", "Invalid user id or user doesn't exist."),
        Error::LinkInvalid | Error::LinkSpent => {
            Reply::field("token", "Invalid token for given user.")
        }
        // No route of this API uses a provider.
        Error::Provider(_) | Error::SignIn(_) | Error::Client(_) => common_failure(&error),
        Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::AdoptionOpen { .. }
        | Error::Internal(_) => common_failure(&error),
    }
}
