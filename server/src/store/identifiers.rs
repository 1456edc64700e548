//! Table `identifiers`: e-mail addresses, phones and usernames in one namespace, by canonical key.
//! A row goes with its account, or when the account gives the identifier up. An address that was left
//! without the password, or for one that is not confirmed yet, keeps its row, with `left_at`: it opens
//! nothing, may come back, and a proved one is kept from others. The sweeper deletes it when it can
//! come back no longer.

use super::{Tx, on};
use crate::error::Result;
use crate::identifier::Identifier;

/// The account that holds `key`.
pub async fn account_by_key(tx: &mut Tx, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers where key = $1 and left_at is null",
    ).bind(key).fetch_optional(db).await)?)
}

/// The account that holds `key`, or from which a proved address of this key may not be taken.
pub async fn claimant_by_key(tx: &mut Tx, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from identifiers
         where key = $1 and (left_at is null or verified_at is not null)",
    ).bind(key).fetch_optional(db).await)?)
}

/// Gives the identifier to the account; false when another claims it already. An address that was
/// left without ever being proved gives way.
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

/// Shows an identifier that the account holds in another spelling; false when it does not hold it.
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
         where account_id = $1 and kind = $2 and left_at is null
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
         where account_id = $1 and kind = $2 and verified_at is null and left_at is null",
    ).bind(account_id).bind(kind).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The name by which a replaced server knew the account, which still has it: its username, else its
/// e-mail address, else its phone.
pub async fn imported_name(tx: &mut Tx, account_id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select imported_as from identifiers
         where account_id = $1 and imported_as is not null and left_at is null
         order by case kind when 'username' then 1 when 'email' then 2 else 3 end
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?)
}

/// The address by which a replaced server knew the account, which still has it.
pub async fn imported_address(tx: &mut Tx, account_id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select imported_as from identifiers
         where account_id = $1 and imported_as is not null and left_at is null
           and kind in ('email', 'phone')
         order by kind
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?)
}

/// Notes that the address `key` of the account, held or left, was proved in an act that left no
/// other way in; the first time counts.
pub async fn update_owned(tx: &mut Tx, account_id: i64, key: String, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set verified_at = coalesce(verified_at, $3),
                                owned_at = coalesce(owned_at, $3)
         where account_id = $1 and key = $2",
    ).bind(account_id).bind(key).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Leaves the account's address; it may come back.
pub async fn leave_email(tx: &mut Tx, account_id: i64, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set left_at = $2
         where account_id = $1 and kind = 'email' and left_at is null",
    ).bind(account_id).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// When the account left the address `key`; `None` where it did not.
pub async fn left_at(tx: &mut Tx, account_id: i64, key: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select left_at from identifiers
         where account_id = $1 and key = $2 and left_at is not null",
    ).bind(account_id).bind(key).fetch_optional(db).await)?)
}

/// Gives the address `key` back to the account, which must hold none.
pub async fn return_email(tx: &mut Tx, account_id: i64, key: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update identifiers set left_at = null
         where account_id = $1 and key = $2 and left_at is not null",
    ).bind(account_id).bind(key).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The addresses that the account left at `since` or later, by key and as shown.
pub async fn left_since(tx: &mut Tx, account_id: i64, since: i64) -> Result<Vec<(String, String)>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select key, shown from identifiers
         where account_id = $1 and left_at >= $2",
    ).bind(account_id).bind(since).fetch_all(db).await)?)
}

/// Forgets an address that the account left.
pub async fn delete_left(tx: &mut Tx, account_id: i64, key: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from identifiers
         where account_id = $1 and key = $2 and left_at is not null",
    ).bind(account_id).bind(key).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Forgets the addresses that the account left and had not proved.
pub async fn delete_left_unproved(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from identifiers
         where account_id = $1 and left_at is not null and verified_at is null",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Among the left addresses `l`: no link of purpose `$1` is out to this one at `$2`.
macro_rules! no_way_back {
    () => {
        " not exists (
              select 1 from one_time_tokens t
              where t.account_id = l.account_id and t.purpose = $1 and t.address = l.shown
                and t.spent_at is null and t.expires_at > $2) "
    };
}

/// Forgets the addresses that the account left and to which no link of this purpose is out.
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

/// Deletes up to `limit` addresses that were left before `at` and to which no link of this purpose is
/// out, where the account has proved its present one, and tells how many there were.
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
