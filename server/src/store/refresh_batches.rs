//! The two statements of a native refresh, each shared by the requests that come at the same time:
//! the one that finds a session, and the one that spends its token.

use std::sync::Arc;

use super::Repeat;
use super::batches::Batches;
use super::effects::EffectfulStore;
use super::sessions::{FoundSession, Rotation, SessionAsked, found_sessions, rotate_many};
use crate::error::Result;

/// Clones share the statements.
#[derive(Clone)]
pub struct RefreshBatches {
    found: Batches<SessionAsked, Option<FoundSession>>,
    spent: Batches<Rotation, bool>,
    store: EffectfulStore,
}

impl RefreshBatches {
    pub fn new(store: &EffectfulStore) -> Self {
        let reading = store.clone();
        let found = Batches::new(store.waits().read.clone(), move |asked| {
            let store = reading.clone();
            Box::pin(async move { found_sessions(&mut store.read().await?, &asked).await })
        });
        let writing = store.clone();
        let spent = Batches::new(store.waits().write.clone(), move |rotations| {
            let store = writing.clone();
            Box::pin(async move { spend(&store, Repeat::Harmless, rotations).await })
        });
        RefreshBatches { found, spent, store: store.clone() }
    }

    /// A session with its account.
    pub async fn found(&self, asked: SessionAsked) -> Result<Option<FoundSession>> {
        self.found.ask(asked).await
    }

    /// Spends a token; false says nothing of the reason, as with [`rotate_many`]. With an attempt id, a
    /// rotation that was stored without an answer is recognised as the same; only then may a
    /// statement be sent again.
    pub async fn spend(&self, rotation: Rotation) -> Result<bool> {
        match rotation.attempt_hash {
            Some(_) => self.spent.ask(rotation).await,
            None => Ok(spend(&self.store, Repeat::Never, Arc::new([rotation])).await? == [true]),
        }
    }
}

async fn spend(
    store: &EffectfulStore,
    repeat: Repeat,
    rotations: Arc<[Rotation]>,
) -> Result<Vec<bool>> {
    let spending = store
        .write_one(repeat, move |tx| Box::pin(async move { rotate_many(tx, &rotations).await }));
    spending.await
}
