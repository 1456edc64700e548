//! Single flight: one task runs at a time, and all callers share its result. The task continues if
//! they stop waiting.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// The running task, if any.
pub(super) struct SingleFlight(Mutex<Option<FlightResult>>);

/// Receives the result of the task.
pub(super) type FlightResult = watch::Receiver<Option<Result<()>>>;

impl SingleFlight {
    pub fn new() -> Self {
        SingleFlight(Mutex::new(None))
    }

    /// Joins the running task, or starts this one.
    pub fn join<F>(&self, begin: impl FnOnce() -> F) -> FlightResult
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = slot.as_ref().filter(|result| is_running(result)) {
            return running.clone();
        }
        let (sender, result) = watch::channel(None);
        *slot = Some(result.clone());
        let work = begin();
        tokio::spawn(async move {
            let outcome = work.await;
            sender.send_replace(Some(outcome));
        });
        result
    }

    /// The running task; `None` if there is none.
    pub fn running(&self) -> Option<FlightResult> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().filter(|result| is_running(result)).cloned()
    }
}

/// Whether the task has no result yet and its runtime still exists.
fn is_running(result: &FlightResult) -> bool {
    result.has_changed().is_ok() && result.borrow().is_none()
}

pub(super) async fn flight_result(mut result: FlightResult) -> Result<()> {
    let outcome = result.wait_for(Option::is_some).await;
    // Without a result, the runtime is shutting down or the app's own code has panicked.
    let outcome = outcome.map_err(|error| Error::because(ErrorKind::Cancelled, error))?.clone();
    outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled)))
}
