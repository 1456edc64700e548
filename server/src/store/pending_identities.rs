//! Table `pending_identities`: identities at providers that another system knew by their address
//! only, by a digest of provider and address. The first sign-in with the address, verified by the
//! provider, turns the row into an identity. It is deleted with its account too, when another person
//! proves ownership of the account's mailbox, or when it expires.

use super::{Tx, on};
use crate::error::Result;

/// False if an account has it already.
pub async fn insert_pending(
    tx: &mut Tx,
    hash: String,
    account_id: i64,
    expires_at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into pending_identities (hash, account_id, expires_at) values ($1, $2, $3)
         on conflict (hash) do nothing
         returning account_id",
    ).bind(hash).bind(account_id).bind(expires_at).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// The account of this pending identity.
pub async fn account_of_pending(tx: &mut Tx, hash: String, now: i64) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select account_id from pending_identities where hash = $1 and expires_at > $2",
    ).bind(hash).bind(now).fetch_optional(db).await)?)
}

/// False if the account does not have it any more.
pub async fn delete_pending(tx: &mut Tx, hash: String, account_id: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "delete from pending_identities
         where hash = $1 and account_id = $2
         returning account_id",
    ).bind(hash).bind(account_id).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Deletes all of the account.
pub async fn delete_pending_of(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from pending_identities where account_id = $1",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes up to `limit` rows that expired before `before`, and returns how many.
pub async fn delete_expired(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from pending_identities where hash in (
             select hash from pending_identities
             where expires_at < $1
             limit $2)",
    ).bind(before).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
