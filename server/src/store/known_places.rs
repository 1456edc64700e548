//! Table `known_places`: networks from which an account's owner has signed in, refreshed a session
//! or opened a mailed link. A network is a keyed digest. A row is deleted with its account, or some
//! time after its last use.

use super::{Tx, on};
use crate::error::Result;

/// Records that the account's owner is known at this network until `until`; a later time that is
/// stored already is kept.
pub async fn note_place(tx: &mut Tx, account_id: i64, network: String, until: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into known_places (account_id, network, known_until)
         select id, $2, $3 from accounts where id = $1
         on conflict (account_id, network) do update set known_until = excluded.known_until
         where known_places.known_until < excluded.known_until",
    ).bind(account_id).bind(network).bind(until).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Until when the network is known for the account; `None` if it is not.
pub async fn known_until(tx: &mut Tx, account_id: i64, network: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select known_until from known_places where account_id = $1 and network = $2",
    ).bind(account_id).bind(network).fetch_optional(db).await)?)
}

/// Until when each network of the account is known.
pub async fn places(tx: &mut Tx, account_id: i64) -> Result<Vec<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select known_until from known_places where account_id = $1 order by known_until",
    ).bind(account_id).fetch_all(db).await)?)
}

/// Deletes the known networks of the account.
pub async fn delete_places(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from known_places where account_id = $1",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes up to `limit` expired rows and returns how many.
pub async fn delete_forgotten(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from known_places where (account_id, network) in (
             select account_id, network from known_places
             where known_until <= $1
             limit $2)",
    ).bind(now).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
