//! LS

use super::record::Record;
use super::stored_session::Session;
use crate::error::SignOutReason;

/// What was seen last; an earlier record of the same series no longer counts.
#[derive(Clone, Default)]
pub(super) struct Seen {
    pub record: Record,
    pub over: Option<Over>,
}

/// An end that could not be written: what the vault still holds of that sign-in is over.
#[derive(Clone)]
pub(super) struct Over {
    pub session: Box<Session>,
    pub reason: SignOutReason,
}

impl Over {
    /// Whether the record holds what is over. Of an answer that was lost here, another process may have
    /// heard.
    pub fn ends(&self, record: &Record) -> bool {
        let is_lost = self.reason == SignOutReason::AnswerLost;
        record.session().is_some_and(|held| {
            held.lineage == self.session.lineage
                && (!is_lost || held.generation <= self.session.generation)
        })
    }
}

impl Seen {
    pub fn is_of(&self, record: &Record) -> bool {
        !record.series.is_empty() && self.record.series == record.series
    }
}
