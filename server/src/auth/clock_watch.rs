//! Whether the wall clock can be trusted: after a jump the sweeper must not delete rows that only
//! seem to be expired.

use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;

pub const DAY: i64 = 24 * 3_600;

/// How far the wall clock and the monotonic clock may drift apart between two readings, in seconds.
const TOLERANCE: i64 = 60;

/// Compares the wall clock with the monotonic clock at each reading.
pub struct ClockWatch(Mutex<ClockState>);

impl ClockWatch {
    pub fn new(clock: &Clock) -> Self {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        ClockWatch(Mutex::new(ClockState {
            wall,
            monotonic,
            trusted_from: monotonic,
            seen_at: None,
        }))
    }

    /// Changes the state atomically: the sweeper and the mail worker both read the clocks.
    pub fn update(&self, change: impl FnOnce(ClockState) -> ClockState) -> ClockState {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = change(*state);
        *state
    }
}

#[derive(Clone, Copy)]
pub struct ClockState {
    wall: i64,
    monotonic: i64,
    /// The wall clock is trusted again at this time of the monotonic clock.
    trusted_from: i64,
    /// The time that the database has, once it has been read.
    pub seen_at: Option<i64>,
}

impl ClockState {
    /// The state after a reading of both clocks.
    pub fn observe(self, wall: i64, monotonic: i64) -> Self {
        let drift = (wall - self.wall) - (monotonic - self.monotonic);
        let seen = ClockState { wall, monotonic, ..self };
        if drift.abs() <= TOLERANCE { seen } else { seen.distrust() }
    }

    /// The state once the database has a trusted time.
    pub fn with_stored(self, seen_at: i64) -> Self {
        ClockState { seen_at: Some(seen_at), ..self }
    }

    /// A new process has no earlier reading; the last time in the database is used instead.
    pub fn compare_with_stored(self, seen_at: i64) -> Self {
        let known = self.with_stored(seen_at);
        if (self.wall - seen_at).abs() <= DAY { known } else { known.distrust() }
    }

    fn distrust(self) -> Self {
        tracing::warn!(
            "the clock has jumped: expired rows and old mails are kept until it has run for a day \
             without a jump"
        );
        ClockState { trusted_from: self.monotonic + DAY, ..self }
    }

    /// Also `false` until the last time was read from the database.
    pub fn is_trusted(&self) -> bool {
        self.seen_at.is_some() && self.monotonic >= self.trusted_from
    }
}
