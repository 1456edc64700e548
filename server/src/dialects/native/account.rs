//! The owner's account: showing, changing and deleting it.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use propusk_wire::{DeleteAccountRequest, FieldCode, UpdateAccountRequest};

use super::problem::{Fields, Refusal, failure};
use super::reply::Reply;
use super::{Answer, read};
use crate::api::Shared;
use crate::auth::{Account, Change, NewNames};
use crate::error::Error;
use crate::identifier::{Identifier, Kind};
use crate::readable::display_name;

pub async fn show(State(context): Shared, request: Request) -> Answer<propusk_wire::Account> {
    let (who, _) = read::sender(&context, &request).await?;
    Ok(Reply(context.auth.account(&who).await.map_err(failure)?.into()))
}

pub async fn change(State(context): Shared, request: Request) -> Answer<propusk_wire::Account> {
    let (who, from) = read::sender(&context, &request).await?;
    let request: UpdateAccountRequest = read::json(request).await?;
    let new = new_names(&request)?;
    let auth = &context.auth;
    let proof = read::proof(&context, &who, request.current_password.as_ref(), from).await?;
    let taken = auth.taken_names(&context.policy, &proof, &new.identifiers, from).await;
    if let Some(kind) = taken.map_err(failure)?.first() {
        return Err(failure(Error::Taken(*kind)));
    }
    Ok(Reply(auth.change_names(&context.policy, &proof, new).await.map_err(failure)?.into()))
}

pub async fn delete(State(context): Shared, request: Request) -> Result<StatusCode, Refusal> {
    let (who, from) = read::sender(&context, &request).await?;
    let DeleteAccountRequest { current_password } = read::json_if_any(request).await?;
    let proof = read::proof(&context, &who, current_password.as_ref(), from).await?;
    context.auth.delete_own_account(&proof).await.map_err(failure)?;
    Ok(StatusCode::NO_CONTENT)
}

fn new_names(request: &UpdateAccountRequest) -> Result<NewNames, Refusal> {
    let mut fields = Fields::new();
    let given = [
        (Kind::Email, &request.email),
        (Kind::Phone, &request.phone),
        (Kind::Username, &request.username),
    ];
    let given = given.into_iter().filter_map(|(kind, to)| Some((kind, to.as_ref()?)));
    let identifiers = given.map(|(kind, to)| {
        let to = to.as_deref().and_then(|text| identifier(kind, text, &mut fields));
        Change { kind, to }
    });
    let identifiers = identifiers.collect();
    let name = request.display_name.as_ref();
    let display_name = name.map(|to| to.as_deref().and_then(|text| self::name(text, &mut fields)));
    match fields.is_empty() {
        true => Ok(NewNames { identifiers, display_name }),
        false => Err(Refusal::of_fields(fields)),
    }
}

/// Reads the identifier in a member; an invalid one is recorded in `fields`.
pub fn identifier(kind: Kind, text: &str, fields: &mut Fields) -> Option<Identifier> {
    noted(kind.as_str(), Identifier::parse_as(text.trim(), &[kind]), fields)
}

/// Reads a display name; an invalid one is recorded in `fields`.
pub fn name(text: &str, fields: &mut Fields) -> Option<String> {
    noted("display_name", display_name(text), fields)
}

fn noted<T>(name: &str, read: Option<T>, fields: &mut Fields) -> Option<T> {
    if read.is_none() {
        fields.insert(name.to_owned(), vec![FieldCode::Invalid]);
    }
    read
}

impl From<Account> for propusk_wire::Account {
    fn from(account: Account) -> Self {
        propusk_wire::Account {
            id: account.id,
            email_verified: account.email_verified_at.is_some(),
            email: account.email,
            pending_email: account.pending_email,
            phone: account.phone,
            username: account.username,
            display_name: account.display_name,
            has_password: account.has_password,
            created_at: account.created_at,
        }
    }
}
