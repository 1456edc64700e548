//! The worker that sends queued mails, tries again until the mail server has taken them, and gives up
//! when nobody needs them any more. A mail is sent twice only if the server dies, or loses the
//! database, between its being taken and noted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{QueuedMail, wanted_until};
use crate::auth::secrets::random::random;
use crate::error::Result;
use crate::mail::{Mail, Mailer, SendError, SendErrorKind};
use crate::store::{accounts, outbox};

/// How often mails are looked for that another process has queued or left behind.
const POLL: Duration = Duration::from_secs(1);
/// Mails that are handed over at the same time.
const AT_ONCE: usize = 8;
/// How long a mail is left to who has taken it, who says again and again that it is in work.
const LEASE: i64 = 30;
const RENEWED_EVERY: Duration = Duration::from_secs(10);
/// How long a database is waited for that cannot take down that a mail was sent.
const NOTED_WITHIN: Duration = Duration::from_secs(90);
const LONGEST_DELAY: i64 = 3_600;
/// While the mail server cannot be reached at all, so that its return is soon noticed.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// How long mails under way may take to their end when the server stops.
const FAREWELL: Duration = Duration::from_secs(7);
/// How long a dead letter is kept, in seconds.
pub(in crate::auth) const DEAD_FOR: i64 = 30 * 24 * 3_600;

/// What failed, if anything did.
type Attempted = Option<SendErrorKind>;

/// While the mail server is away, one mail now and then asks whether it is back.
struct Rest {
    /// When the next one may ask.
    until: Instant,
    /// None: the mail server took or refused the last mail.
    pause: Option<Duration>,
}

impl Rest {
    fn note(&mut self, failed: Option<SendErrorKind>) {
        if failed != Some(SendErrorKind::Unreachable) {
            self.pause = None;
        } else if self.pause.is_none() {
            (self.pause, self.until) = (Some(POLL), Instant::now() + POLL);
        }
    }

    /// How many mails may be taken while so many are under way.
    fn free(&self, under_way: usize) -> usize {
        let free = AT_ONCE.saturating_sub(under_way);
        match self.pause {
            None => free,
            Some(_) if self.until <= Instant::now() => free.min(1),
            Some(_) => 0,
        }
    }

    /// One asks; the next one asks later, also if this one never gets an answer.
    fn begin(&mut self) {
        if let Some(pause) = self.pause {
            let longer = (pause * 2).min(LONGEST_REST);
            (self.pause, self.until) = (Some(longer), Instant::now() + longer);
        }
    }
}

