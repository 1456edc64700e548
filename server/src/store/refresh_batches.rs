//! The two statements of a native refresh, each shared by the requests that come at the same time:
//! the one that finds a session, and the one that spends its token.

use super::Repeat;
use super::batches::Batches;
use super::effects::EffectfulStore;
use super::sessions::{FoundSession, Rotation, SessionAsked, found_sessions, rotate_many};
use crate::error::Result;

/// Clones share the statements.
#[derive(Clone)]
pub struct RefreshBatches {
    found: Batches<SessionAsked, Option<FoundSession>>,
    /// With an attempt id, a rotation that was stored without an answer is recognised as the same.
    with_attempt: Batches<Rotation, bool>,
    without_attempt: Batches<Rotation, bool>,
}

impl RefreshBatches {
    pub fn new(store: &EffectfulStore) -> Self {
        let reading = store.clone();
        let found = Batches::new(store.waits().read.clone(), move |asked| {
            let store = reading.clone();
            Box::pin(async move { found_sessions(&mut store.read().await?, &asked).await })
        });
        RefreshBatches {
            found,
            with_attempt: spending(store, Repeat::Harmless),
            without_attempt: spending(store, Repeat::Never),
        }
    }

    /// A session with its account.
    pub async fn found(&self, asked: SessionAsked) -> Result<Option<FoundSession>> {
        self.found.ask(asked).await
    }

    /// Spends a token; false says nothing of the reason, as with [`rotate_many`].
    pub async fn spend(&self, rotation: Rotation) -> Result<bool> {
        match rotation.attempt_hash {
            Some(_) => self.with_attempt.ask(rotation).await,
            None => self.without_attempt.ask(rotation).await,
        }
    }
}

fn spending(store: &EffectfulStore, repeat: Repeat) -> Batches<Rotation, bool> {
    let (waits, store) = (store.waits().write.clone(), store.clone());
    Batches::new(waits, move |rotations| {
        let store = store.clone();
        Box::pin(async move {
            let spend = store.write_one(repeat, move |tx| {
                Box::pin(async move { rotate_many(tx, &rotations).await })
            });
            spend.await
        })
    })
}
