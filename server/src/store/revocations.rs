//! Table `revocations`: the events that invalidate issued access tokens, in order of their numbers.
//! Every node polls for new rows. A row stores the time until which it matters, the expiry of the
//! last token that it refuses, so that it does not depend on one clock. The sweeper deletes rows a
//! day after that time, except the newest one, by which nodes recognise the database, and those of
//! deleted accounts, which tokens of a replaced server may name much later.

use super::meta::LONGEST_ACCESS;
use super::{Tx, on};
use crate::error::Result;

/// What happened to a session or an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Ended,
    Suspended,
    Revived,
    Deleted,
    /// An operator has deleted the limits of an account; no token is refused.
    Unlocked,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Ended => "ended",
            Reason::Suspended => "suspended",
            Reason::Revived => "revived",
            Reason::Deleted => "deleted",
            Reason::Unlocked => "unlocked",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all =
            [Reason::Ended, Reason::Suspended, Reason::Revived, Reason::Deleted, Reason::Unlocked];
        all.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// What it applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Session(i64),
    Account(i64),
    /// All sessions of an account.
    SessionsOf(i64),
    /// Every session of the server.
    Everybody,
}

#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    pub seq: i64,
    pub subject: Subject,
    pub reason: Reason,
    /// The expiry of the last token that it refuses.
    pub until: i64,
}

/// More sessions than an account within its limits has; beyond that, these are representative.
const LOOKED_AT: i64 = 2_000;

/// Stores a revocation. It matters until the last issued token expires: the longest lifetime from
/// now, or what the sessions record.
pub async fn insert_revocation(
    tx: &mut Tx,
    subject: Subject,
    reason: Reason,
    at: i64,
) -> Result<()> {
    let (session, account) = match subject {
        Subject::Session(id) => (Some(id), None),
        Subject::Account(id) | Subject::SessionsOf(id) => (None, Some(id)),
        Subject::Everybody => (None, None),
    };
    let (seq, until) = on!(tx, db => sqlx::query_as(
        "insert into revocations (session_id, account_id, reason, until)
         select $1, $2, $3, max(ends) from (
             select $4 + (select cast(value as bigint) from meta where name = $5) as ends
             union all
             select tokens_end_at as ends from sessions where id = $1
             union all
             select ends from (
                 select tokens_end_at as ends from sessions
                 where account_id = $2 and ended_at is null
                 limit $6) of_account
             union all
             select max(tokens_end_at) as ends from sessions
             where cast($1 as bigint) is null and cast($2 as bigint) is null) tokens
         returning seq, until",
    )
    .bind(session)
    .bind(account)
    .bind(reason.as_str())
    .bind(at)
    .bind(LONGEST_ACCESS)
    .bind(LOOKED_AT)
    .fetch_one(db).await)?;
    tx.effects.revocations.push(Revocation { seq, subject, reason, until });
    Ok(())
}

/// Rows in order, and the start of the next page if there may be one.
pub struct Page {
    pub revocations: Vec<Revocation>,
    pub next: Option<i64>,
}

/// The newest rows are read even if they have expired.
const NEWEST: i64 = 10_000;

/// Up to `limit` rows numbered from `first` on. The old deletion of an account is left out if no
/// access token needed it after `since`.
pub async fn revocations_from(tx: &mut Tx, first: i64, since: i64, limit: usize) -> Result<Page> {
    type Row = (i64, Option<i64>, Option<i64>, String, i64);
    let rows: Vec<Row> = on!(tx, db => sqlx::query_as(
        "select seq, session_id, account_id, reason, until
         from revocations
         where seq >= $1
           and (reason <> 'deleted' or until >= $2
                or seq > (select max(seq) from revocations) - $3)
         order by seq
         limit $4",
    ).bind(first).bind(since).bind(NEWEST).bind(i64::try_from(limit).unwrap_or(i64::MAX)).fetch_all(db).await)?;
    let next = rows.last().filter(|_| rows.len() == limit).map(|row| row.0 + 1);
    Ok(Page { revocations: rows.into_iter().filter_map(read).collect(), next })
}

/// A row with an unknown reason is from a newer version and is ignored.
fn read(
    (seq, session, account, reason, until): (i64, Option<i64>, Option<i64>, String, i64),
) -> Option<Revocation> {
    let reason = Reason::parse(&reason)?;
    let subject = match (session, account) {
        (Some(session), _) => Subject::Session(session),
        (None, Some(account)) if reason == Reason::Ended => Subject::SessionsOf(account),
        (None, Some(account)) => Subject::Account(account),
        (None, None) => Subject::Everybody,
    };
    Some(Revocation { seq, subject, reason, until })
}

/// Whether an account with this id existed and was deleted.
pub async fn was_deleted(tx: &mut Tx, account_id: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "select seq from revocations
         where account_id = $1 and reason = 'deleted'
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?;
    Ok(row.is_some())
}

/// Whether an account with an id from `first` to `last` was deleted.
pub async fn were_deleted(tx: &mut Tx, first: i64, last: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        "select exists (
             select 1 from revocations
             where account_id >= $1 and account_id <= $2 and reason = 'deleted')",
    ).bind(first).bind(last).fetch_one(db).await)?)
}

/// Deletes up to `limit` rows that expired before `before` and returns how many.
pub async fn delete_over(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from revocations where seq in (
             select seq from revocations
             where until < $1 and reason <> 'deleted'
               and seq < (select max(seq) from revocations)
             limit $2)",
    ).bind(before).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
