//! Table `identifiers`: e-mail addresses, phones and usernames in one namespace, by canonical key.
//! A row goes with its account, or when the account gives the identifier up.

use super::{Tx, on};
use crate::error::Result;
use crate::identifier::Identifier;

/// The account that holds `key`.
pub async fn account_by_key(tx: &mut Tx, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers where key = $1",
    ).bind(key).fetch_optional(db).await)?)
}

/// Gives the identifier to the account; false when somebody holds it already.
pub async fn insert_identifier(
    tx: &mut Tx,
    account_id: i64,
    identifier: &Identifier,
    at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into identifiers (key, account_id, kind, shown, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (key) do nothing
         returning account_id",
    )
    .bind(identifier.key().to_owned())
    .bind(account_id)
    .bind(identifier.kind().as_str())
    .bind(identifier.shown().to_owned())
    .bind(at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Shows an identifier that the account holds in another spelling; false when it does not hold it.
pub async fn update_shown(tx: &mut Tx, account_id: i64, identifier: &Identifier) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update identifiers set shown = $3
         where key = $1 and account_id = $2 and kind = $4
         returning account_id",
    )
    .bind(identifier.key().to_owned())
    .bind(account_id)
    .bind(identifier.shown().to_owned())
    .bind(identifier.kind().as_str())
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Notes the name, letter by letter, by which a replaced server knew the account.
pub async fn update_imported_as(
    tx: &mut Tx,
    account_id: i64,
    identifier: &Identifier,
    name: String,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set imported_as = $3
         where key = $1 and account_id = $2",
    )
    .bind(identifier.key().to_owned())
    .bind(account_id)
    .bind(name)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The account that holds `key` since it was imported with this name, letter by letter.
pub async fn account_imported_as(tx: &mut Tx, key: String, name: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers
         where key = $1 and imported_as = $2",
    ).bind(key).bind(name).fetch_optional(db).await)?)
}

/// Takes the account's identifier of this kind away; false when it had none.
pub async fn delete_identifier(tx: &mut Tx, account_id: i64, kind: &'static str) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "delete from identifiers
         where account_id = $1 and kind = $2
         returning account_id",
    ).bind(account_id).bind(kind).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Notes that the account has proved its identifier of this kind; the first time counts.
pub async fn update_verified(
    tx: &mut Tx,
    account_id: i64,
    kind: &'static str,
    at: i64,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set verified_at = $3
         where account_id = $1 and kind = $2 and verified_at is null",
    ).bind(account_id).bind(kind).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The name by which a replaced server knew the account, which still has it: its username, else its
/// e-mail address, else its phone.
pub async fn imported_name(tx: &mut Tx, account_id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select imported_as from identifiers
         where account_id = $1 and imported_as is not null
         order by case kind when 'username' then 1 when 'email' then 2 else 3 end
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?)
}
