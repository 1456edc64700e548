//! The clock that the SDK reads: that of the device, plus what the user of the demo adds to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::time;

/// How often the clock is moved.
const TICK: Duration = Duration::from_millis(200);

/// A clock that can be wrong, and that can leap ahead. Clones are the same clock.
#[derive(Clone)]
pub struct DeviceClock(Arc<Parts>);

struct Parts {
    clock: propusk::Clock,
    /// How wrong it is.
    offset: AtomicI64,
    /// The time that has passed for the whole demo at the press of a button.
    passed: AtomicI64,
}

impl DeviceClock {
    /// A right clock of a demo for which this time has passed.
    pub fn new(passed: i64) -> Self {
        let clock = propusk::Clock::manual(time::now().saturating_add(passed));
        DeviceClock(Arc::new(Parts {
            clock,
            offset: AtomicI64::new(0),
            passed: AtomicI64::new(passed),
        }))
    }

    /// The clock for the SDK.
    pub fn sdk(&self) -> propusk::Clock {
        self.0.clock.clone()
    }

    /// How wrong it is, in seconds.
    pub fn offset(&self) -> i64 {
        self.0.offset.load(Ordering::SeqCst)
    }

    pub fn set_offset(&self, seconds: i64) {
        self.0.offset.store(seconds, Ordering::SeqCst);
        self.set();
    }

    /// Lets this time pass.
    pub fn pass(&self, seconds: i64) {
        self.0.passed.fetch_add(seconds, Ordering::SeqCst);
        self.set();
    }

    /// The time that has passed for the whole demo, in seconds.
    pub fn passed(&self) -> i64 {
        self.0.passed.load(Ordering::SeqCst)
    }

    /// Moves the clock as long as the app runs.
    pub async fn tick(self) {
        let mut ticks = tokio::time::interval(TICK);
        loop {
            ticks.tick().await;
            self.set();
        }
    }

    fn set(&self) {
        let right = time::now().saturating_add(self.passed());
        self.0.clock.set(right.saturating_add(self.offset()));
    }
}
