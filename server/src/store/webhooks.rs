//! Table `webhooks`: what the operator's service is to be sent about accounts, written in the
//! transaction of the change. A row has only the account's number: what is sent is read when it is
//! sent. The rows of one account are sent in their order. A row is deleted when the service has
//! accepted it, when it is given up, or after 30 days, if nothing is sent any more.

use super::events::{AccountChange, Event, NewEvent};
use super::{Tx, from_row, on};
use crate::error::Result;

/// The account of a decoy.
const NO_ACCOUNT: i64 = -1;

/// A webhook to be queued with the write that notes it.
#[derive(Clone, Copy, Debug)]
pub struct NewWebhook {
    account_id: i64,
    /// `None`: a decoy.
    change: Option<AccountChange>,
    at: i64,
}

impl NewWebhook {
    pub(super) fn is_about(&self, account_id: i64) -> bool {
        self.account_id == account_id
    }
}

/// A queued webhook.
#[derive(Clone, Debug)]
pub struct QueuedWebhook {
    pub id: i64,
    /// `None`: a decoy, which costs as much as the others and is never sent.
    pub change: Option<String>,
    pub account_id: i64,
    /// When the change was.
    pub at: i64,
    pub attempts: i64,
}

from_row!(QueuedWebhook { id, change, account_id, at, attempts });

impl Tx {
    /// Notes that the service is to be sent a change; nothing if none is configured. One for each
    /// account and write is enough, because it contains the account as it is then.
    pub fn note_webhook(&mut self, account_id: i64, change: AccountChange, at: i64) {
        if !self.effects.has_receiver {
            return;
        }
        let is_noted = self.effects.webhooks.iter().any(|noted| noted.is_about(account_id));
        if !is_noted || change != AccountChange::Changed {
            self.effects.webhooks.push(NewWebhook { account_id, change: Some(change), at });
        }
    }

    /// Notes a row that costs as much as a webhook, so that the time of an answer does not show
    /// whether an account was created.
    pub fn note_webhook_decoy(&mut self, at: i64) {
        if self.effects.has_receiver {
            self.effects.webhooks.push(NewWebhook { account_id: NO_ACCOUNT, change: None, at });
        }
    }
}

/// Queues the webhooks that the write has noted. They stay noted, for the effects.
pub(super) async fn insert_noted(tx: &mut Tx) -> Result<()> {
    let webhooks = std::mem::take(&mut tx.effects.webhooks);
    for webhook in &webhooks {
        insert_webhook(tx, *webhook).await?;
    }
    tx.effects.webhooks = webhooks;
    Ok(())
}

async fn insert_webhook(tx: &mut Tx, new: NewWebhook) -> Result<()> {
    if new.change == Some(AccountChange::Changed) && joins_queued(tx, new).await? {
        return Ok(());
    }
    on!(tx, db => sqlx::query(
        "insert into webhooks (change, account_id, at, due_at, attempts)
         values ($1, $2, $3, $3, 0)",
    )
    .bind(new.change.map(AccountChange::as_str))
    .bind(new.account_id)
    .bind(new.at)
    .execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Adds a change to a queued one that was never tried, so that an account has few rows while the
/// service is down; false if there is none. A lease waits for this update, and so the account is
/// read after it.
async fn joins_queued(tx: &mut Tx, new: NewWebhook) -> Result<bool> {
    let joined = on!(tx, db => sqlx::query(
        "update webhooks set at = $3
         where account_id = $1 and change = $2 and attempts = 0",
    )
    .bind(new.account_id)
    .bind(AccountChange::Changed.as_str())
    .bind(new.at)
    .execute(db).await.map(|done| done.rows_affected()))?;
    Ok(joined > 0)
}

/// In seconds. No webhook is ever scheduled further ahead; one that is was scheduled by a wrong
/// clock, and is due now.
const NEVER_PUT_OFF_FOR: i64 = 2 * 3_600;

/// The webhooks that are due, or whose lease has expired. One that waits behind another of its
/// account is not: two servers could otherwise send them at the same time, and the service would
/// keep what arrives last.
macro_rules! due {
    () => {
        "select queued.id from webhooks queued
         where (queued.due_at <= $1 or queued.due_at > $2)
           and not exists (
               select 1 from webhooks earlier
               where earlier.account_id = queued.account_id and earlier.id < queued.id)"
    };
}

/// Whether a webhook can be leased.
pub async fn is_any_due(tx: &mut Tx, now: i64) -> Result<bool> {
    Ok(on!(tx, db => sqlx::query_scalar(
        concat!("select exists (", due!(), ")"),
    ).bind(now).bind(now + NEVER_PUT_OFF_FOR).fetch_one(db).await)?)
}

/// Leases the webhook that is due the longest, until `until`.
pub async fn lease_next(tx: &mut Tx, now: i64, until: i64) -> Result<Option<QueuedWebhook>> {
    Ok(on!(tx, db => sqlx::query_as(
        concat!(
            "update webhooks set due_at = $3, attempts = attempts + 1
             where id = (", due!(), " order by queued.due_at, queued.id limit 1)
               and (due_at <= $1 or due_at > $2)
             returning id, change, account_id, at, attempts",
        ),
    )
    .bind(now)
    .bind(now + NEVER_PUT_OFF_FOR)
    .bind(until)
    .fetch_optional(db).await)?)
}

/// Deletes a webhook that the service has accepted, or that nothing is to be sent for.
pub async fn delete_webhook(tx: &mut Tx, id: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "delete from webhooks where id = $1",
    ).bind(id).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Makes a webhook due again at this time.
pub async fn postpone_webhook(tx: &mut Tx, id: i64, due_at: i64) -> Result<()> {
    on!(tx, db => sqlx::query(
        "update webhooks set due_at = $2 where id = $1",
    ).bind(id).bind(due_at).execute(db).await.map(|_| ()))?;
    Ok(())
}

/// Deletes a webhook that is not tried again.
pub async fn give_up_webhook(
    tx: &mut Tx,
    queued: QueuedWebhook,
    problem: String,
    now: i64,
) -> Result<()> {
    delete_webhook(tx, queued.id).await?;
    let Some(change) = queued.change else { return Ok(()) };
    let event = match change == AccountChange::Deleted.as_str() {
        // Nothing of the account is kept but the line of its deletion.
        true => NewEvent::of_server(Event::WebhookGivenUp, now),
        false => NewEvent::of(queued.account_id, Event::WebhookGivenUp, now),
    };
    tx.note(event.because(change).about(problem));
    Ok(())
}

/// Deletes up to `limit` webhooks of changes before `at` and returns how many.
pub async fn delete_before(tx: &mut Tx, at: i64, limit: i64) -> Result<u64> {
    Ok(on!(tx, db => sqlx::query(
        "delete from webhooks where id in (
             select id from webhooks
             where at < $1
             limit $2)",
    ).bind(at).bind(limit).execute(db).await.map(|done| done.rows_affected()))?)
}
