//! Table `meta`: facts about the installation, by name, and decoys of one-time tokens;
//! nothing of it expires.

use super::{Tx, on};
use crate::error::Result;

/// The longest life that an access token was ever given, in seconds.
pub const LONGEST_ACCESS: &str = "longest_access_seconds";

/// Tokens of a replaced server from before this moment are refused, in seconds.
pub const FOREIGN_NOT_BEFORE: &str = "foreign_not_before";
/// There is a file of the numbers given out beside the database.
pub const NUMBERS_KEPT: &str = "numbers_kept";

/// Stores `value` under `name` unless something is there, and tells what is there now.
pub async fn get_or_insert(tx: &mut Tx, name: impl Into<String>, value: String) -> Result<String> {
    let name = name.into();
    on!(tx, db => sqlx::query(
        "insert into meta (name, value) values ($1, $2)
         on conflict (name) do nothing",
    ).bind(name.clone()).bind(value).execute(db).await.map(|_| ()))?;
    Ok(on!(tx, db => sqlx::query_scalar(
        "select value from meta where name = $1",
    ).bind(name).fetch_one(db).await)?)
}

pub async fn get(tx: &mut Tx, name: impl Into<String>) -> Result<Option<String>> {
    let name = name.into();
    Ok(on!(tx, db => sqlx::query_scalar(
        "select value from meta where name = $1",
    ).bind(name).fetch_optional(db).await)?)
}

pub async fn set(tx: &mut Tx, name: impl Into<String>, value: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into meta (name, value) values ($1, $2)
         on conflict (name) do update set value = excluded.value",
    ).bind(name.into()).bind(value).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// A write that costs what storing a one-time token costs, to a row that nobody reads.
pub async fn write_decoy(tx: &mut Tx, slot: u8, value: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into meta (name, value) values ($1, $2)
         on conflict (name) do update set value = excluded.value",
    ).bind(format!("decoy_{slot}")).bind(value).execute(db).await.map(|_| ()))?;
    Ok(())
}
