//! The worker that sends webhooks, one after the other, until the operator's service accepts them
//! or three days have passed. A webhook can arrive twice, with the same id. It contains the account
//! as it is when it is sent, so one that arrives late says nothing outdated; those of one account
//! are never sent at the same time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::auth::clock_watch::DAY;
use crate::auth::delivery::{delay, random_delay, stop_grace};
use crate::auth::domain::Auth;
use crate::auth::secrets::random::hash;
use crate::error::Result;
use crate::mail::SendErrorKind;
use crate::store::accounts::{self, Account};
use crate::store::events::AccountChange;
use crate::store::webhooks::{self, QueuedWebhook};
use crate::webhook::Receiver;

/// How often the worker looks for webhooks that other processes have queued or left.
const POLL: Duration = Duration::from_secs(1);
/// The lease of a webhook, in seconds: longer than a request may take with the longest time limit.
const LEASE: i64 = 120;
/// How long a webhook is tried, in seconds.
const TRIED_FOR: i64 = 3 * DAY;
/// The length of an id, in hex digits.
const ID_DIGITS: usize = 32;

impl Auth {
    /// Sends webhooks until the server stops.
    pub async fn send_webhooks(
        self: Arc<Self>,
        receiver: Receiver,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut failing = false;
        while !*stopping.borrow() {
            let sent = tokio::select! {
                sent = self.send_next_webhook(&receiver) => sent,
                // The lease expires, and the webhook is sent again.
                () = stop_grace(stopping.clone()) => return,
            };
            match sent {
                Ok(true) => {
                    failing = false;
                    continue;
                }
                Ok(false) => failing = false,
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "webhooks cannot be read from the database");
                    }
                    failing = true;
                }
            }
            tokio::select! {
                () = self.webhook_queued.notified() => random_delay().await,
                () = tokio::time::sleep(POLL) => {}
                // An error means that the sender was dropped.
                changed = stopping.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Sends the webhook that is due the longest; false if there is none, or if it failed, so that a
    /// service that is down is not asked without a pause.
    async fn send_next_webhook(&self, receiver: &Receiver) -> Result<bool> {
        let Some(queued) = self.lease_webhook().await? else { return Ok(false) };
        let sent = match self.compose_webhook(&queued).await? {
            Some(body) => receiver.send(body.to_string().into_bytes(), self.clock.now()).await,
            None => Ok(()),
        };
        match sent {
            Ok(()) => {
                self.store
                    .write(move |tx| Box::pin(webhooks::delete_webhook(tx, queued.id)))
                    .await?;
                Ok(true)
            }
            Err(problem) => {
                self.note_failed_webhook(queued, problem).await?;
                Ok(false)
            }
        }
    }

    async fn lease_webhook(&self) -> Result<Option<QueuedWebhook>> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let is_any_due = webhooks::is_any_due(&mut tx, now).await?;
        drop(tx);
        match is_any_due {
            true => {
                let lease = self
                    .store
                    .write(move |tx| Box::pin(webhooks::lease_next(tx, now, now + LEASE)));
                lease.await
            }
            false => Ok(None),
        }
    }

    /// What is sent; `None` for a decoy, and if the account is deleted, which has a webhook of its
    /// own.
    async fn compose_webhook(&self, queued: &QueuedWebhook) -> Result<Option<Value>> {
        let Some(change) = &queued.change else { return Ok(None) };
        let account = if change == AccountChange::Deleted.as_str() {
            json!({"id": queued.account_id})
        } else {
            let mut tx = self.store.read().await?;
            match accounts::account(&mut tx, queued.account_id).await? {
                Some(account) => shown(&account),
                None => return Ok(None),
            }
        };
        let id = id_of(queued, change);
        Ok(Some(json!({"id": id, "event": change, "at": queued.at, "account": account})))
    }

    async fn note_failed_webhook(&self, queued: QueuedWebhook, problem: String) -> Result<()> {
        let (now, id, attempts) = (self.clock.now(), queued.id, queued.attempts);
        let is_given_up = self.is_clock_trusted(now) && queued.at + TRIED_FOR <= now;
        let due_at = now + delay(now - queued.at, SendErrorKind::Deferred)?;
        let noted = problem.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    match is_given_up {
                        true => webhooks::give_up_webhook(tx, queued, noted, now).await,
                        false => webhooks::postpone_webhook(tx, id, due_at).await,
                    }
                })
            })
            .await?;
        if is_given_up {
            tracing::error!(webhook = id, problem, "a webhook is not accepted and given up");
        } else if attempts == 1 {
            tracing::warn!(webhook = id, problem, "a webhook is not accepted and is tried again");
        }
        Ok(())
    }
}

/// The same for every attempt, and another one for the same row of a restored database.
fn id_of(queued: &QueuedWebhook, change: &str) -> String {
    let QueuedWebhook { id, account_id, at, .. } = queued;
    let mut digits = hash(&format!("webhook {id} {at} {account_id} {change}"));
    digits.truncate(ID_DIGITS);
    digits
}

fn shown(account: &Account) -> Value {
    json!({
        "id": account.id,
        "email": account.email,
        "email_verified": account.email_verified_at.is_some(),
        "phone": account.phone,
        "username": account.username,
        "display_name": account.display_name,
        "is_active": account.is_active,
        "created_at": account.created_at,
    })
}
