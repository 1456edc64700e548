//! Table `signing_keys`: key pairs for tokens that can be verified with a published key; the
//! private half is sealed. A key signs from `signs_from` until a later one does, and verifies until
//! `ends_at`. An ended row stays for a while, for an operator to see; a revoked key is deleted at
//! once.

use super::{Tx, from_row, meta, on};
use crate::error::Result;

/// A write that changes keys locks this row of `meta` until its end.
const LOCK: &str = "signing_keys";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    pub kid: String,
    pub algorithm: String,
    pub public_key: String,
    /// Sealed with the server's secret.
    pub private_key: String,
    pub created_at: i64,
    pub signs_from: i64,
    /// `None` while there is no later key.
    pub ends_at: Option<i64>,
}

from_row!(KeyRow { kid, algorithm, public_key, private_key, created_at, signs_from, ends_at });

/// All keys in the order in which they sign, locked until the write ends.
pub async fn lock_signing_keys(tx: &mut Tx) -> Result<Vec<KeyRow>> {
    meta::set(tx, LOCK, String::new()).await?;
    signing_keys(tx).await
}

/// All keys in the order in which they sign.
pub async fn signing_keys(tx: &mut Tx) -> Result<Vec<KeyRow>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select kid, algorithm, public_key, private_key, created_at, signs_from, ends_at
         from signing_keys
         order by signs_from, created_at, kid",
    ).fetch_all(db).await)?)
}

pub async fn insert_signing_key(tx: &mut Tx, key: KeyRow) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into signing_keys
             (kid, algorithm, public_key, private_key, created_at, signs_from, ends_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(key.kid)
    .bind(key.algorithm)
    .bind(key.public_key)
    .bind(key.private_key)
    .bind(key.created_at)
    .bind(key.signs_from)
    .bind(key.ends_at)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Sets the end of all keys that have none yet.
pub async fn retire_signing_keys(tx: &mut Tx, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update signing_keys set ends_at = $1 where ends_at is null",
    ).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

pub async fn delete_signing_keys(tx: &mut Tx) -> Result<()> {
    on!(tx, db => sqlx::query("delete from signing_keys").execute(db).await.map(|_| ()))?;
    Ok(())
}

/// False if there is no such key.
pub async fn delete_signing_key(tx: &mut Tx, kid: String) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "delete from signing_keys where kid = $1 returning kid",
    ).bind(kid).fetch_optional(db).await)?;
    Ok(row.is_some())
}

pub async fn update_signs_from(tx: &mut Tx, kid: String, at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update signing_keys set signs_from = $2 where kid = $1",
    ).bind(kid).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Removes the end of the key.
pub async fn update_endless(tx: &mut Tx, kid: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update signing_keys set ends_at = null where kid = $1",
    ).bind(kid).execute(db).await.map(|_| ()))?;
    Ok(())
}

pub async fn delete_ended(tx: &mut Tx, before: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from signing_keys where ends_at < $1",
    ).bind(before).execute(db).await.map(|done| done.rows_affected()))?)
}
