//! One run: somebody signs in, access tokens expire again and again, and what is planned goes wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use propusk::{Client, Kind, SignOutReason};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::faults::Faults;
use super::plan::Plan;
use super::process::{Death, Process, Setting};
use super::shim::{Network, Shim};
use super::world::{ACCESS_SECONDS, Api, Person, World};

/// How often access tokens expire while things go wrong.
const ROUNDS: usize = 3;
/// How often a call is tried that fails without a sign-out.
const TRIES: usize = 6;
/// A user who waits longer gives up; what was begun goes on.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What must not happen.
    pub mishaps: Vec<Mishap>,
    /// The API spends a refresh token although its answer is lost, and it was.
    pub answer_lost: bool,
    /// Messages and writes of the run.
    pub counted: (usize, usize),
}

/// What must not happen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mishap {
    /// Somebody is signed out whom nobody signed out.
    SignedOut(SignOutReason),
    /// The account has so many sessions of one sign-in.
    Forked(usize),
    /// What the vault holds renews nothing.
    TokensLost(String),
    /// Nobody is signed out, and nothing works.
    Stuck(String),
}

impl fmt::Display for Mishap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mishap::SignedOut(reason) => write!(f, "signed out by mistake: {reason:?}"),
            Mishap::Forked(sessions) => write!(f, "{sessions} sessions of one sign-in"),
            Mishap::TokensLost(why) => write!(f, "tokens lost: {why}"),
            Mishap::Stuck(why) => write!(f, "stuck: {why}"),
        }
    }
}

/// The processes of a run.
struct Cast {
    setting: Setting,
    network: Arc<Network>,
    shims: Vec<Shim>,
    processes: Vec<Process>,
    deaths: UnboundedReceiver<usize>,
    tell: tokio::sync::mpsc::UnboundedSender<usize>,
}

/// How a call ended.
enum Ended {
    Answered,
    SignedOut(SignOutReason),
    Failed(String),
}

impl World {
    /// Runs a plan.
    pub async fn run(&self, api: Api, plan: &Plan) -> Outcome {
        let person = self.person().await;
        let mut outcome = Outcome::default();
        if let Err(error) = self.sign_in(api, &person).await {
            outcome.mishaps.push(Mishap::Stuck(format!("no sign-in: {error:?}")));
            return outcome;
        }
        let faults = Arc::new(Faults::new(plan.clone()));
        let mut cast = self.cast(api, &person, Arc::clone(&faults), plan.processes.max(1)).await;
        faults.arm(true);
        let ended = self.rounds(&mut cast).await;
        outcome.counted = faults.counted();
        faults.arm(false);
        match ended {
            Ok(()) => self.afterwards(&mut cast, &mut outcome).await,
            Err(mishap) => outcome.mishaps.push(mishap),
        }
        let lost = Mishap::SignedOut(SignOutReason::AnswerLost);
        if api.loses_answers() && outcome.mishaps.contains(&lost) {
            outcome.mishaps.clear();
            outcome.answer_lost = true;
        }
        outcome
    }

    async fn cast(&self, api: Api, person: &Person, faults: Arc<Faults>, processes: usize) -> Cast {
        let network = Arc::new(Network {
            server: self.server.address,
            faults: Arc::clone(&faults),
            late: Mutex::default(),
        });
        let (tell, deaths) = unbounded_channel();
        let setting = Setting {
            dialect: api.dialect(),
            vault: person.vault.clone(),
            key: person.key.clone(),
            clock: self.clock.clone(),
            faults,
            oauth_client: (api == Api::OAuth).then(|| self.oauth_client()),
            addresses: vec![self.server.address],
        };
        let mut cast = Cast { setting, network, shims: vec![], processes: vec![], deaths, tell };
        for process in 0..processes {
            let death = cast.death(process);
            let shim = Shim::open(Arc::clone(&cast.network), death).await;
            cast.shims.push(shim.expect("a port"));
        }
        cast.setting.addresses.extend(cast.shims.iter().map(|shim| shim.address));
        for process in 0..processes {
            cast.processes.push(cast.start(process));
        }
        cast
    }

