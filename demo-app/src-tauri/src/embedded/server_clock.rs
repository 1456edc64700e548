//! The clock of the embedded server: that of the machine, plus the time that has passed at the press
//! of a button.

use std::sync::Arc;
use std::time::{Duration, Instant};

use propusk_server::Clock;
use tauri::async_runtime::JoinHandle;

use crate::time;

/// How often the clock is moved.
const TICK: Duration = Duration::from_millis(200);

/// A clock that runs; dropping the last clone stops it.
#[derive(Clone)]
pub struct ServerClock {
    clock: Clock,
    _ticking: Arc<Ticking>,
}

struct Ticking(JoinHandle<()>);

impl ServerClock {
    /// A clock for which this time has passed at earlier starts.
    pub fn start(passed: i64) -> Self {
        let clock = Clock::manual(time::now().saturating_add(passed));
        let ticking = tauri::async_runtime::spawn(tick(clock.clone()));
        ServerClock { clock, _ticking: Arc::new(Ticking(ticking)) }
    }

    pub fn for_server(&self) -> Clock {
        self.clock.clone()
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.advance(seconds);
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// By the monotonic clock: it does not run while the machine sleeps, which is one more device whose
/// clock is wrong.
async fn tick(clock: Clock) {
    let (began, mut shown) = (Instant::now(), 0);
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let passed = i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX);
        clock.advance(passed - shown);
        shown = passed;
    }
}
