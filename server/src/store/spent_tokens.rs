//! Table `spent_tokens`: refresh tokens of a replaced server that were spent here, by `jti`. The
//! sweeper deletes a row when its token has expired.

use super::{Tx, on};
use crate::error::Result;

pub async fn is_spent(tx: &mut Tx, jti: String) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "select jti from spent_tokens where jti = $1",
    ).bind(jti).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Spends the token: of concurrent requests, exactly one gets true.
pub async fn spend_token(tx: &mut Tx, jti: String, expires_at: i64) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "insert into spent_tokens (jti, expires_at) values ($1, $2)
         on conflict (jti) do nothing
         returning jti",
    ).bind(jti).bind(expires_at).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Up to `limit` spent tokens with ids above `after`, in their order.
pub async fn spent_after(tx: &mut Tx, after: String, limit: i64) -> Result<Vec<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select jti from spent_tokens where jti > $1 order by jti limit $2",
    ).bind(after).bind(limit).fetch_all(db).await)?)
}

/// How many spent tokens have not expired.
pub async fn count_spent(tx: &mut Tx, now: i64) -> Result<i64> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select count(*) from spent_tokens where expires_at > $1",
    ).bind(now).fetch_one(db).await)?)
}

pub async fn delete_expired(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from spent_tokens where jti in (
             select jti from spent_tokens
             where expires_at < $1
             limit $2)",
    ).bind(now).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
