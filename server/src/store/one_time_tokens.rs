//! Table `one_time_tokens`: the tokens of mailed links, as SHA-256. A spent row stays so that a
//! second use is recognised; the sweeper deletes rows 30 days after they expire, as long as a
//! failed mail may refer to them. A change that makes a link unsafe deletes the account's rows, and
//! with them the mails that have not been sent.

use super::{Tx, from_row, on};
use crate::error::Result;

/// A token that was mailed.
#[derive(Clone, Debug)]
pub struct OneTimeToken {
    pub hash: String,
    pub account_id: i64,
    pub purpose: String,
    /// The recipient's address.
    pub address: String,
    /// The request for it came with the current password.
    pub by_password: bool,
    /// Only the app that requested it can use it.
    pub is_bound: bool,
    /// The identities that stay linked if this link restores an address.
    pub kept_identities: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub spent_at: Option<i64>,
}

from_row!(OneTimeToken {
    hash,
    account_id,
    purpose,
    address,
    by_password,
    is_bound,
    kept_identities,
    created_at,
    expires_at,
    spent_at,
});

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

/// Stores a token, unless it is stored already, spent or not.
pub async fn insert_if_new(tx: &mut Tx, token: OneTimeToken) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into one_time_tokens (hash, account_id, purpose, address, by_password,
                                      is_bound, kept_identities, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (hash) do nothing",
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

/// Whether the account has open tokens for this purpose whose mail has not failed: `None` if there
/// is none, `true` if all of them are bound.
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

/// Spends an open token: of concurrent requests, exactly one gets the row.
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

/// The identities that stay linked by the oldest open token of one purpose.
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

/// Removes the kept identities from all tokens of the account.
pub async fn keep_no_identities(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update one_time_tokens set kept_identities = '[]'
         where account_id = $1 and kept_identities is not null",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// The addresses with open tokens of one purpose, each with whether the account has verified it.
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

/// Spends all open tokens of one purpose, whose goal was reached otherwise.
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

/// Deletes the account's tokens, except those that restore an address: no change to the account may
/// take that link from the address's owner.
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

/// Deletes the tokens of this purpose that were mailed to addresses the account has not verified.
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

/// Extends the open token of one purpose for this address until `until`; false if there is none.
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

/// Deletes up to `limit` rows whose tokens expired before `at` and returns how many.
pub async fn delete_expired(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from one_time_tokens where hash in (
             select hash from one_time_tokens
             where expires_at < $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// A mailed link, without its secret.
#[derive(Clone, Debug)]
pub struct MailedLink {
    pub purpose: String,
    pub address: String,
    /// The request for it came with the current password.
    pub by_password: bool,
    /// Only the app that requested it can use it.
    pub is_bound: bool,
    /// The identities that stay linked if this link restores an address.
    pub kept_identities: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub spent_at: Option<i64>,
}

from_row!(MailedLink {
    purpose,
    address,
    by_password,
    is_bound,
    kept_identities,
    created_at,
    expires_at,
    spent_at,
});

impl MailedLink {
    /// The identities that it keeps, by provider and subject.
    pub fn kept(&self) -> Vec<(String, String)> {
        identities_of_json(self.kept_identities.as_deref())
    }
}

/// Identities as a token has them, by provider and subject; none of what is not that.
pub fn identities_of_json(json: Option<&str>) -> Vec<(String, String)> {
    json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default()
}

/// The links of the account, the oldest first.
pub async fn links_of(tx: &mut Tx, account_id: i64) -> Result<Vec<MailedLink>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select purpose, address, by_password, is_bound, kept_identities, created_at, expires_at,
                spent_at
         from one_time_tokens
         where account_id = $1
         order by created_at, hash",
    ).bind(account_id).fetch_all(db).await)?)
}
