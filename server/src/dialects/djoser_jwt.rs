//! The API of `tests/contract/exchanges-004.json`: e-mail or phone, djoser's user routes,
//! SimpleJWT 5.3 with a logout.

use serde::Serialize;
use serde_json::Value;

use super::{Dialect, Home, Views};
use crate::api::{Answers, Context};
use crate::auth::{Account, Change, NewNames, NewPassword, Policy, Reauthentication, Registration};
use crate::drf::djoser::{self, Site};
use crate::drf::fields::{Form, Given, Text};
use crate::drf::simple_jwt;
use crate::drf::{self, Answer, Call, Reply, View, common_failure};
use crate::error::{Error, TokenFault};
use crate::identifier::{Email, Identifier, Kind, Phone};
use crate::openapi::{DJOSER, DRF, Fragment, SIMPLE_JWT};

const ANSWERS: Answers = Answers::SIMPLEJWT_5_3;

pub const DIALECT: Dialect = Dialect {
    policy: Policy {
        name: "djoser_jwt",
        code: 3,
        signs_in_by: &[Kind::Email, Kind::Phone],
        absent_is_null: true,
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
        Fragment::of(name, &[DRF, SIMPLE_JWT, DJOSER, include_str!("../openapi/djoser_jwt.json")])
    },
};

/// All its views.
pub fn views() -> Vec<View> {
    let user_view = |operation, path, name| {
        View::at(operation, path, name).authenticated(simple_jwt::bearer).cookies().signed_in_only()
    };
    vec![
        View::at("root", "/api/auth/", "Api Root")
            .described("The default basic root view for DefaultRouter")
            .authenticated(simple_jwt::bearer)
            .cookies()
            .get(root),
        user_view("users", "/api/auth/users/", "User List")
            .making_accounts()
            .get(djoser::list::<Users>)
            .open_post(register),
        user_view("me", "/api/auth/users/me/", "Me")
            .get(djoser::show::<Users>)
            .put(change)
            .patch(change)
            .delete(djoser::delete::<Users>),
        user_view("activation", "/api/auth/users/activation/", "Activation")
            .open_post(djoser::activate::<Users>),
        user_view("resend_activation", "/api/auth/users/resend_activation/", "Resend activation")
            .open_post(djoser::resend_activation::<Users>),
        user_view("set_password", "/api/auth/users/set_password/", "Set password")
            .post(djoser::set_password::<Users>),
        user_view("reset_password", "/api/auth/users/reset_password/", "Reset password")
            .open_post(djoser::request_password_reset::<Users>),
        user_view(
            "reset_password_confirm",
            "/api/auth/users/reset_password_confirm/",
            "Reset password confirm",
        )
        .open_post(djoser::reset_password::<Users>),
        user_view("user", "/api/auth/users/{id}/", "User Instance")
            .get(djoser::show::<Users>)
            .put(change)
            .patch(change)
            .delete(djoser::delete::<Users>),
        View::at("sign_in", "/api/auth/jwt/create/", "Token Obtain Pair")
            .described(simple_jwt::OBTAIN_PAIR)
            .post(create),
        View::at("refresh", "/api/auth/jwt/refresh/", "Token Refresh")
            .described(simple_jwt::REFRESH)
            .post(refresh),
        View::at("verify", "/api/auth/jwt/verify/", "Token Verify")
            .described(simple_jwt::VERIFY)
            .post(verify),
        View::at("sign_out", "/api/auth/logout/", "Token Blacklist")
            .described(simple_jwt::BLACKLIST)
            .post(logout),
    ]
}

async fn root(call: Call) -> Answer {
    djoser::root(&call)
}

