//! The lock between tasks and processes, and the operations that need it.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use tokio::sync::{OwnedMutexGuard, oneshot};

use super::contents::Contents;
use super::task_locks::TaskLock;
use super::{VaultError, blocking};
use crate::vault_state::VaultState;

/// A locked vault: no other task or process writes it until this is dropped.
///
/// Dropping a future of its methods does not stop work that has started: the lock is held until the
/// work is done.
pub struct VaultGuard {
    contents: Arc<Contents>,
    lock_guard: VaultLock,
}

/// The lock itself, shared with work that may outlive the caller.
pub(super) type VaultLock = Arc<(Mutex<Box<dyn Send>>, OwnedMutexGuard<()>)>;

impl VaultGuard {
    /// The record; `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Vault::read`](super::Vault::read).
    pub async fn read(&self) -> Result<Option<Vec<u8>>, VaultError> {
        let contents = self.contents.clone();
        blocking(move || contents.read()).await
    }

    /// Replaces the record, of at most 1 MiB. An unreadable file is set aside; one that is only
    /// locked, or that a newer version has written, is kept.
    ///
    /// # Errors
    ///
    /// The record is unchanged.
    pub async fn write(&self, record: &[u8]) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        let record = record.to_vec();
        blocking(move || contents.write(&record, &lock_guard)).await
    }

    /// Removes the record, readable or not, and the rest of earlier ones. It needs no key and keeps
    /// the key.
    ///
    /// # Errors
    ///
    /// The record is still there.
    pub async fn remove(&self) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        blocking(move || {
            let removed = contents.remove();
            drop(lock_guard);
            removed
        })
        .await
    }

    /// As [`remove`](Self::remove), also for a record of a newer version.
    ///
    /// # Errors
    ///
    /// The record is still there.
    pub async fn remove_any_version(&self) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        blocking(move || {
            let removed = contents.remove_any_version();
            drop(lock_guard);
            removed
        })
        .await
    }

    /// Removes the record, the keys and the lock file. Another process that waits for the lock
    /// creates a new one.
    pub(super) async fn erase(self) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        blocking(move || contents.erase(&lock_guard)).await
    }

    fn parts(&self) -> (Arc<Contents>, VaultLock) {
        (self.contents.clone(), self.lock_guard.clone())
    }
}

impl std::fmt::Debug for VaultGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultGuard").finish_non_exhaustive()
    }
}

/// Waits for the lock, first among the tasks of this process, in their order, then among processes.
pub(super) async fn lock(
    contents: Arc<Contents>,
    task_lock: TaskLock,
) -> Result<VaultGuard, VaultError> {
    let asked = Instant::now();
    let task_lock = pass(&contents, task_lock).await?;
    let waiting = contents.clone();
    let lock =
        on_a_thread(move || Ok(Arc::new((Mutex::new(waiting.lock(asked)?), task_lock)))).await;
    let lock_guard = contents.locked(lock)?;
    Ok(VaultGuard { contents, lock_guard })
}

/// Waits for the task lock. Its holder may wait for a key store that never answers: then an error
/// is returned after the timeout.
async fn pass(contents: &Contents, task_lock: TaskLock) -> Result<OwnedMutexGuard<()>, VaultError> {
    let mut turn = std::pin::pin!(task_lock.lock_owned());
    loop {
        match tokio::time::timeout(contents.keys.store.timeout, &mut turn).await {
            Ok(task_lock) => return Ok(task_lock),
            Err(_) if contents.keys.store.is_stuck() => {
                return Err(VaultError::new(
                    VaultState::Locked,
                    "a key is being saved, and the key store does not answer",
                ));
            }
            Err(_) => {}
        }
    }
}

/// Runs on its own thread, because another process may hold the lock for long and the runtime waits
/// for its own threads at its end. If the caller has gone, the result is dropped.
pub(super) async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, outcome) = oneshot::channel();
    thread::Builder::new().name("propusk-lock".to_owned()).spawn(move || {
        // The caller may have gone.
        let _ = done.send(work());
    })?;
    outcome.await.map_err(|_| io::Error::other("waiting for the lock panicked"))?
}
