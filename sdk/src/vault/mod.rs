//! Where credentials live: one sealed file, and the key that opens it in the operating system's own
//! store.
//!
//! The system's stores keep small secrets only (Windows 2 560 bytes), so they keep 32 random bytes and
//! the file has the rest. That what is stored cannot be read *now* is told from that it is lost:
//! nothing is overwritten because of a locked store.

mod changes;
mod contents;
mod disk_retry;
mod error;
mod folder;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod guard;
mod key;
mod key_file;
mod keys;
mod memory;
#[cfg(all(
    feature = "keyring",
    any(target_os = "linux", target_os = "macos", target_os = "ios", windows)
))]
mod os_store;
pub(crate) mod sealed;
mod slots;
mod storage;
mod task_locks;
mod timed_key_store;
mod watch;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use error::VaultError;
pub use guard::VaultGuard;
pub use key::{KeyStore, KeyStoreError, VaultKey};
pub use slots::VaultSlots;
pub use storage::{FileStorage, Storage};

use crate::vault_state::VaultState;

use changes::Changes;
use contents::Contents;
use key::FixedKey;
use key_file::KeyFile;
use keys::Keys;
use memory::MemoryStorage;
use task_locks::{TaskLock, TaskLocks};

/// Keeps one record of at most 1 MiB, sealed: a session's, or another secret of the app's in a vault
/// of its own. Clones are the same vault.
///
/// ```
/// use propusk::{Vault, VaultError};
///
/// # async fn example() -> Result<(), VaultError> {
/// let vault = Vault::memory(); // in an app: Vault::keyring("org.example.app", folder)
/// let guard = vault.lock().await?;
/// let count = guard.read().await?.map_or(0, |record| record.len());
/// guard.write(&vec![b'x'; count + 1]).await?;
/// drop(guard);
/// assert_eq!(vault.read().await?.as_deref(), Some(&b"x"[..]));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(example()).unwrap();
/// ```
///
/// It must be used within a tokio runtime that has its time enabled. Files and key stores are never
/// waited for on the runtime's own threads.
#[derive(Clone)]
pub struct Vault {
    parts: Parts,
    contents: Arc<Contents>,
    task_locks: Arc<TaskLocks>,
}

/// Nobody waits longer for a key store.
const MAX_KEY_STORE_TIMEOUT: Duration = Duration::from_secs(86_400);

/// What a vault is made of.
#[derive(Clone)]
struct Parts {
    storage: Arc<dyn Storage>,
    /// The same storage, where it is a file.
    file: Option<FileStorage>,
    keys: Arc<dyn KeyStore>,
    allows_key_file: bool,
    timeout: Duration,
}

impl Vault {
    /// One that ends with the process.
    pub fn memory() -> Self {
        // Sealed like any other, so that there is one way; in memory the key protects from nobody.
        let key = FixedKey(VaultKey::from_bytes([0; 32]));
        Vault::with_storage(Arc::new(MemoryStorage::default()), Arc::new(key))
    }

    /// A file whose key the app keeps: for servers and tests.
    pub fn file(path: impl Into<PathBuf>, key: VaultKey) -> Self {
        Vault::with_key_store(path, Arc::new(FixedKey(key)))
    }

