//! The threads that hash passwords, and their bounded queue. The queue is fair between sources: each has one turn in every round, known places first.
//! While others wait, a source has at most a share of the queue; in a full queue the newest job of
//! the source with most jobs is evicted.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::error::HashError;
use super::memory::Memory;
use crate::auth::limits::network_key::Network;

/// Where a request for a hash comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    source: Source,
    /// It comes from a known place of the account.
    is_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Source {
    Client(Network),
    Server,
    Background,
}

impl Origin {
    /// The server itself, or any client while limits are switched off.
    pub const SERVER: Origin = Origin { source: Source::Server, is_known: true };
    /// Work that no request waits for.
    pub const BACKGROUND: Origin = Origin { source: Source::Background, is_known: false };

    pub fn client(network: Network, is_known: bool) -> Self {
        Origin { source: Source::Client(network), is_known }
    }
}

/// The threads end when the pool is dropped.
pub struct Pool {
    shared: Arc<SharedQueue>,
    counts: HashCounts,
}

/// What the queue has done; clones share it.
#[derive(Clone, Debug)]
pub struct HashCounts {
    pub running: Gauge,
    /// Jobs that found the queue full, or were evicted from it.
    pub refused: Counter,
    /// In seconds: how long a job has waited, and how long it took then.
    pub waited: Histogram,
    pub took: Histogram,
}

/// How long a worker keeps its memory without a job.
const MEMORY_KEPT: Duration = Duration::from_secs(30);

/// Added to the niceness of a worker's thread: on a full core it gets a third of the time of a
/// thread that answers requests.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 5;

/// In seconds: from a hash of the least cost to the deadline of a client.
const BOUNDS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

impl Default for HashCounts {
    fn default() -> Self {
        HashCounts {
            running: Gauge::default(),
            refused: Counter::default(),
            waited: Histogram::new(BOUNDS),
            took: Histogram::new(BOUNDS),
        }
    }
}

impl HashCounts {
    /// Runs a job that has waited since `queued`.
    fn run<T>(&self, queued: Instant, job: impl FnOnce() -> T) -> T {
        self.waited.observe(queued.elapsed().as_secs_f64());
        let started = Instant::now();
        self.running.inc();
        // Also when the job panics.
        let ended = Ended(&self.running);
        let outcome = job();
        drop(ended);
        self.took.observe(started.elapsed().as_secs_f64());
        outcome
    }
}

/// Counts a running job down when it is dropped.
struct Ended<'c>(&'c Gauge);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Called with the worker's memory, or with `None` if the job was evicted.
type Job = Box<dyn FnOnce(Option<&mut Memory>) + Send>;

impl Pool {
    pub fn start(
        threads: usize,
        queue: usize,
        share: usize,
        kept_blocks: usize,
    ) -> io::Result<Pool> {
        let queue = Queue::new(queue, share);
        let shared = Arc::new(SharedQueue { queue: Mutex::new(queue), changed: Condvar::new() });
        // If a thread below cannot be started, dropping the pool ends those that have been.
        let pool = Pool { shared: Arc::clone(&shared), counts: HashCounts::default() };
        for number in 0..threads {
            let (shared, memory) = (Arc::clone(&shared), Memory::new(kept_blocks));
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || run_worker(&shared, memory))?;
        }
        Ok(pool)
    }

    pub async fn run<T: Send + 'static>(
        &self,
        origin: Origin,
        work: impl FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        // A job that panics drops the sender without an answer.
        self.submit(origin, work)?.await.map_err(|_| HashError::Panicked)?
    }

    /// Queues the work; skipped if the receiver is dropped before a worker takes it.
    fn submit<T: Send + 'static>(
        &self,
        origin: Origin,
        work: impl FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, HashError>>, HashError> {
        let (answer, receiver) = oneshot::channel();
        let (counts, queued) = (self.counts.clone(), Instant::now());
        let job: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                let outcome = match memory {
                    Some(memory) => counts.run(queued, || work(memory)),
                    None => Err(HashError::Busy),
                };
                // The receiver may be dropped in the meantime.
                let _ = answer.send(outcome);
            }
        });
        let added = self.shared.lock().add(origin, job);
        let evicted = added.inspect_err(|_| {
            self.counts.refused.inc();
        })?;
        self.shared.changed.notify_one();
        if let Some(evicted) = evicted {
            self.counts.refused.inc();
            evicted(None);
        }
        Ok(receiver)
    }

    pub fn counts(&self) -> &HashCounts {
        &self.counts
    }

    /// How many jobs wait for a thread.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiters.len()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.changed.notify_all();
    }
}

