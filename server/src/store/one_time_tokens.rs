//! Table `one_time_tokens`: what mailed links carry, as SHA-256. A spent row stays, so that it is known
//! as spent while its token lives; the sweeper deletes rows 30 days after that, as long as a dead
//! letter may hold on to them. A change that makes a link unsafe deletes the account's rows, and with
//! them the mails that have not gone out.

use super::{Tx, on};
use crate::error::Result;

/// A token that was mailed.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct OneTimeToken {
    pub hash: String,
    pub account_id: i64,
    pub purpose: String,
    pub created_at: i64,
    pub expires_at: i64,
    pub spent_at: Option<i64>,
}

pub async fn insert_one_time_token(tx: &mut Tx, token: OneTimeToken) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into one_time_tokens (hash, account_id, purpose, created_at, expires_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(token.hash)
    .bind(token.account_id)
    .bind(token.purpose)
    .bind(token.created_at)
    .bind(token.expires_at)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The account's token with this hash, spent or not, unless it has expired.
pub async fn one_time_token(
    tx: &mut Tx,
    hash: String,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<Option<OneTimeToken>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select hash, account_id, purpose, created_at, expires_at, spent_at
         from one_time_tokens
         where hash = $1 and account_id = $2 and purpose = $3 and expires_at > $4",
    ).bind(hash).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?)
}

/// Whether the account has an open token for this whose mail was not given up.
pub async fn is_out(tx: &mut Tx, account_id: i64, purpose: &'static str, now: i64) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "select t.hash from one_time_tokens t
         left join outbox o on o.token_hash = t.hash
         where t.account_id = $1 and t.purpose = $2 and t.spent_at is null and t.expires_at > $3
           and o.dead_at is null
         limit 1",
    ).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Spends an open token: of many who present it, one gets true.
pub async fn spend_one_time_token(
    tx: &mut Tx,
    hash: String,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "update one_time_tokens set spent_at = $4
         where hash = $1 and account_id = $2 and purpose = $3
           and spent_at is null and expires_at > $4
         returning hash",
    ).bind(hash).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Spends what is open of one purpose, which has come to its end otherwise.
pub async fn spend_all(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update one_time_tokens set spent_at = $3
         where account_id = $1 and purpose = $2 and spent_at is null",
    ).bind(account_id).bind(purpose).bind(now).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Forgets all of the account's tokens: from now on none of them has ever been.
pub async fn delete_one_time_tokens(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from one_time_tokens where account_id = $1",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes up to `limit` rows whose tokens expired before `at` and tells how many there were.
pub async fn delete_expired(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from one_time_tokens where hash in (
             select hash from one_time_tokens
             where expires_at < $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