    /// Access tokens expire; processes ask one after the other, and then all at once.
    async fn rounds(&self, cast: &mut Cast) -> Result<(), Mishap> {
        for round in 0..ROUNDS {
            self.advance(ACCESS_SECONDS + 1);
            let all: Vec<usize> = (0..cast.processes.len()).collect();
            match round % 2 {
                0 => {
                    for process in all {
                        cast.calls(&[process]).await?;
                    }
                }
                _ => cast.calls(&all).await?,
            }
            cast.network.release().await;
        }
        Ok(())
    }

    /// Everything works again: for those that run, and for one that starts with what is on the disk.
    async fn afterwards(&self, cast: &mut Cast, outcome: &mut Outcome) {
        self.advance(ACCESS_SECONDS + 1);
        let all: Vec<usize> = (0..cast.processes.len()).collect();
        if let Err(mishap) = cast.calls(&all).await {
            outcome.mishaps.push(mishap);
            return;
        }
        self.advance(ACCESS_SECONDS + 1);
        cast.restart(0);
        if let Err(mishap) = cast.calls(&[0]).await {
            outcome.mishaps.push(Mishap::TokensLost(mishap.to_string()));
            return;
        }
        let token = cast.processes[0].client.access_token().await;
        let header = token.map(|token| token.header());
        let Ok(header) = header else { return };
        let sessions = self.sessions(header.to_str().unwrap_or_default()).await;
        if sessions != 1 {
            outcome.mishaps.push(Mishap::Forked(sessions));
        }
    }
}

impl Cast {
    fn death(&self, process: usize) -> Death {
        Death { process, tell: self.tell.clone() }
    }

    fn start(&self, process: usize) -> Process {
        Process::start(&self.setting, self.shims[process].address, self.death(process))
    }

    fn restart(&mut self, process: usize) {
        self.processes[process] = self.start(process);
    }

    /// Each of these processes asks the server for the account until it is answered; one that is
    /// killed is started again.
    async fn calls(&mut self, who: &[usize]) -> Result<(), Mishap> {
        let mut waiting = FuturesUnordered::new();
        let mut open: BTreeSet<usize> = who.iter().copied().collect();
        let mut tries = vec![0; self.processes.len()];
        for process in who {
            waiting.push(self.call(*process));
        }
        while !open.is_empty() {
            tokio::select! {
                Some((process, ended)) = waiting.next() => match ended {
                    Some(Ended::Answered) => {
                        open.remove(&process);
                    }
                    Some(Ended::SignedOut(reason)) => return Err(Mishap::SignedOut(reason)),
                    Some(Ended::Failed(why)) if tries[process] == TRIES => {
                        return Err(Mishap::Stuck(why));
                    }
                    // It failed, or the process was killed.
                    _ => {
                        tries[process] += 1;
                        waiting.push(self.call(process));
                    }
                },
                Some(process) = self.deaths.recv() => self.restart(process),
            }
        }
        Ok(())
    }

    fn call(&self, process: usize) -> impl Future<Output = (usize, Option<Ended>)> + use<> {
        let client = self.processes[process].client.clone();
        let url = format!("http://{}/propusk/v1/account", self.shims[process].address);
        let called = self.processes[process].spawn(async move { call(&client, &url).await });
        async move { (process, called.await.ok()) }
    }
}

async fn call(client: &Client, url: &str) -> Ended {
    let Ok(answer) = timeout(PATIENCE, client.api().get(url).send()).await else {
        return Ended::Failed("no answer in time".to_owned());
    };
    match answer {
        Ok(answer) if answer.status() == 200 => Ended::Answered,
        Ok(answer) => Ended::Failed(format!("status {}", answer.status())),
        Err(error) => match error.kind() {
            Kind::SignedOut { reason } => Ended::SignedOut(*reason),
            _ => Ended::Failed(format!("{error:?}")),
        },
    }
}
