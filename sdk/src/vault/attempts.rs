//! Asking a key store that may never answer: one question at a time, each on a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{KeyStore, KeyStoreError, VaultKey};

/// A key store that is waited for so long and no longer.
pub(super) struct Attempts {
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) patience: Duration,
    line: Arc<Line>,
}

/// The question that is being asked, of which there is one at most: while the system waits for the
/// user's password, a second one would ask for it again.
#[derive(Default)]
struct Line {
    asking: Mutex<Asking>,
    free: Condvar,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum Asking {
    #[default]
    Nobody,
    Somebody,
    /// Nobody waits for the answer any more.
    InVain,
}

/// Being first in the line, until it is dropped.
struct Turn(Arc<Line>);

impl Attempts {
    pub(super) fn new(store: Arc<dyn KeyStore>, patience: Duration) -> Self {
        Attempts { store, patience, line: Arc::default() }
    }

    pub(super) fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        self.ask(|store| store.load())
    }

    /// `hold` is kept until the store has answered, however late: who has it keeps everybody else
    /// from making another key meanwhile.
    pub(super) fn save(
        &self,
        key: &VaultKey,
        hold: impl Send + 'static,
    ) -> Result<(), KeyStoreError> {
        let key = key.clone();
        self.ask(move |store| {
            let saved = store.save(&key);
            drop(hold);
            saved
        })
    }

    /// `hold` as with [`save`](Self::save).
    pub(super) fn remove(&self, hold: impl Send + 'static) -> Result<(), KeyStoreError> {
        self.ask(move |store| {
            let removed = store.remove();
            drop(hold);
            removed
        })
    }

    /// Whether an answer is still out that nobody waits for.
    pub(super) fn are_stuck(&self) -> bool {
        *self.line.asking.lock().unwrap_or_else(PoisonError::into_inner) == Asking::InVain
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn KeyStore) -> Result<T, KeyStoreError> + Send + 'static,
    ) -> Result<T, KeyStoreError> {
        let deadline = Instant::now() + self.patience;
        let turn = self.line.wait(self.patience)?;
        let store = self.store.clone();
        let (answer, answered) = sync_channel(1);
        thread::Builder::new()
            .name("propusk-keys".to_owned())
            .spawn(move || {
                let answered = question(&*store);
                drop(turn);
                // Whoever asked may have gone.
                let _ = answer.send(answered);
            })
            .map_err(|error| KeyStoreError::Other(error.to_string()))?;
        match answered.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(answered) => answered,
            Err(RecvTimeoutError::Timeout) => {
                self.line.give_up();
                Err(silent())
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(KeyStoreError::Other("the key store panicked".to_owned()))
            }
        }
    }
}

impl Line {
    fn wait(self: &Arc<Self>, patience: Duration) -> Result<Turn, KeyStoreError> {
        let asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut asking, _) = self
            .free
            .wait_timeout_while(asking, patience, |asking| *asking != Asking::Nobody)
            .unwrap_or_else(PoisonError::into_inner);
        if *asking != Asking::Nobody {
            return Err(silent());
        }
        *asking = Asking::Somebody;
        Ok(Turn(self.clone()))
    }

    fn give_up(&self) {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if *asking == Asking::Somebody {
            *asking = Asking::InVain;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.asking.lock().unwrap_or_else(PoisonError::into_inner) = Asking::Nobody;
        self.0.free.notify_one();
    }
}

fn silent() -> KeyStoreError {
    KeyStoreError::Locked("it does not answer".to_owned())
}
