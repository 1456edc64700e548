//! What an unknown name costs: the scheme that a name like it might have. Schemes are drawn in the
//! proportion in which accounts have them, by a digest of the name, so that a name that is asked
//! twice costs the same.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::encoded::{Scheme, StoredHash};

/// Stands for a name that has no password: a keyed digest, so that the draw cannot be foreseen.
#[derive(Clone, Copy)]
pub struct Lot(pub [u8; 16]);

/// How many stored passwords there are of each scheme.
#[derive(Clone, Default)]
pub struct Tally(BTreeMap<String, Share>);

#[derive(Clone)]
struct Share {
    scheme: Scheme,
    count: u64,
}

impl Tally {
    /// Counts a stored password. One that no password fits is none: its account costs what an
    /// unknown name costs.
    pub fn count(&mut self, stored: &str) {
        let Ok(StoredHash { scheme, .. }) = StoredHash::parse(stored) else { return };
        let share = self.0.entry(scheme.name()).or_insert(Share { scheme, count: 0 });
        share.count += 1;
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scheme of this lot; `None` where nothing is stored. Each scheme draws a waiting time that
    /// is exponential with its count as the rate, and the shortest wins: where the share of one
    /// scheme grows, lots go over to it and none move between the others.
    pub(super) fn draw(&self, lot: Lot) -> Option<&Scheme> {
        let times = self
            .0
            .iter()
            .map(|(name, share)| (-uniform(lot, name).ln() / share.count as f64, &share.scheme));
        times.min_by(|(one, _), (other, _)| one.total_cmp(other)).map(|(_, scheme)| scheme)
    }
}

/// A number between 0 and 1 that depends on lot and scheme alone.
fn uniform(lot: Lot, name: &str) -> f64 {
    let digest = Sha256::new_with_prefix(lot.0).chain_update(name).finalize();
    let bytes: [u8; 8] = std::array::from_fn(|place| digest[place]);
    (u64::from_be_bytes(bytes) as f64 + 1.0) / (u64::MAX as f64 + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "pbkdf2_sha256$1000$seasalt2$pZtpUnhgb2EaXIEbbn2/SIHWdGPRrIuh580IGZw+fxs=";
    const OTHER: &str = "bcrypt$$2b$04$kgPeIsnh4b.78Hi7Nzk8WeWaCQ58rTYgn5GV.kxXIjuywVUECMDra";
    const NEW: &str = "$argon2id$v=19$m=128,t=2,p=4$c2Vhc2FsdDI$+8MRiW3qYtLwwKvGbCSM2g";

    fn tally(counts: [(&str, usize); 3]) -> Tally {
        let mut tally = Tally::default();
        for (stored, count) in counts {
            (0..count).for_each(|_| tally.count(stored));
        }
        tally
    }

    fn lots() -> impl Iterator<Item = Lot> {
        (0..3_000_u128).map(|number| Lot(number.to_be_bytes()))
    }

    fn drawn(tally: &Tally) -> Vec<String> {
        lots().map(|lot| tally.draw(lot).expect("a scheme").name()).collect()
    }

    #[test]
    fn lots_fall_in_the_proportion_of_the_stored_schemes() {
        let drawn = drawn(&tally([(OLD, 60), (OTHER, 30), (NEW, 10)]));
        for (start, share) in [("pbkdf2", 1800), ("bcrypt", 900), ("argon2", 300)] {
            let count = drawn.iter().filter(|name| name.starts_with(start)).count();
            assert!(count.abs_diff(share) < 100, "{start}: {count}");
        }
    }

    #[test]
    fn lots_move_to_the_scheme_that_grows_and_to_no_other() {
        let before = drawn(&tally([(OLD, 60), (OTHER, 40), (NEW, 0)]));
        let after = drawn(&tally([(OLD, 30), (OTHER, 20), (NEW, 50)]));
        let moved = before.iter().zip(&after).filter(|(before, after)| before != after);
        let moved: Vec<_> = moved.collect();
        assert!(moved.len().abs_diff(1500) < 120, "{}", moved.len());
        assert!(moved.iter().all(|(_, after)| after.starts_with("argon2")));
    }

    #[test]
    fn what_no_password_fits_is_not_counted() {
        let mut tally = Tally::default();
        for stored in ["!unusable", "", "md5$salt$hash", "pbkdf2_sha256$1000$salt"] {
            tally.count(stored);
        }
        assert!(tally.is_empty() && tally.draw(Lot([0; 16])).is_none());
    }
}
