//! PSO

use serde::{Deserialize, Serialize};

use super::stored_session::Session;
use crate::account::Operation;

/// No device has more of them; the oldest are let go.
const MAX_COUNT: usize = 8;
/// How long it is tried to tell, in seconds.
const MAX_AGE: i64 = 30 * 24 * 3_600;
/// After this time, in seconds, what could not be told may be told again; then after twice that, up to
/// an hour.
const FIRST_RETRY_DELAY: i64 = 10;
const MAX_RETRY_DELAY: i64 = 3_600;

/// When the server is told what is owed.
#[derive(Default)]
pub(super) struct SignOutRetry {
    /// Not before, by this device's clock; nothing is owed where there is no time.
    pub at: Option<i64>,
    pub failures: u32,
}

impl SignOutRetry {
    /// Whether it is time to; the next time is later.
    pub fn start_if_due(&mut self, now: i64) -> bool {
        let again = MAX_RETRY_DELAY.min(FIRST_RETRY_DELAY << self.failures.min(16));
        // A clock that was set back makes nobody wait.
        let is_time =
            self.at.is_some_and(|at| at <= now || at > now.saturating_add(MAX_RETRY_DELAY));
        if is_time {
            self.at = Some(now.saturating_add(again));
            self.failures = self.failures.saturating_add(1);
        }
        is_time
    }
}

/// Sessions that ended here and of whose end the server has not heard, the oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct PendingSignOuts(Vec<PendingSignOut>);

/// A session that is over here and not yet there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct PendingSignOut {
    session: Box<Session>,
    /// By this device's clock, in seconds since 1970.
    since: i64,
}

impl PendingSignOuts {
    /// Remembers to tell the server. Of one sign-in the newest tokens count.
    pub fn add(&mut self, session: Box<Session>, now: i64) {
        if !session.dialect.supports(Operation::SignOut) {
            return;
        }
        let known = self.0.iter().position(|owed| owed.session.sign_in_id == session.sign_in_id);
        match known.and_then(|at| self.0.get_mut(at)) {
            Some(owed) if owed.session.generation >= session.generation => {}
            Some(owed) => owed.session = session,
            None => self.0.push(PendingSignOut { session, since: now }),
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
