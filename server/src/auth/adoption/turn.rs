//! One run at a time, on whichever node. A run compares the file with what it has read before, so
//! that a record which another run stores meanwhile would be stored twice. Nothing has to be
//! released: a run that was killed stops no other.

use crate::error::Result;
use crate::store::effects::EffectfulStore;
use crate::store::{Tx, meta};

/// How often a lock is tried that a run may hold.
const TRIES: usize = 5;

/// Counts a look-up, and holds up the writes of runs until it is committed; false if runs write too
/// often.
pub async fn note_look_up(tx: &mut Tx) -> Result<bool> {
    for _ in 0..TRIES {
        let writes = meta::get_or_insert(tx, meta::ADOPTION_WRITES, "0".to_owned()).await?;
        if meta::replace(tx, meta::ADOPTION_WRITES, writes.clone(), writes).await? {
            let next = look_ups(tx).await?.saturating_add(1);
            meta::set(tx, meta::ADOPTION_LOOK_UPS, next.to_string()).await?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many look-ups there were: what a run knows of the database may be older.
pub async fn look_ups(tx: &mut Tx) -> Result<i64> {
    let count = meta::get(tx, meta::ADOPTION_LOOK_UPS).await?;
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or_default())
}

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
