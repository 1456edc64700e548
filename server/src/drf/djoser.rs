//! djoser's part of an API: its views of users and of mailed links, and its texts. The API
//! implements [`Site`] to say how it shows an account and words a refusal.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::fields::{Form, Text};
use super::reply::{Answer, Reply};
use super::view::Call;
use crate::api::Context;
use crate::auth::password::Password;
use crate::auth::password::rules::{self, Finding, MIN_LENGTH};
use crate::auth::{Account, Reauthentication, Requested};
use crate::error::Error;
use crate::identifier::{Email, Kind};

/// An API with djoser's views.
pub trait Site {
    /// How an account is shown.
    type User: From<Account> + Serialize;

    /// The account of a call with a valid credential.
    fn account(call: &Call) -> impl Future<Output = Result<Account, Reply>> + Send;

    /// What a password must not resemble: Django's verbose names with the values, in Django's
    /// order.
    fn known(account: &Account) -> Vec<(&'static str, &str)>;

    /// The API's answer to an error.
    fn failure(error: Error) -> Reply;
}

/// An address to store.
pub const EMAIL: Text = Text::REQUIRED.max(254).email();
/// An address to look up.
const LOOKUP_EMAIL: Text = Text::REQUIRED.email();

/// The root of the routers: the address of the users, if they are served.
pub fn root(call: &Call) -> Answer {
    let Context { public_url, place, .. } = &*call.context;
    let users = place.path("users").map(|path| ("users", format!("{public_url}{path}")));
    Ok(Reply::ok(&BTreeMap::from_iter(users)))
}

/// The list contains only the caller.
pub async fn list<S: Site>(call: Call) -> Answer {
    let account = S::account(&call).await?;
    Ok(Reply::ok(&[S::User::from(account)]))
}

pub async fn show<S: Site>(call: Call) -> Answer {
    let account = own_account::<S>(&call).await?;
    Ok(Reply::ok(&S::User::from(account)))
}

pub async fn delete<S: Site>(mut call: Call) -> Answer {
    own_account::<S>(&call).await?;
    let mut form = call.form().await?;
    let proof = prove_password::<S>(&mut form, &call).await?;
    form.finish()?;
    let proof = proof.ok_or_else(|| S::failure(Error::WrongPassword))?;
    call.context.auth.delete_own_account(&proof).await.map_err(S::failure)?;
    Ok(Reply::no_content())
}

pub async fn set_password<S: Site>(mut call: Call) -> Answer {
    let account = S::account(&call).await?;
    let mut form = call.form().await?;
    let new = form.text("new_password", &Text::REQUIRED.password()).unwrap_or_default();
    let proof = prove_password::<S>(&mut form, &call).await?;
    form.finish()?;
    let new = acceptable_password("new_password", &new, &S::known(&account))?;
    let proof = proof.ok_or_else(|| S::failure(Error::WrongPassword))?;
    call.context.auth.change_password(&proof, new).await.map_err(S::failure)?;
    Ok(Reply::no_content())
}

/// Called `set_username` in APIs whose accounts also have a username.
pub async fn set_email<S: Site>(mut call: Call) -> Answer {
    S::account(&call).await?;
    let mut form = call.form().await?;
    let proof = prove_password::<S>(&mut form, &call).await?;
    let new = new_email(&mut form);
    form.finish()?;
    let proof = proof.ok_or_else(|| S::failure(Error::WrongPassword))?;
    let new = new.ok_or_else(|| S::failure(Error::NoIdentifier))?;
    let Context { auth, policy, .. } = &*call.context;
    let changed = auth.change_email(policy, &proof, new, call.client()).await;
    changed.map_err(new_email_failure::<S>)?;
    Ok(Reply::no_content())
}

pub async fn activate<S: Site>(mut call: Call) -> Answer {
    let mut form = call.form().await?;
    let link = Link::read_checked(&mut form);
    form.finish()?;
    match call.context.auth.activate(&link.uid, &link.token, call.client()).await {
        Ok(()) => Ok(Reply::no_content()),
        Err(Error::LinkSpent) => {
            Err(Reply::detail(StatusCode::FORBIDDEN, "Stale token for given user."))
        }
        Err(error) => Err(S::failure(call.mask_link_error(error))),
    }
}

/// Reveals whether an account with this address waits for its activation, unless the API is strict
/// or its version hides it.
pub async fn resend_activation<S: Site>(mut call: Call) -> Answer {
    let email = read_email(&mut call).await?;
    let Context { auth, policy, place, .. } = &*call.context;
    let is_silent = policy.strict || place.answers.hides_activation;
    match auth.request_activation(policy, &email, call.asked()).await.map_err(S::failure)? {
        Requested::Sent => Ok(Reply::no_content()),
        Requested::NotSent | Requested::Unknown if is_silent => Ok(Reply::no_content()),
        Requested::NotSent | Requested::Unknown => {
            auth.check_adopted().map_err(S::failure)?;
            Err(Reply::empty(StatusCode::BAD_REQUEST))
        }
    }
}

/// The answer is the same whether there is such an account or not.
pub async fn request_password_reset<S: Site>(mut call: Call) -> Answer {
    let email = read_email(&mut call).await?;
    let Context { auth, policy, .. } = &*call.context;
    auth.request_password_reset(policy, &email, call.asked()).await.map_err(S::failure)?;
    Ok(Reply::no_content())
}

pub async fn reset_password<S: Site>(mut call: Call) -> Answer {
    let mut form = call.form().await?;
    let link = Link::read_checked(&mut form);
    let new = form.text("new_password", &Text::REQUIRED.password()).unwrap_or_default();
    form.finish()?;
    // The library compares the password with the sender's account, not with the link's.
    let sender = match call.who {
        Some(_) => Some(S::account(&call).await?),
        None => None,
    };
    let known = sender.as_ref().map(S::known).unwrap_or_default();
    let new = acceptable_password("new_password", &new, &known)?;
    let reset = call.context.auth.reset_password(&link.uid, &link.token, new, call.client()).await;
    reset.map_err(|error| S::failure(call.mask_link_error(error)))?;
    Ok(Reply::no_content())
}

/// The answer is the same whether there is such an account or not.
pub async fn request_email_reset<S: Site>(mut call: Call) -> Answer {
    let email = read_email(&mut call).await?;
    let Context { auth, policy, .. } = &*call.context;
    auth.request_email_reset(policy, &email, call.asked()).await.map_err(S::failure)?;
    Ok(Reply::no_content())
}

/// In this view the serializer has no fields for the link.
pub async fn reset_email<S: Site>(mut call: Call) -> Answer {
    let mut form = call.form().await?;
    let link = Link::read(&form);
    let new = new_email(&mut form);
    form.finish()?;
    let new = new.ok_or_else(|| S::failure(Error::NoIdentifier))?;
    let (Context { auth, policy, .. }, from) = (&*call.context, call.client());
    let reset = auth.reset_email(&link.uid, &link.token, new, policy.strict, from).await;
    reset.map_err(|error| new_email_failure::<S>(call.mask_link_error(error)))?;
    Ok(Reply::no_content())
}

/// The caller's account, if the path names it or no account; another account is not found.
pub async fn own_account<S: Site>(call: &Call) -> Result<Account, Reply> {
    let account = S::account(call).await?;
    let own = account.foreign_id.clone().unwrap_or_else(|| account.id.to_string());
    match call.parameter() {
        "" => Ok(account),
        id if id == own => Ok(account),
        // A text that cannot be an id is not looked up.
        id if account.foreign_id.is_none() && !id.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Reply::not_found())
        }
        _ => {
            let text = call.context.place.answers.unknown_user;
            Err(Reply::detail(StatusCode::NOT_FOUND, text))
        }
    }
}

