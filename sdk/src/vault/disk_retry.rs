//! Waiting for a disk that is away for a moment.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long a lock or a write waits for the disk: long enough for a network to come back after the
/// device has slept, short enough for a user who looks at a screen.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// How often the disk is asked.
const PERIOD: Duration = Duration::from_millis(50);

/// Tries until it does not fail because the disk is away, and for 3 seconds at most. Blocks.
pub(super) fn retry_while_away<T>(attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    retry_while_away_since(Instant::now(), attempt)
}

/// As [`retry_while_away`], but for 3 seconds since it was asked for: those who wait in a line do not wait for
/// the disk one after the other. It tries once at least.
pub(super) fn retry_while_away_since<T>(
    asked: Instant,
    mut attempt: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let deadline = asked + MAX_WAIT;
    loop {
        match attempt() {
            Err(error) if is_away(&error) && Instant::now() < deadline => thread::sleep(PERIOD),
            outcome => return outcome,
        }
    }
}

/// What a file system says whose network or helper process is gone, and what [`Storage`](super::Storage)
/// says for it.
pub(super) fn is_away(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotConnected | io::ErrorKind::StaleNetworkFileHandle)
}
