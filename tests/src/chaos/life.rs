//! The state of a process: running, suspended or dead, and how the harness learns of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The state of a process.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Standing {
    Runs,
    Stopped,
    Over,
}

/// The state of one process, shared by all of its parts.
pub(super) struct Life {
    shared: Arc<Shared>,
    worker: Handle,
    /// A kill is meant for one process and not for its successor.
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

    /// Suspends the process: the only thread of its runtime waits, and so does its disk.
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

    /// Waits while the process is suspended. An error if it is dead.
    pub fn pass(&self) -> io::Result<()> {
        match self.shared.wait_while(|now| now == Standing::Stopped) {
            Standing::Over => Err(io::Error::other("the process is dead")),
            Standing::Runs | Standing::Stopped => Ok(()),
        }
    }

    pub fn wait_for_end(&self) {
        self.shared.wait_while(|now| now != Standing::Over);
    }

    /// Whether this is the first kill.
    pub fn strike(&self) -> bool {
        !self.is_struck.swap(true, Ordering::SeqCst)
    }
}

/// A change of a process.
pub(super) enum Event {
    /// It must be killed and restarted.
    Died(usize),
    /// It is suspended, or must be.
    Stopped(Stopped),
}

/// A suspended process.
pub(super) struct Stopped {
    pub process: usize,
    /// Whether it holds the lock of the vault.
    pub has_lock: bool,
    /// The task that waits until the process is suspended, and then until it is resumed.
    pub waits: Option<UnboundedSender<()>>,
}

impl Stopped {
    /// The connection may be gone already.
    pub fn tell(&self) {
        let _ = self.waits.as_ref().map(|waits| waits.send(()));
    }
}

/// Reports events of one process. The harness may be gone already.
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

    /// Asks the harness to kill the process and never returns: the connection is closed.
    pub async fn strike(&self) -> io::Result<()> {
        self.died();
        std::future::pending().await
    }

    /// Asks the harness to suspend the process. The receiver gets a message when it is suspended
    /// and another when it is resumed.
    pub fn stop(&self) -> UnboundedReceiver<()> {
        let (waits, told) = unbounded_channel();
        self.stopped(false, Some(waits));
        told
    }
}
