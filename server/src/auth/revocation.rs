//! What outstanding access tokens cannot know: ended sessions, suspended and deleted accounts, held
//! in memory. A change is applied here as soon as it is committed; other processes' changes are
//! read from the database each second, on Postgres also as soon as they are announced.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::Auth;
use crate::error::Result;
use crate::store::revocations::{self, Reason, Revocation, Subject};

const POLL: Duration = Duration::from_secs(1);
/// How far back each poll reads: rows become visible in the order of commits, not of their numbers.
const OVERLAP: i64 = 60;
/// When polling has failed for this long, memory is not trusted and the database is asked.
const STALE: Duration = Duration::from_secs(5);
const STALE_SECONDS: i64 = 5;

/// When the database was last read, by two clocks: one that never steps, and one that goes on while
/// the machine sleeps.
#[derive(Clone, Copy)]
struct LastRead {
    at: Instant,
    seconds: i64,
}

/// The set; one per server.
pub struct Revoked {
    entries: RwLock<HashMap<Subject, Revocation>>,
    last_read: RwLock<LastRead>,
    /// Nothing older can matter: the longest life of an access token, in seconds.
    longest_access: i64,
}

impl Revoked {
    pub fn new(longest_access: i64) -> Self {
        Revoked {
            entries: RwLock::default(),
            last_read: RwLock::new(LastRead { at: Instant::now(), seconds: 0 }),
            longest_access,
        }
    }

    /// What is known against this session or account.
    pub fn reason(&self, subject: Subject) -> Option<Reason> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&subject).map(|entry| entry.reason).filter(|reason| *reason != Reason::Revived)
    }

    /// Whether memory has kept up with the database.
    pub fn is_current(&self, now: i64) -> bool {
        let last = self.last_read();
        last.at.elapsed() < STALE && (now - last.seconds).abs() < STALE_SECONDS
    }

    fn last_read(&self) -> LastRead {
        *self.last_read.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes committed changes in; an older row never replaces a newer one.
    pub fn apply(&self, changes: &[Revocation]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            let entry = entries.entry(change.subject).or_insert(*change);
            if entry.seq < change.seq {
                *entry = *change;
            }
        }
    }

    fn forget_before(&self, at: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.at >= at);
    }

    fn mark_read(&self, read: LastRead) {
        *self.last_read.write().unwrap_or_else(PoisonError::into_inner) = read;
    }
}

impl Auth {
    /// Loads everything that can still matter; done before the server listens.
    pub(super) async fn load_revocations(&self) -> Result<()> {
        self.read_revocations(self.clock.now() - self.revoked.longest_access).await
    }

    /// Reads what has come since the last time, however long that is ago.
    async fn read_new_revocations(&self) -> Result<()> {
        let since = self.clock.now().min(self.revoked.last_read().seconds);
        self.read_revocations(since - OVERLAP).await
    }

    async fn read_revocations(&self, since: i64) -> Result<()> {
        let read = LastRead { at: Instant::now(), seconds: self.clock.now() };
        let mut tx = self.store.read().await?;
        let changes = revocations::revocations_since(&mut tx, since).await?;
        self.revoked.apply(&changes);
        self.revoked.mark_read(read);
        Ok(())
    }

    /// Reads other processes' changes for ever.
    pub async fn follow_revocations(&self) {
        let mut announcements = self.store.announcements();
        let mut failing = false;
        loop {
            announcements.next_within(POLL).await;
            let read = self.read_new_revocations().await;
            if let (Err(error), false) = (&read, failing) {
                tracing::warn!(%error, "revocations cannot be read; tokens are checked in the database");
            }
            failing = read.is_err();
        }
    }

    /// Deletes what has expired from the database and from memory.
    pub async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        let forgotten = now - self.revoked.longest_access - OVERLAP;
        self.revoked.forget_before(forgotten);
        self.limits.forget_before(now);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    crate::store::sessions::delete_expired(tx, now).await?;
                    crate::store::spent_tokens::delete_expired(tx, now).await?;
                    revocations::delete_before(tx, forgotten).await
                })
            })
            .await
    }
}
