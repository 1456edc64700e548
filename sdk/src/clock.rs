//! What time it is on this device, which may be wrong; the server's own time is learnt from its
//! answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The device's clock, or one that a test moves by hand.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The device's own.
    pub fn system() -> Self {
        Clock(None)
    }

    /// One that stands still at this second since 1970 until it is set.
    pub fn manual(seconds: i64) -> Self {
        Clock(Some(Arc::new(AtomicI64::new(seconds))))
    }

    /// Sets a clock that is moved by hand, and all its clones; the device's own is left alone.
    pub fn set(&self, seconds: i64) {
        if let Some(manual) = &self.0 {
            manual.store(seconds, Ordering::SeqCst);
        }
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(manual) => manual.load(Ordering::SeqCst),
            None => system_seconds(),
        }
    }
}

/// A moment: this device's clock and what the server's is ahead of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moment {
    /// Seconds since 1970 on the server.
    pub server: i64,
    pub offset: i64,
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
fn system_seconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}
