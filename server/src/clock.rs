//! The only source of time: the system clock, or one that a test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A clock with a resolution of one second since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System { started: Instant },
    Manual(Arc<ManualTime>),
}

/// The state of a manual clock.
#[derive(Debug)]
struct ManualTime {
    wall: AtomicI64,
    monotonic: AtomicI64,
}

impl Clock {
    /// The system clock.
    pub fn system() -> Self {
        Clock(Source::System { started: Instant::now() })
    }

    /// A clock that shows `seconds` until [`Clock::advance`] moves it; clones share it.
    pub fn manual(seconds: i64) -> Self {
        Clock(Source::Manual(Arc::new(ManualTime {
            wall: AtomicI64::new(seconds),
            monotonic: AtomicI64::new(0),
        })))
    }

    pub fn now(&self) -> i64 {
        match &self.0 {
            Source::System { .. } => system_seconds(),
            Source::Manual(hands) => hands.wall.load(Ordering::SeqCst),
        }
    }

    /// Seconds since an arbitrary moment; unlike [`Clock::now`] it is never set back.
    pub fn monotonic(&self) -> i64 {
        match &self.0 {
            Source::System { started } => {
                i64::try_from(started.elapsed().as_secs()).unwrap_or(i64::MAX)
            }
            Source::Manual(hands) => hands.monotonic.load(Ordering::SeqCst),
        }
    }

    /// Advances a manual clock; does nothing to the system clock.
    pub fn advance(&self, seconds: i64) {
        if let Source::Manual(hands) = &self.0 {
            hands.wall.fetch_add(seconds, Ordering::SeqCst);
            hands.monotonic.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    /// Sets a manual clock forward or back, as an operator or a wrong time server does;
    /// [`Clock::monotonic`] does not change.
    pub fn jump(&self, seconds: i64) {
        if let Source::Manual(hands) = &self.0 {
            hands.wall.fetch_add(seconds, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn system_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
