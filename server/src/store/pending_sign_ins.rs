//! Table `pending_sign_ins`: sign-ins with a provider in progress. A row is found by three hashes,
//! one after the other: of the state that the browser returns, of the one-time code, each spent by
//! the statement that reads it, and of the handle that represents the provider's tokens until the
//! row expires. The provider's answer is sealed with the code or the handle, which are not stored.
//! The sweeper deletes expired rows.

use super::{Tx, from_row, on};
use crate::error::Result;

/// In seconds: how long a row stays, after its state is spent, for the requests to the provider.
const IN_WORK: i64 = 600;

/// A sign-in that has started.
#[derive(Clone, Debug)]
pub struct PendingSignIn {
    pub state_hash: String,
    pub provider: String,
    /// Where the app waits; `None`: the client that asked for the link fetches the result.
    pub redirect: Option<String>,
    /// The app's S256 code challenge.
    pub challenge: Option<String>,
    pub created_at: i64,
    /// When the whole row expires.
    pub expires_at: i64,
    pub sealed: Option<String>,
    /// Set if the sign-in links an identity to an existing account; with the session that asked,
    /// and whether it asked with the current password.
    pub link_account_id: Option<i64>,
    pub link_session_id: Option<i64>,
    pub link_by_password: Option<bool>,
}

from_row!(PendingSignIn {
    state_hash,
    provider,
    redirect,
    challenge,
    created_at,
    expires_at,
    sealed,
    link_account_id,
    link_session_id,
    link_by_password,
});

/// The account that a sign-in links an identity to.
#[derive(Clone, Copy)]
pub struct LinkTo {
    pub account_id: i64,
    /// `None` if the request came with a token of a replaced server.
    pub session_id: Option<i64>,
    pub by_password: bool,
}

impl PendingSignIn {
    pub fn link_to(&self) -> Option<LinkTo> {
        let account_id = self.link_account_id?;
        let by_password = self.link_by_password.unwrap_or(false);
        Some(LinkTo { account_id, session_id: self.link_session_id, by_password })
    }
}

pub async fn insert_pending_sign_in(tx: &mut Tx, pending: PendingSignIn) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into pending_sign_ins (state_hash, provider, redirect, challenge, created_at,
                                       expires_at, link_account_id, link_session_id,
                                       link_by_password)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(pending.state_hash)
    .bind(pending.provider)
    .bind(pending.redirect)
    .bind(pending.challenge)
    .bind(pending.created_at)
    .bind(pending.expires_at)
    .bind(pending.link_account_id)
    .bind(pending.link_session_id)
    .bind(pending.link_by_password)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Spends the state of a sign-in with this provider: of concurrent requests, exactly one gets the
/// row. With `without_redirect`: only a sign-in whose result is fetched.
pub async fn spend_state(
    tx: &mut Tx,
    state_hash: String,
    provider: String,
    without_redirect: bool,
    now: i64,
) -> Result<Option<PendingSignIn>> {
    Ok(on!(tx, db => sqlx::query_as(
        "update pending_sign_ins set returned_at = $4, expires_at = $4 + $5
         where state_hash = $1 and provider = $2 and returned_at is null and expires_at > $4
           and ($3 = false or redirect is null)
         returning state_hash, provider, redirect, challenge, created_at, expires_at, sealed,
                   link_account_id, link_session_id, link_by_password",
    )
    .bind(state_hash)
    .bind(provider)
    .bind(without_redirect)
    .bind(now)
    .bind(IN_WORK)
    .fetch_optional(db).await)?)
}

/// The result of the browser's return.
pub struct Returned {
    pub code_hash: String,
    pub code_expires_at: i64,
    pub sealed: String,
}

/// Stores the provider's answer for the client that has the code; false if the row is gone.
pub async fn update_returned(tx: &mut Tx, state_hash: String, returned: Returned) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "update pending_sign_ins set code_hash = $2, code_expires_at = $3, expires_at = $3,
                                     sealed = $4
         where state_hash = $1
         returning state_hash",
    )
    .bind(state_hash)
    .bind(returned.code_hash)
    .bind(returned.code_expires_at)
    .bind(returned.sealed)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Spends a code: of concurrent requests, exactly one gets the row, and the provider's answer is
/// deleted from the table.
pub async fn spend_code(tx: &mut Tx, code_hash: String, now: i64) -> Result<Option<PendingSignIn>> {
    let spent: Option<PendingSignIn> = on!(tx, db => sqlx::query_as(
        "update pending_sign_ins set redeemed_at = $2, expires_at = $2
         where code_hash = $1 and redeemed_at is null and code_expires_at > $2
         returning state_hash, provider, redirect, challenge, created_at, expires_at, sealed,
                   link_account_id, link_session_id, link_by_password",
    ).bind(code_hash.clone()).bind(now).fetch_optional(db).await)?;
    if spent.is_some() {
        on!(tx, db => sqlx::query(
            "update pending_sign_ins set sealed = null
             where code_hash = $1",
        ).bind(code_hash).execute(db).await.map(|_| ()))?;
    }
    Ok(spent)
}

/// Puts the row under a handle with a new expiry; false if it is gone.
pub async fn update_handle(
    tx: &mut Tx,
    state_hash: String,
    handle_hash: String,
    sealed: String,
    expires_at: i64,
) -> Result<bool> {
    let row: Option<String> = on!(tx, db => sqlx::query_scalar(
        "update pending_sign_ins set handle_hash = $2, sealed = $3, expires_at = $4
         where state_hash = $1
         returning state_hash",
    )
    .bind(state_hash)
    .bind(handle_hash)
    .bind(sealed)
    .bind(expires_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// The sign-in of a handle.
pub async fn pending_by_handle(
    tx: &mut Tx,
    handle_hash: String,
    provider: String,
    now: i64,
) -> Result<Option<PendingSignIn>> {
    Ok(on!(tx, db => sqlx::query_as(
        "select state_hash, provider, redirect, challenge, created_at, expires_at, sealed,
                link_account_id, link_session_id, link_by_password
         from pending_sign_ins
         where handle_hash = $1 and provider = $2 and expires_at > $3",
    ).bind(handle_hash).bind(provider).bind(now).fetch_optional(db).await)?)
}

/// Deletes the sign-ins that would link an identity to the account.
pub async fn delete_links_to(tx: &mut Tx, account_id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from pending_sign_ins where link_account_id = $1",
    ).bind(account_id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes up to `limit` rows that expired before `at` and returns how many.
pub async fn delete_expired(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from pending_sign_ins where state_hash in (
             select state_hash from pending_sign_ins
             where expires_at < $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
