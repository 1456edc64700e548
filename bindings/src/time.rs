//! Times: seconds since 1970 in the SDK, the language's own type outside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last second of the year 9999: Python's `datetime` has no later one.
const LAST: u64 = 253_402_300_799;

pub fn from_seconds(seconds: i64) -> SystemTime {
    let distance = Duration::from_secs(seconds.unsigned_abs().min(LAST));
    let time = match seconds < 0 {
        true => UNIX_EPOCH.checked_sub(distance),
        false => UNIX_EPOCH.checked_add(distance),
    };
    time.unwrap_or(UNIX_EPOCH)
}

pub fn to_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_same_in_both_directions() {
        for seconds in [-7, 0, 1_790_000_000] {
            assert_eq!(to_seconds(from_seconds(seconds)), seconds);
        }
        assert_eq!(to_seconds(from_seconds(i64::MAX)), 253_402_300_799);
    }
}