async fn register(mut call: Call) -> Answer {
    call.context.auth.admit_registration(call.client()).map_err(failure)?;
    let mut form = call.form().await?;
    let request = RegisterRequest::read(&mut form);
    let Context { auth, policy, .. } = &*call.context;
    if policy.strict {
        request.identifiers.require_email(&mut form);
    } else {
        request.identifiers.refuse_taken(&mut form, &call).await?;
    }
    form.finish()?;
    let awaits_activation = policy.strict || policy.activation.unwrap_or_default();
    let registration =
        Registration { language: call.language(), awaits_activation, ..request.try_into()? };
    if policy.strict {
        let shown = UserResponse::unconfirmed(&registration.identifiers);
        let registered = auth.register_masked(policy, registration, call.asked()).await;
        let id = registered.map_err(failure)?;
        return Ok(Reply::created(&UserResponse { id: id.into(), ..shown }));
    }
    let registered = auth.register_at(policy, registration, Some(call.client())).await;
    let account = auth.shown_at(policy, registered.map_err(failure)?).await.map_err(failure)?;
    Ok(Reply::created(&UserResponse::from(account)))
}

async fn change(mut call: Call) -> Answer {
    djoser::own_account::<Users>(&call).await?;
    let mut form = call.form().await?;
    let request = ChangeRequest::read(&mut form);
    let Context { auth, policy, .. } = &*call.context;
    let (proof, identifiers) =
        (Reauthentication::by_recent_sign_in(call.signed_in()?, call.client()), request.changes());
    let taken = auth.taken_names(policy, &proof, &identifiers, call.client()).await;
    for kind in taken.map_err(failure)? {
        let (field, text) = djoser::taken(kind);
        form.fail(field, text);
    }
    form.finish()?;
    let new = NewNames { identifiers, display_name: None };
    let changed = auth.change_names(policy, &proof, new).await.map_err(failure)?;
    let account = auth.shown_at(policy, changed).await.map_err(failure)?;
    Ok(Reply::ok(&UserResponse::from(account)))
}

async fn create(call: Call) -> Answer {
    simple_jwt::obtain_pair(call, failure).await
}

async fn refresh(call: Call) -> Answer {
    simple_jwt::refresh(call, failure).await
}

async fn verify(call: Call) -> Answer {
    simple_jwt::verify(call, failure).await
}

async fn logout(call: Call) -> Answer {
    simple_jwt::blacklist(call, failure).await
}

/// The answers of djoser's views in this API.
struct Users;

impl Site for Users {
    type User = UserResponse;

    async fn account(call: &Call) -> Result<Account, Reply> {
        simple_jwt::account(call).await
    }

    fn known(account: &Account) -> Vec<(&'static str, &str)> {
        let email = account.email.as_deref().unwrap_or_default();
        vec![("username", account.chosen_name().unwrap_or_default()), ("email", email)]
    }

    fn failure(error: Error) -> Reply {
        failure(error)
    }
}

const EMAIL: Text = djoser::EMAIL.optional();
const PHONE: Text = Text::REQUIRED.max(16).phone().optional();

/// The identifiers of a request.
#[derive(Default)]
struct Identifiers {
    email: Option<Email>,
    phone: Option<Phone>,
}

impl Identifiers {
    /// In strict mode the answer cannot say that a name is taken; only a mail can, so an address is
    /// required.
    fn require_email(&self, form: &mut Form) {
        if self.email.is_none() && self.phone.is_some() {
            form.fail("email", "This field is required.");
        }
    }

    /// Records in the form which of them are taken.
    async fn refuse_taken(&self, form: &mut Form, call: &Call) -> Result<(), Reply> {
        for identifier in self.list() {
            if call.context.auth.is_taken(&identifier, None).await.map_err(failure)? {
                let (field, text) = djoser::taken(identifier.kind());
                form.fail(field, text);
            }
        }
        Ok(())
    }

    fn list(&self) -> Vec<Identifier> {
        let email = self.email.clone().map(Identifier::Email);
        email.into_iter().chain(self.phone.clone().map(Identifier::Phone)).collect()
    }
}

struct RegisterRequest {
    identifiers: Identifiers,
    password: String,
}

impl RegisterRequest {
    /// Missing fields are recorded in the form, which must be finished before this is used.
    fn read(form: &mut Form) -> Self {
        let identifiers = Identifiers {
            email: form.text("email", &EMAIL).and_then(|email| Email::parse(&email)),
            phone: form.text("phone", &PHONE).and_then(|phone| Phone::parse(&phone)),
        };
        let password = form.text("password", &Text::REQUIRED.password()).unwrap_or_default();
        RegisterRequest { identifiers, password }
    }
}

