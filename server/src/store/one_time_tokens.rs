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
    /// Where it was mailed to.
    pub address: String,
    /// The current password came with the request for it.
    pub by_password: bool,
    /// It works only for the app that asked for it.
    pub is_bound: bool,
    /// The identities that a link to bring an address back keeps.
    pub kept_identities: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub spent_at: Option<i64>,
}

pub async fn insert_one_time_token(tx: &mut Tx, token: OneTimeToken) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into one_time_tokens (hash, account_id, purpose, address, by_password,
                                      is_bound, kept_identities, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(token.hash)
    .bind(token.account_id)
    .bind(token.purpose)
    .bind(token.address)
    .bind(token.by_password)
    .bind(token.is_bound)
    .bind(token.kept_identities)
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
        "select hash, account_id, purpose, address, by_password, is_bound, kept_identities,
                created_at, expires_at, spent_at
         from one_time_tokens
         where hash = $1 and account_id = $2 and purpose = $3 and expires_at > $4",
    ).bind(hash).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?)
}

/// Whether the account has an open token for this whose mail was not given up: `None` if not, `true`
/// if all of them are bound.
pub async fn out(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<Option<bool>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select t.is_bound from one_time_tokens t
         left join outbox o on o.token_hash = t.hash
         where t.account_id = $1 and t.purpose = $2 and t.spent_at is null and t.expires_at > $3
           and o.dead_at is null
         order by t.is_bound
         limit 1",
    ).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?)
}

/// When the token of this hash expires.
pub async fn expires_at(tx: &mut Tx, hash: String) -> Result<Option<i64>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select expires_at from one_time_tokens where hash = $1",
    ).bind(hash).fetch_optional(db).await)?)
}

/// Spends an open token: of many who present it, one gets the row.
pub async fn spend_one_time_token(
    tx: &mut Tx,
    hash: String,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<Option<OneTimeToken>> {
    Ok(on!(tx, db => sqlx::query_as(
        "update one_time_tokens set spent_at = $4
         where hash = $1 and account_id = $2 and purpose = $3
           and spent_at is null and expires_at > $4
         returning hash, account_id, purpose, address, by_password, is_bound, kept_identities,
                   created_at, expires_at, spent_at",
    ).bind(hash).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?)
}

/// The identities that the oldest open token of one purpose keeps.
pub async fn first_kept(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<Option<String>> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select kept_identities from one_time_tokens
         where account_id = $1 and purpose = $2 and spent_at is null and expires_at > $3
           and kept_identities is not null
         order by created_at
         limit 1",
    ).bind(account_id).bind(purpose).bind(now).fetch_optional(db).await)?)
}

/// Lets no token of the account keep an identity.
pub async fn keep_no_identities(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update one_time_tokens set kept_identities = '[]'
         where account_id = $1 and kept_identities is not null",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The addresses to which open tokens of one purpose were mailed, each with whether the account has
/// proved it.
pub async fn addresses_out(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    now: i64,
) -> Result<Vec<(String, bool)>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select distinct t.address, i.verified_at is not null
         from one_time_tokens t
         left join identifiers i on i.account_id = t.account_id and i.shown = t.address
         where t.account_id = $1 and t.purpose = $2 and t.spent_at is null and t.expires_at > $3",
    ).bind(account_id).bind(purpose).bind(now).fetch_all(db).await)?)
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

/// Deletes the account's tokens, as if they had never been, but for those that bring an address
/// back: nothing that is done to the account takes that from the address's owner.
pub async fn delete_one_time_tokens(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from one_time_tokens where account_id = $1 and purpose <> 'email_return'",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes the account's tokens for one purpose.
pub async fn delete_for(tx: &mut Tx, account_id: i64, purpose: &'static str) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from one_time_tokens where account_id = $1 and purpose = $2",
    ).bind(account_id).bind(purpose).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes the tokens of this purpose that were mailed to addresses that the account has not proved.
pub async fn delete_to_unproved(tx: &mut Tx, account_id: i64, purpose: &'static str) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from one_time_tokens
         where account_id = $1 and purpose = $2 and not exists (
             select 1 from identifiers i
             where i.account_id = $1 and i.kind = 'email' and i.verified_at is not null
               and i.shown = one_time_tokens.address)",
    ).bind(account_id).bind(purpose).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes the account's tokens for one purpose that were mailed to this address.
pub async fn delete_mailed_to(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    address: String,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from one_time_tokens
         where account_id = $1 and purpose = $2 and address = $3",
    ).bind(account_id).bind(purpose).bind(address).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Lets the open token of one purpose that was mailed to this address live until `until`; false where
/// there is none.
pub async fn prolong(
    tx: &mut Tx,
    account_id: i64,
    purpose: &'static str,
    address: String,
    now: i64,
    until: i64,
) -> Result<bool> {
    let rows: Vec<String> = on!(tx, db => sqlx::query_scalar(
        "update one_time_tokens set expires_at = $5
         where account_id = $1 and purpose = $2 and address = $3
           and spent_at is null and expires_at > $4
         returning hash",
    )
    .bind(account_id)
    .bind(purpose)
    .bind(address)
    .bind(now)
    .bind(until)
    .fetch_all(db).await)?;
    Ok(!rows.is_empty())
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
