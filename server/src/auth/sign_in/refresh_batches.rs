//! The two statements of a native refresh, each shared by the requests that come at the same time:
//! the one that finds a session, and the one that spends its token.

use crate::store::Repeat;
use crate::store::batches::Batches;
use crate::store::effects::EffectfulStore;
use crate::store::sessions::{FoundSession, Rotation, SessionAsked, found_sessions, rotate_many};

pub struct RefreshBatches {
    pub found: Batches<SessionAsked, Option<FoundSession>>,
    /// Whether each token was spent; false says nothing of the reason.
    pub spent: Batches<Rotation, bool>,
}

impl RefreshBatches {
    pub fn new(store: &EffectfulStore) -> Self {
        let (reading, writing) = (store.clone(), store.clone());
        let found = Batches::new(move |asked| {
            let store = reading.clone();
            Box::pin(async move { found_sessions(&mut store.read().await?, asked).await })
        });
        let spent = Batches::new(move |rotations: Vec<Rotation>| {
            let store = writing.clone();
            Box::pin(async move {
                // With an attempt id, a rotation that was stored without an answer is recognised as
                // the same.
                let repeat = match rotations.iter().all(|one| one.attempt_hash.is_some()) {
                    true => Repeat::Harmless,
                    false => Repeat::Never,
                };
                store.write_one(repeat, |tx| Box::pin(rotate_many(tx, rotations))).await
            })
        });
        RefreshBatches { found, spent }
    }
}
