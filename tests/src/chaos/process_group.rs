//! The processes of a run: they are killed and restarted, suspended and resumed, until each has
//! done its job.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use super::faults::Faults;
use super::jobs::{Ended, Job};
use super::life::{Event, EventSender, Stopped};
use super::plan::Plan;
use super::process::{Process, Setting};
use super::run::Failure;
use super::shim::{Network, Shim};
use super::world::{ACCESS_SECONDS, Api, Person, World};

/// How often a job is retried that fails without a sign-out.
const MAX_TRIES: usize = 6;
/// The time after which a lease has expired, in seconds.
const LEASE_SECONDS: i64 = 2;
/// How long other processes wait for a lock that is not released.
const LOCK_WAIT: Duration = Duration::from_millis(200);

/// The processes of a run.
pub(super) struct ProcessGroup<'w> {
    pub world: &'w World,
    pub network: Arc<Network>,
    pub processes: Vec<Process>,
    /// How many sign-ins ended without a known result.
    pub lost_sign_ins: usize,
    setting: Setting,
    shims: Vec<Shim>,
    /// The suspended processes.
    stopped: BTreeSet<usize>,
    events: UnboundedReceiver<Event>,
    events_sender: UnboundedSender<Event>,
}

/// The jobs that are not done yet.
struct OpenJobs {
    /// All jobs of this step.
    all: BTreeMap<usize, Job>,
    jobs: BTreeMap<usize, Job>,
    tries: BTreeMap<usize, usize>,
    waiting: FuturesUnordered<BoxFuture<'static, (usize, Option<Ended>)>>,
    stopped: Vec<Stopped>,
}

impl OpenJobs {
    /// The call that is expected to succeed while the other jobs run.
    fn call(&self) -> Job {
        let is_call = |job: &Job| matches!(job, Job::Call | Job::Settle);
        if self.all.values().all(is_call) { Job::Call } else { Job::CallUnlessLeft }
    }
}

impl<'w> ProcessGroup<'w> {
    pub async fn start(
        world: &'w World,
        api: Api,
        person: &Person,
        plan: &Plan,
        faults: Arc<Faults>,
    ) -> Self {
        let (server, late) = (world.server.address, Mutex::default());
        let network = Arc::new(Network { server, faults: Arc::clone(&faults), late });
        let (events_sender, events) = unbounded_channel();
        let mut shims = Vec::new();
        for process in 0..plan.processes.max(1) {
            let event_sender = EventSender { process, events_sender: events_sender.clone() };
            shims.push(Shim::open(Arc::clone(&network), event_sender).await.expect("a port"));
        }
        let addresses = shims.iter().map(|shim| shim.address).chain([server]).collect();
        let setting = Setting {
            dialect: api.dialect(),
            vault: person.vault.clone(),
            key: person.key.clone(),
            clock: world.clock.clone(),
            faults,
            oauth_client: (api == Api::OAuth).then(|| world.oauth_client()),
            addresses,
            has_locks: !plan.is_lockless,
        };
        let (processes, stopped, lost_sign_ins) = (Vec::new(), BTreeSet::new(), 0);
        let mut group = ProcessGroup {
            world,
            network,
            processes,
            lost_sign_ins,
            setting,
            shims,
            stopped,
            events,
            events_sender,
        };
        for process in 0..group.shims.len() {
            let started = group.begin(process);
            group.processes.push(started);
        }
        group
    }

    pub fn all(&self) -> Vec<usize> {
        (0..self.processes.len()).collect()
    }

    pub fn restart(&mut self, process: usize) {
        self.processes[process] = self.begin(process);
    }

    fn begin(&self, process: usize) -> Process {
        let event_sender = EventSender { process, events_sender: self.events_sender.clone() };
        Process::start(&self.setting, self.shims[process].address, event_sender)
    }

    /// Each of these processes requests the account until it gets an answer.
    pub async fn calls(&mut self, which: &[usize]) -> Result<(), Failure> {
        self.jobs(which.iter().map(|process| (*process, Job::Call)).collect()).await
    }