/// What a worker does next.
enum Next {
    Job(Job),
    /// No job has come for a while.
    Idle,
    /// The pool was dropped.
    Closed,
}

/// The queue, shared by the pool and its workers.
struct SharedQueue {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl SharedQueue {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job, but not longer than `patience`. The lock is not held while the job runs.
    fn next(&self, patience: Duration) -> Next {
        let nothing = |queue: &mut Queue| queue.waiters.is_empty() && !queue.is_closed;
        let waited = self.changed.wait_timeout_while(self.lock(), patience, nothing);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match queue.take() {
            Some(job) => Next::Job(job),
            None if queue.is_closed => Next::Closed,
            None => Next::Idle,
        }
    }
}

/// The position of a waiting job: by round, then known places first, then by arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    round: u64,
    is_unknown: bool,
    arrival: u64,
}

struct Waiter {
    source: Source,
    job: Job,
}

/// The state of a source with waiting jobs.
#[derive(Clone, Copy)]
struct SourceState {
    waiting: usize,
    /// The round after that of its last job.
    next_round: u64,
}

/// A new source begins in the round after the current one; each further job of the same source is
/// one round later.
struct Queue {
    waiters: BTreeMap<Turn, Waiter>,
    sources: HashMap<Source, SourceState>,
    /// The current round.
    round: u64,
    arrivals: u64,
    capacity: usize,
    /// How many jobs of one source may wait while others wait.
    share: usize,
    is_closed: bool,
}

impl Queue {
    fn new(capacity: usize, share: usize) -> Self {
        Queue {
            waiters: BTreeMap::new(),
            sources: HashMap::new(),
            round: 0,
            arrivals: 0,
            capacity,
            share,
            is_closed: false,
        }
    }

    /// Adds a job; answers the job that was evicted for it, if any.
    fn add(&mut self, origin: Origin, job: Job) -> Result<Option<Job>, HashError> {
        let own = self.waiting_of(origin.source);
        // Background work does not count as another source that waits.
        let background = match origin.source {
            Source::Background => 0,
            _ => self.waiting_of(Source::Background),
        };
        if self.waiters.len() > own + background && own >= self.share {
            return Err(HashError::Busy);
        }
        let mut evicted = None;
        if self.waiters.len() >= self.capacity {
            let turn = self.to_evict(origin, own).ok_or(HashError::Busy)?;
            evicted = self.evict(turn);
        }
        self.push(origin, job);
        Ok(evicted)
    }

    fn push(&mut self, origin: Origin, job: Job) {
        let Origin { source, is_known } = origin;
        let new = SourceState { waiting: 0, next_round: self.round + 1 };
        let state = self.sources.entry(source).or_insert(new);
        let round = state.next_round;
        *state = SourceState { waiting: state.waiting + 1, next_round: round + 1 };
        self.arrivals += 1;
        let turn = Turn { round, is_unknown: !is_known, arrival: self.arrivals };
        self.waiters.insert(turn, Waiter { source, job });
    }

