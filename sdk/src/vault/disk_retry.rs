//! Retries while a disk is away for a moment.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long a lock or a write waits for the disk: long enough for a network to return after the
/// device has slept, short enough for a waiting user.
const MAX_WAIT: Duration = Duration::from_secs(3);

/// The delay between attempts.
const PERIOD: Duration = Duration::from_millis(50);

/// Retries for at most 3 seconds while the disk is away. Blocks.
pub(super) fn retry_while_away<T>(attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    retry_while_away_since(Instant::now(), attempt)
}

/// As [`retry_while_away`], but for 3 seconds since `asked`, so that tasks in a queue do not wait
/// one after the other. It tries at least once.
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

/// Errors of a file system whose network or helper process is gone. [`Storage`](super::Storage)
/// uses them as well.
pub(super) fn is_away(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotConnected | io::ErrorKind::StaleNetworkFileHandle)
}
