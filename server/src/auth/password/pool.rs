//! The threads that hash passwords, the bounded queue before them and the argon2 memory that each of
//! them keeps from one job to the next. The queue is fair between askers: each has a turn in every
//! round, known places first; while requests of others wait, one asker has a share of the queue at
//! most, and in a full queue the asker with most waiters gives up its newest.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use argon2::Block;
use tokio::sync::oneshot;

use super::HashError;
use crate::auth::limits::network::Network;

/// Who asks for a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    asker: Asker,
    /// The place is one where the account's owner is known.
    is_known: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker {
    Client(Network),
    Server,
    Upkeep,
}

impl Origin {
    /// The server itself, and everyone where there are no limits.
    pub const SERVER: Origin = Origin { asker: Asker::Server, is_known: true };
    /// Work that no request waits for.
    pub const UPKEEP: Origin = Origin { asker: Asker::Upkeep, is_known: false };

    pub fn client(network: Network, is_known: bool) -> Self {
        Origin { asker: Asker::Client(network), is_known }
    }
}

/// Its threads end when it is dropped.
pub struct Pool {
    line: Arc<Line>,
}

/// What a job is called with: the worker's memory, or nothing where its place was taken.
type Job = Box<dyn FnOnce(Option<&mut Memory>) + Send>;

impl Pool {
    pub fn start(
        threads: usize,
        queue: usize,
        share: usize,
        kept_blocks: usize,
    ) -> io::Result<Pool> {
        let queue = Queue::new(queue, share);
        let line = Arc::new(Line { queue: Mutex::new(queue), changed: Condvar::new() });
        // Dropped on a failure below, it ends the threads that have begun.
        let pool = Pool { line: Arc::clone(&line) };
        for number in 0..threads {
            let (line, memory) = (Arc::clone(&line), Memory::new(kept_blocks));
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work_off(&line, memory))?;
        }
        Ok(pool)
    }

    pub async fn run<T: Send + 'static>(
        &self,
        origin: Origin,
        work: impl FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        // A job that panics drops its end of the channel without an answer.
        self.submit(origin, work)?.await.map_err(|_| HashError::Panicked)?
    }

    /// Queues the work. It is skipped if the receiver is dropped before a worker takes it.
    fn submit<T: Send + 'static>(
        &self,
        origin: Origin,
        work: impl FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, HashError>>, HashError> {
        let (answer, receiver) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                // The receiver may go away meanwhile.
                let _ = answer.send(memory.map_or(Err(HashError::Busy), work));
            }
        });
        let replaced = self.line.lock().add(origin, job)?;
        self.line.changed.notify_one();
        if let Some(replaced) = replaced {
            replaced(None);
        }
        Ok(receiver)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.line.lock().is_closed = true;
        self.line.changed.notify_all();
    }
}

/// Where jobs wait for a worker.
struct Line {
    queue: Mutex<Queue>,
    changed: Condvar,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a job; `None` when there will be none. The lock is not held while the job runs.
    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.take() {
                return Some(job);
            }
            if queue.is_closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The place of a waiter: its round, known places first in it, then the order of arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    round: u64,
    is_unknown: bool,
    arrival: u64,
}

struct Waiter {
    asker: Asker,
    job: Job,
}

/// What the queue knows of an asker that waits.
#[derive(Clone, Copy)]
struct Standing {
    waiting: usize,
    /// The round after its last one.
    next_round: u64,
}

/// A new asker begins in the round after the one that is being served, and each further job of the
/// same asker is one round later.
struct Queue {
    waiters: BTreeMap<Turn, Waiter>,
    askers: HashMap<Asker, Standing>,
    /// The round that is being served.
    round: u64,
    arrivals: u64,
    capacity: usize,
    /// How many jobs of one asker may wait while others wait.
    share: usize,
    is_closed: bool,
}

