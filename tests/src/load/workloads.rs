//! What clients do: one operation, a mix of them, a flood of sign-ins beside a probe, several
//! refreshes with one token. Each is measured twice: closed for the highest rate and the processor's
//! time, then open at half of that rate for the time that clients wait.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Result;
use super::arrivals::{Tally, closed, open};
use super::description::{Description, Operation};
use super::figures::Figures;
use super::target::{Outcome, Target, access_of, begin_attempt, random_text};
use super::template::Values;

/// Clients of a closed load, but for refreshes.
const CLIENTS: usize = 8;
const ACCOUNTS: usize = 32;
const SESSIONS: usize = 64;
/// The share of the highest rate at which waiting is measured.
const HALF: f64 = 0.5;
const FLOODING: usize = 200;
const PROBES: f64 = 50.0;
/// How long a refresh waits for a session that no other one uses.
const PATIENCE: Duration = Duration::from_secs(10);
const RACES: usize = 50;
const RACING: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    One(Operation),
    /// 90 % checks of a token, 8 % refreshes, 2 % sign-ins.
    Mix,
    /// Several requests with one refresh token at the same time.
    Race,
}

impl Workload {
    /// What a server of this description can do.
    pub fn all_of(description: &Description) -> Vec<Workload> {
        let mut all: Vec<Workload> = [
            Operation::Register,
            Operation::SignIn,
            Operation::Refresh,
            Operation::Me,
            Operation::Verify,
        ]
        .into_iter()
        .filter(|operation| description.has(*operation))
        .map(Workload::One)
        .collect();
        if description.has(Operation::Refresh) && check(description).is_some() {
            all.extend([Workload::Mix, Workload::Race]);
        }
        all
    }

    pub fn name(self) -> &'static str {
        match self {
            Workload::One(operation) => operation.name(),
            Workload::Mix => "mix",
            Workload::Race => "race",
        }
    }
}

/// The cheapest operation that checks a token.
fn check(description: &Description) -> Option<Operation> {
    [Operation::Verify, Operation::Me].into_iter().find(|operation| description.has(*operation))
}

/// The names of figures of a workload.
pub fn rate_of(workload: &str) -> String {
    format!("{workload}, 1/s")
}

pub fn server_cpu_of(workload: &str) -> String {
    format!("{workload}, µs CPU of the server")
}

pub fn database_cpu_of(workload: &str) -> String {
    format!("{workload}, µs CPU of the database")
}

pub fn p50_of(workload: &str) -> String {
    format!("{workload}, ms p50")
}

pub fn p99_of(workload: &str) -> String {
    format!("{workload}, ms p99")
}

pub const QUIET_PROBE: &str = "probe without flood";
pub const FLOODED_PROBE: &str = "probe in flood";
pub const FLOOD: &str = "flood of sign-ins";
pub const RACE_ANSWERED: &str = "race, answered of 8";
pub const RACE_TOKENS: &str = "race, different tokens";

/// Accounts and sessions of a target, which its clients share.
pub struct Population {
    target: Arc<Target>,
    accounts: Vec<Values>,
    /// Sessions that no request uses at the moment.
    sessions: Mutex<VecDeque<Values>>,
    /// As many permits as there are sessions.
    free: Semaphore,
    next: AtomicUsize,
    /// How many operations of the mix were begun.
    mixed: AtomicUsize,
}

impl Population {
    /// Registers accounts and signs in sessions of them.
    pub async fn create(target: &Arc<Target>) -> Result<Arc<Self>> {
        let mut accounts = Vec::new();
        for _ in 0..ACCOUNTS {
            let mut account = target.account(&new_name()?)?;
            require(target.run(Operation::Register, &mut account).await)?;
            accounts.push(account);
        }
        let mut tasks = JoinSet::new();
        for number in 0..SESSIONS {
            let (target, mut session) = (Arc::clone(target), accounts[number % ACCOUNTS].clone());
            tasks.spawn(async move {
                let outcome = target.run(Operation::SignIn, &mut session).await;
                (outcome, session)
            });
        }
        let mut sessions = VecDeque::new();
        while let Some(signed_in) = tasks.join_next().await {
            let (outcome, session) = signed_in?;
            require(outcome)?;
            sessions.push_back(session);
        }
        Ok(Arc::new(Population::of(target, accounts, sessions)))
    }

    /// For a server without accounts.
    pub fn without_accounts(target: &Arc<Target>) -> Result<Arc<Self>> {
        let sessions = VecDeque::from([target.account("unnamed")?]);
        Ok(Arc::new(Population::of(target, Vec::new(), sessions)))
    }

