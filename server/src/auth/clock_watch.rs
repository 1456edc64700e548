//! Whether the clock can be believed: a jump keeps the sweeper from deleting what is not over.

use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;

pub(in crate::auth) const DAY: i64 = 24 * 3_600;

/// How far wall clock and monotonic clock may differ between two runs, in seconds.
const TOLERANCE: i64 = 60;

/// Compares the wall clock with the monotonic clock from run to run.
pub(in crate::auth) struct ClockWatch(Mutex<Watched>);

impl ClockWatch {
    pub fn new(clock: &Clock) -> Self {
        let (wall, monotonic) = (clock.now(), clock.monotonic());
        ClockWatch(Mutex::new(Watched { wall, monotonic, believed_from: monotonic, seen_at: None }))
    }

    /// Changes what is known, in one step: the sweeper and the worker of mails both look.
    pub(in crate::auth) fn update(&self, change: impl FnOnce(Watched) -> Watched) -> Watched {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *watched = change(*watched);
        *watched
    }
}

#[derive(Clone, Copy)]
pub(in crate::auth) struct Watched {
    wall: i64,
    monotonic: i64,
    /// The wall clock is believed again at this time of the monotonic clock.
    believed_from: i64,
    /// What the database had as the latest run, once it has been read.
    pub(in crate::auth) seen_at: Option<i64>,
}

impl Watched {
    /// The state after a look at both clocks.
    pub(in crate::auth) fn look(self, wall: i64, monotonic: i64) -> Self {
        let drift = (wall - self.wall) - (monotonic - self.monotonic);
        let seen = Watched { wall, monotonic, ..self };
        if drift.abs() <= TOLERANCE { seen } else { seen.disbelieve() }
    }

    /// The state once the database has the time of a run.
    pub(in crate::auth) fn with_stored(self, seen_at: i64) -> Self {
        Watched { seen_at: Some(seen_at), ..self }
    }

    /// A process that has just begun knows no jump; what the database saw last stands in for it.
    pub(in crate::auth) fn compare_with_stored(self, seen_at: i64) -> Self {
        let known = self.with_stored(seen_at);
        if (self.wall - seen_at).abs() <= DAY { known } else { known.disbelieve() }
    }

    fn disbelieve(self) -> Self {
        tracing::warn!(
            "the clock has jumped: expired rows and old mails are kept until it has run evenly for a \
             day"
        );
        Watched { believed_from: self.monotonic + DAY, ..self }
    }

    /// False as well until the database was asked what time it was last.
    pub(in crate::auth) fn is_believed(&self) -> bool {
        self.seen_at.is_some() && self.monotonic >= self.believed_from
    }
}
