//! What committed writes have done, counted for the metrics: by what the statements noted in the
//! transaction, so that no use case can forget it. Labels have few values, and none names a user.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::store::effects::Effects;
use crate::store::events::{Ending, Event, SignedInBy};
use crate::store::revocations::Subject;

/// The counts of one server; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub sign_ins: Family<SignIns, Counter>,
    pub refreshes: Family<OfDialect, Counter>,
    /// Sessions that ended because a spent refresh token came again.
    pub reused: Family<OfDialect, Counter>,
    pub revocations: Family<Revoked, Counter>,
    pub mails: Family<Mails, Counter>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SignIns {
    dialect: &'static str,
    by: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfDialect {
    /// `-` for writes of pages.
    dialect: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Revoked {
    of: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Mails {
    outcome: &'static str,
}

impl Counts {
    /// Counts at 0 for these dialects: a rate needs a value before the first event.
    pub fn starting_with(dialects: impl Iterator<Item = &'static str>) -> Self {
        let counts = Counts::default();
        for dialect in dialects {
            let by = SignedInBy::Password.as_str();
            drop(counts.sign_ins.get_or_create(&SignIns { dialect, by }));
            drop(counts.refreshes.get_or_create(&OfDialect { dialect }));
            drop(counts.reused.get_or_create(&OfDialect { dialect }));
        }
        for of in ["session", "sessions", "account", "all_sessions"] {
            drop(counts.revocations.get_or_create(&Revoked { of }));
        }
        for outcome in ["queued", "sent", "given_up"] {
            drop(counts.mails.get_or_create(&Mails { outcome }));
        }
        counts
    }

    /// Counts what a write has done.
    pub fn count(&self, effects: &Effects) {
        let dialect = effects.dialect.unwrap_or("-");
        for dialect in &effects.refreshes {
            self.refreshes.get_or_create(&OfDialect { dialect: dialect.unwrap_or("-") }).inc();
        }
        for revocation in &effects.revocations {
            let of = match revocation.subject {
                Subject::Session(_) => "session",
                Subject::SessionsOf(_) => "sessions",
                Subject::Account(_) => "account",
                Subject::Everybody => "all_sessions",
            };
            self.revocations.get_or_create(&Revoked { of }).inc();
        }
        for event in &effects.events {
            self.count_event(event.event, dialect);
        }
    }

    fn count_event(&self, event: Event, dialect: &'static str) {
        let mail = |outcome| {
            self.mails.get_or_create(&Mails { outcome }).inc();
        };
        match event {
            Event::SignedIn(by) => {
                self.sign_ins.get_or_create(&SignIns { dialect, by: by.as_str() }).inc();
            }
            Event::SessionEnded(Ending::Reused) => {
                self.reused.get_or_create(&OfDialect { dialect }).inc();
            }
            Event::MailQueued => mail("queued"),
            Event::MailSent => mail("sent"),
            Event::MailGivenUp => mail("given_up"),
            _ => {}
        }
    }
}