    fn of(target: &Arc<Target>, accounts: Vec<Values>, sessions: VecDeque<Values>) -> Self {
        Population {
            target: Arc::clone(target),
            accounts,
            free: Semaphore::new(sessions.len()),
            sessions: Mutex::new(sessions),
            next: AtomicUsize::new(0),
            mixed: AtomicUsize::new(0),
        }
    }

    async fn act(&self, operation: Operation) -> Outcome {
        match operation {
            Operation::Prepare => Outcome::Failed("it is done before".to_owned()),
            Operation::Register => match new_name().and_then(|name| self.target.account(&name)) {
                Ok(mut account) => self.target.run(operation, &mut account).await,
                Err(error) => Outcome::Failed(error.to_string()),
            },
            Operation::SignIn => {
                let number = self.number() % self.accounts.len().max(1);
                match self.accounts.get(number).cloned() {
                    Some(mut account) => self.target.run(operation, &mut account).await,
                    None => Outcome::Failed("there is no account".to_owned()),
                }
            }
            Operation::Refresh => self.refresh().await,
            Operation::Me | Operation::Verify => match self.any_session() {
                Some(mut session) => self.target.run(operation, &mut session).await,
                None => Outcome::Failed("all sessions are in use".to_owned()),
            },
        }
    }

    /// One of a hundred of the mix. 37 and 100 have no factor in common, so a hundred in a row has each
    /// number once, and the sign-ins are not all at its beginning.
    async fn act_in_mix(&self) -> Outcome {
        let operation = match self.mixed.fetch_add(1, Ordering::Relaxed) % 100 * 37 % 100 {
            0..2 => Operation::SignIn,
            2..10 => Operation::Refresh,
            _ => check(&self.target.description).unwrap_or(Operation::SignIn),
        };
        self.act(operation).await
    }

    /// Refreshes a session that no other request refreshes. A stall of the server delays those that
    /// are due meanwhile; the time that they wait here counts.
    async fn refresh(&self) -> Outcome {
        let in_use = || Outcome::Failed("all sessions are in use".to_owned());
        let Ok(Ok(permit)) = timeout(PATIENCE, self.free.acquire()).await else { return in_use() };
        let Some(mut session) = self.locked(VecDeque::pop_front) else { return in_use() };
        if let Err(error) = begin_attempt(&mut session) {
            return Outcome::Failed(error.to_string());
        }
        let outcome = self.target.run(Operation::Refresh, &mut session).await;
        match &outcome {
            Outcome::Done | Outcome::Busy => self.locked(|sessions| sessions.push_back(session)),
            // Such a session may have ended.
            Outcome::Failed(_) => permit.forget(),
        }
        outcome
    }

    fn any_session(&self) -> Option<Values> {
        let number = self.number();
        self.locked(|sessions| sessions.get(number % sessions.len().max(1)).cloned())
    }

