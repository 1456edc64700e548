//! The worker that sends queued mails. It retries until the mail server accepts a mail or the mail
//! is no longer useful. A mail is sent twice only if this server dies, or loses the database,
//! between sending the mail and recording that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{QueuedMail, useful_until};
use crate::auth::secrets::random::random;
use crate::error::Result;
use crate::mail::{Mail, Mailer, SendError, SendErrorKind};
use crate::store::events::{Event, NewEvent};
use crate::store::{accounts, outbox};

/// How often the worker looks for mails that other processes have queued or left.
const POLL: Duration = Duration::from_secs(1);
/// How many mails are sent at the same time.
const CONCURRENCY: usize = 8;
/// The lease of a mail, in seconds: no other process sends it in this time. Renewed while it is
/// sent.
const LEASE: i64 = 30;
const RENEWAL_INTERVAL: Duration = Duration::from_secs(10);
/// How long to retry when the database cannot record that a mail was sent.
const RECORD_WITHIN: Duration = Duration::from_secs(90);
const LONGEST_DELAY: i64 = 3_600;
/// The longest pause while the mail server is unreachable; short, so that its return is noticed
/// soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long mails may take to finish when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(7);
/// How long a mail that could not be sent is kept, in seconds.
pub const DEAD_FOR: i64 = 30 * 24 * 3_600;

/// The failure of a delivery; `None` if it did not fail.
type Failure = Option<SendErrorKind>;

/// Mails that wait to be sent.
#[derive(Clone, Copy, Debug)]
pub struct WaitingMails {
    /// At most 10 000.
    pub count: i64,
    /// The age of the oldest, without those that the limit of their mailbox delays; 0 if no mail
    /// waits.
    pub oldest_seconds: i64,
}

/// So many waiting mails are counted: counting more at each reading of the metrics
/// would cost too much.
const COUNTED_MAILS: i64 = 10_000;

/// Exponential back-off while the mail server is unreachable: one mail at a time tries it.
struct Backoff {
    /// When the next mail may try.
    until: Instant,
    /// `None`: the mail server is reachable.
    pause: Option<Duration>,
}

impl Backoff {
    fn note(&mut self, failed: Option<SendErrorKind>) {
        if failed != Some(SendErrorKind::Unreachable) {
            self.pause = None;
        } else if self.pause.is_none() {
            (self.pause, self.until) = (Some(POLL), Instant::now() + POLL);
        }
    }

    /// How many more mails may be leased while `running` are being sent.
    fn free(&self, running: usize) -> usize {
        let free = CONCURRENCY.saturating_sub(running);
        match self.pause {
            None => free,
            Some(_) if self.until <= Instant::now() => free.min(1),
            Some(_) => 0,
        }
    }

    /// Called when a mail is tried; the next one is tried later, even if this one never finishes.
    fn begin(&mut self) {
        if let Some(pause) = self.pause {
            let longer = (pause * 2).min(LONGEST_PAUSE);
            (self.pause, self.until) = (Some(longer), Instant::now() + longer);
        }
    }
}

