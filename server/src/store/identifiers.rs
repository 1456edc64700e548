//! Table `identifiers`: e-mail addresses, phones and usernames in one namespace, by canonical key.
//! A row is deleted with its account, or when the account removes the identifier. An address that
//! was replaced without the password, or by one that is not confirmed yet, keeps its row with
//! `left_at` set: it opens no account, can be restored, and if it is verified no other account can
//! take it. The sweeper deletes the row when the address can no longer be restored.

use super::events::AccountChange;
use super::many_rows::{for_statements, with_rows};
use super::{Tx, from_row, on};
use crate::error::Result;
use crate::identifier::Identifier;

/// The account that has `key`.
pub async fn account_by_key(tx: &mut Tx, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers where key = $1 and left_at is null",
    ).bind(key).fetch_optional(db).await)?)
}

/// The account that has `key`, or that still reserves it as a verified former address.
pub async fn claimant_by_key(tx: &mut Tx, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers
         where key = $1 and (left_at is null or verified_at is not null)",
    ).bind(key).fetch_optional(db).await)?)
}

/// An identifier as it is kept.
#[derive(Clone, Debug)]
pub struct KeptIdentifier {
    pub key: String,
    pub kind: String,
    pub shown: String,
    pub imported_as: Option<String>,
    pub created_at: i64,
    pub verified_at: Option<i64>,
    /// When it was first verified by a link whose use removed every other way to sign in.
    pub owned_at: Option<i64>,
    /// When the account gave up the address, which it can still bring back.
    pub left_at: Option<i64>,
}

from_row!(KeptIdentifier {
    key,
    kind,
    shown,
    imported_as,
    created_at,
    verified_at,
    owned_at,
    left_at
});

/// All identifiers of the account, also former ones that are kept.
pub async fn identifiers(tx: &mut Tx, account_id: i64) -> Result<Vec<KeptIdentifier>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select key, kind, shown, imported_as, created_at, verified_at, owned_at, left_at
         from identifiers
         where account_id = $1
         order by kind, created_at, key",
    ).bind(account_id).fetch_all(db).await)?)
}

/// An identifier that an account has.
pub struct PresentName {
    pub account_id: i64,
    pub kind: String,
    pub key: String,
    pub shown: String,
    /// How another system spells it, if it came from there.
    pub imported_as: Option<String>,
}

from_row!(PresentName { account_id, kind, key, shown, imported_as });

/// The identifiers of the accounts with numbers from `first` to `last`.
pub async fn names_between(tx: &mut Tx, first: i64, last: i64) -> Result<Vec<PresentName>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select account_id, kind, key, shown, imported_as
         from identifiers
         where account_id >= $1 and account_id <= $2 and left_at is null",
    ).bind(first).bind(last).fetch_all(db).await)?)
}

/// Gives the identifier to the account; false if another account has or reserves it. A former
/// address that was never verified is not reserved.
pub async fn insert_identifier(
    tx: &mut Tx,
    account_id: i64,
    identifier: &Identifier,
    at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into identifiers (key, account_id, kind, shown, created_at)
         values ($1, $2, $3, $4, $5)
         on conflict (key) do update
             set account_id = excluded.account_id, kind = excluded.kind, shown = excluded.shown,
                 created_at = excluded.created_at, imported_as = null, owned_at = null,
                 left_at = null
             where identifiers.left_at is not null and identifiers.verified_at is null
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

/// A name of an account of another system.
pub struct ImportedName {
    pub identifier: Identifier,
    /// As it is there.
    pub name: String,
    pub verified_at: Option<i64>,
    pub owned_at: Option<i64>,
}

/// Gives an imported name to the account; false as with [`insert_identifier`].
pub async fn insert_imported_name(
    tx: &mut Tx,
    account_id: i64,
    name: &ImportedName,
    at: i64,
) -> Result<bool> {
    Ok(!insert_imported_names(tx, vec![(account_id, name)], at).await?.is_empty())
}

/// Gives imported names, which differ in their keys, to accounts; the keys of those that were given.
pub async fn insert_imported_names(
    tx: &mut Tx,
    names: Vec<(i64, &ImportedName)>,
    at: i64,
) -> Result<Vec<String>> {
    let mut given = Vec::with_capacity(names.len());
    for rows in for_statements(names) {
        let statement = with_rows(
            tx,
            "insert into identifiers (key, account_id, kind, shown, imported_as, created_at,
                                      verified_at, owned_at)
             values {rows}
             on conflict (key) do update
                 set account_id = excluded.account_id, kind = excluded.kind, shown = excluded.shown,
                     imported_as = excluded.imported_as, created_at = excluded.created_at,
                     verified_at = excluded.verified_at, owned_at = excluded.owned_at, left_at = null
                 where identifiers.left_at is not null and identifiers.verified_at is null
             returning key",
            rows.len(),
            8,
        );
        given.extend(on!(tx, db => {
            let mut query = sqlx::query_scalar::<_, String>(statement);
            for (account_id, name) in rows {
                query = query
                    .bind(name.identifier.key().to_owned())
                    .bind(account_id)
                    .bind(name.identifier.kind().as_str())
                    .bind(name.identifier.shown().to_owned())
                    .bind(name.name.clone())
                    .bind(at)
                    .bind(name.verified_at)
                    .bind(name.owned_at);
            }
            query.fetch_all(db).await
        })?);
    }
    Ok(given)
}

/// The account that has had `key` since it was imported with it.
pub async fn imported_holder(tx: &mut Tx, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers
         where key = $1 and imported_as is not null and left_at is null",
    ).bind(key).fetch_optional(db).await)?)
}

