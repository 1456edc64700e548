//! Backoff: after a failed renewal no other renewal is sent for a while, whichever caller asks. A
//! `Retry-After` of the server is obeyed, up to five minutes. The pause also grows with each
//! failure, up to a minute. After the pause one renewal is sent, and all callers share its result.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

use crate::error::{Error, ErrorKind};

/// The longest `Retry-After` that is obeyed, in seconds.
const MAX_REQUESTED_PAUSE: i64 = 300;
/// The longest pause without a `Retry-After`, in seconds.
const MAX_PAUSE: i64 = 60;

/// The failures in a row and the current pause. Times are by this device's clock, in seconds since
/// 1970.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    pause: Option<Pause>,
}

struct Pause {
    from: i64,
    until: i64,
    /// The error of the last renewal.
    error: Error,
}

impl Backoff {
    /// The error to return instead of a request; `None` if there is no pause now.
    pub fn current_error(&self, now: i64) -> Option<Error> {
        // A clock that was set back ends the pause.
        let pause = self.pause.as_ref().filter(|pause| (pause.from..pause.until).contains(&now))?;
        Some(match pause.error.kind() {
            ErrorKind::RetryLater { .. } => {
                let left = u64::try_from(pause.until.saturating_sub(now)).unwrap_or(0);
                ErrorKind::RetryLater { after: Duration::from_secs(left) }.into()
            }
            _ => pause.error.clone(),
        })
    }

    /// Starts a pause after a failed renewal.
    pub fn record_failure(&mut self, error: &Error, now: i64) {
        let growing = pause_seconds(self.failures);
        let seconds = match error.kind() {
            ErrorKind::RetryLater { after } if error.has_retry_after() => {
                i64::try_from(after.as_secs())
                    .unwrap_or(MAX_REQUESTED_PAUSE)
                    .clamp(1, MAX_REQUESTED_PAUSE)
                    .max(growing)
            }
            _ => growing,
        };
        self.failures = self.failures.saturating_add(1);
        self.pause =
            Some(Pause { from: now, until: now.saturating_add(seconds), error: error.clone() });
    }

    /// Ends the pause: the network has changed, or the app asks explicitly.
    pub fn reset(&mut self) {
        *self = Backoff::default();
    }
}

/// The pause in seconds after this many failures in a row. The first failure causes no pause,
/// because an idle connection may have been closed. The pause is random, so that clients that
/// failed together do not retry together.
fn pause_seconds(failures: u32) -> i64 {
    let longest = match failures {
        0 => return 0,
        failures => MAX_PAUSE.min(1 << failures.min(10)),
    };
    let mut random = [0];
    // If there are no random numbers, every other operation fails too.
    let _ = SystemRandom::new().fill(&mut random);
    longest - longest / 2 * i64::from(random[0]) / 256
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn later(seconds: u64) -> Error {
        ErrorKind::RetryLater { after: Duration::from_secs(seconds) }.into()
    }

    #[test]
    fn backoff_obeys_retry_after_up_to_five_minutes() {
        for (named, left) in [(7, 7), (300, 300), (3_600, 300)] {
            let mut backoff = Backoff::default();
            backoff.record_failure(&later(named), 1_000);
            let until = 1_000 + i64::try_from(left).unwrap();
            assert_eq!(backoff.current_error(1_000).unwrap().kind(), later(left).kind());
            assert_eq!(backoff.current_error(until - 1).unwrap().kind(), later(1).kind());
            assert!(backoff.current_error(until).is_none());
            assert!(backoff.current_error(999).is_none(), "a clock that was set back");
        }
    }

    #[test]
    fn backoff_with_a_short_retry_after_grows_too() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.record_failure(&later(1), 1_000);
        }
        assert!(backoff.current_error(1_029).is_some());
    }

    #[test]
    fn backoff_without_retry_after_grows_to_a_minute() {
        let mut backoff = Backoff::default();
        let mut pauses = Vec::new();
        for _ in 0..10 {
            backoff.record_failure(&ErrorKind::Network.into(), 1_000);
            pauses
                .push((0..100).take_while(|s| backoff.current_error(1_000 + s).is_some()).count());
        }
        assert_eq!(pauses[0], 0);
        assert!((1..=2).contains(&pauses[1]), "{pauses:?}");
        assert!(pauses[7..].iter().all(|pause| (30..=60).contains(pause)), "{pauses:?}");
        backoff.reset();
        assert!(backoff.current_error(1_000).is_none());
        // Clients that failed together do not retry together.
        let random: BTreeSet<_> = (0..64).map(|_| pause_seconds(10)).collect();
        assert!(random.len() > 1, "{random:?}");
    }
}
