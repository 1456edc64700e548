//! The paths of the server that have refused an access token which was just issued. Another renewal
//! would not help, so such a path causes one a minute; what other paths say is heard.

use std::sync::{Mutex, MutexGuard, PoisonError};

use propusk_wire::Secret;

/// For this many seconds, a path that has refused a new token causes no other renewal.
const MEMORY_SECONDS: i64 = 60;
/// At most this many refusals are remembered; the oldest is dropped first.
const MAX_COUNT: usize = 16;

/// The refusals of a client, the oldest first.
#[derive(Default)]
pub(crate) struct NewTokenRefusals(Mutex<Vec<Refusal>>);

struct Refusal {
    path: String,
    token: Secret,
    /// By this device's clock, in seconds since 1970.
    at: i64,
}

impl NewTokenRefusals {
    /// Whether this path has recently refused the token when it was new.
    pub fn contains(&self, path: &str, token: &Secret, now: i64) -> bool {
        self.recent(now).iter().any(|refusal| refusal.path == path && refusal.token == *token)
    }

    pub fn add(&self, path: String, token: Secret, now: i64) {
        let mut refusals = self.recent(now);
        if refusals.len() >= MAX_COUNT {
            refusals.remove(0);
        }
        refusals.push(Refusal { path, token, at: now });
    }

    /// A clock that was set back does not extend the time.
    fn recent(&self, now: i64) -> MutexGuard<'_, Vec<Refusal>> {
        let mut refusals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        refusals.retain(|refusal| {
            (refusal.at..refusal.at.saturating_add(MEMORY_SECONDS)).contains(&now)
        });
        refusals
    }
}
