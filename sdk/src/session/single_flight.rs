//! Single flight: one task runs at a time, and all callers share its result. The task continues if
//! they stop waiting.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// The running task, if any, and its purpose.
pub(super) struct SingleFlight<P>(Mutex<Option<Flight<P>>>);

/// A task that was joined or started.
#[derive(Clone)]
pub(super) struct Flight<P> {
    /// The purpose for which it was started.
    pub purpose: P,
    result: watch::Receiver<Option<Result<()>>>,
}

impl<P: Clone> SingleFlight<P> {
    pub fn new() -> Self {
        SingleFlight(Mutex::new(None))
    }

    /// Joins the running task, whatever its purpose, or starts this one.
    pub fn join<F>(&self, purpose: P, begin: impl FnOnce() -> F) -> Flight<P>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = slot.as_ref().filter(|flight| flight.is_running()) {
            return running.clone();
        }
        let (sender, result) = watch::channel(None);
        let flight = Flight { purpose, result };
        *slot = Some(flight.clone());
        let work = begin();
        tokio::spawn(async move {
            let outcome = work.await;
            sender.send_replace(Some(outcome));
        });
        flight
    }

    /// The running task; `None` if there is none.
    pub fn running(&self) -> Option<Flight<P>> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().filter(|flight| flight.is_running()).cloned()
    }
}

impl<P> Flight<P> {
    /// Whether the task has no result yet and its runtime still exists.
    fn is_running(&self) -> bool {
        self.result.has_changed().is_ok() && self.result.borrow().is_none()
    }

    /// Waits until the task is done.
    pub async fn outcome(mut self) -> Result<()> {
        let outcome = self.result.wait_for(Option::is_some).await;
        // Without a result, the runtime is shutting down or the app's own code has panicked.
        let outcome = outcome.map_err(|error| Error::because(ErrorKind::Cancelled, error))?.clone();
        outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled)))
    }
}