impl Auth {
    /// Sends queued mails until the server stops, then waits for those that are being sent.
    pub async fn deliver_mail(
        self: Arc<Self>,
        mailer: Arc<Mailer>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut backoff = Backoff { until: Instant::now(), pause: None };
        let (mut running, mut mail_ids) = (JoinSet::new(), HashMap::new());
        let mut failing = false;
        while !*stopping.borrow() {
            // Before any mail is leased: one that has failed may be due again.
            while let Some(ended) = running.try_join_next_with_id() {
                note_end(ended, &mut mail_ids, &mut backoff);
            }
            let free = backoff.free(running.len());
            match self.lease_mails(free).await {
                Ok(mails) => {
                    failing = false;
                    for mail in mails {
                        // A clock that was set forward has ended the lease too early.
                        if mail_ids.values().any(|id| *id == mail.id) {
                            continue;
                        }
                        let (auth, mailer) = (Arc::clone(&self), Arc::clone(&mailer));
                        let (id, stopping) = (mail.id.clone(), stopping.clone());
                        backoff.begin();
                        let delivering = async move { auth.deliver(&mailer, mail, stopping).await };
                        mail_ids.insert(running.spawn(delivering).id(), id);
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "mails cannot be read from the database");
                    }
                    failing = true;
                }
            }
            let full = backoff.free(running.len()) == 0;
            tokio::select! {
                Some(ended) = running.join_next_with_id() => {
                    note_end(ended, &mut mail_ids, &mut backoff);
                }
                () = self.mail_queued.notified(), if !full => random_delay().await,
                () = tokio::time::sleep(POLL) => {}
                // An error means that the sender was dropped.
                changed = stopping.changed() => if changed.is_err() { break },
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Releases all leases; at the start of the only server on a database, where no other process
    /// can be sending a mail.
    pub async fn release_mails(&self) -> Result<()> {
        let now = self.clock.now();
        self.store.write(move |tx| Box::pin(outbox::release_leases(tx, now))).await
    }

    /// Mails that are queued or could not be sent, the oldest first.
    pub async fn queued_mails(&self) -> Result<Vec<QueuedMail>> {
        let mut tx = self.store.read().await?;
        outbox::queued_mails(&mut tx).await
    }

    /// The mails that wait, for the metrics.
    pub async fn waiting_mails(&self) -> Result<WaitingMails> {
        let mut tx = self.store.read().await?;
        let (count, oldest) = outbox::waiting(&mut tx, COUNTED_MAILS).await?;
        let age = |queued_at: i64| (self.clock.now() - queued_at).max(0);
        Ok(WaitingMails { count, oldest_seconds: oldest.map_or(0, age) })
    }

    /// Queues mails again that could not be sent, except those with expired links; answers their
    /// number.
    pub async fn revive_dead_mails(&self) -> Result<u64> {
        let now = self.clock.now();
        let revived = self.store.write(move |tx| {
            Box::pin(async move {
                let revived = outbox::revive_dead(tx, now).await?;
                if revived > 0 {
                    let event = NewEvent::of_server(Event::MailsRetried, now);
                    tx.note(event.about(revived.to_string()));
                }
                Ok(revived)
            })
        });
        let revived = revived.await?;
        self.mail_queued.notify_one();
        Ok(revived)
    }

    async fn lease_mails(&self, free: usize) -> Result<Vec<QueuedMail>> {
        let Some(free) = i64::try_from(free).ok().filter(|free| *free > 0) else {
            return Ok(Vec::new());
        };
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let is_any_due = outbox::is_any_due(&mut tx, now).await?;
        drop(tx);
        if !is_any_due {
            return Ok(Vec::new());
        }
        let until = now + LEASE;
        let mut leased =
            self.store.write(move |tx| Box::pin(outbox::lease_due(tx, now, until, free))).await?;
        leased.sort_by_key(|mail| mail.created_at);
        Ok(self.admitted(leased).await)
    }

    /// The mails that the limits allow. Each one that waits for its limit is checked in a separate
    /// transaction: the one that leased mails must not wait for a count that a request has locked,
    /// which may itself wait for a mail.
    async fn admitted(&self, leased: Vec<QueuedMail>) -> Vec<QueuedMail> {
        let mut admitted = Vec::new();
        for mail in leased {
            let is_admitted = match mail.waits_for {
                None => Ok(true),
                Some(_) => self.admit_waiting(mail.clone()).await,
            };
            match is_admitted {
                Ok(true) => admitted.push(mail),
                Ok(false) => {}
                Err(error) => {
                    // The leases expire, and the mails are checked again.
                    tracing::warn!(%error, "mails above their limit could not be counted");
                    break;
                }
            }
        }
        admitted
    }

    async fn admit_waiting(&self, mail: QueuedMail) -> Result<bool> {
        let (outbox, now) = (self.outbox.clone(), self.clock.now());
        let is_clock_trusted = self.is_clock_trusted(now);
        self.store
            .write(move |tx| {
                Box::pin(
                    async move { outbox.admit_waiting(tx, &mail, now, is_clock_trusted).await },
                )
            })
            .await
    }

    /// Sends one mail and records the result.
    async fn deliver(
        &self,
        mailer: &Mailer,
        queued: QueuedMail,
        stopping: watch::Receiver<bool>,
    ) -> Failure {
        let id = queued.id.clone();
        let (failed, noted) = match self.compose_mail(&queued).await {
            Ok(Some(mail)) => tokio::select! {
                sent = mailer.send(&mail) => match sent {
                    Ok(()) => (None, self.note_sent(queued.id).await),
                    Err(error) => (Some(error.kind), self.note_failed(queued, error).await),
                },
                () = stop_grace(stopping) => (None, self.release_mail(queued.id).await),
                () = self.renew_lease(&id) => (None, Ok(())),
            },
            Ok(None) => (None, self.delete_decoy(queued.id).await),
            Err(error) => (None, Err(error)),
        };
        if let Err(error) = noted {
            // The lease expires, and the mail is tried again.
            tracing::warn!(%error, mail = id, "the result of sending a mail could not be recorded");
        }
        failed
    }

    /// Renews the lease of a mail that is being sent; never returns.
    async fn renew_lease(&self, id: &str) {
        loop {
            tokio::time::sleep(RENEWAL_INTERVAL).await;
            let (id, until) = (id.to_owned(), self.clock.now() + LEASE);
            let renewed =
                self.store.write(move |tx| Box::pin(outbox::renew_lease(tx, id, until))).await;
            if let Err(error) = renewed {
                tracing::debug!(%error, "the lease of a mail could not be renewed");
            }
        }
    }

    async fn compose_mail(&self, queued: &QueuedMail) -> Result<Option<Mail>> {
        let mut tx = self.store.read().await?;
        let account = match queued.account_id {
            Some(id) => accounts::account(&mut tx, id).await?,
            None => None,
        };
        let title_of = |name: &str| self.provider_title(name).unwrap_or(name).to_owned();
        Ok(self.outbox.compose(queued, account.as_ref(), title_of))
    }

    /// Records that the mail server has accepted a mail. Retries on a database error, because the
    /// mail must not be sent again.
    async fn note_sent(&self, id: String) -> Result<()> {
        let until = Instant::now() + RECORD_WITHIN;
        loop {
            match self.delete_sent(id.clone()).await {
                Err(_) if Instant::now() < until => tokio::time::sleep(POLL).await,
                noted => return noted,
            }
        }
    }

    async fn delete_sent(&self, id: String) -> Result<()> {
        let now = self.clock.now();
        self.store.write(move |tx| Box::pin(outbox::delete_sent(tx, id, now))).await
    }

    async fn delete_decoy(&self, id: String) -> Result<()> {
        self.store.write(move |tx| Box::pin(outbox::delete_decoy(tx, id))).await
    }

    /// Leaves the mail to the next start of a server.
    async fn release_mail(&self, id: String) -> Result<()> {
        let now = self.clock.now();
        self.store.write(move |tx| Box::pin(outbox::release_lease(tx, id, now))).await
    }

    async fn note_failed(&self, queued: QueuedMail, error: SendError) -> Result<()> {
        let SendError { kind, problem } = error;
        let (now, id, attempts) = (self.clock.now(), queued.id.clone(), queued.attempts);
        let is_clock_trusted = self.is_clock_trusted(now);
        let due_at = now + delay(now - queued.created_at, kind)?;
        let stored = problem.clone();
        let is_dead = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let is_useless = is_clock_trusted && useful_until(tx, &queued).await? <= now;
                    let is_dead = kind == SendErrorKind::Refused || is_useless;
                    match is_dead {
                        true => outbox::bury_mail(tx, queued.id, now, stored).await?,
                        false => outbox::postpone_mail(tx, queued.id, due_at, stored).await?,
                    }
                    Ok(is_dead)
                })
            })
            .await?;
        if is_dead {
            tracing::error!(mail = id, problem, "a mail could not be sent and is not tried again");
        } else if attempts == 1 {
            tracing::warn!(mail = id, problem, "a mail could not be sent and is tried again");
        }
        Ok(())
    }
}

