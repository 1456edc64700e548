//! One piece of work at a time, shared by everybody who waits for it. It goes on when they go away.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::{Error, Kind, Result};

/// The work under way, if there is any.
pub(super) struct Flight(Mutex<Option<Landing>>);

/// Tells the outcome.
pub(super) type Landing = watch::Receiver<Option<Result<()>>>;

impl Flight {
    pub fn new() -> Self {
        Flight(Mutex::new(None))
    }

    /// The work under way, or this one.
    pub fn join<F>(&self, begin: impl FnOnce() -> F) -> Landing
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(under_way) = slot.as_ref().filter(|landing| is_under_way(landing)) {
            return under_way.clone();
        }
        let (lands, landing) = watch::channel(None);
        *slot = Some(landing.clone());
        let work = begin();
        tokio::spawn(async move {
            let outcome = work.await;
            lands.send_replace(Some(outcome));
        });
        landing
    }

    /// The work under way.
    pub fn under_way(&self) -> Option<Landing> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.as_ref().filter(|landing| is_under_way(landing)).cloned()
    }
}

/// It has no outcome, and its runtime has not gone away with it.
fn is_under_way(landing: &Landing) -> bool {
    landing.has_changed().is_ok() && landing.borrow().is_none()
}

pub(super) async fn landed(mut landing: Landing) -> Result<()> {
    let outcome = landing.wait_for(Option::is_some).await;
    // Without an outcome the runtime is going down, or what the app supplied has panicked.
    let outcome = outcome.map_err(|error| Error::because(Kind::Cancelled, error))?.clone();
    outcome.unwrap_or_else(|| Err(Error::new(Kind::Cancelled)))
}
