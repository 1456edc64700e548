//! Table `outbox`: mails to send, written in the transaction of the change that they report. A row
//! is deleted when the mail server has accepted the mail, or when its link has expired; a failed
//! one stays as a dead letter for 30 days, for an operator to see and send again. Some rows are
//! decoys, which cost as much as a mail and are never sent.

use super::events::{Event, NewEvent};
use super::{Tx, from_row, on};
use crate::error::Result;

/// A queued mail. The token of its link is not stored: it is derived from the id.
#[derive(Clone, Debug)]
pub struct QueuedMail {
    pub id: String,
    /// `None` after the account is deleted: the mail is still true.
    pub account_id: Option<i64>,
    /// SHA-256 of the token in the link.
    pub token_hash: Option<String>,
    pub message: String,
    pub recipient: String,
    pub language: String,
    /// With `{token}` in the place of the token.
    pub link: Option<String>,
    /// A device or a provider that the mail names.
    pub about: Option<String>,
    pub created_at: i64,
    pub due_at: i64,
    /// The rate limit of its mailbox that delays the mail; `None`: not delayed.
    pub waits_for: Option<String>,
    pub attempts: i64,
    /// A worker has leased it until `due_at`.
    pub leased: bool,
    pub dead_at: Option<i64>,
    /// The last reply of the mail server.
    pub problem: Option<String>,
}

from_row!(QueuedMail {
    id,
    account_id,
    token_hash,
    message,
    recipient,
    language,
    link,
    about,
    created_at,
    due_at,
    waits_for,
    attempts,
    leased,
    dead_at,
    problem,
});

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
    tx.effects.has_queued_mail = true;
    match mail.account_id {
        Some(id) => {
            let queued = NewEvent::of(id, Event::MailQueued, mail.created_at);
            tx.note(queued.because(mail.message.clone()));
        }
        None => tx.note_decoy(),
    }
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

/// In seconds. No mail is ever scheduled further ahead; one that is was scheduled by a wrong clock,
/// and is due now.
const NEVER_PUT_OFF_FOR: i64 = 2 * 3_600;

/// Leases up to `limit` due mails until `until`, the longest waiting first.
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

/// Whether a mail is due or its lease has expired.
pub async fn is_any_due(tx: &mut Tx, now: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (select 1 from outbox
                        where dead_at is null and (due_at <= $1 or due_at > $2))",
    ).bind(now).bind(now + NEVER_PUT_OFF_FOR).fetch_one(db).await)?)
}

/// Whether a mail waits for this rate limit.
pub async fn is_any_waiting(tx: &mut Tx, count: String) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (select 1 from outbox where waits_for = $1 and dead_at is null)",
    ).bind(count).fetch_one(db).await)?)
}

/// Makes the mails due that wait for this rate limit, because its count was deleted.
pub async fn make_due(tx: &mut Tx, count: String, now: i64) -> Result<()> {
    let due = on!(tx, db => sqlx::query(
        "update outbox set due_at = $2
         where waits_for = $1 and due_at > $2 and dead_at is null and leased = false",
    ).bind(count).bind(now).execute(db).await.map(|done| done.rows_affected()))?;
    tx.effects.has_queued_mail |= due > 0;
    Ok(())
}

