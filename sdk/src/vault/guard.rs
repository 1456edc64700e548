//! The lock across tasks and processes, and what may be done while one has it.

use std::io;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use tokio::sync::{OwnedMutexGuard, oneshot};

use super::contents::Contents;
use super::task_locks::TaskLock;
use super::{VaultError, blocking};
use crate::vault_state::VaultState;

/// A vault that nobody else writes, in this process or another, until this is dropped.
///
/// A future of its methods that is dropped does not stop what has begun: the lock is kept until it is
/// done.
pub struct VaultGuard {
    contents: Arc<Contents>,
    lock_guard: VaultLock,
}

/// The lock itself, shared with work that may outlast whoever waits for it.
pub(super) type VaultLock = Arc<(Mutex<Box<dyn Send>>, OwnedMutexGuard<()>)>;

impl VaultGuard {
    /// The record, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// As [`Vault::read`](super::Vault::read).
    pub async fn read(&self) -> Result<Option<Vec<u8>>, VaultError> {
        let contents = self.contents.clone();
        blocking(move || contents.read()).await
    }

    /// Replaces the record, which has 1 MiB at most. A file that nobody can read is set aside by it;
    /// one that is only locked, or newer, stays.
    ///
    /// # Errors
    ///
    /// The record is then what it was before.
    pub async fn write(&self, record: &[u8]) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        let record = record.to_vec();
        blocking(move || contents.write(&record, &lock_guard)).await
    }

    /// Removes the record, readable or not, and everything that is left of earlier ones. It needs no
    /// key, and leaves the key where it is.
    ///
    /// # Errors
    ///
    /// The record is then still there.
    pub async fn remove(&self) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        blocking(move || {
            let removed = contents.remove();
            drop(lock_guard);
            removed
        })
        .await
    }

    /// The same, also for what a newer version has written.
    ///
    /// # Errors
    ///
    /// The record is then still there.
    pub async fn remove_any_version(&self) -> Result<(), VaultError> {
        let (contents, lock_guard) = self.parts();
        blocking(move || {
            let removed = contents.remove_any_version();
            drop(lock_guard);
            removed
        })
        .await
    }

    /// Removes the record, the keys and the lock. Another process that waits for the lock gets a new one.
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

/// Waits for the lock: first among the tasks of this process, in their order, then among processes.
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

/// The one before may wait for a key store that never answers; who has waited as long as one waits
/// for that is told so.
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

/// On a thread of its own rather than one of the runtime's, whose end waits for all of those: another
/// process may keep the lock for long. Where nobody waits any more, what it returns is dropped.
async fn on_a_thread<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (done, outcome) = oneshot::channel();
    thread::Builder::new().name("propusk-lock".to_owned()).spawn(move || {
        // Whoever waited may have gone.
        let _ = done.send(work());
    })?;
    outcome.await.map_err(|_| io::Error::other("waiting for the lock panicked"))?
}
