//! One run at a time, on whichever node. A run compares the file with what it has read before, so
//! that a record which another run stores meanwhile would be stored twice. Nothing has to be
//! released: a run that was killed stops no other.

use crate::error::Result;
use crate::store::effects::EffectfulStore;
use crate::store::{Tx, meta};

/// How many writes of runs there were, as far as this run knows.
#[derive(Clone, Copy)]
pub struct Turn(i64);

impl Turn {
    /// Begins before the first look at what is stored.
    pub async fn begin(store: &EffectfulStore) -> Result<Turn> {
        let mut tx = store.read().await?;
        let writes = meta::get(&mut tx, meta::ADOPTION_WRITES).await?;
        Ok(Turn(writes.and_then(|writes| writes.parse().ok()).unwrap_or_default()))
    }

    /// The turn after the next write of this run.
    pub fn next(self) -> Turn {
        Turn(self.0.saturating_add(1))
    }

    /// Counts a write, and holds up those of other runs until it is committed; false if another run
    /// has written since this one began.
    pub async fn take(self, tx: &mut Tx) -> Result<bool> {
        meta::get_or_insert(tx, meta::ADOPTION_WRITES, "0".to_owned()).await?;
        let (writes, next) = (self.0.to_string(), self.next().0.to_string());
        meta::replace(tx, meta::ADOPTION_WRITES, writes, next).await
    }
}