fn note_end(
    ended: std::result::Result<(Id, Failure), JoinError>,
    mail_ids: &mut HashMap<Id, String>,
    backoff: &mut Backoff,
) {
    match ended {
        Ok((task, failed)) => {
            mail_ids.remove(&task);
            backoff.note(failed);
        }
        Err(error) => {
            // The lease expires, and the mail is tried again.
            let mail = mail_ids.remove(&error.id());
            tracing::error!(%error, ?mail, "the task that sent a mail was aborted");
        }
    }
}

/// Waits before sending: if a mail slowed down the client's next request, the response time would
/// show that there is a mail, and so an account.
pub async fn random_delay() {
    // The shortest delay if there are no random numbers.
    let [random] = random::<1>().unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(20 + u64::from(random) / 3)).await;
}

/// Returns some time after the server has begun to stop.
pub async fn stop_grace(mut stopping: watch::Receiver<bool>) {
    // An error means that the sender was dropped: the server stops as well.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    tokio::time::sleep(STOP_GRACE).await;
}

/// The delay before the next attempt: half of the mail's age, plus or minus a quarter. If the mail
/// server is unreachable, only [`Backoff`] delays the mail.
pub fn delay(age: i64, kind: SendErrorKind) -> Result<i64> {
    if kind == SendErrorKind::Unreachable {
        return Ok(1);
    }
    let [random] = random::<1>()?;
    let jitter = 75 + i64::from(random) * 50 / 255;
    Ok(((age / 2).clamp(1, LONGEST_DELAY) * jitter / 100).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delay_grows_with_the_age_from_a_second_to_an_hour() {
        for (age, low, high) in [(0, 1, 1), (60, 22, 38), (100_000, 2_700, 4_500)] {
            for _ in 0..100 {
                let delay = delay(age, SendErrorKind::Deferred).expect("random numbers");
                assert!((low..=high).contains(&delay), "{age}: {delay}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn backoff_lets_one_mail_at_a_time_try_an_unreachable_server() {
        let mut backoff = Backoff { until: Instant::now(), pause: None };
        assert_eq!(backoff.free(2), CONCURRENCY - 2);
        backoff.note(Some(SendErrorKind::Unreachable));
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            // Of several mails that fail at the same time, one counts.
            backoff.note(Some(SendErrorKind::Unreachable));
            assert_eq!(backoff.free(0), 0);
            tokio::time::advance(Duration::from_secs(pause)).await;
            // A mail that never finishes does not stop the next one.
            assert_eq!((backoff.free(1), backoff.free(CONCURRENCY)), (1, 0));
            backoff.begin();
        }
        backoff.note(Some(SendErrorKind::Deferred));
        assert_eq!(backoff.free(0), CONCURRENCY);
    }
}
