//! Table `sessions`: one row per sign-in, whatever the API. An ended row stays until its refresh
//! token would have expired, so that the token is known as spent; then the sweeper deletes it.

use super::{Tx, on};
use crate::error::Result;

/// A sign-in. `generation` counts rotations; `signed_in_at` is absent where its owner was not seen
/// to sign in here: another server saw it, or somebody brought a provider's token.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Session {
    pub id: i64,
    pub account_id: i64,
    pub policy: String,
    /// SHA-256 of the key that opens it, where its API gives keys.
    pub key_hash: Option<String>,
    /// SHA-256 of the opaque refresh token beside the key; with one, the key is an access token
    /// that expires.
    pub refresh_hash: Option<String>,
    /// The OAuth client that it was opened for.
    pub client_id: Option<String>,
    /// What the device called itself.
    pub device_name: Option<String>,
    pub generation: i64,
    /// What its refresh tokens are derived from, where they are.
    pub refresh_secret: Option<String>,
    /// SHA-256 of the attempt that made the present generation.
    pub attempt_hash: Option<String>,
    pub created_at: i64,
    pub signed_in_at: Option<i64>,
    pub last_used_at: i64,
    pub access_expires_at: i64,
    pub expires_at: i64,
    /// No use prolongs it beyond this.
    pub absolute_expires_at: Option<i64>,
    pub ended_at: Option<i64>,
}

impl Session {
    /// Whether it has neither ended nor expired.
    pub fn is_live(&self, now: i64) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// The columns of [`Session`], with the rest of the statement.
macro_rules! select_session {
    ($rest:literal) => {
        concat!(
            "select id, account_id, policy, key_hash, refresh_hash, client_id, device_name,
                    generation, refresh_secret, attempt_hash, created_at, signed_in_at,
                    last_used_at, access_expires_at, expires_at, absolute_expires_at, ended_at
             from sessions
             ",
            $rest
        )
    };
}

pub async fn session(tx: &mut Tx, id: i64) -> Result<Option<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!("where id = $1"),
    ).bind(id).fetch_optional(db).await)?)
}

pub async fn session_by_key(tx: &mut Tx, key_hash: String) -> Result<Option<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!("where key_hash = $1"),
    ).bind(key_hash).fetch_optional(db).await)?)
}

/// Stores a new session; false when the id is there already.
pub async fn insert_session(tx: &mut Tx, session: &Session) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "insert into sessions (id, account_id, policy, key_hash, refresh_hash, client_id,
                               device_name, generation, refresh_secret, created_at, signed_in_at,
                               last_used_at, access_expires_at, expires_at, absolute_expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         on conflict (id) do nothing
         returning id",
    )
    .bind(session.id)
    .bind(session.account_id)
    .bind(session.policy.clone())
    .bind(session.key_hash.clone())
    .bind(session.refresh_hash.clone())
    .bind(session.client_id.clone())
    .bind(session.device_name.clone())
    .bind(session.generation)
    .bind(session.refresh_secret.clone())
    .bind(session.created_at)
    .bind(session.signed_in_at)
    .bind(session.last_used_at)
    .bind(session.access_expires_at)
    .bind(session.expires_at)
    .bind(session.absolute_expires_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Notes a refresh that leaves the refresh token as it is; false when the session has ended.
pub async fn update_used(tx: &mut Tx, id: i64, at: i64, access_expires_at: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update sessions set last_used_at = $2, access_expires_at = $3
         where id = $1 and ended_at is null
         returning id",
    ).bind(id).bind(at).bind(access_expires_at).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Notes a use that prolongs the session, unless a later one is noted.
pub async fn update_lifetime(tx: &mut Tx, id: i64, at: i64, expires_at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update sessions set last_used_at = $2, expires_at = $3
         where id = $1 and ended_at is null and last_used_at < $2",
    ).bind(id).bind(at).bind(expires_at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Spends the refresh token of `generation`: of many who present it, one gets true.
pub async fn spend_generation(
    tx: &mut Tx,
    id: i64,
    generation: i64,
    at: i64,
    access_expires_at: i64,
    expires_at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update sessions set generation = generation + 1, last_used_at = $3,
                             access_expires_at = $4, expires_at = $5
         where id = $1 and generation = $2 and ended_at is null
         returning id",
    )
    .bind(id)
    .bind(generation)
    .bind(at)
    .bind(access_expires_at)
    .bind(expires_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// What a rotation leaves behind.
pub struct Rotation {
    pub attempt_hash: Option<String>,
    pub at: i64,
    pub access_expires_at: i64,
    pub expires_at: i64,
}

/// Spends the derived refresh token of `generation`: of many who present it, one gets true.
pub async fn rotate_derived(tx: &mut Tx, id: i64, generation: i64, by: Rotation) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update sessions set generation = generation + 1, attempt_hash = $3, last_used_at = $4,
                             access_expires_at = $5, expires_at = $6
         where id = $1 and generation = $2 and ended_at is null and expires_at > $4
         returning id",
    )
    .bind(id)
    .bind(generation)
    .bind(by.attempt_hash)
    .bind(by.at)
    .bind(by.access_expires_at)
    .bind(by.expires_at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// No person has more; a program that never signs out may.
const LISTED: i64 = 1_000;

/// The account's sessions that have neither ended nor expired, the last used first.
pub async fn live_sessions(tx: &mut Tx, account_id: i64, now: i64) -> Result<Vec<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!(
            "where account_id = $1 and ended_at is null and expires_at > $2
             order by last_used_at desc, created_at desc, id
             limit $3"
        ),
    ).bind(account_id).bind(now).bind(LISTED).fetch_all(db).await)?)
}

