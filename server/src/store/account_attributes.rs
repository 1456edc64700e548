//! Table `account_attributes`: what another system has said of an account, as a JSON object; imports
//! and operators write it, for the claims of tokens. A row is deleted with its account.

use super::events::{Event, NewEvent};
use super::{Tx, on};
use crate::error::Result;

pub async fn attributes(tx: &mut Tx, account_id: i64) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select attributes from account_attributes where account_id = $1",
    ).bind(account_id).fetch_optional(db).await)?)
}

/// Stores the attributes of an account, which must exist, in place of those that it has.
pub async fn set_attributes(
    tx: &mut Tx,
    account_id: i64,
    attributes: String,
    at: i64,
) -> Result<()> {
    let changed: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into account_attributes (account_id, attributes) values ($1, $2)
         on conflict (account_id) do update set attributes = excluded.attributes
         where account_attributes.attributes <> excluded.attributes
         returning account_id",
    ).bind(account_id).bind(attributes).fetch_optional(db).await)?;
    if changed.is_some() {
        tx.note(NewEvent::of(account_id, Event::AttributesChanged, at));
    }
    Ok(())
}
