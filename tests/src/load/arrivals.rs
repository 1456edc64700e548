//! How requests arrive. *Open*: at a constant rate, whether or not earlier ones are answered, and the
//! time of each counts from the moment at which it was to be sent, so a stall of the server is seen
//! by all that it delays. *Closed*: a number of clients, each of which sends its next request after
//! the answer; this finds the highest rate.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Result;
use super::target::Outcome;

/// The longest time that is told apart, in microseconds.
const LONGEST: u64 = 120_000_000;
/// How long a client of a closed load waits after a 429 or 503.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The outcomes of one load.
pub struct Tally {
    pub done: u64,
    pub busy: u64,
    pub failed: u64,
    /// What the first failure was.
    pub failure: Option<String>,
    /// How long the load took.
    pub seconds: f64,
    /// Times of what was done, in microseconds.
    times: Histogram<u64>,
}

impl Tally {
    fn new() -> Result<Self> {
        let times = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Tally { done: 0, busy: 0, failed: 0, failure: None, seconds: 0.0, times })
    }

    fn note(&mut self, outcome: Outcome, took: Duration) {
        match outcome {
            Outcome::Done => {
                self.done += 1;
                let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
                self.times.saturating_record(micros.max(1));
            }
            Outcome::Busy => self.busy += 1,
            Outcome::Failed(failure) => {
                self.failed += 1;
                self.failure.get_or_insert(failure);
            }
        }
    }

    fn add(&mut self, other: Tally) -> Result<()> {
        self.done += other.done;
        self.busy += other.busy;
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        self.times.add(&other.times)?;
        Ok(())
    }

    /// What was done in a second.
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }

    /// The time within which this part of all was done, in milliseconds.
    pub fn millis(&self, part: f64) -> f64 {
        self.times.value_at_quantile(part) as f64 / 1e3
    }
}

/// So many clients act one after another for this long.
pub async fn closed<A, F>(clients: usize, length: Duration, act: &Arc<A>) -> Result<Tally>
where
    A: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let (act, mut tally) = (Arc::clone(act), Tally::new()?);
        tasks.spawn(async move {
            while began.elapsed() < length {
                let asked = Instant::now();
                let outcome = act().await;
                let took = asked.elapsed();
                if outcome == Outcome::Busy {
                    sleep(RETRY_AFTER).await;
                }
                tally.note(outcome, took);
            }
            tally
        });
    }
    let mut all = Tally::new()?;
    while let Some(tally) = tasks.join_next().await {
        all.add(tally?)?;
    }
    all.seconds = began.elapsed().as_secs_f64();
    Ok(all)
}

/// Acts so many times a second for this long. A thread of its own keeps the time: the timers of the
/// runtime are coarser than many answers take.
pub async fn open<A, F>(rate: f64, length: Duration, act: &Arc<A>) -> Result<Tally>
where
    A: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Outcome> + Send + 'static,
{
    if !(rate.is_finite() && rate > 0.0) {
        return Err(format!("{rate} requests a second cannot be sent").into());
    }
    let (sender, mut outcomes) = mpsc::unbounded_channel();
    let (act, runtime) = (Arc::clone(act), Handle::current());
    let began = Instant::now();
    let count = (rate * length.as_secs_f64()).ceil() as u64;
    let keeper = std::thread::spawn(move || {
        for number in 0..count {
            let due = began + Duration::from_secs_f64(number as f64 / rate);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (act, sender) = (Arc::clone(&act), sender.clone());
            runtime.spawn(async move {
                let outcome = act().await;
                // The receiver waits for all of them.
                let _ = sender.send((outcome, due.elapsed()));
            });
        }
    });
    let mut tally = Tally::new()?;
    while let Some((outcome, took)) = outcomes.recv().await {
        tally.note(outcome, took);
    }
    tally.seconds = began.elapsed().as_secs_f64();
    keeper.join().map_err(|_| "the thread that keeps the time has failed")?;
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn open_load_counts_a_stall_for_all_that_it_delays() {
        let gate = Arc::new(tokio::sync::Mutex::new(()));
        let is_first = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let act = Arc::new(move || {
            let (gate, is_first) = (Arc::clone(&gate), Arc::clone(&is_first));
            async move {
                let held = gate.lock().await;
                if is_first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                drop(held);
                Outcome::Done
            }
        });
        let tally = open(100.0, Duration::from_millis(300), &act).await.expect("a load");
        assert_eq!((tally.done, tally.failed), (30, 0));
        // Twenty of thirty were due during the stall.
        assert!(tally.millis(0.5) > 10.0, "{}", tally.millis(0.5));
        assert!(tally.millis(1.0) >= 200.0, "{}", tally.millis(1.0));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn closed_load_sums_up_all_clients_and_keeps_the_first_failure() {
        let act = Arc::new(|| async {
            tokio::task::yield_now().await;
            Outcome::Failed("no".to_owned())
        });
        let tally = closed(3, Duration::from_millis(20), &act).await.expect("a load");
        assert!(tally.failed >= 3 && tally.done == 0);
        assert_eq!(tally.failure.as_deref(), Some("no"));
    }
}
