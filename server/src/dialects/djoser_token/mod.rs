//! The API of `tests/contract/exchanges-000.json`: e-mail addresses that are confirmed by mail,
//! djoser's user routes, an API token for every sign-in, and a provider's token for a token pair
//! (`oauth`).

mod oauth;

use serde::Serialize;
use serde_json::Value;

use super::{Dialect, Home, Views};
use crate::api::{Answers, Context};
use crate::auth::{Account, ApiToken, NewPassword, Policy, Registration, TokenForm};
use crate::drf::djoser::{self, Site};
use crate::drf::fields::{Form, Text};
use crate::drf::{self, Answer, Call, Reply, View, common_failure, token_auth};
use crate::error::Error;
use crate::identifier::{Email, Identifier, Kind};
use crate::openapi::{DJOSER, DRF, Fragment};

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "djoser_token",
        code: 5,
        signs_in_by: &[Kind::Email],
        access_seconds: 36_000,
        // An API token expires a year after its last use.
        refresh_seconds: 31_536_000,
        form: TokenForm::ApiToken,
        ..Policy::BASE
    },
    signing: None,
    home: Home::Views(Views {
        all: views,
        prefix: "/auth",
        header_word: "Token",
        sign_in_field: "username",
        answers: Answers::SIMPLEJWT_5_3,
    }),
    mount: |context| drf::mount(context, views()),
    openapi: |name| {
        let file = include_str!("../../openapi/djoser_token.json");
        Fragment::of(name, &[DRF, DJOSER, file])
    },
};

/// All its views.
pub fn views() -> Vec<View> {
    let view = |operation, path, name| {
        View::at(operation, path, name)
            .authenticated(token_auth::token_or_bearer)
            .challenged(token_auth::CHALLENGE)
    };
    let user_view = |operation, path, name| view(operation, path, name).signed_in_only();
    let users = vec![
        view("root", "/auth/", "Api Root")
            .described("The default basic root view for DefaultRouter")
            .get(root),
        user_view("users", "/auth/users/", "User List")
            .making_accounts()
            .get(djoser::list::<Users>)
            .open_post(register),
        user_view("me", "/auth/users/me/", "Me")
            .get(djoser::show::<Users>)
            .put(change)
            .patch(change)
            .delete(djoser::delete::<Users>),
        user_view("activation", "/auth/users/activation/", "Activation")
            .open_post(djoser::activate::<Users>),
        user_view("resend_activation", "/auth/users/resend_activation/", "Resend activation")
            .open_post(djoser::resend_activation::<Users>),
        user_view("set_password", "/auth/users/set_password/", "Set password")
            .post(djoser::set_password::<Users>),
        user_view("reset_password", "/auth/users/reset_password/", "Reset password")
            .open_post(djoser::request_password_reset::<Users>),
        user_view(
            "reset_password_confirm",
            "/auth/users/reset_password_confirm/",
            "Reset password confirm",
        )
        .open_post(djoser::reset_password::<Users>),
        user_view("set_email", "/auth/users/set_email/", "Set username")
            .post(djoser::set_email::<Users>),
        user_view("reset_email", "/auth/users/reset_email/", "Reset username")
            .open_post(djoser::request_email_reset::<Users>),
        user_view(
            "reset_email_confirm",
            "/auth/users/reset_email_confirm/",
            "Reset username confirm",
        )
        .open_post(djoser::reset_email::<Users>),
        user_view("user", "/auth/users/{id}/", "User Instance")
            .get(djoser::show::<Users>)
            .put(change)
            .patch(change)
            .delete(djoser::delete::<Users>),
        view("sign_in", "/auth/token/login/", "Token Create")
            .described("Use this endpoint to obtain user authentication token.")
            .post(login),
        view("sign_out", "/auth/token/logout/", "Token Destroy")
            .described("Use this endpoint to logout user (remove user authentication token).")
            .signed_in_only()
            .post(logout),
    ];
    users.into_iter().chain(oauth::views()).collect()
}

async fn root(call: Call) -> Answer {
    djoser::root(&call)
}

async fn register(mut call: Call) -> Answer {
    call.context.auth.admit_registration(call.client()).map_err(failure)?;
    let mut form = call.form().await?;
    let request = RegisterRequest::read(&mut form);
    let Context { auth, policy, .. } = &*call.context;
    if let Some(email) = request.email.as_ref().filter(|_| !policy.strict) {
        let email = Identifier::Email(email.clone());
        if auth.is_taken(&email, None).await.map_err(failure)? {
            let (field, text) = djoser::taken(Kind::Email);
            form.fail(field, text);
        }
    }
    form.finish()?;
    let awaits_activation = policy.strict || policy.activation.unwrap_or(true);
    let registration =
        Registration { language: call.language(), awaits_activation, ..request.try_into()? };
    if policy.strict {
        let email = registration.sign_up_name.clone().unwrap_or_default();
        let registered = auth.register_masked(policy, registration, call.asked()).await;
        let id = registered.map_err(failure)?;
        return Ok(Reply::created(&RegisterResponse { email, id: id.into() }));
    }
    let registered = auth.register_at(policy, registration, Some(call.client())).await;
    let account = auth.shown_at(policy, registered.map_err(failure)?).await.map_err(failure)?;
    Ok(Reply::created(&RegisterResponse::from(account)))
}

