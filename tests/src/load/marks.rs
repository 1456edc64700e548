//! The ratios that the server is to reach, and what a run has found. `server/PERFORMANCE.md` explains
//! each. A ratio whose figures were not measured is left out.

use std::fs;

use propusk_argon2_kernel::Kernel;
use propusk_server::config::Hashing;

use super::bare;
use super::description::Operation;
use super::figures::{BARE, Figures};
use super::workloads::{
    FLOODED_PROBE, QUIET_PROBE, database_cpu_of, p50_of, p99_of, rate_of, server_cpu_of,
};

pub const ON_SQLITE: &str = "Propusk, SQLite";
pub const ON_POSTGRES: &str = "Propusk, Postgres";
pub const DJOSER_ON_SQLITE: &str = "Propusk, SQLite, djoser_jwt";
pub const DJOSER_ON_POSTGRES: &str = "Propusk, Postgres, djoser_jwt";
pub const BARE_ROUTE: &str = "bare axum route";
pub const DJANGO_ARGON2: &str = "Django, argon2id";
pub const POCKETBASE: &str = "PocketBase";

pub const STARTED: &str = "start, ms";
pub const FIRST_STARTED: &str = "start with an empty database, ms";
pub const IDLE: &str = "idle, MiB";
pub const SETTLED: &str = "40 s after 2 000 sign-ins, MiB";
pub const PEAK: &str = "highest in the flood, MiB";

/// The memory of one hash at the default cost, in MiB.
const HASH_MEMORY: f64 = 19.0;

pub struct Mark {
    /// As in the list of marks.
    pub number: &'static str,
    pub what: String,
    pub found: f64,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Mark {
    pub fn is_reached(&self) -> bool {
        match self.bound {
            Bound::AtMost(most) => self.found <= most,
            Bound::AtLeast(least) => self.found >= least,
        }
    }
}

/// All marks whose figures there are.
pub fn all(figures: &Figures) -> Vec<Mark> {
    let mut marks = Marks { figures, all: Vec::new() };
    marks.hashes();
    for own in [ON_SQLITE, ON_POSTGRES] {
        marks.flood(own);
        marks.memory(own);
    }
    marks.tokens();
    marks.writes();
    marks.beside_peers();
    marks.all.sort_by_key(|mark| mark.number.trim_start_matches('P').parse::<u32>().ok());
    marks.all
}

struct Marks<'a> {
    figures: &'a Figures,
    all: Vec<Mark>,
}

