//! Calls a key store that may never answer: one call at a time, each on its own thread, with a
//! timeout.

use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{KeyStore, KeyStoreError, VaultKey};

/// A key store with a timeout.
pub(super) struct TimedKeyStore {
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) timeout: Duration,
    queue: Arc<Queue>,
}

/// The running call; there is at most one. While the system waits for the user's password, a second
/// call would ask for it again.
#[derive(Default)]
struct Queue {
    state: Mutex<QueueState>,
    free: Condvar,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum QueueState {
    #[default]
    Idle,
    Asking,
    /// No caller waits for the answer any more.
    Abandoned,
}

/// The right to make a call, until it is dropped.
struct Turn(Arc<Queue>);

impl TimedKeyStore {
    pub(super) fn new(store: Arc<dyn KeyStore>, timeout: Duration) -> Self {
        TimedKeyStore { store, timeout, queue: Arc::default() }
    }

    pub(super) fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        self.ask(|store| store.load())
    }

    /// Saves the key. `lock_guard` is held until the store has answered, so that no other process
    /// creates another key meanwhile.
    pub(super) fn save(
        &self,
        key: &VaultKey,
        lock_guard: impl Send + 'static,
    ) -> Result<(), KeyStoreError> {
        let key = key.clone();
        self.ask(move |store| {
            let saved = store.save(&key);
            drop(lock_guard);
            saved
        })
    }

    /// Removes the key; `lock_guard` as in [`save`](Self::save).
    pub(super) fn remove(&self, lock_guard: impl Send + 'static) -> Result<(), KeyStoreError> {
        self.ask(move |store| {
            let removed = store.remove();
            drop(lock_guard);
            removed
        })
    }

    /// Whether a call is still running whose caller has given up.
    pub(super) fn is_stuck(&self) -> bool {
        *self.queue.state.lock().unwrap_or_else(PoisonError::into_inner) == QueueState::Abandoned
    }

    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn KeyStore) -> Result<T, KeyStoreError> + Send + 'static,
    ) -> Result<T, KeyStoreError> {
        let deadline = Instant::now() + self.timeout;
        let turn = self.queue.wait(self.timeout)?;
        let store = self.store.clone();
        let (answer, answered) = sync_channel(1);
        thread::Builder::new()
            .name("propusk-keys".to_owned())
            .spawn(move || {
                let answered = question(&*store);
                drop(turn);
                // The caller may have gone.
                let _ = answer.send(answered);
            })
            .map_err(|error| KeyStoreError::Other(error.to_string()))?;
        match answered.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(answered) => answered,
            Err(RecvTimeoutError::Timeout) => {
                self.queue.mark_abandoned();
                Err(no_answer())
            }
            Err(RecvTimeoutError::Disconnected) => {
                Err(KeyStoreError::Other("the key store panicked".to_owned()))
            }
        }
    }
}

impl Queue {
    fn wait(self: &Arc<Self>, timeout: Duration) -> Result<Turn, KeyStoreError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .free
            .wait_timeout_while(state, timeout, |state| *state != QueueState::Idle)
            .unwrap_or_else(PoisonError::into_inner);
        if *state != QueueState::Idle {
            return Err(no_answer());
        }
        *state = QueueState::Asking;
        Ok(Turn(self.clone()))
    }

    fn mark_abandoned(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if *state == QueueState::Asking {
            *state = QueueState::Abandoned;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *self.0.state.lock().unwrap_or_else(PoisonError::into_inner) = QueueState::Idle;
        self.0.free.notify_one();
    }
}

fn no_answer() -> KeyStoreError {
    KeyStoreError::Locked("it does not answer".to_owned())
}
