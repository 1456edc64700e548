//! The threads that hash passwords, the bounded queue before them and the argon2 memory that
//! each of them keeps from one job to the next.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::Block;
use tokio::sync::oneshot;

use super::HashError;

/// Its threads end when it is dropped.
pub struct Pool {
    queue: SyncSender<Job>,
}

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

impl Pool {
    pub fn start(threads: usize, queue: usize, kept_blocks: usize) -> io::Result<Pool> {
        let (queue, jobs) = sync_channel(queue);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let (jobs, memory) = (Arc::clone(&jobs), Memory::new(kept_blocks));
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work_off(&jobs, memory))?;
        }
        Ok(Pool { queue })
    }

    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        // A job that panics drops its end of the channel without an answer.
        self.submit(work)?.await.map_err(|_| HashError::Panicked)?
    }

    /// Queues the work. It is skipped if the receiver is dropped before a worker takes it.
    fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, HashError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, HashError>>, HashError> {
        let (answer, receiver) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                // Whoever asked may have gone away meanwhile.
                let _ = answer.send(work(memory));
            }
        });
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => HashError::Busy,
            TrySendError::Disconnected(_) => HashError::Closed,
        })?;
        Ok(receiver)
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

fn work_off(jobs: &Mutex<Receiver<Job>>, mut memory: Memory) {
    while let Some(job) = next_job(jobs) {
        // The blocks hold no invariant that a job cut short could break.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            tracing::error!("a password hashing job panicked");
        }
        memory.release_excess();
    }
}

/// Waits for a job; its own function so that the lock is not held while the job runs.
fn next_job(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
    use std::time::Duration;

    use super::*;

    /// Keeps the only worker busy from when this returns until the returned sender is dropped.
    fn occupy(pool: &Pool) -> Sender<()> {
        let (release, released) = channel::<()>();
        let (started, has_started) = channel();
        let answer = pool.submit(move |_| {
            started.send(()).unwrap();
            let _ = released.recv();
            Ok(())
        });
        has_started.recv().unwrap();
        // The work has begun, so that dropping the answer's receiver no longer skips it.
        drop(answer);
        release
    }

    #[tokio::test]
    async fn a_full_queue_is_busy_at_once() {
        let pool = Pool::start(1, 1, 8).unwrap();
        let release = occupy(&pool);
        let waiting = pool.submit(|_| Ok(1)).unwrap();
        assert!(matches!(pool.run(|_| Ok(2)).await, Err(HashError::Busy)));
        drop(release);
        assert!(matches!(waiting.await, Ok(Ok(1))));
        assert!(matches!(pool.run(|_| Ok(3)).await, Ok(3)));
    }

    #[tokio::test]
    async fn a_job_nobody_waits_for_is_skipped() {
        let pool = Pool::start(1, 2, 8).unwrap();
        let release = occupy(&pool);
        let (ran, has_run) = channel();
        drop(pool.submit(move |_| Ok(ran.send(()))));
        drop(release);
        pool.run(|_| Ok(())).await.unwrap();
        assert!(has_run.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_worker_lives_on() {
        let pool = Pool::start(1, 1, 8).unwrap();
        let panicked = pool.run::<()>(|_| panic!("on purpose")).await;
        assert!(matches!(panicked, Err(HashError::Panicked)));
        assert!(pool.run(|_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn dropping_the_pool_ends_its_threads() {
        thread_local!(static ALIVE: RefCell<Option<Sender<()>>> = const { RefCell::new(None) });
        let (alive, ended) = channel();
        let pool = Pool::start(1, 1, 8).unwrap();
        pool.run(move |_| Ok(ALIVE.replace(Some(alive)).is_none())).await.unwrap();
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