impl Queue {
    fn new(capacity: usize, share: usize) -> Self {
        Queue {
            waiters: BTreeMap::new(),
            askers: HashMap::new(),
            round: 0,
            arrivals: 0,
            capacity,
            share,
            is_closed: false,
        }
    }

    /// Adds a job, and answers the one whose place it took, if it did.
    fn add(&mut self, origin: Origin, job: Job) -> Result<Option<Job>, HashError> {
        let own = self.waiting_of(origin.asker);
        // Work that no request waits for takes nothing from an asker that is otherwise alone.
        let upkeep = match origin.asker {
            Asker::Upkeep => 0,
            _ => self.waiting_of(Asker::Upkeep),
        };
        if self.waiters.len() > own + upkeep && own >= self.share {
            return Err(HashError::Busy);
        }
        let mut replaced = None;
        if self.waiters.len() >= self.capacity {
            let turn = self.replaceable(origin, own).ok_or(HashError::Busy)?;
            replaced = self.take_away(turn);
        }
        self.push(origin, job);
        Ok(replaced)
    }

    fn push(&mut self, origin: Origin, job: Job) {
        let Origin { asker, is_known } = origin;
        let new = Standing { waiting: 0, next_round: self.round + 1 };
        let standing = self.askers.entry(asker).or_insert(new);
        let round = standing.next_round;
        *standing = Standing { waiting: standing.waiting + 1, next_round: round + 1 };
        self.arrivals += 1;
        let turn = Turn { round, is_unknown: !is_known, arrival: self.arrivals };
        self.waiters.insert(turn, Waiter { asker, job });
    }

    /// Whose place in a full queue a newcomer takes that has `own` waiters: the newest of the asker
    /// with most, or, for a known place, the newest of an unknown one.
    fn replaceable(&self, newcomer: Origin, own: usize) -> Option<Turn> {
        let (most, standing) = self.askers.iter().max_by_key(|(_, standing)| standing.waiting)?;
        if standing.waiting > own + 1 {
            return self.newest(|_, waiter| waiter.asker == *most);
        }
        let is_weaker =
            |turn: &Turn, waiter: &Waiter| turn.is_unknown && self.waiting_of(waiter.asker) > own;
        newcomer.is_known.then(|| self.newest(is_weaker)).flatten()
    }

    fn newest(&self, is_it: impl Fn(&Turn, &Waiter) -> bool) -> Option<Turn> {
        let turns = self.waiters.iter().filter(|(turn, waiter)| is_it(turn, waiter));
        turns.map(|(turn, _)| *turn).max_by_key(|turn| turn.arrival)
    }

    fn take(&mut self) -> Option<Job> {
        let turn = *self.waiters.first_key_value()?.0;
        self.round = turn.round;
        self.remove(turn)
    }

    /// Removes a job that has not had its turn; the asker's next job gets its round.
    fn take_away(&mut self, turn: Turn) -> Option<Job> {
        let asker = self.waiters.get(&turn)?.asker;
        let job = self.remove(turn);
        if let Some(standing) = self.askers.get_mut(&asker)
            && standing.next_round == turn.round + 1
        {
            standing.next_round = turn.round;
        }
        job
    }

    fn remove(&mut self, turn: Turn) -> Option<Job> {
        let Waiter { asker, job } = self.waiters.remove(&turn)?;
        if let Some(standing) = self.askers.get_mut(&asker) {
            standing.waiting -= 1;
            if standing.waiting == 0 {
                self.askers.remove(&asker);
            }
        }
        Some(job)
    }

    fn waiting_of(&self, asker: Asker) -> usize {
        self.askers.get(&asker).map_or(0, |standing| standing.waiting)
    }
}

/// One worker's argon2 blocks.
pub struct Memory {
    blocks: Vec<Block>,
    kept: usize,
}

impl Memory {
    fn new(kept: usize) -> Memory {
        Memory { blocks: Vec::new(), kept }
    }

