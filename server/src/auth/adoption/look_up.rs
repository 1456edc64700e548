//! One account of another system, adopted at once because a request names it: what a run of
//! `propusk adopt` would store of it, and nothing else.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

use super::item::{ACCOUNT, Item};
use super::ledger::Standing;
use super::names::number;
use super::outcome::{Outcome, Terms};
use super::report::claims_of;
use super::run::AdoptionError;
use super::stored::{standing_of, store_all};
use super::turn::note_look_up;
use crate::auth::adopting::{Phase, phase};
use crate::auth::domain::Auth;
use crate::auth::look_ups::{PATIENCE, Question};
use crate::auth::tokens::token_id::without_hyphens;
use crate::donor::{Source, Wanted};
use crate::import_file::{ImportFile, Record, SourceId};
use crate::store::accounts;

/// How many questions are answered at once, each on a connection of its own: a slow answer holds up
/// no other.
const AT_ONCE: usize = 8;

/// A record that was not stored.
struct Refused {
    kind: &'static str,
    /// Its account there; empty if it has none.
    account: String,
    reason: &'static str,
}

impl Auth {
    /// Answers questions about accounts that are unknown here, from the call on. The numbers of
    /// adopted accounts are below `numbers_end`.
    pub fn answer_look_ups(
        self: Arc<Self>,
        source: Source,
        numbers_end: i64,
    ) -> impl Future<Output = ()> {
        let questions = self.look_ups.open();
        async move {
            let Some(questions) = questions else { return };
            let questions = Mutex::new(questions);
            let answering = (0..AT_ONCE).map(|_| self.answer(&source, &questions, numbers_end));
            join_all(answering.collect::<Vec<_>>()).await;
        }
    }

    /// Answers one question after the other.
    async fn answer(
        &self,
        source: &Source,
        questions: &Mutex<Receiver<Question>>,
        numbers_end: i64,
    ) {
        loop {
            let question = questions.lock().await.recv().await;
            let Some(Question { wanted, answered }) = question else { return };
            // Its request does not wait any more.
            if answered.is_closed() {
                continue;
            }
            match timeout(PATIENCE, self.adopt_one(source, &wanted, numbers_end)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(%error, "an account of the other system was not adopted");
                }
                Err(_) => tracing::warn!("the other system does not answer in time"),
            }
            // The request may be gone.
            let _ = answered.send(());
        }
    }

    async fn adopt_one(
        &self,
        source: &Source,
        wanted: &Wanted,
        numbers_end: i64,
    ) -> Result<(), AdoptionError> {
        let terms = self.adoption_terms().await?;
        let Some(lines) = source.look_up(wanted, terms.now).await? else { return Ok(()) };
        let claims = claims_of(lines.as_slice())?;
        let mut file = ImportFile::open(lines.as_slice())?;
        let mut items = Vec::new();
        while let Some(record) = file.next_record()? {
            if let Record::Account(account) = &record
                && let Some(highest) = number(&account.id).filter(|id| *id >= numbers_end)
            {
                return Err(AdoptionError::Number { highest, end: numbers_end });
            }
            let names = claims.judge(&record, file.line());
            if let Ok(Some(item)) = Item::of(record, names, terms.now) {
                items.push(item);
            }
        }
        for Refused { kind, account, reason } in self.store_looked_up(items, terms).await? {
            tracing::warn!(kind, account, reason, "a record of the other system was not adopted");
        }
        Ok(())
    }

    async fn store_looked_up(
        &self,
        items: Vec<Item>,
        terms: Terms,
    ) -> Result<Vec<Refused>, AdoptionError> {
        let storing = self.store.write(move |tx| {
            Box::pin(async move {
                let mut refused = Vec::new();
                // Declared complete in the meantime, or held up by runs.
                let is_open = matches!(phase(tx).await?, Some(Phase::Open | Phase::LastStored));
                if !is_open || !note_look_up(tx).await? {
                    return Ok(refused);
                }
                for item in items {
                    let standing = standing_of(tx, &item).await?;
                    if standing == Standing::Same {
                        continue;
                    }
                    let kind = item.kind;
                    let account = item.owner.as_ref().map(shown).unwrap_or_default();
                    let number = item.owner.as_ref().and_then(number);
                    if let Some(number) = number.filter(|_| kind == ACCOUNT) {
                        accounts::raise_sequence(tx, number).await?;
                    }
                    for outcome in store_all(tx, vec![(item, standing)], terms).await? {
                        if let Outcome::Refused(reason) = outcome {
                            refused.push(Refused { kind, account: account.clone(), reason });
                        }
                    }
                }
                Ok(refused)
            })
        });
        Ok(storing.await?)
    }
}

/// An id for the log: another text may be a name.
fn shown(id: &SourceId) -> String {
    match id {
        SourceId::Number(number) => number.to_string(),
        SourceId::Text(text) if without_hyphens(text).is_some() => text.clone(),
        SourceId::Text(_) => "with an id that is no number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_has_no_id_that_may_be_a_name() {
        let uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
        let of_text = |text: &str| shown(&SourceId::Text(text.to_owned()));
        assert_eq!(shown(&SourceId::Number(7)), "7");
        assert_eq!(of_text(uuid), uuid);
        assert_eq!(of_text("anna@example.com"), "with an id that is no number");
    }
}
