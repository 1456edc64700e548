//! One piece of work at a time, shared by everybody who waits for it. It goes on when they go away.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result};

/// The work under way, if there is any.
pub(super) struct SingleFlight(Mutex<Option<FlightResult>>);

/// Tells the outcome.
pub(super) type FlightResult = watch::Receiver<Option<Result<()>>>;

impl SingleFlight {
    pub fn new() -> Self {
        SingleFlight(Mutex::new(None))
    }

    /// The work under way, or this one.
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

    /// The work under way.
    pub fn running(&self) -> Option<FlightResult> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().filter(|result| is_running(result)).cloned()
    }
}

/// It has no outcome, and its runtime has not gone away with it.
fn is_running(result: &FlightResult) -> bool {
    result.has_changed().is_ok() && result.borrow().is_none()
}

pub(super) async fn flight_result(mut result: FlightResult) -> Result<()> {
    let outcome = result.wait_for(Option::is_some).await;
    // Without an outcome the runtime is going down, or what the app supplied has panicked.
    let outcome = outcome.map_err(|error| Error::because(ErrorKind::Cancelled, error))?.clone();
    outcome.unwrap_or_else(|| Err(Error::new(ErrorKind::Cancelled)))
}
