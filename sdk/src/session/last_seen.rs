//! What this process saw last of the stored record: a rollback is detected with it, and a session
//! whose end could not be written is treated as ended.

use super::record::Record;
use super::stored_session::Session;
use crate::error::SignOutReason;

/// The latest record that was read or written, and an end that is not written yet.
#[derive(Clone, Default)]
pub(super) struct LastSeen {
    pub record: Record,
    pub over: Option<UnwrittenEnd>,
}

/// The end of a session that could not be written. A stored record of that sign-in counts as ended.
#[derive(Clone)]
pub(super) struct UnwrittenEnd {
    pub session: Box<Session>,
    pub reason: SignOutReason,
}

impl UnwrittenEnd {
    /// Whether the record contains the ended session. After a lost answer, another process may have
    /// received the answer and renewed: that session has not ended.
    pub fn ends(&self, record: &Record) -> bool {
        let is_lost = self.reason == SignOutReason::AnswerLost;
        record.session().is_some_and(|held| {
            held.sign_in_id == self.session.sign_in_id
                && (!is_lost || held.generation <= self.session.generation)
        })
    }
}

impl LastSeen {
    pub fn is_of(&self, record: &Record) -> bool {
        !record.series.is_empty() && self.record.series == record.series
    }
}
