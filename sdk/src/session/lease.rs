//! The lease of a renewal decides which process renews. A process writes it into the vault before
//! it sends a refresh token, so that no lock is held during the request. Other processes wait for it
//! for a while. A lease ends when it expires or when its process has died.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attempt_id::random_text;
use crate::error::Result;
use crate::unknown_members::UnknownMembers;

/// The longest lease in seconds, whatever request timeout the app sets.
const MAX_DURATION: i64 = 600;

/// The lease of one renewal.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Lease {
    /// The id of the client that owns the lease.
    holder: String,
    /// The process id of that client.
    #[serde(default)]
    process: u32,
    /// When the lease expires, by this device's clock, in seconds since 1970.
    until: i64,
    /// The duration of the lease, in seconds.
    lives: i64,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

/// Whether a client may renew.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Turn {
    /// It writes a lease of its own and renews. If another process has sent the same refresh token,
    /// that process may still receive an answer for this long.
    Renew(Duration),
    /// Another process is renewing: wait until it is done.
    Wait,
    /// Another process is renewing, and a second renewal would cost the session. Try again after
    /// this time.
    Later(Duration),
}

impl Turn {
    /// Decides by the lease in the vault. `may_wait`: whether the client has not waited for too
    /// long; `spends_refresh_token`: whether an answer that is lost cannot be requested again.
    pub fn of(
        holder: &LeaseHolder,
        lease: Option<&Lease>,
        now: i64,
        may_wait: bool,
        spends_refresh_token: bool,
    ) -> Self {
        let lease = lease.filter(|lease| !lease.is_of(holder));
        let remaining = lease.map_or(Duration::ZERO, |lease| lease.remaining(now));
        match (remaining.is_zero(), may_wait, spends_refresh_token) {
            (false, true, _) => Turn::Wait,
            (false, false, true) => Turn::Later(remaining),
            _ => Turn::Renew(lease.map_or(Duration::ZERO, |lease| lease.remaining_time(now))),
        }
    }
}

impl Lease {
    /// A lease of this client for one request.
    pub fn new(holder: &LeaseHolder, now: i64, limit: Duration) -> Self {
        let lives = i64::try_from(limit.as_secs()).unwrap_or(i64::MAX).clamp(0, MAX_DURATION) + 1;
        Lease {
            holder: holder.0.clone(),
            process: std::process::id(),
            until: now.saturating_add(lives),
            lives,
            unknown: UnknownMembers::default(),
        }
    }

    pub fn is_of(&self, holder: &LeaseHolder) -> bool {
        self.holder == holder.0
    }

    /// How long the lease is still valid. Zero if its owner no longer exists.
    fn remaining(&self, now: i64) -> Duration {
        let is_there = match self.process == std::process::id() {
            // An earlier process may have had the same process id.
            true => holders().contains(&self.holder),
            false => is_alive(self.process),
        };
        if is_there { self.remaining_time(now) } else { Duration::ZERO }
    }

    /// The time until the lease expires, whether or not its process is alive. Small corrections of
    /// the clock are tolerated; a clock that was set far back does not extend the lease.
    fn remaining_time(&self, now: i64) -> Duration {
        let (left, lives) = (self.until.saturating_sub(now), self.lives.clamp(0, MAX_DURATION + 1));
        let left = if left > 2 * lives { 0 } else { left.clamp(0, lives) };
        Duration::from_secs(u64::try_from(left).unwrap_or(0))
    }
}

/// The owner of leases: one client in this process, until it is dropped.
pub(crate) struct LeaseHolder(String);

/// The clients of this process.
static HOLDERS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

fn holders() -> MutexGuard<'static, BTreeSet<String>> {
    HOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl LeaseHolder {
    pub fn new() -> Result<Self> {
        let name = random_text()?.expose().to_owned();
        holders().insert(name.clone());
        Ok(LeaseHolder(name))
    }
}

impl Drop for LeaseHolder {
    fn drop(&mut self) {
        holders().remove(&self.0);
    }
}

/// Whether a process with this id exists, as far as this process may know.
#[cfg(unix)]
fn is_alive(process: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let pid = i32::try_from(process).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn is_alive(_: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_lasts_for_one_request() {
        let (holder, other) = (LeaseHolder::new().unwrap(), LeaseHolder::new().unwrap());
        let lease = Lease::new(&holder, 1_000, Duration::from_secs(20));
        for (now, left) in [(1_000, 21), (1_020, 1), (1_021, 0), (9_000, 0), (990, 21), (900, 0)] {
            assert_eq!(lease.remaining(now), Duration::from_secs(left), "{now}");
        }
        assert!(lease.is_of(&holder) && !lease.is_of(&other));
        drop(holder);
        assert_eq!(lease.remaining(1_000), Duration::ZERO, "a client that is gone");
    }

    #[test]
    fn one_client_renews_and_the_others_wait() {
        let (holder, other) = (LeaseHolder::new().unwrap(), LeaseHolder::new().unwrap());
        let lease = Lease::new(&other, 1_000, Duration::from_secs(20));
        let turn = |lease: Option<&Lease>, now, may_wait, spends| {
            Turn::of(&holder, lease, now, may_wait, spends)
        };
        let seconds = Duration::from_secs;
        for spends in [true, false] {
            let lease = Some(&lease);
            assert_eq!(turn(None, 1_000, true, spends), Turn::Renew(seconds(0)), "no lease");
            assert_eq!(turn(lease, 1_000, true, spends), Turn::Wait);
            assert_eq!(turn(lease, 1_021, true, spends), Turn::Renew(seconds(0)), "expired");
            let own = Lease::new(&holder, 1_000, Duration::from_secs(20));
            assert_eq!(turn(Some(&own), 1_000, true, spends), Turn::Renew(seconds(0)), "its own");
        }
        assert_eq!(turn(Some(&lease), 1_001, false, true), Turn::Later(seconds(20)));
        assert_eq!(turn(Some(&lease), 1_001, false, false), Turn::Renew(seconds(20)));
        drop(other);
        let dead = turn(Some(&lease), 1_001, true, true);
        assert_eq!(dead, Turn::Renew(seconds(20)), "its answer may still arrive");
    }

    #[cfg(unix)]
    #[test]
    fn lease_of_a_dead_process_has_no_remaining_time() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let process = child.id();
        child.wait().unwrap();
        let holder = LeaseHolder::new().unwrap();
        let lease = Lease { process, ..Lease::new(&holder, 1_000, Duration::from_secs(20)) };
        assert_eq!(lease.remaining(1_000), Duration::ZERO);
        assert_eq!(lease.remaining_time(1_000), Duration::from_secs(21));
    }
}
