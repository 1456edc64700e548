//! What outstanding access tokens cannot know: ended sessions, suspended and deleted accounts, held
//! in memory. A change is applied here as soon as it is committed; other processes' changes are
//! read from the database four times a second, on Postgres also as soon as they are announced.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::store::revocations::{Reason, Revocation, Subject};
/// Each poll begins at the newest row of this long ago: rows become visible in the order of commits,
/// not of their numbers, and no write takes longer. Clocks of other machines play no part.
const OVERLAP: Duration = Duration::from_secs(60);
/// The same at the start, by number.
const SEQ_OVERLAP: i64 = 1_000;

/// When polling has failed for this long, memory is not trusted and the database is asked.
pub(in crate::auth) const STALE: Duration = Duration::from_secs(5);
pub(in crate::auth) const STALE_SECONDS: i64 = 5;

/// When the database was last read, by two clocks: one that never steps, and one that goes on while
/// the machine sleeps.
#[derive(Clone, Copy)]
pub(in crate::auth) struct LastRead {
    pub(in crate::auth) at: Instant,
    pub(in crate::auth) seconds: i64,
}

/// Which rows the next poll reads: those from `first` on, which was the newest row when polls began
/// there; `next` has been the newest one since `since`, and takes its place after the overlap.
#[derive(Clone, Copy)]
struct Window {
    first: i64,
    next: i64,
    since: Instant,
}

/// The set; one per server.
pub struct Revoked {
    entries: RwLock<HashMap<Subject, Revocation>>,
    /// The number of the newest row that is known; 0: none is.
    newest: AtomicI64,
    window: Mutex<Window>,
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
            last_read: RwLock::new(LastRead { at: Instant::now(), seconds: 0 }),
            longest_access,
        }
    }

    /// What is known against this session or account.
    pub fn reason(&self, subject: Subject) -> Option<Reason> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(&subject).map(|entry| entry.reason).filter(|reason| *reason != Reason::Revived)
    }

    /// Whether memory holds everything that access tokens must hear of: it has kept up with the
    /// database, and no sessions were ended that nobody has counted.
    pub fn knows_all(&self, now: i64) -> bool {
        self.is_current(now) && self.reason(Subject::Everybody).is_none()
    }

    /// The longest life that an access token was ever given, in seconds.
    pub fn longest_access(&self) -> i64 {
        self.longest_access
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
        self.take_in(&mut entries, changes);
    }

    /// Begins anew with these rows, because the database is another one than before.
    pub(in crate::auth) fn replace(&self, all: &[Revocation]) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.clear();
        self.newest.store(0, Ordering::SeqCst);
        self.take_in(&mut entries, all);
        let newest = self.newest();
        *self.window() =
            Window { first: newest - SEQ_OVERLAP, next: newest, since: Instant::now() };
    }

    fn take_in(&self, entries: &mut HashMap<Subject, Revocation>, changes: &[Revocation]) {
        for change in changes {
            self.newest.fetch_max(change.seq, Ordering::SeqCst);
            let entry = entries.entry(change.subject).or_insert(*change);
            if entry.seq < change.seq {
                *entry = *change;
            }
        }
    }

    pub(in crate::auth) fn newest(&self) -> i64 {
        self.newest.load(Ordering::SeqCst)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the next poll begins.
    pub(in crate::auth) fn first_to_read(&self) -> i64 {
        let newest = self.newest();
        let mut window = self.window();
        if window.since.elapsed() >= OVERLAP {
            *window = Window { first: window.next, next: newest, since: Instant::now() };
        }
        window.first
    }

    /// Forgets what has mattered to no token since this moment.
    pub fn forget_before(&self, at: i64) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.until >= at);
    }

    pub(in crate::auth) fn mark_read(&self, read: LastRead) {
        *self.last_read.write().unwrap_or_else(PoisonError::into_inner) = read;
    }
}
