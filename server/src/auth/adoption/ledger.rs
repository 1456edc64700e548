//! Which records are stored here, in memory: all of a large file fit. A lookup in the database for
//! each line would take minutes.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};

use super::item::{ACCOUNT, API_TOKEN, CLIENT, IDENTITY, IDENTITY_BY_ADDRESS, Item, PAIR, SPENT};
use super::seen::was_active;
use crate::error::Result;
use crate::store::effects::EffectfulStore;
use crate::store::{adopted, spent_tokens};

/// What the other system ends by leaving it out, in the order in which it is ended here.
pub const ENDED_BY_ABSENCE: [&str; 5] = [PAIR, API_TOKEN, IDENTITY, IDENTITY_BY_ADDRESS, ACCOUNT];

/// How many rows are read at once.
const PAGE: i64 = 5_000;

/// The records of each kind, by a digest of their keys. A collision of 96 bits has to be searched for,
/// and would damage only the records of the account that searched.
#[derive(Default)]
pub struct Ledger(BTreeMap<&'static str, HashMap<[u8; 12], Row>>);

/// A million of them have to fit: no number in it, which would have to be aligned.
struct Row {
    seen: [u8; 8],
    was_active: bool,
    /// The account was deleted here: nothing is left to end.
    is_deleted: bool,
    /// How often the file was read when a line was last compared with it.
    read_in: u8,
}

/// How a line stands to what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    New,
    Changed,
    Same,
}

impl Ledger {
    pub async fn load(store: &EffectfulStore) -> Result<Ledger> {
        let mut ledger = Ledger::default();
        for kind in [ACCOUNT, API_TOKEN, CLIENT, IDENTITY, IDENTITY_BY_ADDRESS, PAIR] {
            let mut after = String::new();
            loop {
                let mut tx = store.read().await?;
                let page = adopted::adopted_after(&mut tx, kind, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.key.clone();
                for row in &page {
                    let is_deleted = kind == ACCOUNT && row.account_id.is_none();
                    ledger.insert(kind, &row.key, &row.seen, is_deleted);
                }
            }
        }
        let mut after = String::new();
        loop {
            let mut tx = store.read().await?;
            let page = spent_tokens::spent_after(&mut tx, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.clone();
            page.iter().for_each(|key| ledger.insert(SPENT, key, "", false));
        }
        Ok(ledger)
    }

    fn insert(&mut self, kind: &'static str, key: &str, seen: &str, is_deleted: bool) {
        let was_active = was_active(seen) && !is_deleted;
        let row = Row { seen: mark(seen), was_active, is_deleted, read_in: 0 };
        self.0.entry(kind).or_default().insert(digest(key), row);
    }

    fn row(&self, kind: &str, key: &str) -> Option<&Row> {
        self.0.get(kind)?.get(&digest(key))
    }

    /// How this line stands to what is stored; notes that the file has it. `reading` counts how often
    /// the file is read, from 1 on: of two lines for one record the first counts, or each run would
    /// undo the other's.
    pub fn compare(&mut self, item: &Item, reading: u8) -> Standing {
        let rows = self.0.get_mut(item.kind);
        match rows.and_then(|rows| rows.get_mut(&digest(&item.key))) {
            None => Standing::New,
            Some(row) => {
                let is_repeated = row.read_in == reading;
                row.read_in = reading;
                match is_repeated || row.seen == mark(&item.seen) {
                    true => Standing::Same,
                    false => Standing::Changed,
                }
            }
        }
    }

    /// Whether this account was active when its line was stored.
    pub fn was_active(&self, item: &Item) -> bool {
        self.row(item.kind, &item.key).is_some_and(|row| row.was_active)
    }

    /// Whether this record was stored before, and the file, which was read to its end, does not
    /// have it.
    pub fn is_missing(&self, kind: &str, key: &str) -> bool {
        self.row(kind, key).is_some_and(Row::is_missing)
    }

    /// How many records are stored that the file, which was read to its end, does not have.
    pub fn missing(&self) -> BTreeMap<&'static str, u64> {
        let missing = ENDED_BY_ABSENCE.map(|kind| (kind, self.count(kind, Row::is_missing)));
        missing.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    pub fn accounts(&self) -> u64 {
        self.count(ACCOUNT, |row| !row.is_deleted)
    }

    fn count(&self, kind: &str, is_counted: impl Fn(&Row) -> bool) -> u64 {
        let rows = self.0.get(kind).into_iter().flat_map(HashMap::values);
        rows.map(|row| u64::from(is_counted(row))).sum()
    }
}

impl Row {
    fn is_missing(&self) -> bool {
        self.read_in == 0 && !self.is_deleted
    }
}

fn digest(key: &str) -> [u8; 12] {
    let digest = Sha256::digest(key);
    std::array::from_fn(|place| digest[place])
}

fn mark(seen: &str) -> [u8; 8] {
    let digest = Sha256::digest(seen);
    std::array::from_fn(|place| digest[place])
}