/// Changes the spelling in which an identifier of the account is shown; false if the account does
/// not have it.
pub async fn update_shown(tx: &mut Tx, account_id: i64, identifier: &Identifier) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update identifiers set shown = $3
         where key = $1 and account_id = $2 and kind = $4 and left_at is null
         returning account_id",
    )
    .bind(identifier.key().to_owned())
    .bind(account_id)
    .bind(identifier.shown().to_owned())
    .bind(identifier.kind().as_str())
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Records the exact name by which a replaced server knew the account.
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

/// The account that has had `key` since it was imported with exactly this name.
pub async fn account_imported_as(tx: &mut Tx, key: String, name: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers
         where key = $1 and imported_as = $2",
    ).bind(key).bind(name).fetch_optional(db).await)?)
}

/// Removes the account's identifier of this kind; false if it had none.
pub async fn delete_identifier(tx: &mut Tx, account_id: i64, kind: &'static str) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "delete from identifiers
         where account_id = $1 and kind = $2 and left_at is null
         returning account_id",
    ).bind(account_id).bind(kind).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Records that the account has verified its identifier of this kind; the first time is kept.
pub async fn update_verified(
    tx: &mut Tx,
    account_id: i64,
    kind: &'static str,
    at: i64,
) -> Result<()> {
    let verified = on!(tx, db => sqlx::query(
        "update identifiers set verified_at = $3
         where account_id = $1 and kind = $2 and verified_at is null and left_at is null",
    ).bind(account_id).bind(kind).bind(at).execute(db).await.map(|done| done.rows_affected()))?;
    if verified > 0 {
        tx.note_webhook(account_id, AccountChange::Changed, at);
    }
    Ok(())
}

/// The name by which a replaced server knew the account, if the account still has it: its username,
/// else its e-mail address, else its phone.
pub async fn imported_name(tx: &mut Tx, account_id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select imported_as from identifiers
         where account_id = $1 and imported_as is not null and left_at is null
         order by case kind when 'username' then 1 when 'email' then 2 else 3 end
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?)
}

/// The address by which a replaced server knew the account, if the account still has it.
pub async fn imported_address(tx: &mut Tx, account_id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select imported_as from identifiers
         where account_id = $1 and imported_as is not null and left_at is null
           and kind in ('email', 'phone')
         order by kind
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?)
}

/// Records that the address `key` of the account, present or former, was verified by a link whose
/// use removed every other way to sign in; the first time is kept.
pub async fn update_owned(tx: &mut Tx, account_id: i64, key: String, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set verified_at = coalesce(verified_at, $3),
                                owned_at = coalesce(owned_at, $3)
         where account_id = $1 and key = $2",
    ).bind(account_id).bind(key).bind(at).execute(db).await.map(|_| ()))?;
    tx.note_webhook(account_id, AccountChange::Changed, at);
    Ok(())
}

/// Makes the account's address a former one, which can be restored.
pub async fn leave_email(tx: &mut Tx, account_id: i64, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set left_at = $2
         where account_id = $1 and kind = 'email' and left_at is null",
    ).bind(account_id).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// When the address `key` became a former one; `None` if it is not.
pub async fn left_at(tx: &mut Tx, account_id: i64, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select left_at from identifiers
         where account_id = $1 and key = $2 and left_at is not null",
    ).bind(account_id).bind(key).fetch_optional(db).await)?)
}

/// Restores the former address `key`; the account must have no address.
pub async fn return_email(tx: &mut Tx, account_id: i64, key: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set left_at = null
         where account_id = $1 and key = $2 and left_at is not null",
    ).bind(account_id).bind(key).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The addresses that became former ones at `since` or later, by key and as shown.
pub async fn left_since(tx: &mut Tx, account_id: i64, since: i64) -> Result<Vec<(String, String)>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select key, shown from identifiers
         where account_id = $1 and left_at >= $2",
    ).bind(account_id).bind(since).fetch_all(db).await)?)
}

/// Deletes a former address.
pub async fn delete_left(tx: &mut Tx, account_id: i64, key: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from identifiers
         where account_id = $1 and key = $2 and left_at is not null",
    ).bind(account_id).bind(key).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes the former addresses that were never verified.
pub async fn delete_left_unproved(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from identifiers
         where account_id = $1 and left_at is not null and verified_at is null",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Condition on former addresses `l`: at `$2` there is no open link of purpose `$1` to this one.
macro_rules! no_way_back {
    () => {
        " not exists (
              select 1 from one_time_tokens t
              where t.account_id = l.account_id and t.purpose = $1 and t.address = l.shown
                and t.spent_at is null and t.expires_at > $2) "
    };
}

/// Deletes the account's former addresses to which no link of this purpose is open.
pub async fn delete_left_for_good(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        concat!(
            "delete from identifiers where key in (
                 select l.key from identifiers l
                 where l.account_id = $3 and l.left_at is not null and",
            no_way_back!(),
            ")",
        ),
    ).bind(purpose).bind(now).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes up to `limit` former addresses from before `at` that have no open link of this purpose,
/// if the account has verified its present address; returns how many.
pub async fn delete_left_before(
    tx: &mut Tx,
    at: i64,
    purpose: &'static str,
    now: i64,
    limit: i64,
) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        concat!(
            "delete from identifiers where key in (
                 select l.key from identifiers l
                 join identifiers e on e.account_id = l.account_id and e.kind = 'email'
                  and e.left_at is null and e.verified_at is not null
                 where l.left_at < $3 and",
            no_way_back!(),
            "limit $4)",
        ),
    ).bind(purpose).bind(now).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