/// Deletes a decoy.
pub async fn delete_decoy(tx: &mut Tx, id: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from outbox where id = $1",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes a mail that the mail server has accepted.
pub async fn delete_sent(tx: &mut Tx, id: String, now: i64) -> Result<()> {
    let row = on!(tx, db => sqlx::query_as(
        "delete from outbox where id = $1
         returning account_id, message",
    ).bind(id).fetch_optional(db).await)?;
    note_end(tx, row, Event::MailSent, None, now);
    Ok(())
}

/// Deletes a mail whose link has expired before it could be sent.
pub async fn delete_expired(tx: &mut Tx, id: String, now: i64) -> Result<()> {
    let row = on!(tx, db => sqlx::query_as(
        "delete from outbox where id = $1
         returning account_id, message",
    ).bind(id).fetch_optional(db).await)?;
    note_end(tx, row, Event::MailGivenUp, Some("the link has expired".to_owned()), now);
    Ok(())
}

/// Notes what became of a mail; nothing if its account is deleted.
fn note_end(
    tx: &mut Tx,
    row: Option<(Option<i64>, String)>,
    event: Event,
    problem: Option<String>,
    now: i64,
) {
    if let Some((Some(account_id), message)) = row {
        let ended = NewEvent::of(account_id, event, now).because(message);
        tx.note(match problem {
            Some(problem) => ended.about(problem),
            None => ended,
        });
    }
}

/// Returns a mail that could not be sent, to be retried at `due_at`.
pub async fn postpone_mail(tx: &mut Tx, id: String, due_at: i64, problem: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, due_at = $2, problem = $3
         where id = $1",
    ).bind(id).bind(due_at).bind(problem).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Makes a mail a dead letter.
pub async fn bury_mail(tx: &mut Tx, id: String, now: i64, problem: String) -> Result<()> {
    let row = on!(tx, db => sqlx::query_as(
        "update outbox set leased = false, dead_at = $2, problem = $3
         where id = $1
         returning account_id, message",
    ).bind(id).bind(now).bind(problem.clone()).fetch_optional(db).await)?;
    note_end(tx, row, Event::MailGivenUp, Some(problem), now);
    Ok(())
}

/// Records that a delayed mail has been counted and waits no longer.
pub async fn update_in_time(tx: &mut Tx, id: String) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set waits_for = null where id = $1",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Extends the lease of a mail.
pub async fn renew_lease(tx: &mut Tx, id: String, until: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set due_at = $2
         where id = $1 and leased = true",
    ).bind(id).bind(until).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Returns a leased mail whose attempt was not finished.
pub async fn release_lease(tx: &mut Tx, id: String, now: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, due_at = $2
         where id = $1",
    ).bind(id).bind(now).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Returns all leased mails.
pub async fn release_leases(tx: &mut Tx, now: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update outbox set leased = false, due_at = $1
         where leased = true",
    ).bind(now).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes the account's unsent mails about `message`.
pub async fn delete_mails_about(tx: &mut Tx, account_id: i64, message: &'static str) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from outbox where account_id = $1 and message = $2",
    ).bind(account_id).bind(message).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// All mails that wait or have failed, the oldest first, without decoys.
pub async fn queued_mails(tx: &mut Tx) -> Result<Vec<QueuedMail>> {
    Ok(on!(tx, db => sqlx::query_as(
        returning_mail!("select", "from outbox where recipient <> '' order by created_at, id"),
    ).fetch_all(db).await)?)
}

/// How many mails wait, of at most `limit`, and when the oldest was queued whose mailbox has no limit
/// to wait for.
pub async fn waiting(tx: &mut Tx, limit: i64) -> Result<(i64, Option<i64>)> {
    Ok(on!(tx, db => sqlx::query_as(
        "select (select count(*) from (
                     select id from outbox
                     where dead_at is null and recipient <> ''
                     limit $1) waiting),
                (select created_at from outbox
                 where dead_at is null and recipient <> '' and waits_for is null
                 order by created_at
                 limit 1)",
    ).bind(limit).fetch_one(db).await)?)
}

/// The account's mails that wait or have failed, the oldest first.
pub async fn mails_of(tx: &mut Tx, account_id: i64) -> Result<Vec<QueuedMail>> {
    Ok(on!(tx, db => sqlx::query_as(
        returning_mail!("select", "from outbox where account_id = $1 order by created_at, id"),
    ).bind(account_id).fetch_all(db).await)?)
}

/// Makes dead letters due again, except those whose link has expired, and returns how many. A mail
/// without a link never expires.
pub async fn revive_dead(tx: &mut Tx, now: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "update outbox set dead_at = null, due_at = $1,
                           created_at = case when token_hash is null then $1 else created_at end
         where dead_at is not null and (token_hash is null or exists (
             select 1 from one_time_tokens t
             where t.hash = outbox.token_hash and t.expires_at > $1))",
    ).bind(now).execute(db).await.map(|done| done.rows_affected()))?)
}

/// Deletes up to `limit` dead letters from before `at` and returns how many.
pub async fn delete_dead(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from outbox where id in (
             select id from outbox
             where dead_at < $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}

#[cfg(test)]
mod tests {
    use super::super::connect;
    use super::*;

    fn mail(id: &str, created_at: i64, waits_for: Option<&str>) -> QueuedMail {
        QueuedMail {
            id: id.to_owned(),
            account_id: None,
            token_hash: None,
            message: "password_changed".to_owned(),
            recipient: "anna@example.com".to_owned(),
            language: "en".to_owned(),
            link: None,
            about: None,
            created_at,
            due_at: created_at,
            waits_for: waits_for.map(str::to_owned),
            attempts: 0,
            leased: false,
            dead_at: None,
            problem: None,
        }
    }

    #[tokio::test]
    async fn oldest_waiting_mail_is_found_among_more_than_are_counted() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = connect(None, dir.path()).await.expect("a new database");
        let written = store.write(|tx| {
            Box::pin(async move {
                for (id, created_at, waits_for) in
                    [("a", 40, None), ("b", 30, None), ("c", 20, None), ("d", 10, Some("count"))]
                {
                    insert_mail(tx, mail(id, created_at, waits_for)).await?;
                }
                Ok(())
            })
        });
        written.await.expect("the database answers");
        let mut tx = store.read().await.expect("a connection");
        assert_eq!(waiting(&mut tx, 2).await.expect("the database answers"), (2, Some(20)));
    }
}