impl TryFrom<RegisterRequest> for Registration {
    type Error = Reply;

    fn try_from(request: RegisterRequest) -> Result<Self, Reply> {
        let identifiers = request.identifiers.list();
        let Some(first) = identifiers.first() else { return Err(no_identifier()) };
        let email = request.identifiers.email.as_ref().map_or("", Email::shown);
        let known = [("email", email)];
        let password = djoser::acceptable_password("password", &request.password, &known)?;
        Ok(Registration {
            sign_up_name: Some(first.shown().to_owned()),
            identifiers,
            password: NewPassword::Plain(password),
            display_name: None,
            is_superuser: false,
            language: None,
            awaits_activation: false,
        })
    }
}

struct ChangeRequest {
    email: Given,
    phone: Given,
}

impl ChangeRequest {
    fn read(form: &mut Form) -> Self {
        ChangeRequest { email: form.given("email", &EMAIL), phone: form.given("phone", &PHONE) }
    }

    fn identifiers(&self) -> Identifiers {
        Identifiers {
            email: self.email.value().and_then(Email::parse),
            phone: self.phone.value().and_then(Phone::parse),
        }
    }

    fn changes(&self) -> Vec<Change> {
        let Identifiers { email, phone } = self.identifiers();
        let email = Change { kind: Kind::Email, to: email.map(Identifier::Email) };
        let phone = Change { kind: Kind::Phone, to: phone.map(Identifier::Phone) };
        let given = [(&self.email, email), (&self.phone, phone)];
        given
            .into_iter()
            .filter(|(given, _)| given.is_present())
            .map(|(_, change)| change)
            .collect()
    }
}

#[derive(Serialize)]
struct UserResponse {
    id: Value,
    username: String,
    email: Option<String>,
    phone: Option<String>,
    is_active: bool,
    is_superuser: bool,
}

impl UserResponse {
    /// The answer in strict mode, the same whether the registration succeeds or not.
    fn unconfirmed(identifiers: &[Identifier]) -> Self {
        let of = |kind| identifiers.iter().find(|one| one.kind() == kind);
        let shown = |one: &Identifier| one.shown().to_owned();
        UserResponse {
            id: Value::Null,
            username: identifiers.first().map(shown).unwrap_or_default(),
            email: of(Kind::Email).map(shown),
            phone: of(Kind::Phone).map(shown),
            is_active: false,
            is_superuser: false,
        }
    }
}

impl From<Account> for UserResponse {
    fn from(account: Account) -> Self {
        UserResponse {
            id: account.shown_id(),
            username: account.display_username(),
            email: account.email,
            phone: account.phone,
            is_active: account.is_active,
            is_superuser: account.is_superuser,
        }
    }
}

fn no_identifier() -> Reply {
    Reply::field("non_field_errors", "Email or phone is required.")
}

fn failure(error: Error) -> Reply {
    error.note();
    match error {
        Error::InvalidCredentials => simple_jwt::no_active_account(),
        Error::Token(fault) => simple_jwt::token_refusal(&ANSWERS, fault),
        Error::AccountInactive => simple_jwt::no_active_account_for_token(),
        Error::AccountNotFound => simple_jwt::token_refusal(&ANSWERS, TokenFault::Malformed),
        Error::Taken(kind) => {
            let (field, text) = djoser::taken(kind);
            Reply::field(field, text)
        }
        Error::NoIdentifier => no_identifier(),
        Error::PasswordTooLong => djoser::password_too_long("password"),
        Error::WrongPassword => djoser::wrong_password(),
        Error::ReauthenticationRequired | Error::CredentialNotAllowed => djoser::sign_in_again(),
        Error::UnknownUid => djoser::invalid_uid(),
        Error::LinkInvalid | Error::LinkSpent => djoser::invalid_link_token(),
        // No route of this API uses a provider.
        Error::Provider(_) | Error::SignIn(_) | Error::Client(_) => common_failure(&error),
        Error::RateLimited { .. }
        | Error::Busy { .. }
        | Error::AdoptionOpen { .. }
        | Error::Internal(_) => common_failure(&error),
    }
}
