//! Refused attempts, counted in memory: one count for each account, network, reason and hour. A
//! background task stores a few of them at a time, long after the answers: a flood of attempts
//! costs few rows, and the time of an answer does not show whether there was an account to count
//! for. An attempt with a name without an account costs the same work here, and is only counted in
//! total.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::address_privacy::KeptAddress;
use crate::request_record::Cause;
use crate::store::events::{Refusal, Refused};

/// How many counts are kept in memory, of accounts and of names without an account.
const CAPACITY: usize = 1_000;
const HOUR: i64 = 3_600;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    account_id: i64,
    hour: i64,
    refusal: Refusal,
    address: Option<KeptAddress>,
}

#[derive(Clone, Copy)]
struct Attempts {
    /// `None` also if they came by several dialects.
    dialect: Option<&'static str>,
    count: i64,
}

/// How many attempts were refused since the start of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalCount {
    pub dialect: Option<&'static str>,
    pub refusal: Refusal,
    /// Whether the name or credential belongs to an account.
    pub is_known: bool,
    pub count: u64,
}

#[derive(Default)]
struct State {
    of_accounts: HashMap<Key, Attempts>,
    /// Of names without an account: never stored.
    of_no_account: HashMap<Key, Attempts>,
    totals: HashMap<(Option<&'static str>, Refusal, bool), u64>,
    dropped: u64,
}

/// The counts; one set per server.
#[derive(Default)]
pub struct RefusedAttempts(Mutex<State>);

impl RefusedAttempts {
    /// Counts an attempt; `account_id` is `None` if its name belongs to no account.
    pub fn count(&self, account_id: Option<i64>, refusal: Refusal, cause: &Cause, now: i64) {
        let (dialect, address) = (cause.dialect(), cause.address());
        let hour = now - now.rem_euclid(HOUR);
        let key = Key { account_id: account_id.unwrap_or_default(), hour, refusal, address };
        let attempts = Attempts { dialect, count: 1 };
        let mut state = self.state();
        *state.totals.entry((dialect, refusal, account_id.is_some())).or_default() += 1;
        let counts = match account_id {
            Some(_) => &mut state.of_accounts,
            None => &mut state.of_no_account,
        };
        if !add(counts, key, attempts) {
            state.dropped += 1;
        }
    }

    /// Takes up to `limit` counts to store, the highest first. Counts of names without an account
    /// are forgotten.
    pub fn take(&self, limit: usize) -> Vec<Refused> {
        let mut state = self.state();
        state.of_no_account.clear();
        let mut keys: Vec<_> =
            state.of_accounts.iter().map(|(key, one)| (*key, one.count)).collect();
        keys.sort_unstable_by_key(|(_, count)| -count);
        keys.truncate(limit);
        let taken = keys.into_iter().filter_map(|(key, _)| {
            let Attempts { dialect, count } = state.of_accounts.remove(&key)?;
            let Key { account_id, hour, refusal, address } = key;
            Some(Refused { account_id, hour, refusal, dialect, address, count })
        });
        taken.collect()
    }

    /// Adds counts again that could not be stored.
    pub fn put_back(&self, taken: Vec<Refused>) {
        let mut state = self.state();
        for Refused { account_id, hour, refusal, dialect, address, count } in taken {
            let key = Key { account_id, hour, refusal, address };
            if !add(&mut state.of_accounts, key, Attempts { dialect, count }) {
                state.dropped += count.unsigned_abs();
            }
        }
    }

    /// All refused attempts since the start of the server.
    pub fn totals(&self) -> Vec<RefusalCount> {
        let state = self.state();
        let total = |(&(dialect, refusal, is_known), &count): (&_, &u64)| RefusalCount {
            dialect,
            refusal,
            is_known,
            count,
        };
        state.totals.iter().map(total).collect()
    }

    /// How many attempts are missing in the stored counts, because there were too many different
    /// ones.
    pub fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// False if there is no place for a new key.
fn add(counts: &mut HashMap<Key, Attempts>, key: Key, attempts: Attempts) -> bool {
    if let Some(known) = counts.get_mut(&key) {
        known.count += attempts.count;
        known.dialect = known.dialect.filter(|dialect| attempts.dialect == Some(*dialect));
        return true;
    }
    let has_place = counts.len() < CAPACITY;
    if has_place {
        counts.insert(key, attempts);
    }
    has_place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(refused: &RefusedAttempts, account_id: Option<i64>, now: i64) {
        refused.count(account_id, Refusal::WrongPassword, &Cause::default(), now);
    }

    #[test]
    fn attempts_of_one_hour_are_one_count_and_the_highest_is_taken_first() {
        let refused = RefusedAttempts::default();
        for now in [7_200, 7_300, 10_799] {
            count(&refused, Some(1), now);
        }
        count(&refused, Some(1), 10_800);
        count(&refused, None, 7_200);
        let first = refused.take(1);
        let [Refused { account_id: 1, hour: 7_200, count: 3, .. }] = first[..] else {
            panic!("{first:?}");
        };
        let second = refused.take(10);
        let [Refused { account_id: 1, hour: 10_800, count: 1, .. }] = second[..] else {
            panic!("{second:?}");
        };
        assert!(refused.take(10).is_empty());
        refused.put_back(first);
        assert_eq!(refused.take(10).len(), 1);
    }

    #[test]
    fn attempts_on_many_accounts_are_bounded_and_dropped_ones_counted() {
        let refused = RefusedAttempts::default();
        for account in 1..=1_500 {
            count(&refused, Some(account), 0);
            count(&refused, None, 0);
        }
        assert_eq!(refused.dropped(), 500);
        assert_eq!(refused.take(usize::MAX).len(), CAPACITY);
        let mut totals = refused.totals();
        totals.sort_by_key(|total| total.is_known);
        assert_eq!(totals.iter().map(|total| total.count).collect::<Vec<_>>(), [1_500, 1_500]);
    }
}