/// Reads and verifies `current_password`; a wrong one is recorded in the form.
async fn prove_password<S: Site>(
    form: &mut Form,
    call: &Call,
) -> Result<Option<Reauthentication>, Reply> {
    let Some(current) = form.text("current_password", &Text::REQUIRED) else { return Ok(None) };
    let who = call.signed_in()?;
    match call.context.auth.reauthenticate(who, Some(&current), call.client()).await {
        Ok(proof) => Ok(Some(proof)),
        Err(error @ Error::WrongPassword) => {
            error.note();
            form.fail("current_password", WRONG_PASSWORD);
            Ok(None)
        }
        Err(error) => Err(S::failure(error)),
    }
}

fn new_email(form: &mut Form) -> Option<Email> {
    form.text("new_email", &EMAIL).and_then(|email| Email::parse(&email))
}

/// Reports a taken address under the field `new_email`.
fn new_email_failure<S: Site>(error: Error) -> Reply {
    error.note();
    match error {
        Error::Taken(kind) => Reply::field("new_email", taken(kind).1),
        other => S::failure(other),
    }
}

/// Django's password validators; the form reports their findings under `field`.
pub fn acceptable_password(
    field: &'static str,
    password: &str,
    known: &[(&str, &str)],
) -> Result<Password, Reply> {
    let findings = rules::check(password, known);
    if !findings.is_empty() {
        let messages: Vec<String> = findings.iter().map(words).collect();
        return Err(Reply::json(StatusCode::BAD_REQUEST, &json!({ field: messages })));
    }
    Password::parse(password).map_err(|_| password_too_long(field))
}

/// Django's text for a validator's finding.
fn words(finding: &Finding<'_>) -> String {
    match finding {
        Finding::TooSimilar(name) => format!("The password is too similar to the {name}."),
        Finding::TooShort => {
            format!("This password is too short. It must contain at least {MIN_LENGTH} characters.")
        }
        Finding::TooCommon => "This password is too common.".to_owned(),
        Finding::Numeric => "This password is entirely numeric.".to_owned(),
    }
}

async fn read_email(call: &mut Call) -> Result<String, Reply> {
    let mut form = call.form().await?;
    let email = form.text("email", &LOOKUP_EMAIL).unwrap_or_default();
    form.finish()?;
    Ok(email)
}

/// The content of a mailed link; no `Debug`. The library validates the trimmed values and uses the
/// untrimmed ones.
struct Link {
    uid: String,
    token: String,
}

impl Link {
    fn read(form: &Form) -> Self {
        Link { uid: form.unchecked("uid"), token: form.unchecked("token") }
    }

    /// Missing fields are recorded in the form, which must be finished before this is used.
    fn read_checked(form: &mut Form) -> Self {
        for field in ["uid", "token"] {
            form.text(field, &Text::REQUIRED);
        }
        Link::read(form)
    }
}

const WRONG_PASSWORD: &str = "Invalid password.";

/// The field and the text for an identifier that is taken.
pub fn taken(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Email => ("email", "user with this email already exists."),
        Kind::Phone => ("phone", "user with this phone already exists."),
        Kind::Username => ("username", "user with this username already exists."),
    }
}

pub fn wrong_password() -> Reply {
    Reply::field("current_password", WRONG_PASSWORD)
}

pub fn password_too_long(field: &str) -> Reply {
    Reply::field(field, "Ensure this field has no more than 1024 characters.")
}

pub fn invalid_uid() -> Reply {
    Reply::field("uid", "Invalid user id or user doesn't exist.")
}

pub fn invalid_link_token() -> Reply {
    Reply::field("token", "Invalid token for given user.")
}

pub fn sign_in_again() -> Reply {
    Reply::detail(StatusCode::FORBIDDEN, "Sign in again to change this.")
}