impl Auth {
    /// Sends what is queued until told to stop, then lets what is under way come to its end.
    pub async fn deliver_mail(
        self: Arc<Self>,
        mailer: Arc<Mailer>,
        mut stopping: watch::Receiver<bool>,
    ) {
        let mut rest = Rest { until: Instant::now(), pause: None };
        let (mut under_way, mut in_hand) = (JoinSet::new(), HashMap::new());
        let mut failing = false;
        while !*stopping.borrow() {
            // Before any is taken: one that has ended may be due again.
            while let Some(ended) = under_way.try_join_next_with_id() {
                note_end(ended, &mut in_hand, &mut rest);
            }
            let free = rest.free(under_way.len());
            match self.lease_mails(free).await {
                Ok(mails) => {
                    failing = false;
                    for mail in mails {
                        // A clock that was set forward ends a lease too early.
                        if in_hand.values().any(|id| *id == mail.id) {
                            continue;
                        }
                        let (auth, mailer) = (Arc::clone(&self), Arc::clone(&mailer));
                        let (id, stopping) = (mail.id.clone(), stopping.clone());
                        rest.begin();
                        let delivering = async move { auth.deliver(&mailer, mail, stopping).await };
                        in_hand.insert(under_way.spawn(delivering).id(), id);
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "mails cannot be read from the database");
                    }
                    failing = true;
                }
            }
            let full = rest.free(under_way.len()) == 0;
            tokio::select! {
                Some(ended) = under_way.join_next_with_id() => {
                    note_end(ended, &mut in_hand, &mut rest);
                }
                () = self.mail_queued.notified(), if !full => hold_back().await,
                () = tokio::time::sleep(POLL) => {}
                _ = stopping.changed() => {}
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// At the start of the only server on a database: nobody else can have a mail in hand.
    pub async fn release_mails(&self) -> Result<()> {
        let now = self.clock.now();
        self.store.write(move |tx| Box::pin(outbox::release_leases(tx, now))).await
    }

    /// Mails that wait or were given up, the oldest first.
    pub async fn queued_mails(&self) -> Result<Vec<QueuedMail>> {
        let mut tx = self.store.read().await?;
        outbox::queued_mails(&mut tx).await
    }

    /// Sends what was given up once more, unless its link is dead, and tells how many there are.
    pub async fn revive_dead_mails(&self) -> Result<u64> {
        let now = self.clock.now();
        let revived = self.store.write(move |tx| Box::pin(outbox::revive_dead(tx, now))).await?;
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

    /// Those that the limits allow. Each late one is looked at in a write of its own: a write that
    /// has leased mails must not wait for a count that a request holds, which may wait for a mail.
    async fn admitted(&self, leased: Vec<QueuedMail>) -> Vec<QueuedMail> {
        let mut admitted = Vec::new();
        for mail in leased {
            let is_admitted = match mail.waits_for {
                None => Ok(true),
                Some(_) => self.admit_late(mail.clone()).await,
            };
            match is_admitted {
                Ok(true) => admitted.push(mail),
                Ok(false) => {}
                Err(error) => {
                    // The leases run out, and the late mails are looked at again.
                    tracing::warn!(%error, "late mails could not be counted");
                    break;
                }
            }
        }
        admitted
    }

    async fn admit_late(&self, mail: QueuedMail) -> Result<bool> {
        let (post, now) = (self.post.clone(), self.clock.now());
        let is_clock_right = self.is_clock_right(now);
        self.store
            .write(move |tx| {
                Box::pin(async move { post.admit_late(tx, &mail, now, is_clock_right).await })
            })
            .await
    }

    /// Hands one mail over and notes what became of it.
    async fn deliver(
        &self,
        mailer: &Mailer,
        queued: QueuedMail,
        stopping: watch::Receiver<bool>,
    ) -> Attempted {
        let id = queued.id.clone();
        let (failed, noted) = match self.write_mail(&queued).await {
            Ok(Some(mail)) => tokio::select! {
                sent = mailer.send(&mail) => match sent {
                    Ok(()) => (None, self.note_sent(queued.id).await),
                    Err(error) => (Some(error.kind), self.note_failed(queued, error).await),
                },
                () = farewell(stopping) => (None, self.give_back(queued.id).await),
                () = self.keep(&id) => (None, Ok(())),
            },
            Ok(None) => (None, self.forget_mail(queued.id).await),
            Err(error) => (None, Err(error)),
        };
        if let Err(error) = noted {
            // The lease runs out, and the mail is tried again.
            tracing::warn!(%error, mail = id, "what became of a mail could not be noted");
        }
        failed
    }

    /// Tells other servers, for ever, that the mail is in work here.
    async fn keep(&self, id: &str) {
        loop {
            tokio::time::sleep(RENEWED_EVERY).await;
            let (id, until) = (id.to_owned(), self.clock.now() + LEASE);
            let renewed =
                self.store.write(move |tx| Box::pin(outbox::renew_lease(tx, id, until))).await;
            if let Err(error) = renewed {
                tracing::debug!(%error, "the lease of a mail could not be renewed");
            }
        }
    }

    async fn write_mail(&self, queued: &QueuedMail) -> Result<Option<Mail>> {
        let mut tx = self.store.read().await?;
        let account = match queued.account_id {
            Some(id) => accounts::account(&mut tx, id).await?,
            None => None,
        };
        let title_of = |name: &str| self.provider_title(name).unwrap_or(name).to_owned();
        Ok(self.post.write(queued, account.as_ref(), title_of))
    }

    /// The mail server has it: whatever the database does, it must not get it again.
    async fn note_sent(&self, id: String) -> Result<()> {
        let until = Instant::now() + NOTED_WITHIN;
        loop {
            match self.forget_mail(id.clone()).await {
                Err(_) if Instant::now() < until => tokio::time::sleep(POLL).await,
                noted => return noted,
            }
        }
    }

    async fn forget_mail(&self, id: String) -> Result<()> {
        self.store.write(move |tx| Box::pin(outbox::delete_mail(tx, id))).await
    }

    /// Leaves it to the next start.
    async fn give_back(&self, id: String) -> Result<()> {
        let now = self.clock.now();
        self.store.write(move |tx| Box::pin(outbox::release_lease(tx, id, now))).await
    }

    async fn note_failed(&self, queued: QueuedMail, error: SendError) -> Result<()> {
        let SendError { kind, problem } = error;
        let (now, id, attempts) = (self.clock.now(), queued.id.clone(), queued.attempts);
        let is_clock_right = self.is_clock_right(now);
        let due_at = now + delay(now - queued.created_at, kind)?;
        let said = problem.clone();
        let given_up = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let is_over = is_clock_right && wanted_until(tx, &queued).await? <= now;
                    let given_up = kind == SendErrorKind::Refused || is_over;
                    match given_up {
                        true => outbox::bury_mail(tx, queued.id, now, said).await?,
                        false => outbox::postpone_mail(tx, queued.id, due_at, said).await?,
                    }
                    Ok(given_up)
                })
            })
            .await?;
        if given_up {
            tracing::error!(mail = id, problem, "a mail was given up");
        } else if attempts == 1 {
            tracing::warn!(mail = id, problem, "a mail could not be sent; it is tried again");
        }
        Ok(())
    }
}

