//! Table `adopted`: which records of another system's import files are stored here, so that a newer
//! file changes only what has changed there. A row is deleted when the other system has ended what it
//! stands for. That of an account outlives it: a later file must not bring the account back.

use super::many_rows::{for_statements, with_rows};
use super::{Tx, from_row, on};
use crate::error::Result;

/// The kinds of keys and tokens.
pub const API_TOKEN: &str = "api_token";
pub const PAIR: &str = "oauth_pair";

/// A record as it came.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// The kind of its line.
    pub kind: String,
    /// Which one of its kind it is.
    pub key: String,
    /// `None` also if the account was deleted here.
    pub account_id: Option<i64>,
    /// Digests of what it said.
    pub seen: String,
    /// Which password the account had then.
    pub password_version: i64,
}

from_row!(Adopted { kind, key, account_id, seen, password_version });

pub async fn adopted(tx: &mut Tx, kind: &'static str, key: String) -> Result<Option<Adopted>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select kind, key, account_id, seen, password_version
         from adopted
         where kind = $1 and key = $2",
    ).bind(kind).bind(key).fetch_optional(db).await)?)
}

/// The record of the account with this number.
pub async fn adopted_account(tx: &mut Tx, account_id: i64) -> Result<Option<Adopted>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select kind, key, account_id, seen, password_version
         from adopted
         where account_id = $1 and kind = 'account'",
    ).bind(account_id).fetch_optional(db).await)?)
}

/// The records of the accounts with numbers from `first` to `last`. (SQLite keeps the order of a cross
/// join: it would read the records of all accounts.)
pub async fn adopted_accounts(tx: &mut Tx, first: i64, last: i64) -> Result<Vec<Adopted>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select a.kind, a.key, a.account_id, a.seen, a.password_version
         from accounts
         cross join adopted a
         where accounts.id >= $1 and accounts.id <= $2
           and a.account_id = accounts.id and a.kind = 'account'",
    ).bind(first).bind(last).fetch_all(db).await)?)
}

/// Up to `limit` records of this kind with keys above `after`, in their order.
pub async fn adopted_after(
    tx: &mut Tx,
    kind: &'static str,
    after: String,
    limit: i64,
) -> Result<Vec<Adopted>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select kind, key, account_id, seen, password_version
         from adopted
         where kind = $1 and key > $2
         order by key
         limit $3",
    ).bind(kind).bind(after).bind(limit).fetch_all(db).await)?)
}

/// Stores what a record said, in the place of what it said before.
pub async fn set_adopted(tx: &mut Tx, row: Adopted) -> Result<()> {
    set_all_adopted(tx, vec![row]).await
}

/// Stores what several records said.
pub async fn set_all_adopted(tx: &mut Tx, records: Vec<Adopted>) -> Result<()> {
    for rows in for_statements(records) {
        let statement = with_rows(
            tx,
            "insert into adopted (kind, key, account_id, seen, password_version)
             values {rows}
             on conflict (kind, key) do update
                 set account_id = excluded.account_id, seen = excluded.seen,
                     password_version = excluded.password_version",
            rows.len(),
            5,
        );
        on!(tx, db => {
            let mut query = sqlx::query(statement);
            for row in rows {
                query = query
                    .bind(row.kind)
                    .bind(row.key)
                    .bind(row.account_id)
                    .bind(row.seen)
                    .bind(row.password_version);
            }
            query.execute(db).await.map(|_| ())
        })?;
    }
    Ok(())
}

pub async fn delete_adopted(tx: &mut Tx, kind: String, key: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from adopted where kind = $1 and key = $2",
    ).bind(kind).bind(key).execute(db).await.map(|_| ()))?;
    Ok(())
}