    /// Runs the jobs at once until all are done. A killed process is restarted; while one is
    /// suspended, the others renew twice.
    pub async fn jobs(&mut self, jobs: BTreeMap<usize, Job>) -> Result<(), Failure> {
        let waiting = jobs.iter().map(|(process, job)| self.job(*process, job)).collect();
        let (all, tries, stopped) = (jobs.clone(), BTreeMap::new(), Vec::new());
        let mut open = OpenJobs { all, jobs, tries, waiting, stopped };
        while !open.jobs.is_empty() {
            tokio::select! {
                Some((process, ended)) = open.waiting.next() => {
                    self.on_job_end(&mut open, process, ended)?;
                }
                Some(event) = self.events.recv() => self.on_event(&mut open, event).await,
            }
        }
        match open.stopped.is_empty() {
            true => Ok(()),
            false => self.resume_after_others(open).await,
        }
    }

    fn on_job_end(
        &mut self,
        open: &mut OpenJobs,
        process: usize,
        ended: Option<Ended>,
    ) -> Result<(), Failure> {
        let Some(job) = open.jobs.get(&process).cloned() else { return Ok(()) };
        match ended {
            Some(Ended::Done) => {
                open.jobs.remove(&process);
                return Ok(());
            }
            Some(Ended::SignedOut(reason)) => return Err(Failure::SignedOut(reason)),
            Some(Ended::Failed(why)) if open.tries.get(&process) >= Some(&MAX_TRIES) => {
                return Err(Failure::Stuck(why));
            }
            // The job failed, or its process was killed.
            _ => {}
        }
        *open.tries.entry(process).or_default() += 1;
        self.lost_sign_ins += usize::from(matches!(job, Job::SignIn(_)));
        // Pauses after failures and leases of dead processes expire.
        self.world.advance(LEASE_SECONDS);
        self.processes[process].client.network_changed();
        open.waiting.push(self.job(process, &job));
        Ok(())
    }

    async fn on_event(&mut self, open: &mut OpenJobs, event: Event) {
        match event {
            Event::Died(process) => self.restart(process),
            Event::Stopped(stopped) if stopped.has_lock => {
                // The other processes wait for the lock.
                for _ in 0..2 {
                    self.world.advance(ACCESS_SECONDS + 1);
                    sleep(LOCK_WAIT).await;
                }
                self.resume(stopped);
            }
            Event::Stopped(stopped) => {
                self.processes[stopped.process].stop();
                stopped.notify();
                self.stopped.insert(stopped.process);
                open.jobs.remove(&stopped.process);
                open.stopped.push(stopped);
            }
        }
    }

    /// The running processes renew twice; then the suspended ones resume and do their jobs.
    async fn resume_after_others(&mut self, open: OpenJobs) -> Result<(), Failure> {
        // A network does not hold messages for as long as a process may be suspended.
        self.network.release().await;
        let call = open.call();
        let others = self.all().into_iter().filter(|process| !self.stopped.contains(process));
        let others: BTreeMap<usize, Job> = others.map(|process| (process, call.clone())).collect();
        for _ in 0..2 {
            self.world.advance(ACCESS_SECONDS + 1);
            Box::pin(self.jobs(others.clone())).await?;
        }
        let mut went_on = BTreeMap::new();
        for stopped in open.stopped {
            let job = open.all.get(&stopped.process).unwrap_or(&call).clone();
            self.lost_sign_ins += usize::from(matches!(job, Job::SignIn(_)));
            went_on.insert(stopped.process, job);
            self.resume(stopped);
        }
        Box::pin(self.jobs(went_on)).await
    }

    fn resume(&mut self, stopped: Stopped) {
        self.stopped.remove(&stopped.process);
        self.processes[stopped.process].resume();
        stopped.notify();
    }

    fn job(&self, process: usize, job: &Job) -> BoxFuture<'static, (usize, Option<Ended>)> {
        let (client, job) = (self.processes[process].client.clone(), job.clone());
        let url = format!("http://{}/propusk/v1/account", self.shims[process].address);
        let done = self.processes[process].spawn(async move { job.run(&client, &url).await });
        async move { (process, done.await.ok()) }.boxed()
    }
}
