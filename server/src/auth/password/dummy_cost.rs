//! The scheme of the dummy hash for an unknown name, so that its time is that of an existing
//! account. Schemes are chosen in the proportion in which accounts have them, by a digest of the
//! name: a name that is tried twice takes the same time.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::encoded::{Scheme, StoredHash};

/// Chooses the dummy of a name without a password: a keyed digest, so that it cannot be predicted.
#[derive(Clone, Copy)]
pub struct CostSeed(pub [u8; 16]);

/// The number of stored passwords of each scheme.
#[derive(Clone, Default)]
pub struct SchemeCounts(BTreeMap<String, SchemeCount>);

#[derive(Clone)]
struct SchemeCount {
    scheme: Scheme,
    count: u64,
}

impl SchemeCounts {
    /// Counts a stored password. Ignores one that cannot be verified: its account gets a dummy,
    /// like an unknown name.
    pub fn count(&mut self, stored: &str) {
        let Ok(StoredHash { scheme, .. }) = StoredHash::parse(stored) else { return };
        let entry = self.0.entry(scheme.name()).or_insert(SchemeCount { scheme, count: 0 });
        entry.count += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scheme for this seed; `None` if nothing is stored. Weighted rendezvous hashing: each
    /// scheme gets an exponential random time with its count as the rate, and the shortest wins. So
    /// when the share of a scheme grows, seeds move to it, and none move between the others.
    pub(super) fn choose(&self, seed: CostSeed) -> Option<&Scheme> {
        let times = self
            .0
            .iter()
            .map(|(name, entry)| (-uniform(seed, name).ln() / entry.count as f64, &entry.scheme));
        times.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, scheme)| scheme)
    }
}

/// A number between 0 and 1 that depends on seed and scheme alone.
fn uniform(seed: CostSeed, name: &str) -> f64 {
    let digest = Sha256::new_with_prefix(seed.0).chain_update(name).finalize();
    let bytes: [u8; 8] = std::array::from_fn(|place| digest[place]);
    (u64::from_be_bytes(bytes) as f64 + 1.0) / (u64::MAX as f64 + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=";
    const OTHER: &str = "bcrypt$$2b$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra";
    const NEW: &str = "$argon2id$v=19$m=128,t=2,p=4$c2Vhc2FsdDI$+8MRiW3qYtLwwKvGbCSM2g";

    fn scheme_counts(entries: [(&str, usize); 3]) -> SchemeCounts {
        let mut counts = SchemeCounts::default();
        for (stored, count) in entries {
            (0..count).for_each(|_| counts.count(stored));
        }
        counts
    }

    fn seeds() -> impl Iterator<Item = CostSeed> {
        (0..3_000_u128).map(|number| CostSeed(number.to_be_bytes()))
    }

    fn chosen(counts: &SchemeCounts) -> Vec<String> {
        seeds().map(|seed| counts.choose(seed).expect("a scheme").name()).collect()
    }

    #[test]
    fn seeds_choose_in_the_proportion_of_the_stored_schemes() {
        let chosen = chosen(&scheme_counts([(OLD, 60), (OTHER, 30), (NEW, 10)]));
        for (start, share) in [("pbkdf2", 1800), ("bcrypt", 900), ("argon2", 300)] {
            let count = chosen.iter().filter(|name| name.starts_with(start)).count();
            assert!(count.abs_diff(share) < 100, "{start}: {count}");
        }
    }

    #[test]
    fn seeds_move_to_the_scheme_that_grows_and_to_no_other() {
        let before = chosen(&scheme_counts([(OLD, 60), (OTHER, 40), (NEW, 0)]));
        let after = chosen(&scheme_counts([(OLD, 30), (OTHER, 20), (NEW, 50)]));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        let moved: Vec<_> = moved.collect();
        assert!(moved.len().abs_diff(1500) < 120, "{}", moved.len());
        assert!(moved.iter().all(|(_, after)| after.starts_with("argon2")));
    }

    #[test]
    fn scheme_counts_ignore_hashes_that_cannot_be_verified() {
        let mut counts = SchemeCounts::default();
        for stored in ["!unusable", "", "md5$salt$hash", "pbkdf2_sha256$1000$salt"] {
            counts.count(stored);
        }
        assert!(counts.is_empty() && counts.choose(CostSeed([0; 16])).is_none());
    }
}