    /// The job to evict from a full queue for one of a source that has `own` jobs: the newest of
    /// the source with most jobs or, for a known place, the newest of an unknown place.
    fn to_evict(&self, newcomer: Origin, own: usize) -> Option<Turn> {
        let (most, state) = self.sources.iter().max_by_key(|(_, state)| state.waiting)?;
        if state.waiting > own + 1 {
            return self.newest(|_, waiter| waiter.source == *most);
        }
        let is_weaker =
            |turn: &Turn, waiter: &Waiter| turn.is_unknown && self.waiting_of(waiter.source) > own;
        newcomer.is_known.then(|| self.newest(is_weaker)).flatten()
    }

    fn newest(&self, is_candidate: impl Fn(&Turn, &Waiter) -> bool) -> Option<Turn> {
        let turns = self.waiters.iter().filter(|(turn, waiter)| is_candidate(turn, waiter));
        turns.map(|(turn, _)| *turn).max_by_key(|turn| turn.arrival)
    }

    fn take(&mut self) -> Option<Job> {
        let turn = *self.waiters.first_key_value()?.0;
        self.round = turn.round;
        self.remove(turn)
    }

    /// Removes a job before its turn; the source's next job gets its round.
    fn evict(&mut self, turn: Turn) -> Option<Job> {
        let source = self.waiters.get(&turn)?.source;
        let job = self.remove(turn);
        if let Some(state) = self.sources.get_mut(&source)
            && state.next_round == turn.round + 1
        {
            state.next_round = turn.round;
        }
        job
    }

    fn remove(&mut self, turn: Turn) -> Option<Job> {
        let Waiter { source, job } = self.waiters.remove(&turn)?;
        if let Some(state) = self.sources.get_mut(&source) {
            state.waiting -= 1;
            if state.waiting == 0 {
                self.sources.remove(&source);
            }
        }
        Some(job)
    }

    fn waiting_of(&self, source: Source) -> usize {
        self.sources.get(&source).map_or(0, |state| state.waiting)
    }
}

fn run_worker(shared: &SharedQueue, mut memory: Memory) {
    give_way();
    loop {
        match shared.next(MEMORY_KEPT) {
            Next::Job(job) => {
                // The blocks have no invariant that a panic could break.
                if catch_unwind(AssertUnwindSafe(|| job(Some(&mut memory)))).is_err() {
                    tracing::error!("a password hashing job panicked");
                }
                memory.release_excess();
            }
            Next::Idle => memory.release(),
            Next::Closed => return,
        }
    }
}

