//! New accounts: registration, and activation by a mailed link.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use propusk_wire::{
    ActivateRequest, Activation, EmailRequest, FieldCode, RegisterRequest, RegisterResponse,
};

use super::account;
use super::problem::{Fields, Refusal, failure};
use super::reply::Created;
use super::{password, read};
use crate::api::{Context, Shared};
use crate::auth::{NewPassword, Policy, Registration};
use crate::identifier::{Identifier, Kind};
use crate::language::Language;

pub async fn register(
    State(context): Shared,
    request: Request,
) -> Result<Created<RegisterResponse>, Refusal> {
    let asked = context.asked(&request);
    let Context { auth, policy, .. } = &*context;
    auth.admit_registration(asked.from).map_err(failure)?;
    let registration = registration(policy, &read::json(request).await?, asked.language)?;
    let activation = match registration.awaits_activation {
        true => Activation::Mailed,
        false => Activation::Active,
    };
    let account = match policy.strict {
        true => auth.register_masked(policy, registration, asked).await.map(|_| None),
        false => auth.register(registration, Some(asked.from)).await.map(Some),
    };
    let account = account.map_err(failure)?.map(Into::into);
    Ok(Created(RegisterResponse { activation, account }))
}

pub async fn activate(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let from = context.client(&request);
    let ActivateRequest { uid, token } = read::json(request).await?;
    context.auth.activate(&uid, token.expose(), from).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer is the same whether there is such an account or not.
pub async fn resend(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let asked = context.asked(&request);
    let EmailRequest { email } = read::json(request).await?;
    let Context { auth, policy, .. } = &*context;
    auth.request_activation(policy, email.trim(), asked).await.map_err(failure)?;
    Ok(StatusCode::ACCEPTED)
}

fn registration(
    policy: &Policy,
    request: &RegisterRequest,
    language: Option<Language>,
) -> Result<Registration, Refusal> {
    let mut fields = Fields::new();
    let given = [
        (Kind::Email, &request.email),
        (Kind::Phone, &request.phone),
        (Kind::Username, &request.username),
    ];
    let given = given.into_iter().filter_map(|(kind, text)| Some((kind, text.as_deref()?)));
    let identifiers: Vec<_> =
        given.filter_map(|(kind, text)| account::identifier(kind, text, &mut fields)).collect();
    let display_name = request.display_name.as_deref();
    let display_name = display_name.and_then(|text| account::name(text, &mut fields));
    let awaits_activation = policy.activation.unwrap_or_default();
    let needs_email = awaits_activation || policy.strict;
    let needed = if needs_email { &[Kind::Email] } else { policy.signs_in_by };
    if fields.is_empty() && !identifiers.iter().any(|one| needed.contains(&one.kind())) {
        let missing =
            needed.iter().map(|kind| (kind.as_str().to_owned(), vec![FieldCode::Required]));
        fields.extend(missing);
    }
    if !fields.is_empty() {
        return Err(Refusal::of_fields(fields));
    }
    let known = identifiers.iter().map(Identifier::shown).chain(display_name.as_deref());
    let password = password::acceptable("password", &request.password, known)?;
    Ok(Registration {
        sign_up_name: identifiers.first().map(|first| first.shown().to_owned()),
        identifiers,
        password: NewPassword::Plain(password),
        display_name,
        is_superuser: false,
        language,
        awaits_activation,
    })
}