/// No field of an account can be written here: the address changes by other routes.
async fn change(mut call: Call) -> Answer {
    let account = djoser::own_account::<Users>(&call).await?;
    call.form().await?.finish()?;
    Ok(Reply::ok(&UserResponse::from(account)))
}

async fn login(mut call: Call) -> Answer {
    let field = call.context.place.sign_in_field;
    let request = LoginRequest::read(call.form().await?, field)?;
    let Context { auth, policy, .. } = &*call.context;
    let key = auth.sign_in_api_token(policy, &request.name, &request.password, call.client()).await;
    Ok(Reply::ok(&KeyResponse::from(&key.map_err(failure)?)).private())
}

async fn logout(call: Call) -> Answer {
    let Context { auth, policy, .. } = &*call.context;
    auth.end_api_token_session(policy, call.signed_in()?).await.map_err(failure)?;
    Ok(Reply::no_content())
}

/// The answers of djoser's views in this API.
struct Users;

impl Site for Users {
    type User = UserResponse;

    async fn account(call: &Call) -> Result<Account, Reply> {
        token_auth::account(call).await
    }

    fn known(account: &Account) -> Vec<(&'static str, &str)> {
        vec![("email", account.email.as_deref().unwrap_or_default())]
    }

    fn failure(error: Error) -> Reply {
        failure(error)
    }
}

struct RegisterRequest {
    email: Option<Email>,
    password: String,
    repeated: String,
}

impl RegisterRequest {
    /// Missing fields are recorded in the form, which must be finished before this is used.
    fn read(form: &mut Form) -> Self {
        let email = form.text("email", &djoser::EMAIL).and_then(|email| Email::parse(&email));
        let password = form.text("password", &Text::REQUIRED.password()).unwrap_or_default();
        let repeated = form.text("re_password", &Text::REQUIRED).unwrap_or_default();
        RegisterRequest { email, password, repeated }
    }
}

impl TryFrom<RegisterRequest> for Registration {
    type Error = Reply;

    fn try_from(request: RegisterRequest) -> Result<Self, Reply> {
        let email = request.email.as_ref().map_or("", Email::shown);
        let known = [("email", email)];
        let password = djoser::acceptable_password("password", &request.password, &known)?;
        if request.password != request.repeated {
            let text = "The two password fields didn't match.";
            return Err(Reply::field("non_field_errors", text));
        }
        Ok(Registration {
            sign_up_name: Some(email.to_owned()),
            identifiers: request.email.map(Identifier::Email).into_iter().collect(),
            password: NewPassword::Plain(password),
            display_name: None,
            is_superuser: false,
            language: None,
            awaits_activation: true,
        })
    }
}

/// No `Debug`.
struct LoginRequest {
    name: String,
    password: String,
}

impl LoginRequest {
    /// A missing field counts as empty and matches no account.
    fn read(mut form: Form, field: &'static str) -> Result<Self, Reply> {
        let text = Text::REQUIRED.not_required();
        let password = form.text("password", &text).unwrap_or_default();
        let name = form.text(field, &text).unwrap_or_default();
        form.finish()?;
        Ok(LoginRequest { name, password })
    }
}

#[derive(Serialize)]
struct RegisterResponse {
    email: String,
    id: Value,
}

impl From<Account> for RegisterResponse {
    fn from(account: Account) -> Self {
        let id = account.shown_id();
        RegisterResponse { email: account.email.unwrap_or_default(), id }
    }
}

#[derive(Serialize)]
struct UserResponse {
    id: Value,
    email: String,
}

impl From<Account> for UserResponse {
    fn from(account: Account) -> Self {
        UserResponse { id: account.shown_id(), email: account.email.unwrap_or_default() }
    }
}

#[derive(Serialize)]
struct KeyResponse<'k> {
    auth_token: &'k str,
}

impl<'k> From<&'k ApiToken> for KeyResponse<'k> {
    fn from(key: &'k ApiToken) -> Self {
        KeyResponse { auth_token: key.expose() }
    }
}

fn failure(error: Error) -> Reply {
    error.note();
    match error {
        Error::InvalidCredentials => {
            Reply::field("non_field_errors", "Unable to log in with provided credentials.")
        }
        Error::Token(_) | Error::AccountInactive | Error::AccountNotFound => {
            token_auth::refusal(&error)
        }
        Error::Taken(kind) => {
            let (field, text) = djoser::taken(kind);
            Reply::field(field, text)
        }
        Error::NoIdentifier => Reply::field("email", "This field is required."),
        Error::PasswordTooLong => djoser::password_too_long("password"),
        Error::WrongPassword => djoser::wrong_password(),
        Error::ReauthenticationRequired | Error::CredentialNotAllowed => djoser::sign_in_again(),
        Error::UnknownUid => djoser::invalid_uid(),
        Error::LinkInvalid | Error::LinkSpent => djoser::invalid_link_token(),
        // The routes of `oauth` answer these themselves.
        Error::Provider(_) | Error::SignIn(_) | Error::Client(_) => common_failure(&error),
        Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::AdoptionOpen { .. }
        | Error::Internal(_) => common_failure(&error),
    }
}