/// Ends up to `limit` sessions of anybody's that were opened until `at`, and tells how many there
/// were.
pub async fn end_old_sessions(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "update sessions set ended_at = $1 where id in (
             select id from sessions
             where ended_at is null and created_at <= $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// The session of an opaque refresh token.
pub async fn session_by_refresh(tx: &mut Tx, refresh_hash: String) -> Result<Option<Session>> {
    Ok(on!(tx, db => sqlx::query_as(
        select_session!("where refresh_hash = $1"),
    ).bind(refresh_hash).fetch_optional(db).await)?)
}

/// What an opaque pair is replaced by.
pub struct NewPair {
    pub key_hash: String,
    pub refresh_hash: String,
    pub access_expires_at: i64,
    pub expires_at: i64,
}

/// Spends an opaque refresh token: of many who present it, one gets true, and both tokens are
/// replaced.
pub async fn spend_refresh(
    tx: &mut Tx,
    refresh_hash: String,
    by: NewPair,
    at: i64,
) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update sessions set key_hash = $2, refresh_hash = $3, access_expires_at = $4,
                             expires_at = $5, last_used_at = $6, generation = generation + 1
         where refresh_hash = $1 and ended_at is null and expires_at > $6
         returning id",
    )
    .bind(refresh_hash)
    .bind(by.key_hash)
    .bind(by.refresh_hash)
    .bind(by.access_expires_at)
    .bind(by.expires_at)
    .bind(at)
    .fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Ends the account's live sessions that were opened for an OAuth client.
pub async fn end_client_sessions(
    tx: &mut Tx,
    account_id: i64,
    client_id: String,
    at: i64,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update sessions set ended_at = $3
         where account_id = $1 and client_id = $2 and ended_at is null",
    ).bind(account_id).bind(client_id).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Ends a session; false when it had ended before or is not there.
pub async fn end_session(tx: &mut Tx, id: i64, at: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "update sessions set ended_at = $2
         where id = $1 and ended_at is null
         returning id",
    ).bind(id).bind(at).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Ends the account's live sessions but `keep`.
pub async fn end_other_sessions(
    tx: &mut Tx,
    account_id: i64,
    keep: Option<i64>,
    at: i64,
) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update sessions set ended_at = $3
         where account_id = $1 and id <> $2 and ended_at is null",
    )
    // Ids are positive, so -1 keeps none.
    .bind(account_id).bind(keep.unwrap_or(-1)).bind(at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes up to `limit` rows that can open nothing any more (the last access token may outlive the
/// refresh token) and tells how many there were.
pub async fn delete_expired(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from sessions where id in (
             select id from sessions
             where expires_at < $1 and access_expires_at < $1
             limit $2)",
    ).bind(now).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Notes what the access token of an OAuth client was given for.
pub async fn update_scope(tx: &mut Tx, id: i64, scope: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update sessions set scope = $2
         where id = $1",
    ).bind(id).bind(scope).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// What the session's access token was given for; `None`: for everything.
pub async fn scope(tx: &mut Tx, id: i64) -> Result<Option<String>> {
    let row: Option<Option<String>> = on!(tx, db => sqlx::query_scalar(
        "select scope from sessions where id = $1",
    ).bind(id).fetch_optional(db).await)?;
    Ok(row.flatten())
}
