//! Table `revocations`: what outstanding access tokens must hear of, in order. Every node reads the
//! newest rows again and again. The sweeper deletes rows older than the longest access token, but
//! keeps the deletions of accounts: tokens of a replaced server may name those for long.

use super::{Tx, on};
use crate::error::Result;

/// What happened to a session or an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Ended,
    Suspended,
    Revived,
    Deleted,
}

impl Reason {
    fn as_str(self) -> &'static str {
        match self {
            Reason::Ended => "ended",
            Reason::Suspended => "suspended",
            Reason::Revived => "revived",
            Reason::Deleted => "deleted",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Reason::Ended, Reason::Suspended, Reason::Revived, Reason::Deleted]
            .into_iter()
            .find(|reason| reason.as_str() == text)
    }
}

/// Whom it happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    Session(i64),
    Account(i64),
    /// Every session that there was, however many.
    Everybody,
}

#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    pub seq: i64,
    pub subject: Subject,
    pub reason: Reason,
    pub at: i64,
}

pub async fn insert_revocation(
    tx: &mut Tx,
    subject: Subject,
    reason: Reason,
    at: i64,
) -> Result<Revocation> {
    let (session, account) = match subject {
        Subject::Session(id) => (Some(id), None),
        Subject::Account(id) => (None, Some(id)),
        Subject::Everybody => (None, None),
    };
    let seq = on!(tx, db => sqlx::query_scalar(
        "insert into revocations (session_id, account_id, reason, at)
         values ($1, $2, $3, $4)
         returning seq",
    ).bind(session).bind(account).bind(reason.as_str()).bind(at).fetch_one(db).await)?;
    Ok(Revocation { seq, subject, reason, at })
}

/// Tells of the end of the account's live sessions but `keep`, which is to be made true in the same
/// write; one statement, however many there are.
pub async fn insert_ended_sessions(
    tx: &mut Tx,
    account_id: i64,
    keep: Option<i64>,
    at: i64,
) -> Result<Vec<Revocation>> {
    let rows: Vec<(i64, i64)> = on!(tx, db => sqlx::query_as(
        "insert into revocations (session_id, reason, at)
         select id, 'ended', $3
         from sessions
         where account_id = $1 and id <> $2 and ended_at is null
         returning seq, session_id",
    ).bind(account_id).bind(keep.unwrap_or(-1)).bind(at).fetch_all(db).await)?;
    let ended = |(seq, session)| Revocation {
        seq,
        subject: Subject::Session(session),
        reason: Reason::Ended,
        at,
    };
    Ok(rows.into_iter().map(ended).collect())
}

/// Rows of `since` and later, and those numbered above `after`, oldest first.
pub async fn revocations_since(tx: &mut Tx, since: i64, after: i64) -> Result<Vec<Revocation>> {
    type Row = (i64, Option<i64>, Option<i64>, String, i64);
    let rows: Vec<Row> = on!(tx, db => sqlx::query_as(
        "select seq, session_id, account_id, reason, at
         from revocations
         where at >= $1 or seq > $2
         order by seq",
    ).bind(since).bind(after).fetch_all(db).await)?;
    Ok(rows.into_iter().filter_map(read).collect())
}

/// A row with an unknown reason is from a newer version and means nothing here.
fn read(
    (seq, session, account, reason, at): (i64, Option<i64>, Option<i64>, String, i64),
) -> Option<Revocation> {
    let one = session.map(Subject::Session).or(account.map(Subject::Account));
    let subject = one.unwrap_or(Subject::Everybody);
    Some(Revocation { seq, subject, reason: Reason::parse(&reason)?, at })
}

/// Whether an account of this id was there once and has been deleted.
pub async fn was_deleted(tx: &mut Tx, account_id: i64) -> Result<bool> {
    let row: Option<i64> = on!(tx, db => sqlx::query_scalar(
        "select seq from revocations
         where account_id = $1 and reason = 'deleted'
         limit 1",
    ).bind(account_id).fetch_optional(db).await)?;
    Ok(row.is_some())
}

pub async fn delete_before(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from revocations where seq in (
             select seq from revocations
             where at < $1 and reason <> 'deleted'
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