    fn number(&self) -> usize {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn locked<T>(&self, work: impl FnOnce(&mut VecDeque<Values>) -> T) -> T {
        work(&mut self.sessions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Measures a workload for twice this long.
pub async fn measure(
    population: &Arc<Population>,
    workload: Workload,
    length: Duration,
    figures: &mut Figures,
) -> Result<()> {
    match workload {
        Workload::One(operation) => {
            let population = Arc::clone(population);
            let clients = match operation {
                Operation::Refresh => population.target.refreshing,
                _ => CLIENTS,
            };
            let target = Arc::clone(&population.target);
            let act = Arc::new(move || {
                let population = Arc::clone(&population);
                async move { population.act(operation).await }
            });
            measure_act(&target, operation.name(), clients, length, &act, figures).await
        }
        Workload::Mix => {
            let (population, target) = (Arc::clone(population), Arc::clone(&population.target));
            let act = Arc::new(move || {
                let population = Arc::clone(&population);
                async move { population.act_in_mix().await }
            });
            measure_act(&target, workload.name(), CLIENTS, length, &act, figures).await
        }
        Workload::Race => race(population, figures).await,
    }
}

async fn measure_act<A, F>(
    target: &Target,
    name: &str,
    clients: usize,
    length: Duration,
    act: &Arc<A>,
    figures: &mut Figures,
) -> Result<()>
where
    A: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let before = target.processes.cpu();
    let busiest = closed(clients, length, act).await?;
    let used = target.processes.cpu().since(before);
    require_done(target, name, &busiest)?;
    let (of, done) = (target.name.as_str(), busiest.done as f64);
    figures.add(of, rate_of(name), busiest.rate());
    if target.processes.server.is_some() {
        figures.add(of, server_cpu_of(name), used.server / done * 1e6);
    }
    if target.processes.database.is_some() {
        figures.add(of, database_cpu_of(name), used.database / done * 1e6);
    }
    let waiting = open((busiest.rate() * HALF).max(1.0), length, act).await?;
    require_done(target, name, &waiting)?;
    figures.add(of, p50_of(name), waiting.millis(0.5));
    figures.add(of, p99_of(name), waiting.millis(0.99));
    Ok(())
}

/// A probe of the signed-in user, first alone and then while many clients sign in.
pub async fn flood(
    population: &Arc<Population>,
    length: Duration,
    figures: &mut Figures,
) -> Result<()> {
    let target = Arc::clone(&population.target);
    let (probing, flooding) = (Arc::clone(population), Arc::clone(population));
    let probe = Arc::new(move || {
        let population = Arc::clone(&probing);
        async move { population.act(Operation::Me).await }
    });
    let sign_in = Arc::new(move || {
        let population = Arc::clone(&flooding);
        async move { population.act(Operation::SignIn).await }
    });
    let quiet = open(PROBES, length, &probe).await?;
    let (flooded, flood) =
        tokio::join!(open(PROBES, length, &probe), closed(FLOODING, length, &sign_in));
    let (flooded, flood) = (flooded?, flood?);
    for (name, tally) in [(QUIET_PROBE, &quiet), (FLOODED_PROBE, &flooded)] {
        require_done(&target, name, tally)?;
        figures.add(&target.name, p50_of(name), tally.millis(0.5));
        figures.add(&target.name, p99_of(name), tally.millis(0.99));
    }
    require_done(&target, FLOOD, &flood)?;
    figures.add(&target.name, rate_of(FLOOD), flood.rate());
    Ok(())
}

/// Several requests present the same refresh token, as an app does after a lost answer.
async fn race(population: &Arc<Population>, figures: &mut Figures) -> Result<()> {
    let target = &population.target;
    let (mut answered, mut different, mut races) = (0_u32, 0, 0_u32);
    for _ in 0..RACES.min(SESSIONS) {
        let Some(mut session) = population.locked(VecDeque::pop_front) else { break };
        begin_attempt(&mut session)?;
        let mut tasks = JoinSet::new();
        for _ in 0..RACING {
            let (target, mut session) = (Arc::clone(target), session.clone());
            tasks.spawn(async move {
                let outcome = target.run(Operation::Refresh, &mut session).await;
                (outcome, session)
            });
        }
        let mut tokens = BTreeSet::new();
        while let Some(refreshed) = tasks.join_next().await {
            let (outcome, refreshed) = refreshed?;
            if outcome == Outcome::Done {
                answered += 1;
                // What the next refresh will present.
                let next = refreshed.get("refresh").map(String::as_str).or(access_of(&refreshed));
                tokens.insert(next.unwrap_or_default().to_owned());
                session = refreshed;
            }
        }
        different += tokens.len();
        races += 1;
        population.locked(|sessions| sessions.push_back(session));
    }
    let races = f64::from(races);
    figures.add(&target.name, RACE_ANSWERED, f64::from(answered) / races);
    figures.add(&target.name, RACE_TOKENS, different as f64 / races);
    Ok(())
}

/// Signs in so many times, and no longer.
pub async fn sign_in_times(population: &Arc<Population>, times: usize) -> Result<()> {
    let begun = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (population, begun) = (Arc::clone(population), Arc::clone(&begun));
        clients.spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < times {
                if let Outcome::Failed(error) = population.act(Operation::SignIn).await {
                    return Err(error);
                }
            }
            Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client??;
    }
    Ok(())
}

/// A load of which more than one in a hundred has failed says nothing.
fn require_done(target: &Target, name: &str, tally: &Tally) -> Result<()> {
    if tally.done == 0 || tally.failed * 100 > tally.done {
        let failure = tally.failure.as_deref().unwrap_or("all answers were 429 or 503");
        let Tally { done, busy, failed, .. } = tally;
        return Err(format!(
            "{}, {name}: {done} done, {busy} busy, {failed} failed, the first with: {failure}",
            target.name
        )
        .into());
    }
    Ok(())
}

fn require(outcome: Outcome) -> Result<()> {
    match outcome {
        Outcome::Done => Ok(()),
        Outcome::Busy => Err("the server is too busy to be prepared".into()),
        Outcome::Failed(error) => Err(error.into()),
    }
}

fn new_name() -> Result<String> {
    Ok(format!("load{}", random_text()?))
}
