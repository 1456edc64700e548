//! LS

use super::record::Record;
use super::stored_session::Session;
use crate::error::SignOutReason;

/// What was seen last; an earlier record of the same series no longer counts.
#[derive(Clone, Default)]
pub(super) struct LastSeen {
    pub record: Record,
    pub over: Option<UnwrittenEnd>,
}

/// An end that could not be written: what the vault still holds of that sign-in is over.
#[derive(Clone)]
pub(super) struct UnwrittenEnd {
    pub session: Box<Session>,
    pub reason: SignOutReason,
}

impl UnwrittenEnd {
    /// Whether the record holds what is over. Of an answer that was lost here, another process may have
    /// heard.
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
