//! Revocations in memory: ended sessions, suspended and deleted accounts. Access tokens that are
//! verified without the database are checked against them. A change of this process is applied when
//! it is committed; `follow` reads the changes of other processes.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::revocations::{Reason, Revocation, Subject};

/// Each poll begins at the row that was the newest this long ago: rows become visible in the order
/// of commits, not of their numbers, and no write takes longer. The clocks of other machines do not
/// matter.
const OVERLAP: Duration = Duration::from_secs(60);
/// The same at the start, as a number of rows.
const SEQ_OVERLAP: i64 = 1_000;

/// When polling has failed for this long, tokens are checked in the database instead of memory.
pub const STALE: Duration = Duration::from_secs(5);
pub const STALE_SECONDS: i64 = 5;

/// When the database was last read, by two clocks: one that never jumps, and one that also runs
/// while the machine sleeps.
#[derive(Clone, Copy)]
pub struct LastRead {
    pub at: Instant,
    pub seconds: i64,
}

/// The next poll reads the rows from `first` on. `next` was the newest row at the time `since`, and
/// becomes `first` after the overlap.
#[derive(Clone, Copy)]
struct Window {
    first: i64,
    next: i64,
    since: Instant,
}

/// The revocations; one set per server.
pub struct Revoked {
    entries: RwLock<HashMap<Subject, Revocation>>,
    /// The number of the newest known row; 0: none.
    newest: AtomicI64,
    window: Mutex<Window>,
    /// The rows of unlocked accounts whose counts were forgotten already.
    unlocked: Mutex<BTreeSet<i64>>,
    last_read: RwLock<LastRead>,
    /// The longest life of an access token, in seconds.
    longest_access: i64,
}

impl Revoked {
    pub fn new(longest_access: i64) -> Self {
        Revoked {
            entries: RwLock::default(),
            newest: AtomicI64::new(0),
            window: Mutex::new(Window { first: 0, next: 0, since: Instant::now() }),
            unlocked: Mutex::default(),
            last_read: RwLock::new(LastRead { at: Instant::now(), seconds: 0 }),
            longest_access,
        }
    }

    /// Why each of these is revoked; `None` if it is not.
    pub fn reasons<const N: usize>(&self, subjects: [Subject; N]) -> [Option<Reason>; N] {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        subjects.map(|subject| {
            let reason = entries.get(&subject).map(|entry| entry.reason);
            reason.filter(|reason| *reason != Reason::Revived)
        })
    }

    /// The longest life that an access token was ever given, in seconds.
    pub fn longest_access(&self) -> i64 {
        self.longest_access
    }

    /// Whether memory was updated from the database recently enough.
    pub fn is_current(&self, now: i64) -> bool {
        let last = self.last_read();
        last.at.elapsed() < STALE && (now - last.seconds).abs() < STALE_SECONDS
    }

    fn last_read(&self) -> LastRead {
        *self.last_read.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies committed changes; an older row never replaces a newer one.
    pub fn apply(&self, changes: &[Revocation]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        self.merge(&mut entries, changes);
    }

    /// Replaces everything with these rows: at the start, or when the database was restored.
    pub fn replace(&self, all: &[Revocation]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
        self.newest.store(0, Ordering::SeqCst);
        self.merge(&mut entries, all);
        let newest = self.newest();
        *self.window() =
            Window { first: newest - SEQ_OVERLAP, next: newest, since: Instant::now() };
    }

    fn merge(&self, entries: &mut HashMap<Subject, Revocation>, changes: &[Revocation]) {
        for change in changes {
            self.newest.fetch_max(change.seq, Ordering::SeqCst);
            if change.reason == Reason::Unlocked {
                continue;
            }
            let entry = entries.entry(change.subject).or_insert(*change);
            if entry.seq < change.seq {
                *entry = *change;
            }
        }
    }

    /// The accounts that were unlocked by those of these rows that are not noted as unlocked.
    pub fn newly_unlocked(&self, changes: &[Revocation]) -> Vec<i64> {
        let noted = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        let unlocked = changes.iter().filter(|change| change.reason == Reason::Unlocked);
        let new = unlocked.filter(|change| !noted.contains(&change.seq));
        new.filter_map(|change| match change.subject {
            Subject::Account(id) => Some(id),
            Subject::Session(_) | Subject::SessionsOf(_) | Subject::Everybody => None,
        })
        .collect()
    }

    /// Notes that the counts of the accounts that these rows unlock are forgotten. Each row counts
    /// once, but is read often: the window of rows that are read moves on only from time to time.
    pub fn note_unlocked(&self, changes: &[Revocation]) {
        let first = self.window().first;
        let mut noted = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
        noted.retain(|seq| *seq >= first);
        let unlocked = changes.iter().filter(|change| change.reason == Reason::Unlocked);
        noted.extend(unlocked.map(|change| change.seq));
    }

    pub fn newest(&self) -> i64 {
        self.newest.load(Ordering::SeqCst)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the first row to read in the next poll.
    pub fn first_to_read(&self) -> i64 {
        let newest = self.newest();
        let mut window = self.window();
        if window.since.elapsed() >= OVERLAP {
            *window = Window { first: window.next, next: newest, since: Instant::now() };
        }
        window.first
    }

    /// Forgets revocations that have affected no token since this time.
    pub fn forget_before(&self, at: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.until >= at);
    }

    pub fn mark_read(&self, read: LastRead) {
        *self.last_read.write().unwrap_or_else(PoisonError::into_inner) = read;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts are read in between, and that may fail.
    #[test]
    fn unlocked_account_is_reported_until_it_is_noted() {
        let revoked = Revoked::new(0);
        let row = |seq, reason| Revocation { seq, subject: Subject::Account(7), reason, until: 0 };
        let changes = [row(1, Reason::Unlocked), row(2, Reason::Suspended)];
        for _ in 0..2 {
            assert_eq!(revoked.newly_unlocked(&changes), [7]);
        }
        revoked.note_unlocked(&changes);
        assert!(revoked.newly_unlocked(&changes).is_empty());
        assert_eq!(revoked.newly_unlocked(&[row(3, Reason::Unlocked)]), [7]);
    }
}
