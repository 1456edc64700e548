//! Account numbers that were used: a number must never be given to a second account, not even after
//! an old backup was restored.

pub mod file;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::auth::numbers::file::NumberFile;

/// The account numbers that were used, as far as this process knows.
#[derive(Default)]
pub struct Numbers {
    /// The database gives new accounts numbers above this one.
    last: AtomicI64,
    pub file: OnceLock<Arc<NumberFile>>,
}

impl Numbers {
    pub fn learn(&self, last: i64) {
        self.last.fetch_max(last, Ordering::SeqCst);
    }

    /// The highest number that was used, as far as this process knows.
    pub fn highest(&self) -> i64 {
        let given = self.file.get().map_or(0, |file| file.given());
        given.max(self.last.load(Ordering::SeqCst))
    }

    pub fn knows(&self, number: i64) -> bool {
        number <= self.last.load(Ordering::SeqCst)
    }

    /// Notes that an account has this number; done before the number is answered.
    pub(in crate::auth) async fn note(&self, number: i64) {
        self.learn(number);
        let Some(file) = self.file.get().filter(|file| !file.has(number)) else { return };
        let file = Arc::clone(file);
        match tokio::task::spawn_blocking(move || file.note(number)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the number of a new account could not be noted");
            }
            Err(error) => tracing::warn!(%error, "the number of a new account was not noted"),
        }
    }
}
