//! Whether a process runs, stands still or is dead, and how the harness hears of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How it stands with a process.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Standing {
    Runs,
    Stopped,
    Over,
}

/// The life of one process, shared by all that moves in it.
pub(super) struct Life {
    shared: Arc<Shared>,
    worker: Handle,
    /// A blow is meant for one process and not for its successor.
    is_struck: AtomicBool,
}

struct Shared {
    standing: Mutex<Standing>,
    changes: Condvar,
}

impl Shared {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, standing: Standing) {
        let mut now = self.standing();
        if *now != Standing::Over {
            *now = standing;
        }
        self.changes.notify_all();
    }

    fn wait_while(&self, waits: impl Fn(Standing) -> bool) -> Standing {
        let mut now = self.standing();
        while waits(*now) {
            now = self.changes.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
        *now
    }
}

impl Life {
    pub fn of(runtime: &Runtime) -> Self {
        let shared = Shared { standing: Mutex::new(Standing::Runs), changes: Condvar::new() };
        let (shared, worker) = (Arc::new(shared), runtime.handle().clone());
        Life { shared, worker, is_struck: AtomicBool::new(false) }
    }

    pub fn end(&self) {
        self.shared.set(Standing::Over);
    }

    /// Nothing moves from now on: the one thread of its runtime waits, and its disk does.
    pub fn stop(&self) {
        self.shared.set(Standing::Stopped);
        let shared = Arc::clone(&self.shared);
        self.worker.spawn(async move { shared.wait_while(|now| now == Standing::Stopped) });
    }

    pub fn go_on(&self) {
        self.shared.set(Standing::Runs);
    }

    pub fn is_stopped(&self) -> bool {
        *self.shared.standing() == Standing::Stopped
    }

    /// Waits while it stands still; an error for the dead.
    pub fn pass(&self) -> io::Result<()> {
        match self.shared.wait_while(|now| now == Standing::Stopped) {
            Standing::Over => Err(io::Error::other("the process is dead")),
            Standing::Runs | Standing::Stopped => Ok(()),
        }
    }

    pub fn wait_for_end(&self) {
        self.shared.wait_while(|now| now != Standing::Over);
    }

    /// Whether this is the first blow.
    pub fn strike(&self) -> bool {
        !self.is_struck.swap(true, Ordering::SeqCst)
    }
}

/// What has become of a process.
pub(super) enum Event {
    /// It is to be killed and started again.
    Died(usize),
    /// It stands still, or is to.
    Stopped(Stopped),
}

/// A process that stands still.
pub(super) struct Stopped {
    pub process: usize,
    /// Nobody else can write the vault.
    pub has_lock: bool,
    /// Whoever waits for it to stand still, and then to go on.
    pub waits: Option<UnboundedSender<()>>,
}

impl Stopped {
    /// A connection that is gone needs no word.
    pub fn tell(&self) {
        let _ = self.waits.as_ref().map(|waits| waits.send(()));
    }
}

/// Tells the harness of one process. A harness that has gone needs no word.
#[derive(Clone)]
pub(super) struct Teller {
    pub process: usize,
    pub tell: UnboundedSender<Event>,
}

impl Teller {
    pub fn died(&self) {
        let _ = self.tell.send(Event::Died(self.process));
    }

    pub fn stopped(&self, has_lock: bool, waits: Option<UnboundedSender<()>>) {
        let stopped = Stopped { process: self.process, has_lock, waits };
        let _ = self.tell.send(Event::Stopped(stopped));
    }

    /// The harness kills the process; the connection that is closed then is the last of it.
    pub async fn strike(&self) -> io::Result<()> {
        self.died();
        std::future::pending().await
    }

    /// The harness stops the process. It tells when that stands still, and again when that goes on;
    /// nothing if that is gone.
    pub fn stop(&self) -> UnboundedReceiver<()> {
        let (waits, told) = unbounded_channel();
        self.stopped(false, Some(waits));
        told
    }
}
