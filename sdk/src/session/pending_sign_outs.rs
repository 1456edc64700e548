//! PSO

use serde::{Deserialize, Serialize};

use super::stored_session::Session;
use crate::account::Operation;

/// No device has more of them; the oldest are let go.
const MOST: usize = 8;
/// How long it is tried to tell, in seconds.
const LIFE: i64 = 30 * 24 * 3_600;
/// After this time, in seconds, what could not be told may be told again; then after twice that, up to
/// an hour.
const AGAIN: i64 = 10;
const LONGEST_AGAIN: i64 = 3_600;

/// When the server is told what is owed.
#[derive(Default)]
pub(super) struct Owing {
    /// Not before, by this device's clock; nothing is owed where there is no time.
    pub at: Option<i64>,
    pub failures: u32,
}

impl Owing {
    /// Whether it is time to; the next time is later.
    pub fn begins(&mut self, now: i64) -> bool {
        let again = LONGEST_AGAIN.min(AGAIN << self.failures.min(16));
        // A clock that was set back makes nobody wait.
        let is_time = self.at.is_some_and(|at| at <= now || at > now.saturating_add(LONGEST_AGAIN));
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
pub(crate) struct PendingSignOuts(Vec<Owed>);

/// A session that is over here and not yet there.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Owed {
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
        let known = self.0.iter().position(|owed| owed.session.lineage == session.lineage);
        match known.and_then(|at| self.0.get_mut(at)) {
            Some(owed) if owed.session.generation >= session.generation => {}
            Some(owed) => owed.session = session,
            None => self.0.push(Owed { session, since: now }),
        }
        let surplus = self.0.len().saturating_sub(MOST);
        self.0.drain(..surplus);
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Owed> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn retain(&mut self, keeps: impl FnMut(&Owed) -> bool) {
        self.0.retain(keeps);
    }
}

impl Owed {
    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn is_old(&self, now: i64) -> bool {
        now.saturating_sub(self.since) > LIFE
    }
}
