//! Table `identities`: an account's identities at providers, by the provider's subject. A row is
//! deleted with its account, when the owner unlinks it, or when another person proves ownership of
//! the account's mailbox.

use super::{Tx, from_row, on};
use crate::error::Result;

/// An identity, with the provider's data of the last sign-in.
#[derive(Clone, Debug)]
pub struct Identity {
    pub provider: String,
    pub subject: String,
    pub account_id: i64,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    pub avatar_url: Option<String>,
    pub phone: Option<String>,
    pub created_at: i64,
    pub last_used_at: i64,
    /// When it was linked from within the account after a recent sign-in, without the current
    /// password.
    pub linked_by_sign_in_at: Option<i64>,
}

from_row!(Identity {
    provider,
    subject,
    account_id,
    email,
    email_verified,
    name,
    avatar_url,
    phone,
    created_at,
    last_used_at,
    linked_by_sign_in_at,
});

/// The account of this identity.
pub async fn account_by_identity(
    tx: &mut Tx,
    provider: String,
    subject: String,
) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identities
         where provider = $1 and subject = $2",
    ).bind(provider).bind(subject).fetch_optional(db).await)?)
}

/// The account's identities, the oldest first.
pub async fn identities(tx: &mut Tx, account_id: i64) -> Result<Vec<Identity>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select provider, subject, account_id, email, email_verified, name, avatar_url, phone,
                created_at, last_used_at, linked_by_sign_in_at
         from identities
         where account_id = $1
         order by created_at, provider, subject",
    ).bind(account_id).fetch_all(db).await)?)
}

/// Whether there is an identity of this provider.
pub async fn are_of(tx: &mut Tx, provider: String) -> Result<bool> {
    let found: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "select account_id from identities
         where provider = $1
         limit 1",
    ).bind(provider).fetch_optional(db).await)?;
    Ok(found.is_some())
}

/// Gives the identity to the account; false if an account has it already.
pub async fn insert_identity(tx: &mut Tx, identity: Identity) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into identities (provider, subject, account_id, email, email_verified, name,
                                 avatar_url, phone, created_at, last_used_at,
                                 linked_by_sign_in_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (provider, subject) do nothing
         returning account_id",
    )
    .bind(identity.provider)
    .bind(identity.subject)
    .bind(identity.account_id)
    .bind(identity.email)
    .bind(identity.email_verified)
    .bind(identity.name)
    .bind(identity.avatar_url)
    .bind(identity.phone)
    .bind(identity.created_at)
    .bind(identity.last_used_at)
    .bind(identity.linked_by_sign_in_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Stores the provider's data of this sign-in.
pub async fn update_identity(tx: &mut Tx, identity: Identity) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identities set email = $3, email_verified = $4, name = $5, avatar_url = $6,
                               phone = $7, last_used_at = $8
         where provider = $1 and subject = $2",
    )
    .bind(identity.provider)
    .bind(identity.subject)
    .bind(identity.email)
    .bind(identity.email_verified)
    .bind(identity.name)
    .bind(identity.avatar_url)
    .bind(identity.phone)
    .bind(identity.last_used_at)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Removes an identity from the account; false if the account does not have it.
pub async fn delete_identity(
    tx: &mut Tx,
    account_id: i64,
    provider: String,
    subject: String,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "delete from identities
         where account_id = $1 and provider = $2 and subject = $3
         returning account_id",
    ).bind(account_id).bind(provider).bind(subject).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Removes the account's identities except `keep` (`None` removes all), and returns their
/// providers.
pub async fn delete_other_identities(
    tx: &mut Tx,
    account_id: i64,
    keep: Option<(String, String)>,
) -> Result<Vec<String>> {
    let (provider, subject) = keep.unwrap_or_default();
    Ok(on!(tx, db => sqlx::query_scalar(
        "delete from identities
         where account_id = $1 and not (provider = $2 and subject = $3)
         returning provider",
    ).bind(account_id).bind(provider).bind(subject).fetch_all(db).await)?)
}
