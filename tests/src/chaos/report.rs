//! Runs many plans on several servers at once and counts the results.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::plan::Plan;
use super::run::{Failure, Outcome};
use super::world::{Api, World};

/// The number of servers that are used at once.
const WORLDS: usize = 6;
/// The number of processes for slow plans.
const TYPICAL_PROCESSES: usize = 2;

/// The results of the runs of one API.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub runs: usize,
    pub signed_out: usize,
    pub forked: usize,
    pub tokens_lost: usize,
    pub stuck: usize,
    /// Acts with an unexpected result.
    pub other: usize,
    /// Sessions lost because the API cannot repeat a lost answer.
    pub answers_lost: usize,
    /// The plans that failed, with their failures.
    pub failures: Vec<(String, Failure)>,
}

/// Servers for the runs, each with its own clock.
pub struct Harness(Vec<Arc<World>>);

impl Harness {
    pub async fn start() -> Self {
        let mut worlds = Vec::new();
        for _ in 0..WORLDS {
            worlds.push(Arc::new(World::start().await));
        }
        Harness(worlds)
    }

    /// Runs all single faults and acts of an API and this many random pairs, limited to plans whose
    /// descriptions contain `only`.
    pub async fn attack(&self, api: Api, pairs: usize, seed: u64, only: &str) -> Tally {
        let mut plans = plans(&self.0[0], api, pairs, seed).await;
        plans.retain(|plan| plan.to_string().contains(only));
        tally(&self.0, api, plans).await
    }
}

/// Writes the names of the columns.
pub fn write_head(to: &mut dyn Write) -> io::Result<()> {
    writeln!(
        to,
        "{:<20} {:>6} {:>11} {:>7} {:>12} {:>6} {:>6} {:>14}",
        "API", "runs", "signed out", "forked", "tokens lost", "stuck", "other", "by its rule *"
    )
}

/// Explains the column with the asterisk.
pub fn write_foot(to: &mut dyn Write) -> io::Result<()> {
    writeln!(
        to,
        "* the API spends a refresh token whose answer was lost, and reports it to the app"
    )
}

/// All plans: every single fault for one to three processes, all acts, suspended processes, a disk
/// without locks, and then pairs.
async fn plans(world: &World, api: Api, pairs: usize, seed: u64) -> Vec<Plan> {
    let mut plans = Vec::new();
    let (mut messages, mut saves) = (0, 0);
    for processes in 1..=3 {
        let quiet = Plan::quiet(processes);
        (messages, saves) = world.run(api, &quiet).await.counted;
        plans.push(quiet);
        plans.extend(Plan::singles(processes, messages, saves));
        plans.extend(Plan::acts(processes));
        if processes == TYPICAL_PROCESSES {
            plans.extend(Plan::stops(processes, messages, saves));
            plans.extend(Plan::lockless(processes, messages));
            plans.extend(acts_with_faults(world, api).await);
        }
    }
    plans.extend(
        (0..pairs).map(|pair| {
            Plan::pair(seed.wrapping_add(pair.try_into().unwrap_or(0)), messages, saves)
        }),
    );
    plans
}

/// Each act with a fault at it or right after it.
async fn acts_with_faults(world: &World, api: Api) -> Vec<Plan> {
    let mut plans = Vec::new();
    for plan in Plan::acts(TYPICAL_PROCESSES).into_iter().filter(Plan::is_worth_faults) {
        let before = world.run(api, &plan).await.before_acts;
        plans.extend(plan.with_faults_after(before));
    }
    plans
}

async fn tally(worlds: &[Arc<World>], api: Api, plans: Vec<Plan>) -> Tally {
    let (plans, next) = (Arc::new(plans), Arc::new(AtomicUsize::new(0)));
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut workers = JoinSet::new();
    for world in worlds {
        let (world, plans) = (Arc::clone(world), Arc::clone(&plans));
        let (next, tally) = (Arc::clone(&next), Arc::clone(&tally));
        workers.spawn(async move {
            while let Some(plan) = plans.get(next.fetch_add(1, Ordering::SeqCst)) {
                let outcome = world.run(api, plan).await;
                let mut tally = tally.lock().await;
                tally.add(plan, outcome);
                progress(api, tally.runs, plans.len());
            }
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker.expect("a worker of the harness");
    }
    clear_progress();
    let tally = tally.lock().await;
    tally.clone()
}

impl Tally {
    /// Whether no run failed.
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
    }

    /// Writes a row of the table, and every failure with its plan.
    pub fn write(&self, api: Api, to: &mut dyn Write) -> io::Result<()> {
        let Tally { runs, signed_out, forked, tokens_lost, stuck, other, answers_lost, .. } = self;
        writeln!(
            to,
            "{:<20} {runs:>6} {signed_out:>11} {forked:>7} {tokens_lost:>12} {stuck:>6} {other:>6} {answers_lost:>14}",
            api.name()
        )?;
        for (plan, failure) in &self.failures {
            writeln!(to, "    {plan}: {failure}")?;
        }
        to.flush()
    }

    fn add(&mut self, plan: &Plan, outcome: Outcome) {
        self.runs += 1;
        self.answers_lost += usize::from(outcome.answer_lost);
        for failure in outcome.failures {
            match failure {
                Failure::SignedOut(_) => self.signed_out += 1,
                Failure::Forked(_) => self.forked += 1,
                Failure::TokensLost(_) => self.tokens_lost += 1,
                Failure::Stuck(_) => self.stuck += 1,
                Failure::Other(_) => self.other += 1,
            }
            self.failures.push((plan.to_string(), failure));
        }
    }
}

/// Shows the progress in a terminal.
fn progress(api: Api, done: usize, of: usize) {
    let mut terminal = io::stderr();
    if terminal.is_terminal() && done.is_multiple_of(10) {
        // The terminal may be gone.
        let _ = write!(terminal, "\r\x1b[2K{} {done}/{of}", api.name());
    }
}

fn clear_progress() {
    let mut terminal = io::stderr();
    if terminal.is_terminal() {
        let _ = write!(terminal, "\r\x1b[2K");
    }
}
