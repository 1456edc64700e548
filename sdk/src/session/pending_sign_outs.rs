//! The sign-outs of which the server has not been informed yet, and when to retry. They are stored
//! in the vault.

use serde::{Deserialize, Serialize};

use super::stored_session::Session;
use crate::account::Operation;
use crate::unknown_members::UnknownMembers;

/// At most this many are kept; the oldest are dropped first.
const MAX_COUNT: usize = 8;
/// A sign-out is retried for this time, in seconds.
const MAX_AGE: i64 = 30 * 24 * 3_600;
/// The delay before the first retry, in seconds. It doubles up to the maximum.
const FIRST_RETRY_DELAY: i64 = 10;
const MAX_RETRY_DELAY: i64 = 3_600;

/// When to inform the server of pending sign-outs.
#[derive(Default)]
pub(super) struct SignOutRetry {
    /// The earliest time of the next attempt, by this device's clock. `None` if nothing is pending.
    pub at: Option<i64>,
    pub failures: u32,
}

impl SignOutRetry {
    /// Returns whether an attempt is due, and schedules the next one.
    pub fn start_if_due(&mut self, now: i64) -> bool {
        let again = MAX_RETRY_DELAY.min(FIRST_RETRY_DELAY << self.failures.min(16));
        // A clock that was set back does not delay the attempt.
        let is_time =
            self.at.is_some_and(|at| at <= now || at > now.saturating_add(MAX_RETRY_DELAY));
        if is_time {
            self.at = Some(now.saturating_add(again));
            self.failures = self.failures.saturating_add(1);
        }
        is_time
    }
}

/// Sessions that have ended on this device while the server does not know it yet, the oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct PendingSignOuts(Vec<PendingSignOut>);

/// One of these sessions.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PendingSignOut {
    session: Box<Session>,
    /// When the session ended, by this device's clock, in seconds since 1970.
    since: i64,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

impl PendingSignOuts {
    /// Adds a session to be ended at the server. For one sign-in only the newest tokens are kept.
    pub fn add(&mut self, session: Box<Session>, now: i64) {
        if !session.dialect.supports(Operation::SignOut) {
            return;
        }
        let known = self.0.iter().position(|owed| owed.session.sign_in_id == session.sign_in_id);
        match known.and_then(|at| self.0.get_mut(at)) {
            Some(owed) if owed.session.generation >= session.generation => {}
            Some(owed) => owed.session = session,
            None => {
                let unknown = UnknownMembers::default();
                self.0.push(PendingSignOut { session, since: now, unknown });
            }
        }
        let surplus = self.0.len().saturating_sub(MAX_COUNT);
        self.0.drain(..surplus);
    }

    pub fn iter(&self) -> std::slice::Iter<'_, PendingSignOut> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn retain(&mut self, keeps: impl FnMut(&PendingSignOut) -> bool) {
        self.0.retain(keeps);
    }
}

impl PendingSignOut {
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn is_old(&self, now: i64) -> bool {
        now.saturating_sub(self.since) > MAX_AGE
    }
}
