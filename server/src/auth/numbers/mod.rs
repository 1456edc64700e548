//! Account numbers that were given out.

pub mod file;

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::auth::numbers::file::NumberFile;

/// The account numbers that were given out, as far as this process knows.
#[derive(Default)]
pub(in crate::auth) struct Numbers {
    /// The database gives no new account a number up to here.
    last: AtomicI64,
    pub(in crate::auth) file: OnceLock<Arc<NumberFile>>,
}

impl Numbers {
    pub(in crate::auth) fn learn(&self, last: i64) {
        self.last.fetch_max(last, Ordering::SeqCst);
    }

    /// No number above this one was given out, as far as is known here.
    pub(in crate::auth) fn highest(&self) -> i64 {
        let given = self.file.get().map_or(0, |file| file.given());
        given.max(self.last.load(Ordering::SeqCst))
    }

    pub(in crate::auth) fn knows(&self, number: i64) -> bool {
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
