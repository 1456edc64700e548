//! Table `outbox`: mails to be sent, written in the transaction of the change that they tell of. A row
//! goes when the mail server has taken its mail or when the link in it has died; one that was given
//! up stays as a dead letter for 30 days, to be looked at and sent again. Among them are decoys, which
//! cost what a mail costs and are never sent.

use super::{Tx, on};
use crate::error::Result;

/// A mail that waits. The token of its link is not here: it is made again from the id.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct QueuedMail {
    pub id: String,
    /// Absent once the account is deleted: what the mail tells is none the less true.
    pub account_id: Option<i64>,
    /// SHA-256 of the token in the link.
    pub token_hash: Option<String>,
    pub message: String,
    pub recipient: String,
    pub language: String,
    /// With `{token}` where the token will stand.
    pub link: Option<String>,
    /// What the mail names: a device, or a provider of the settings.
    pub about: Option<String>,
    pub created_at: i64,
    pub due_at: i64,
    /// The full count of its mailbox that it waits for; `None`: it is not late.
    pub waits_for: Option<String>,
    pub attempts: i64,
    /// A worker has it in hand until `due_at`.
    pub leased: bool,
    pub dead_at: Option<i64>,
    /// What the mail server said last.
    pub problem: Option<String>,
}

/// The columns of [`QueuedMail`], between the halves of a statement.
macro_rules! returning_mail {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            " id, account_id, token_hash, message, recipient, language, link, about, created_at,
              due_at, waits_for, attempts, leased, dead_at, problem ",
            $after
        )
    };
}

pub async fn insert_mail(tx: &mut Tx, mail: QueuedMail) -> Result<()> {
    on!(tx, db => sqlx::query(
        "insert into outbox (id, account_id, token_hash, message, recipient, language, link,
                             about, created_at, due_at, waits_for, attempts,
                             leased)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, false)",
    )
    .bind(mail.id)
    .bind(mail.account_id)
    .bind(mail.token_hash)
    .bind(mail.message)
    .bind(mail.recipient)
    .bind(mail.language)
    .bind(mail.link)
    .bind(mail.about)
    .bind(mail.created_at)
    .bind(mail.due_at)
    .bind(mail.waits_for)
    .bind(mail.attempts)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Further ahead no mail is ever due, in seconds. What is, was put off while the clock was wrong, and
/// is due now.
const NEVER_PUT_OFF_FOR: i64 = 2 * 3_600;

/// Takes up to `limit` mails that are due, the longest waiting first; nobody else takes them before
/// `until`.
pub async fn lease_due(tx: &mut Tx, now: i64, until: i64, limit: i64) -> Result<Vec<QueuedMail>> {
    Ok(on!(tx, db => sqlx::query_as(
        returning_mail!(
            "update outbox set leased = true, due_at = $2, attempts = attempts + 1
             where id in (
                 select id from outbox
                 where dead_at is null and (due_at <= $1 or due_at > $4)
                 order by due_at, created_at
                 limit $3)
               and (due_at <= $1 or due_at > $4)
             returning",
            ""
        ),
    )
    .bind(now)
    .bind(until)
    .bind(limit)
    .bind(now + NEVER_PUT_OFF_FOR)
    .fetch_all(db).await)?)
}

/// Whether any mail is due, or its lease over.
pub async fn is_any_due(tx: &mut Tx, now: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (select 1 from outbox
                        where dead_at is null and (due_at <= $1 or due_at > $2))",
    ).bind(now).bind(now + NEVER_PUT_OFF_FOR).fetch_one(db).await)?)
}

/// Whether a mail waits for this count.
pub async fn is_any_waiting(tx: &mut Tx, count: String) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (select 1 from outbox where waits_for = $1 and dead_at is null)",
    ).bind(count).fetch_one(db).await)?)
}

pub async fn delete_mail(tx: &mut Tx, id: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from outbox where id = $1",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Gives a mail back that could not be sent: to be tried again at `due_at`.
pub async fn postpone_mail(tx: &mut Tx, id: String, due_at: i64, problem: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, due_at = $2, problem = $3
         where id = $1",
    ).bind(id).bind(due_at).bind(problem).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Gives a mail up.
pub async fn bury_mail(tx: &mut Tx, id: String, now: i64, problem: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, dead_at = $2, problem = $3
         where id = $1",
    ).bind(id).bind(now).bind(problem).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Notes that a late mail has been counted, and waits no longer.
pub async fn update_in_time(tx: &mut Tx, id: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set waits_for = null where id = $1",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Prolongs the lease of a mail.
pub async fn renew_lease(tx: &mut Tx, id: String, until: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set due_at = $2
         where id = $1 and leased = true",
    ).bind(id).bind(until).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Gives a mail back that was taken and not tried to the end.
pub async fn release_lease(tx: &mut Tx, id: String, now: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, due_at = $2
         where id = $1",
    ).bind(id).bind(now).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Gives back all mails that were taken.
pub async fn release_leases(tx: &mut Tx, now: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, due_at = $1
         where leased = true",
    ).bind(now).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes the account's mails about `message` that have not gone out.
pub async fn delete_mails_about(tx: &mut Tx, account_id: i64, message: &'static str) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from outbox where account_id = $1 and message = $2",
    ).bind(account_id).bind(message).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// All mails that wait or were given up, the oldest first; no decoys, which are for nobody.
pub async fn queued_mails(tx: &mut Tx) -> Result<Vec<QueuedMail>> {
    Ok(on!(tx, db => sqlx::query_as(
        returning_mail!("select", "from outbox where recipient <> '' order by created_at, id"),
    ).fetch_all(db).await)?)
}

/// Makes dead letters due again, but for those whose link works no longer, and tells how many there
/// were. What has no link is as good as new.
pub async fn revive_dead(tx: &mut Tx, now: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "update outbox set dead_at = null, due_at = $1,
                           created_at = case when token_hash is null then $1 else created_at end
         where dead_at is not null and (token_hash is null or exists (
             select 1 from one_time_tokens t
             where t.hash = outbox.token_hash and t.expires_at > $1))",
    ).bind(now).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` dead letters from before `at` and tells how many there were.
pub async fn delete_dead(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from outbox where id in (
             select id from outbox
             where dead_at < $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