impl Marks<'_> {
    fn add(
        &mut self,
        number: &'static str,
        what: impl Into<String>,
        found: Option<f64>,
        bound: Bound,
    ) {
        if let Some(found) = found {
            self.all.push(Mark { number, what: what.into(), found, bound });
        }
    }

    fn bare(&self, what: &str) -> Option<f64> {
        self.figures.median(BARE, what)
    }

    fn of(&self, target: &str, what: impl AsRef<str>) -> Option<f64> {
        self.figures.median(target, what.as_ref())
    }

    /// Microseconds of server and database for an operation.
    fn cpu(&self, target: &str, operation: Operation) -> Option<f64> {
        let server = self.of(target, server_cpu_of(operation.name()))?;
        Some(server + self.of(target, database_cpu_of(operation.name())).unwrap_or(0.0))
    }

    fn hashes(&mut self) {
        let at_once = self.bare(bare::KERNEL_AT_ONCE);
        for own in [ON_SQLITE, ON_POSTGRES] {
            let sign_in = self.cpu(own, Operation::SignIn);
            let above = sign_in.zip(at_once).map(|(sign_in, kernel)| sign_in / 1e3 - kernel);
            let what = format!("{own}: CPU of a sign-in above the kernel's, ms");
            self.add("P1", what, above, Bound::AtMost(0.8));
        }
        let quicker = ratio(self.bare(bare::RUST_CRYPTO), self.bare(bare::KERNEL));
        let least = if is_intel_with_avx512() { 2.3 } else { 1.25 };
        self.add("P2", "kernel beside RustCrypto", quicker, Bound::AtLeast(least));
    }

    fn flood(&mut self, own: &str) {
        let [quiet, flooded] = [QUIET_PROBE, FLOODED_PROBE].map(|name| self.of(own, p50_of(name)));
        let what = format!("{own}: p50 of `me` in the flood beside without");
        self.add("P3", what, ratio(flooded, quiet), Bound::AtMost(3.0));
        let what = format!("{own}: p99 of `me` in the flood, ms");
        self.add("P3", what, self.of(own, p99_of(FLOODED_PROBE)), Bound::AtMost(25.0));
        let in_flight = Hashing::default().threads as f64 * HASH_MEMORY;
        let allowed = self.of(own, IDLE).map(|idle| idle + in_flight);
        let what = format!("{own}: memory in the flood beside idle and {in_flight:.0} MiB");
        self.add("P4", what, ratio(self.of(own, PEAK), allowed), Bound::AtMost(1.3));
    }

    fn tokens(&mut self) {
        let bare_route = self.cpu(BARE_ROUTE, Operation::Verify);
        for own in [DJOSER_ON_SQLITE, DJOSER_ON_POSTGRES] {
            let share = ratio(bare_route, self.cpu(own, Operation::Verify));
            let what = format!("{own}: CPU of the bare route beside a verified token's");
            self.add("P5", what, share, Bound::AtLeast(0.65));
        }
        let beside = ratio(self.bare(bare::VERIFIED), self.bare(bare::MAC));
        self.add("P6", "HS256 verified beside the bare MAC", beside, Bound::AtMost(2.5));
        let cached = ratio(self.bare(bare::CACHED_TOKEN), self.bare(bare::MUTEX));
        self.add("P13", "cached token of the SDK beside a mutex", cached, Bound::AtMost(3.0));
    }

    fn writes(&mut self) {
        let refresh = Operation::Refresh.name();
        let refreshed = self.of(ON_SQLITE, rate_of(refresh));
        let single = ratio(refreshed, self.bare(bare::SINGLE_COMMITS));
        let what = format!("{ON_SQLITE}: refreshes beside single commits");
        self.add("P7", what, single, Bound::AtLeast(12.0));
        let what = format!("{ON_SQLITE}: CPU of a refresh, µs");
        self.add("P7", what, self.of(ON_SQLITE, server_cpu_of(refresh)), Bound::AtMost(120.0));
        let what = format!("{ON_POSTGRES}: CPU of a refresh, µs, without the database");
        self.add("P7", what, self.of(ON_POSTGRES, server_cpu_of(refresh)), Bound::AtMost(120.0));
        let store = ratio(self.bare(bare::STORE), self.bare(bare::GROUP_COMMIT));
        let what = "SQLite: rotations by the store beside rows in commits of 64";
        self.add("P7", what, store, Bound::AtLeast(0.5));
        let updates = ratio(self.of(ON_POSTGRES, rate_of(refresh)), self.bare(bare::UPDATES));
        let what = format!("{ON_POSTGRES}: refreshes beside updates of a row");
        self.add("P8", what, updates, Bound::AtLeast(0.5));
        let refresh_cpu = self.cpu(ON_POSTGRES, Operation::Refresh);
        let share = ratio(self.bare(bare::UPDATE_CPU), refresh_cpu);
        let what = format!("{ON_POSTGRES}: CPU of an update of a row beside a refresh's");
        self.add("P8", what, share, Bound::AtLeast(0.5));
        for own in [ON_SQLITE, ON_POSTGRES] {
            let [registered, signed_in] = [Operation::Register, Operation::SignIn]
                .map(|operation| self.of(own, rate_of(operation.name())));
            let what = format!("{own}: registrations beside sign-ins");
            self.add("P9", what, ratio(registered, signed_in), Bound::AtLeast(0.85));
        }
    }

    fn memory(&mut self, own: &str) {
        self.add("P10", format!("{own}: idle, MiB"), self.of(own, IDLE), Bound::AtMost(26.0));
        let what = format!("{own}: start to the first answer, ms");
        self.add("P10", what, self.of(own, STARTED), Bound::AtMost(100.0));
        let settled = self.of(own, SETTLED);
        let what = format!("{own}: memory 40 s after 2 000 sign-ins beside idle");
        self.add("P10", what, ratio(settled, self.of(own, IDLE)), Bound::AtMost(1.2));
        let what = format!("{own}: the same beside PocketBase's");
        let beside = ratio(settled, self.of(POCKETBASE, SETTLED));
        self.add("P10", what, beside, Bound::AtMost(0.8));
    }

    fn beside_peers(&mut self) {
        let least = if is_intel_with_avx512() { 1.0 / 3.0 } else { 0.5 };
        for (peer, operation, most) in [
            (DJANGO_ARGON2, Operation::SignIn, least),
            (POCKETBASE, Operation::Refresh, 1.0 / 1.5),
            (POCKETBASE, Operation::Me, 0.2),
        ] {
            let beside = ratio(self.cpu(ON_SQLITE, operation), self.cpu(peer, operation));
            let what = format!("{ON_SQLITE}: CPU of {} beside {peer}", operation.name());
            self.add("P12", what, beside, Bound::AtMost(most));
        }
    }
}

fn ratio(of: Option<f64>, to: Option<f64>) -> Option<f64> {
    Some(of? / to?).filter(|ratio| ratio.is_finite())
}

/// Where more is asked of the kernel.
fn is_intel_with_avx512() -> bool {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    processor.contains("GenuineIntel") && Kernel::best().name() == "AVX-512"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mark_is_found_from_medians_and_left_out_without_figures() {
        let mut figures = Figures::default();
        figures.add(BARE, bare::VERIFIED, 2.0);
        assert!(all(&figures).is_empty());
        figures.add(BARE, bare::MAC, 1.0);
        let marks = all(&figures);
        assert_eq!(marks.len(), 1);
        assert_eq!((marks[0].number, marks[0].found), ("P6", 2.0));
        assert!(marks[0].is_reached());
    }

    #[test]
    fn bound_is_a_limit_from_above_or_below() {
        let mark = |found, bound| Mark { number: "P1", what: String::new(), found, bound };
        assert!(mark(1.0, Bound::AtMost(1.0)).is_reached());
        assert!(!mark(1.1, Bound::AtMost(1.0)).is_reached());
        assert!(!mark(0.9, Bound::AtLeast(1.0)).is_reached());
    }
}
