//! Table `meta`: facts about the installation, by name, and decoys of one-time tokens; no row
//! expires.

use super::{Tx, on};
use crate::error::Result;

/// The longest lifetime that an access token was ever given, in seconds.
pub const LONGEST_ACCESS: &str = "longest_access_seconds";

/// Tokens of a replaced server that were issued before this time are refused, in seconds.
pub const FOREIGN_NOT_BEFORE: &str = "foreign_not_before";
/// A file next to the database records the numbers that were given out.
pub const NUMBERS_KEPT: &str = "numbers_kept";

/// The time whose state the newest import file has that was stored.
pub const ADOPTED_AS_OF: &str = "adopted_as_of";
/// How far the adoption of another system's accounts is; a change is announced.
pub const ADOPTION: &str = "adoption";

/// How many writes runs of `propusk adopt` have made: a run stops if another one writes too.
pub const ADOPTION_WRITES: &str = "adoption_writes";

/// Where the replaced Django keeps its users, as JSON.
pub const DJANGO_USERS: &str = "django_users";
/// How many look-ups of single accounts have stored something besides these runs.
pub const ADOPTION_LOOK_UPS: &str = "adoption_look_ups";

/// For how many seconds the links work that a replaced Django has mailed, and until when there may
/// be any.
pub const DJANGO_LINK_SECONDS: &str = "django_link_seconds";
pub const DJANGO_LINKS_UNTIL: &str = "django_links_until";
/// How far its local time, which its links have, is ahead of UTC, in seconds; empty if unknown.
pub const DJANGO_LINK_OFFSET: &str = "django_link_offset";
/// Whether its accounts have local times too: 0 or 1.
pub const DJANGO_LOCAL_TIMES: &str = "django_local_times";

/// Stores `value` under `name` if there is none yet, and returns the stored value.
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

/// Stores `next` under `name` in place of `value`; false if another value is stored.
pub async fn replace(
    tx: &mut Tx,
    name: impl Into<String>,
    value: String,
    next: String,
) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "update meta set value = $3
         where name = $1 and value = $2
         returning name",
    ).bind(name.into()).bind(value).bind(next).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// A write that costs as much as storing a one-time token, to a row that is never read.
pub async fn write_decoy(tx: &mut Tx, slot: u8, value: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into meta (name, value) values ($1, $2)
         on conflict (name) do update set value = excluded.value",
    ).bind(format!("decoy_{slot}")).bind(value).execute(db).await.map(|_| ()))?;
    Ok(())
}
