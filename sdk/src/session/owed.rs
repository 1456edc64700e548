//! Sign-outs that the server has not heard of yet. They lie in the vault beside what ended them, and
//! are told at the next chance: after a network has come back, or at the next start.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use propusk_wire::Secret;
use serde::{Deserialize, Serialize};

use super::{Core, Record, Session};
use crate::Operation;
use crate::error::Result;

/// No device has more of them; the oldest are let go.
const MOST: usize = 8;
/// How long it is tried to tell, in seconds.
const LIFE: i64 = 30 * 24 * 3_600;
/// How long the server is waited for when it is told.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
/// After this time, in seconds, what could not be told may be told again; then after twice that, up to
/// an hour.
const AGAIN: i64 = 10;
const LONGEST_AGAIN: i64 = 3_600;

/// When the server is told what is owed.
#[derive(Default)]
pub(super) struct Owing {
    /// Not before, by this device's clock; nothing is owed where there is no time.
    at: Option<i64>,
    failures: u32,
}

impl Owing {
    /// Whether it is time to; the next time is later.
    fn begins(&mut self, now: i64) -> bool {
        let again = LONGEST_AGAIN.min(AGAIN << self.failures.min(16));
        // A clock that was set back makes nobody wait.
        let is_time = self.at.is_some_and(|at| at <= now || at > now.saturating_add(LONGEST_AGAIN));
        if is_time {
            self.at = Some(now.saturating_add(again));
            self.failures = self.failures.saturating_add(1);
        }
        is_time
    }
}

/// A session that is over here and not yet there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Owed {
    session: Box<Session>,
    /// By this device's clock, in seconds since 1970.
    since: i64,
}

impl Record {
    /// Remembers to tell the server. Of one sign-in the newest tokens count.
    pub fn owe(&mut self, session: Box<Session>, now: i64) {
        if !session.dialect.supports(Operation::SignOut) {
            return;
        }
        let known = self.owed.iter().position(|owed| owed.session.lineage == session.lineage);
        match known.and_then(|at| self.owed.get_mut(at)) {
            Some(owed) if owed.session.generation >= session.generation => {}
            Some(owed) => owed.session = session,
            None => self.owed.push(Owed { session, since: now }),
        }
        let surplus = self.owed.len().saturating_sub(MOST);
        self.owed.drain(..surplus);
    }
}

impl Owed {
    pub fn session(&self) -> &Session {
        &self.session
    }

    fn is_old(&self, now: i64) -> bool {
        now.saturating_sub(self.since) > LIFE
    }
}

impl Core {
    /// Tells the server of all ends that it has not heard of; whether it has heard of all. What it has
    /// heard of is owed no longer.
    pub(super) async fn tell_owed(self: &Arc<Self>) -> Result<bool> {
        let record = self.vault_record().await?;
        for owed in record.owed.iter().filter(|owed| self.is_ours(&owed.session)) {
            self.tell_one(&owed.session.lineage).await?;
        }
        let record = self.vault_record().await?;
        let owes = record.owed.iter().any(|owed| self.is_ours(&owed.session));
        if !owes {
            *self.owing() = Owing::default();
        }
        Ok(!owes)
    }

    /// Tells of one end, unless that is owed no longer.
    async fn tell_one(self: &Arc<Self>, lineage: &Secret) -> Result<()> {
        let _one_at_a_time = self.telling.lock().await;
        let record = self.vault_record().await?;
        let owed = record.owed.iter().find(|owed| owed.session.lineage == *lineage);
        let Some(owed) = owed else { return Ok(()) };
        let heard = match owed.is_old(self.transport.device_now()) {
            true => Some(owed.session.generation),
            false => self.tell_in_time(&owed.session).await,
        };
        let Some(heard) = heard else { return Ok(()) };
        let is_heard = move |owed: &Session, lineage: &Secret| {
            owed.lineage == *lineage && owed.generation <= heard
        };
        let lineage = lineage.clone();
        self.change(move |record| record.owed.retain(|owed| !is_heard(&owed.session, &lineage)))
            .await
    }

    /// The same as [`tell`](Self::tell), within a limit.
    pub(super) async fn tell_in_time(self: &Arc<Self>, session: &Session) -> Option<u64> {
        tokio::time::timeout(LIMIT, self.tell(session)).await.unwrap_or_default()
    }

    /// Whether there is something that the server has to be told, from now on.
    pub(super) fn note_owed(&self, is_owed: bool) {
        let at = is_owed.then(|| self.transport.device_now());
        *self.owing() = Owing { at, failures: 0 };
    }

    pub(super) fn owes(&self) -> bool {
        self.owing().at.is_some()
    }

    /// Tells the server what is owed, if it is time to; nobody waits for it.
    pub(super) fn tell_at_a_chance(self: &Arc<Self>) {
        // Every answer of a server comes by here.
        if !self.owes() {
            return;
        }
        let now = self.transport.device_now();
        if !self.owing().begins(now) {
            return;
        }
        let (core, busy) = (Arc::clone(self), self.work.begin());
        tokio::spawn(async move {
            if let Err(error) = core.tell_owed().await {
                tracing::info!(%error, "the server is told of a sign-out later");
            }
            drop(busy);
        });
    }

    fn owing(&self) -> MutexGuard<'_, Owing> {
        self.owing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
