//! The device's clock, which may be wrong. The server's time is learned from its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The device's clock, or a manual clock for tests.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The device's clock.
    pub fn system() -> Self {
        Clock(None)
    }

    /// A manual clock that shows this second since 1970 until it is set.
    pub fn manual(seconds: i64) -> Self {
        Clock(Some(Arc::new(AtomicI64::new(seconds))))
    }

    /// Sets a manual clock and all its clones. It does nothing for the device's clock.
    pub fn set(&self, seconds: i64) {
        if let Some(manual) = &self.0 {
            manual.store(seconds, Ordering::SeqCst);
        }
    }

    /// The time in seconds since 1970.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(manual) => manual.load(Ordering::SeqCst),
            None => system_seconds(),
        }
    }
}

/// The server's time, and how far the server's clock is ahead of this device's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    /// Seconds since 1970, by the server's clock.
    pub server: i64,
    pub offset: i64,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn system_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