    /// At least `count` blocks of unspecified content.
    pub fn blocks(&mut self, count: usize) -> Result<&mut [Block], HashError> {
        let missing = count.saturating_sub(self.blocks.len());
        self.blocks
            .try_reserve_exact(missing)
            .map_err(|_| HashError::Argon2(argon2::Error::OutOfMemory))?;
        self.blocks.resize(self.blocks.len() + missing, Block::new());
        Ok(&mut self.blocks)
    }

    /// Gives back what only an imported hash of a higher cost needed.
    fn release_excess(&mut self) {
        self.blocks.truncate(self.kept);
        self.blocks.shrink_to_fit();
    }
}

fn work_off(line: &Line, mut memory: Memory) {
    while let Some(job) = line.next() {
        // The blocks hold no invariant that a job cut short could break.
        if catch_unwind(AssertUnwindSafe(|| job(Some(&mut memory)))).is_err() {
            tracing::error!("a password hashing job panicked");
        }
        memory.release_excess();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::Ipv4Addr;
    use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
    use std::time::Duration;

    use super::*;

    type Answer<T> = oneshot::Receiver<Result<T, HashError>>;

    fn pool(queue: usize) -> Pool {
        Pool::start(1, queue, queue / 8, 8).unwrap()
    }

    fn client(number: u8) -> Origin {
        let network = Network::of(Ipv4Addr::new(192, 0, 2, number).into());
        Origin::client(network, false)
    }

    fn at_home(number: u8) -> Origin {
        Origin { is_known: true, ..client(number) }
    }

    /// Keeps the only worker busy from when this returns until the returned sender is dropped.
    fn occupy(pool: &Pool) -> Sender<()> {
        let (release, released) = channel::<()>();
        let (started, has_started) = channel();
        let answer = pool.submit(Origin::SERVER, move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        has_started.recv().unwrap();
        // The work has begun, so that dropping the answer's receiver no longer skips it.
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

    /// The order in which jobs of these origins are worked off that come in this order.
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
    async fn a_full_queue_is_busy_at_once() {
        let pool = pool(1);
        let release = occupy(&pool);
        let waiting = pool.submit(Origin::SERVER, |_| Ok(1)).unwrap();
        let refused = pool.run(Origin::SERVER, |_| Ok(2)).await;
        assert!(matches!(refused, Err(HashError::Busy)));
        drop(release);
        assert!(matches!(waiting.await, Ok(Ok(1))));
        assert!(matches!(pool.run(Origin::SERVER, |_| Ok(3)).await, Ok(3)));
    }

    #[tokio::test]
    async fn an_asker_alone_may_have_the_whole_queue_and_gives_up_its_newest_to_others() {
        let pool = pool(16);
        let release = occupy(&pool);
        let of_one = submit_many(&pool, client(1), 20);
        assert_eq!(of_one.len(), 16);
        let of_others: Vec<_> =
            (2..=9).flat_map(|number| submit_many(&pool, client(number), 1)).collect();
        assert_eq!(of_others.len(), 8);
        // While others wait, it may add none.
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
    async fn while_others_wait_an_asker_has_an_eighth_of_the_queue() {
        let pool = pool(16);
        let release = occupy(&pool);
        let other = submit_many(&pool, client(2), 1);
        let own = submit_many(&pool, client(1), 5);
        assert_eq!((other.len(), own.len()), (1, 2));
        drop(release);
    }

    #[tokio::test]
    async fn upkeep_takes_nothing_from_an_asker_that_is_otherwise_alone() {
        for origin in [Origin::SERVER, client(1)] {
            let pool = pool(16);
            let release = occupy(&pool);
            let upkeep = submit_many(&pool, Origin::UPKEEP, 1);
            let own = submit_many(&pool, origin, 15);
            assert_eq!((upkeep.len(), own.len()), (1, 15), "{origin:?}");
            drop(release);
        }
    }

    #[tokio::test]
    async fn while_others_wait_upkeep_has_an_eighth_of_the_queue() {
        let pool = pool(16);
        let release = occupy(&pool);
        let other = submit_many(&pool, client(1), 1);
        let upkeep = submit_many(&pool, Origin::UPKEEP, 5);
        assert_eq!((other.len(), upkeep.len()), (1, 2));
        drop(release);
    }

    #[tokio::test]
    async fn a_queue_of_many_askers_takes_a_known_place_for_an_unknown_one() {
        let pool = pool(8);
        let release = occupy(&pool);
        let mut waiting: Vec<_> =
            (1..=8).flat_map(|number| submit_many(&pool, client(number), 1)).collect();
        assert!(submit(&pool, client(9)).is_none());
        let known = submit(&pool, at_home(10)).unwrap();
        // Known places do not take each other's.
        let others: Vec<_> =
            (11..=20).flat_map(|number| submit_many(&pool, at_home(number), 1)).collect();
        assert_eq!(others.len(), 7);
        drop(release);
        assert!(matches!(known.await, Ok(Ok(()))));
        assert!(matches!(waiting.pop().unwrap().await, Ok(Err(HashError::Busy))));
        assert_eq!(served(waiting).await, 0);
    }

    #[tokio::test]
    async fn askers_take_turns_and_known_places_are_first_in_their_round() {
        let (a, b, known) = (client(1), client(2), at_home(3));
        assert_eq!(order(&[a, a, a, b, b, known, known]).await, [5, 0, 3, 6, 1, 4, 2]);
    }

    #[test]
    fn an_asker_that_comes_back_after_each_job_has_one_turn_a_round() {
        let mut queue = Queue::new(64, 8);
        let job = || -> Job { Box::new(|_| {}) };
        let taken = |queue: &mut Queue| {
            let asker = queue.waiters.first_key_value().unwrap().1.asker;
            queue.take();
            asker
        };
        for number in 1..=4 {
            queue.add(client(number), job()).unwrap();
        }
        queue.add(at_home(9), job()).unwrap();
        let mut order = Vec::new();
        for _ in 0..5 {
            let asker = taken(&mut queue);
            if asker == client(9).asker {
                queue.add(at_home(9), job()).unwrap();
            }
            order.push(asker);
        }
        let expected = [9, 1, 2, 3, 4].map(|number| client(number).asker);
        assert_eq!(order, expected);
    }

    #[test]
    fn askers_that_are_gone_leave_nothing() {
        let mut queue = Queue::new(8, 1);
        for number in 0..=255 {
            queue.add(client(number), Box::new(|_| {})).unwrap();
            queue.take();
        }
        assert!(queue.askers.is_empty());
    }

    #[tokio::test]
    async fn a_job_nobody_waits_for_is_skipped() {
        let pool = pool(2);
        let release = occupy(&pool);
        let (ran, has_run) = channel();
        drop(pool.submit(Origin::SERVER, move |_| Ok(ran.send(()))));
        drop(release);
        pool.run(Origin::SERVER, |_| Ok(())).await.unwrap();
        assert!(has_run.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_worker_lives_on() {
        let pool = pool(1);
        let panicked = pool.run::<()>(Origin::SERVER, |_| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(HashError::Panicked)));
        assert!(pool.run(Origin::SERVER, |_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn dropping_the_pool_ends_its_threads() {
        thread_local!(static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) });
        let (alive, ended) = channel();
        let pool = pool(1);
        pool.run(Origin::SERVER, move |_| Ok(ALIVE.replace(Some(alive)).is_none())).await.unwrap();
        drop(pool);
        let end = ended.recv_timeout(Duration::from_secs(60));
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn memory_beyond_the_kept_blocks_is_given_back() {
        let mut memory = Memory::new(8);
        assert!(memory.blocks(64).unwrap().len() >= 64);
        memory.release_excess();
        assert_eq!(memory.blocks.len(), 8);
    }
}
