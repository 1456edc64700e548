//! Honest users and attackers in any order: after the proof of a mailbox, its owner alone has
//! access to its account.
//!
//! Three users and two attackers do what the APIs allow. Each reads one mailbox and has one
//! identity at Google, which is trusted for its address, and one at VK, which is not. Users act on
//! their own accounts only; attackers register any address, claim it at VK, move their accounts to
//! it, and request mails to it. After every act the accounts, and every credential that was ever
//! issued, are compared with [`accounts`], which has the expected state.
//!
//! The usual suite does a few runs. `PROPUSK_MODEL_RUNS=1000 cargo test -p propusk-tests --test e2e
//! providers::model` does that many more, with random seeds; a failure is reduced and printed.

mod accounts;
mod act;
mod people;

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use tokio::runtime::Runtime;

use self::act::Act;
use self::people::Town;
use super::linking::register_app;
use super::*;

const ACTS: usize = 50;
/// Runs of each seed.
const RUNS: u32 = 3;
const SEEDS: [u8; 3] = [1, 2, 3];
/// Runs with a random seed.
const FURTHER_RUNS: u32 = 9;

#[test]
fn proof_of_a_mailbox_leaves_its_owner_alone_in_the_account() {
    let runtime = Runtime::new().expect("a runtime");
    let site = runtime.block_on(async {
        let site = Site::start().await;
        register_app(&site.server).await;
        site
    });
    let runs = AtomicUsize::new(0);
    for seed in SEEDS {
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
        play(TestRunner::new_with_rng(config(RUNS), rng), &runtime, &site, &runs);
    }
    let further = env::var("PROPUSK_MODEL_RUNS").ok();
    let further = further.map_or(FURTHER_RUNS, |runs| runs.parse().expect("a number of runs"));
    play(TestRunner::new(config(further)), &runtime, &site, &runs);
    let _guard = runtime.enter();
    drop(site);
}

fn config(cases: u32) -> Config {
    Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: 2_000,
        max_shrink_time: 30_000,
        ..Config::default()
    }
}

fn play(mut runner: TestRunner, runtime: &Runtime, site: &Site, runs: &AtomicUsize) {
    let played = runner.run(&vec(act::any(), ACTS), |acts| {
        let mut town = Town::new(site, runs.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(run(&mut town, &acts)).map_err(TestCaseError::fail)
    });
    match played {
        Ok(()) => {}
        Err(TestError::Fail(why, acts)) => panic!("{why}\nafter {acts:#?}"),
        Err(abort) => panic!("{abort}"),
    }
}

async fn run(town: &mut Town<'_>, acts: &[Act]) -> Result<(), String> {
    for (number, act) in acts.iter().enumerate() {
        let done = async {
            town.act(*act).await?;
            town.check(false).await
        };
        done.await.map_err(|why| format!("act {number}, {act:?}: {why}"))?;
    }
    for act in act::last_tries() {
        town.act(act).await.map_err(|why| format!("at the end, {act:?}: {why}"))?;
    }
    town.check(true).await.map_err(|why| format!("at the end: {why}"))
}
