//! Passwords: changing one, and resetting one by a mailed link.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use propusk_wire::{
    ChangePasswordRequest, ConfirmResetRequest, FieldCode, ProblemCode, RequestResetRequest, Secret,
};

use super::problem::{Fields, Refusal, failure};
use super::read;
use crate::api::{Context, Shared};
use crate::auth::password::Password;
use crate::auth::password::rules::{self, Finding};
use crate::auth::{Requester, link_challenge};

pub async fn change(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let (who, from) = read::sender(&context, &request).await?;
    let ChangePasswordRequest { new_password, current_password } = read::json(request).await?;
    let auth = &context.auth;
    let account = auth.account(&who).await.map_err(failure)?;
    let names = [&account.email, &account.phone, &account.username, &account.display_name];
    let known = names.into_iter().filter_map(Option::as_deref);
    let new = acceptable("new_password", &new_password, known)?;
    let proof = read::proof(&context, &who, current_password.as_ref(), from).await?;
    auth.change_password(&proof, new).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The answer is the same whether there is such an account or not.
pub async fn request_reset(
    State(context): Shared,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let asked = context.asked(&request);
    let RequestResetRequest { email, code_challenge } = read::json(request).await?;
    let challenge = code_challenge.as_deref().map(|text| {
        link_challenge(text).ok_or_else(|| Refusal::of_field("code_challenge", FieldCode::Invalid))
    });
    let asked = Requester { challenge: challenge.transpose()?, ..asked };
    let Context { auth, policy, .. } = &*context;
    auth.request_password_reset(policy, email.trim(), asked).await.map_err(failure)?;
    Ok(StatusCode::ACCEPTED)
}

pub async fn confirm_reset(
    State(context): Shared,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let from = context.client(&request);
    let ConfirmResetRequest { uid, token, new_password, code_verifier } =
        read::json(request).await?;
    let new = acceptable("new_password", &new_password, [])?;
    let verifier = code_verifier.as_ref().map(Secret::expose);
    let token = context.auth.reset_token(token.expose(), verifier);
    context.auth.reset_password(&uid, &token, new, from).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A new password that cannot be guessed easily from the account's names.
pub fn acceptable<'k>(
    field: &str,
    password: &Secret,
    known: impl IntoIterator<Item = &'k str>,
) -> Result<Password, Refusal> {
    let too_long = |_| Refusal::of_field(field, FieldCode::TooLong);
    let password = Password::parse(password.expose()).map_err(too_long)?;
    let known: Vec<_> = known.into_iter().map(|name| ("name", name)).collect();
    let findings = rules::check(password.as_str(), &known);
    match findings.is_empty() {
        true => Ok(password),
        false => {
            let codes = findings.iter().map(code).collect();
            let fields = Fields::from([(field.to_owned(), codes)]);
            Err(Refusal::of(StatusCode::UNPROCESSABLE_ENTITY, ProblemCode::WeakPassword)
                .with(fields))
        }
    }
}

fn code(finding: &Finding<'_>) -> FieldCode {
    match finding {
        Finding::TooSimilar(_) => FieldCode::TooSimilar,
        Finding::TooShort => FieldCode::TooShort,
        Finding::TooCommon => FieldCode::TooCommon,
        Finding::Numeric => FieldCode::EntirelyNumeric,
    }
}
