//! Table `api_numbers`: the number that the tokens of an API of the settings have in their ids. No
//! row is ever deleted, so that no number is given to a second API: tokens of the first may live.

use super::{Tx, on};
use crate::error::Result;

pub async fn number(tx: &mut Tx, name: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select number from api_numbers where name = $1",
    ).bind(name).fetch_optional(db).await)?)
}

/// The highest number that was given, if any was.
pub async fn highest(tx: &mut Tx) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select number from api_numbers order by number desc limit 1",
    ).fetch_optional(db).await)?)
}

/// Gives the API this number, unless it has one or another has this.
pub async fn insert_number(tx: &mut Tx, name: String, number: i64, now: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into api_numbers (name, number, created_at) values ($1, $2, $3)
         on conflict do nothing",
    ).bind(name).bind(number).bind(now).execute(db).await.map(|_| ()))?;
    Ok(())
}
