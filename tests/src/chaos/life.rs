//! The state of a process: running, suspended or dead, and how the harness learns of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The state of a process.
#[derive(Clone, Copy, Eq, PartialEq)]
enum ProcessState {
    Runs,
    Stopped,
    Over,
}

/// The state of one process, shared by all of its parts.
pub(super) struct Life {
    shared: Arc<Shared>,
    worker: Handle,
    /// A kill is meant for one process and not for its successor.
    is_killed: AtomicBool,
}

struct Shared {
    state: Mutex<ProcessState>,
    changes: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, ProcessState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: ProcessState) {
        let mut now = self.state();
        if *now != ProcessState::Over {
            *now = state;
        }
        self.changes.notify_all();
    }

    fn wait_while(&self, waiter: impl Fn(ProcessState) -> bool) -> ProcessState {
        let mut now = self.state();
        while waiter(*now) {
            now = self.changes.wait(now).unwrap_or_else(PoisonError::into_inner);
        }
        *now
    }
}

impl Life {
    pub fn of(runtime: &Runtime) -> Self {
        let shared = Shared { state: Mutex::new(ProcessState::Runs), changes: Condvar::new() };
        let (shared, worker) = (Arc::new(shared), runtime.handle().clone());
        Life { shared, worker, is_killed: AtomicBool::new(false) }
    }

    pub fn end(&self) {
        self.shared.set(ProcessState::Over);
    }

    /// Suspends the process: the only thread of its runtime waits, and so does its disk.
    pub fn stop(&self) {
        self.shared.set(ProcessState::Stopped);
        let shared = Arc::clone(&self.shared);
        self.worker.spawn(async move { shared.wait_while(|now| now == ProcessState::Stopped) });
    }

    pub fn resume(&self) {
        self.shared.set(ProcessState::Runs);
    }

    pub fn is_stopped(&self) -> bool {
        *self.shared.state() == ProcessState::Stopped
    }

    /// Waits while the process is suspended. An error if it is dead.
    pub fn pass(&self) -> io::Result<()> {
        match self.shared.wait_while(|now| now == ProcessState::Stopped) {
            ProcessState::Over => Err(io::Error::other("the process is dead")),
            ProcessState::Runs | ProcessState::Stopped => Ok(()),
        }
    }

    pub fn wait_for_end(&self) {
        self.shared.wait_while(|now| now != ProcessState::Over);
    }

    /// Whether this is the first kill.
    pub fn kill(&self) -> bool {
        !self.is_killed.swap(true, Ordering::SeqCst)
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
    pub waiter: Option<UnboundedSender<()>>,
}

impl Stopped {
    /// The connection may be gone already.
    pub fn notify(&self) {
        let _ = self.waiter.as_ref().map(|waiter| waiter.send(()));
    }
}

/// Reports events of one process. The harness may be gone already.
#[derive(Clone)]
pub(super) struct EventSender {
    pub process: usize,
    pub events_sender: UnboundedSender<Event>,
}

impl EventSender {
    pub fn died(&self) {
        let _ = self.events_sender.send(Event::Died(self.process));
    }

    pub fn stopped(&self, has_lock: bool, waiter: Option<UnboundedSender<()>>) {
        let stopped = Stopped { process: self.process, has_lock, waiter };
        let _ = self.events_sender.send(Event::Stopped(stopped));
    }

    /// Asks the harness to kill the process and never returns: the connection is closed.
    pub async fn kill(&self) -> io::Result<()> {
        self.died();
        std::future::pending().await
    }

    /// Asks the harness to suspend the process. The receiver gets a message when it is suspended
    /// and another when it is resumed.
    pub fn stop(&self) -> UnboundedReceiver<()> {
        let (waiter, notified) = unbounded_channel();
        self.stopped(false, Some(waiter));
        notified
    }
}