fn note_end(
    ended: std::result::Result<(Id, Attempted), JoinError>,
    in_hand: &mut HashMap<Id, String>,
    rest: &mut Rest,
) {
    match ended {
        Ok((task, failed)) => {
            in_hand.remove(&task);
            rest.note(failed);
        }
        Err(error) => {
            // The lease runs out, and the mail is tried again.
            let mail = in_hand.remove(&error.id());
            tracing::error!(%error, ?mail, "sending a mail ended abruptly");
        }
    }
}

/// The way of a mail must not slow down the next request of whoever asked for it: that would tell that
/// there is one.
async fn hold_back() {
    // Without random numbers it is held back for the shortest time.
    let [random] = random::<1>().unwrap_or_default();
    tokio::time::sleep(Duration::from_millis(20 + u64::from(random) / 3)).await;
}

/// Ends a while after the server has begun to stop.
async fn farewell(mut stopping: watch::Receiver<bool>) {
    // Without the sender there is nobody left to stop for, either.
    let _ = stopping.wait_for(|stopping| *stopping).await;
    tokio::time::sleep(FAREWELL).await;
}

/// Half of the mail's age, so that what has waited long is asked for seldom, a quarter more or less.
/// What waits for the mail server to come back is held up by [`Rest`] alone.
fn delay(age: i64, kind: SendErrorKind) -> Result<i64> {
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
    fn the_delay_grows_with_the_age_from_a_second_to_an_hour() {
        for (age, low, high) in [(0, 1, 1), (60, 22, 38), (100_000, 2_700, 4_500)] {
            for _ in 0..100 {
                let delay = delay(age, SendErrorKind::Deferred).expect("random numbers");
                assert!((low..=high).contains(&delay), "{age}: {delay}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_mail_server_is_away_one_mail_at_a_time_asks_for_it() {
        let mut rest = Rest { until: Instant::now(), pause: None };
        assert_eq!(rest.free(2), AT_ONCE - 2);
        rest.note(Some(SendErrorKind::Unreachable));
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            // Of several that were under way, one counts.
            rest.note(Some(SendErrorKind::Unreachable));
            assert_eq!(rest.free(0), 0);
            tokio::time::advance(Duration::from_secs(pause)).await;
            // One that gets no answer at all does not keep the next from asking.
            assert_eq!((rest.free(1), rest.free(AT_ONCE)), (1, 0));
            rest.begin();
        }
        rest.note(Some(SendErrorKind::Deferred));
        assert_eq!(rest.free(0), AT_ONCE);
    }
}
