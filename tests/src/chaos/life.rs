//! Whether a process is alive, and how the harness hears of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::UnboundedSender;

/// The life of one process, shared by all that moves in it.
#[derive(Default)]
pub(super) struct Life {
    is_over: Mutex<bool>,
    ends: Condvar,
    /// A blow is meant for one process and not for its successor.
    is_struck: AtomicBool,
}

impl Life {
    pub fn end(&self) {
        *self.over() = true;
        self.ends.notify_all();
    }

    /// An error for the dead.
    pub fn pass(&self) -> io::Result<()> {
        if *self.over() { Err(io::Error::other("the process is dead")) } else { Ok(()) }
    }

    pub fn wait_for_end(&self) {
        let mut is_over = self.over();
        while !*is_over {
            is_over = self.ends.wait(is_over).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether this is the first blow.
    pub fn strike(&self) -> bool {
        !self.is_struck.swap(true, Ordering::SeqCst)
    }

    fn over(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has become of a process.
pub(super) enum Event {
    /// It is to be killed and started again.
    Died(usize),
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

    /// The harness kills the process; the connection that is closed then is the last of it.
    pub async fn strike(&self) -> io::Result<()> {
        self.died();
        std::future::pending().await
    }
}
