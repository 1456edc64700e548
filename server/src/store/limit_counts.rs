//! Table `limit_counts`: how often something has happened in its current window. Keys are keyed
//! digests. The sweeper deletes a row when its window has ended.

use super::{Tx, from_row, on};
use crate::error::Result;

/// A count and the instant at which its window ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitCount {
    pub key: String,
    pub count: i64,
    pub ends_at: i64,
}

from_row!(LimitCount { key, count, ends_at });

/// Adds one, in a new window up to `new_end` if the stored one has ended (or ends later than a
/// window can, after a clock was set back); returns the new row.
pub async fn add_one(tx: &mut Tx, key: String, now: i64, new_end: i64) -> Result<LimitCount> {
    Ok(on!(tx, db => sqlx::query_as(
        "insert into limit_counts (key, count, ends_at) values ($1, 1, $3)
         on conflict (key) do update set
             count = case when limit_counts.ends_at > $2 and limit_counts.ends_at <= $3
                          then limit_counts.count + 1 else 1 end,
             ends_at = case when limit_counts.ends_at > $2 and limit_counts.ends_at <= $3
                            then limit_counts.ends_at else $3 end
         returning key, count, ends_at",
    ).bind(key).bind(now).bind(new_end).fetch_one(db).await)?)
}

/// The row, locked until this write ends; a new one has an empty window up to `new_end`.
pub async fn lock(tx: &mut Tx, key: String, new_end: i64) -> Result<LimitCount> {
    Ok(on!(tx, db => sqlx::query_as(
        "insert into limit_counts (key, count, ends_at) values ($1, 0, $2)
         on conflict (key) do update set count = limit_counts.count
         returning key, count, ends_at",
    ).bind(key).bind(new_end).fetch_one(db).await)?)
}

/// All counts whose window has not ended.
pub async fn open_counts(tx: &mut Tx, now: i64) -> Result<Vec<LimitCount>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select key, count, ends_at from limit_counts where ends_at > $1",
    ).bind(now).fetch_all(db).await)?)
}

/// The counts with keys from `first` to `last` whose window has not ended.
pub async fn open_between(
    tx: &mut Tx,
    first: String,
    last: String,
    now: i64,
) -> Result<Vec<LimitCount>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select key, count, ends_at from limit_counts
         where key >= $1 and key <= $2 and ends_at > $3
         order by count desc, key",
    ).bind(first).bind(last).bind(now).fetch_all(db).await)?)
}

/// Deletes the counts with keys from `first` to `last` and returns how many.
pub async fn delete_between(tx: &mut Tx, first: String, last: String) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from limit_counts where key >= $1 and key <= $2",
    ).bind(first).bind(last).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` rows whose window has ended and returns how many.
pub async fn delete_ended(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from limit_counts where key in (
             select key from limit_counts
             where ends_at <= $1
             limit $2)",
    ).bind(now).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