/// Lets the threads that answer requests run first when all cores are busy. On Linux the priority is
/// that of this thread; other systems would change that of the whole process.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "password hashing runs at the priority of the server");
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{RecvTimeoutError, Sender, channel};

    use super::*;

    type Answer<T> = oneshot::Receiver<Result<T, HashError>>;

    fn pool(queue: usize) -> Pool {
        Pool::start(1, queue, queue / 8, 8).unwrap()
    }

    fn client(number: u8) -> Origin {
        let network = Network::of(Ipv4Addr::new(192, 0, 2, number).into());
        Origin::client(network, false)
    }

    fn known_client(number: u8) -> Origin {
        Origin { is_known: true, ..client(number) }
    }

    /// Keeps the only worker busy until the returned sender is dropped.
    fn occupy(pool: &Pool) -> Sender<()> {
        let (release, released) = channel::<()>();
        let (started, has_started) = channel();
        let answer = pool.submit(Origin::SERVER, move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        has_started.recv().unwrap();
        // The work has begun, so it is not skipped when the receiver is dropped.
        drop(answer);
        release
    }

    fn submit(pool: &Pool, origin: Origin) -> Option<Answer<()>> {
        pool.submit(origin, |_| Ok(())).ok()
    }

    fn submit_many(pool: &Pool, origin: Origin, count: usize) -> Vec<Answer<()>> {
        (0..count).filter_map(|_| submit(pool, origin)).collect()
    }

    async fn served(answers: Vec<Answer<()>>) -> usize {
        let mut served = 0;
        for answer in answers {
            served += usize::from(matches!(answer.await, Ok(Ok(()))));
        }
        served
    }

    /// The order in which jobs run that are submitted with these origins.
    async fn order(origins: &[Origin]) -> Vec<usize> {
        let pool = pool(64);
        let release = occupy(&pool);
        let (done, order) = channel();
        let mut answers = Vec::new();
        for (number, origin) in origins.iter().enumerate() {
            let done = done.clone();
            let work = move |_: &mut Memory| {
                done.send(number).unwrap();
                Ok(())
            };
            answers.push(pool.submit(*origin, work).unwrap());
        }
        drop(release);
        assert_eq!(served(answers).await, origins.len());
        order.try_iter().collect()
    }

    #[tokio::test]
    async fn queue_that_is_full_is_busy_at_once() {
        let pool = pool(1);
        let release = occupy(&pool);
        let waiting = pool.submit(Origin::SERVER, |_| Ok(1)).unwrap();
        let refused = pool.run(Origin::SERVER, |_| Ok(2)).await;
        assert!(matches!(refused, Err(HashError::Busy)));
        let HashCounts { running, refused, .. } = pool.counts();
        assert_eq!((pool.waiting(), running.get(), refused.get()), (1, 1, 1));
        drop(release);
        assert!(matches!(waiting.await, Ok(Ok(1))));
        assert_eq!((pool.waiting(), running.get()), (0, 0));
        assert!(matches!(pool.run(Origin::SERVER, |_| Ok(3)).await, Ok(3)));
    }

    #[tokio::test]
    async fn queue_evicts_the_newest_jobs_of_a_source_that_fills_it() {
        let pool = pool(16);
        let release = occupy(&pool);
        let of_one = submit_many(&pool, client(1), 20);
        assert_eq!(of_one.len(), 16);
        let of_others: Vec<_> =
            (2..=9).flat_map(|number| submit_many(&pool, client(number), 1)).collect();
        assert_eq!(of_others.len(), 8);
        // While others wait, the source is above its share.
        assert!(submit(&pool, client(1)).is_none());
        drop(release);
        assert_eq!(served(of_others).await, 8);
        let mut kept = Vec::new();
        for answer in of_one {
            kept.push(matches!(answer.await, Ok(Ok(()))));
        }
        assert_eq!(kept, [[true; 8], [false; 8]].concat());
    }

    #[tokio::test]
    async fn queue_limits_a_source_to_its_share_while_others_wait() {
        let pool = pool(16);
        let release = occupy(&pool);
        let other = submit_many(&pool, client(2), 1);
        let own = submit_many(&pool, client(1), 5);
        assert_eq!((other.len(), own.len()), (1, 2));
        drop(release);
    }

    #[tokio::test]
    async fn queue_does_not_count_background_work_as_another_source() {
        for origin in [Origin::SERVER, client(1)] {
            let pool = pool(16);
            let release = occupy(&pool);
            let background = submit_many(&pool, Origin::BACKGROUND, 1);
            let own = submit_many(&pool, origin, 15);
            assert_eq!((background.len(), own.len()), (1, 15), "{origin:?}");
            drop(release);
        }
    }

    #[tokio::test]
    async fn queue_limits_background_work_to_its_share_while_others_wait() {
        let pool = pool(16);
        let release = occupy(&pool);
        let other = submit_many(&pool, client(1), 1);
        let background = submit_many(&pool, Origin::BACKGROUND, 5);
        assert_eq!((other.len(), background.len()), (1, 2));
        drop(release);
    }

    #[tokio::test]
    async fn queue_evicts_an_unknown_place_for_a_known_one() {
        let pool = pool(8);
        let release = occupy(&pool);
        let mut waiting: Vec<_> =
            (1..=8).flat_map(|number| submit_many(&pool, client(number), 1)).collect();
        assert!(submit(&pool, client(9)).is_none());
        let known = submit(&pool, known_client(10)).unwrap();
        // Known places do not evict each other.
        let others: Vec<_> =
            (11..=20).flat_map(|number| submit_many(&pool, known_client(number), 1)).collect();
        assert_eq!(others.len(), 7);
        drop(release);
        assert!(matches!(known.await, Ok(Ok(()))));
        assert!(matches!(waiting.pop().unwrap().await, Ok(Err(HashError::Busy))));
        assert_eq!(served(waiting).await, 0);
    }

    #[tokio::test]
    async fn queue_takes_sources_in_turn_and_known_places_first() {
        let (a, b, known) = (client(1), client(2), known_client(3));
        assert_eq!(order(&[a, a, a, b, b, known, known]).await, [5, 0, 3, 6, 1, 4, 2]);
    }

    #[test]
    fn queue_gives_a_source_one_turn_a_round() {
        let mut queue = Queue::new(64, 8);
        let job = || -> Job { Box::new(|_| {}) };
        let taken = |queue: &mut Queue| {
            let source = queue.waiters.first_key_value().unwrap().1.source;
            queue.take();
            source
        };
        for number in 1..=4 {
            queue.add(client(number), job()).unwrap();
        }
        queue.add(known_client(9), job()).unwrap();
        let mut order = Vec::new();
        for _ in 0..5 {
            let source = taken(&mut queue);
            if source == client(9).source {
                queue.add(known_client(9), job()).unwrap();
            }
            order.push(source);
        }
        let expected = [9, 1, 2, 3, 4].map(|number| client(number).source);
        assert_eq!(order, expected);
    }

    #[test]
    fn queue_forgets_sources_without_jobs() {
        let mut queue = Queue::new(8, 1);
        for number in 0..=255 {
            queue.add(client(number), Box::new(|_| {})).unwrap();
            queue.take();
        }
        assert!(queue.sources.is_empty());
    }

    #[tokio::test]
    async fn job_without_a_receiver_is_skipped() {
        let pool = pool(2);
        let release = occupy(&pool);
        let (ran, has_run) = channel();
        drop(pool.submit(Origin::SERVER, move |_| Ok(ran.send(()))));
        drop(release);
        pool.run(Origin::SERVER, |_| Ok(())).await.unwrap();
        assert!(has_run.try_recv().is_err());
    }

    #[tokio::test]
    async fn job_that_panics_is_an_error_and_the_worker_survives() {
        let pool = pool(1);
        let panicked = pool.run::<()>(Origin::SERVER, |_| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(HashError::Panicked)));
        assert!(pool.run(Origin::SERVER, |_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn pool_ends_its_threads_when_dropped() {
        thread_local!(static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) });
        let (alive, ended) = channel();
        let pool = pool(1);
        pool.run(Origin::SERVER, move |_| Ok(ALIVE.replace(Some(alive)).is_none())).await.unwrap();
        drop(pool);
        let end = ended.recv_timeout(Duration::from_secs(60));
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn worker_lets_other_threads_of_the_server_run_first() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let of_worker = pool(1).run(Origin::SERVER, move |_| Ok(niceness())).await.unwrap();
        // 19 is the highest.
        assert_eq!(of_worker, (niceness() + NICENESS).min(19));
    }

    #[test]
    fn worker_without_a_job_is_told_to_free_its_memory() {
        let queue = Mutex::new(Queue::new(8, 1));
        let shared = SharedQueue { queue, changed: Condvar::new() };
        assert!(matches!(shared.next(Duration::ZERO), Next::Idle));
        shared.lock().add(Origin::SERVER, Box::new(|_| ())).expect("a place");
        assert!(matches!(shared.next(Duration::ZERO), Next::Job(_)));
        shared.lock().is_closed = true;
        assert!(matches!(shared.next(Duration::MAX), Next::Closed));
    }
}