    /// The file `<service>.vault` in this folder, and its key in the operating system's store under
    /// the same name: Secret Service on Linux, the keychain on Apple's systems, the Credential Manager
    /// on Windows. `service` is the app's own name, such as `org.example.app`; it has one folder.
    ///
    /// Nothing is opened before the first use. The user may then be asked to unlock the store.
    ///
    /// On iOS the key can be read once the device has been unlocked after its start, and never leaves
    /// the device. It stays when the app is removed, but the file does not: the vault is then empty.
    #[cfg(all(
        feature = "keyring",
        any(target_os = "linux", target_os = "macos", target_os = "ios", windows)
    ))]
    pub fn keyring(service: &str, folder: impl AsRef<std::path::Path>) -> Self {
        let path = folder.as_ref().join(os_store::file_name(service));
        Vault::with_key_store(path, Arc::new(os_store::OsStore::new(service)))
    }

    /// A file whose key is in a store that the app supplies, such as Android's Keystore.
    pub fn with_key_store(path: impl Into<PathBuf>, keys: Arc<dyn KeyStore>) -> Self {
        let file = FileStorage::new(path);
        Vault::of(Parts { file: Some(file.clone()), ..Parts::new(Arc::new(file), keys) })
    }

    /// One that keeps its bytes elsewhere: to try what happens when a disk fails.
    pub fn with_storage(storage: Arc<dyn Storage>, keys: Arc<dyn KeyStore>) -> Self {
        Vault::of(Parts::new(storage, keys))
    }

    /// Lets the key lie beside the file where the system has no store for keys at all, such as a
    /// machine without a desktop: [`Degraded`](VaultState::KeyInFile). Whoever can read the one can
    /// then read the other. A store that is only locked is never passed by, and once there is one the
    /// key moves into it.
    ///
    /// To be called before the first use; without a file it changes nothing.
    pub fn allow_key_file(self) -> Self {
        Vault::of(Parts { allows_key_file: true, ..self.parts })
    }

    /// How long the key store is waited for; 10 s unless it is said. What takes longer, such as a user
    /// who types a password, may still be done and helps the next attempt.
    ///
    /// To be called before the first use.
    pub fn key_store_timeout(self, timeout: Duration) -> Self {
        Vault::of(Parts { timeout: timeout.min(MAX_KEY_STORE_TIMEOUT), ..self.parts })
    }

    /// How it stands. It may ask the key store for the key.
    pub async fn state(&self) -> VaultState {
        let contents = self.contents.clone();
        blocking(move || Ok(contents.state())).await.unwrap_or_else(|error| error.state())
    }

    /// The record, or `None` if there is none. It waits for no lock: it is one of those that were
    /// written, wholly.
    ///
    /// # Errors
    ///
    /// [`Locked`](VaultState::Locked), [`Absent`](VaultState::NoKeyStore), [`Newer`](VaultState::NewerVersion):
    /// the record is there and cannot be read now. [`Foreign`](VaultState::Unreadable): it is lost.
    pub async fn read(&self) -> Result<Option<Vec<u8>>, VaultError> {
        let contents = self.contents.clone();
        blocking(move || contents.read()).await
    }

    /// Waits until nobody else writes, in this process or another, without blocking a thread of the
    /// runtime. Whoever gives up waiting leaves no lock behind, nor does a process that dies.
    ///
    /// # Errors
    ///
    /// [`ReadOnly`](VaultState::ReadOnly) where the disk has no place for a lock,
    /// [`Locked`](VaultState::Locked) where the key store keeps another task waiting, or the folder of the
    /// file has been away for 3 seconds.
    pub async fn lock(&self) -> Result<VaultGuard, VaultError> {
        guard::lock(self.contents.clone(), self.task_lock().await?).await
    }

    /// Waits for changes of what is stored, by any process, from now on.
    pub(crate) async fn changes(&self) -> Changes {
        Changes::of(self.parts.storage.clone(), self.parts.file.clone()).await
    }

    async fn task_lock(&self) -> Result<TaskLock, VaultError> {
        match (self.task_locks.known(), self.parts.file.clone()) {
            (Some(task_lock), _) => Ok(task_lock),
            (None, Some(file)) => {
                let task_locks = self.task_locks.clone();
                blocking(move || Ok(task_locks.of(&file))).await
            }
            (None, None) => Ok(self.task_locks.own()),
        }
    }

    fn of(parts: Parts) -> Self {
        let keys = Keys::new(
            parts.keys.clone(),
            parts.timeout,
            parts.file.as_ref().map(KeyFile::next_to),
            parts.allows_key_file && parts.file.is_some(),
        );
        let contents = Arc::new(Contents::new(parts.storage.clone(), parts.file.clone(), keys));
        Vault { parts, contents, task_locks: Arc::default() }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("name", &self.parts.storage.name()).finish_non_exhaustive()
    }
}

impl Parts {
    fn new(storage: Arc<dyn Storage>, keys: Arc<dyn KeyStore>) -> Self {
        let timeout = Duration::from_secs(10);
        Parts { storage, file: None, keys, allows_key_file: false, timeout }
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // The runtime ends, or what the app supplied has panicked.
        Err(error) => Err(VaultError::new(VaultState::Locked, error)),
    }
}
