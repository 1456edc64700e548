//! The vault: one sealed file, with its key in the operating system's key store.
//!
//! The system's stores accept only small secrets (Windows: 2,560 bytes), so they keep 32 random
//! bytes, and the file contains the rest. A record that cannot be read *now* is distinguished from
//! a lost one: nothing is overwritten because a store is locked.

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

/// How long to wait for the lock or the disk. A lock is never held during a request, so a longer
/// wait means that the holder hangs.
pub(crate) const VAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// Stores one sealed record of at most 1 MiB: a session, or another secret of the app in a vault of
/// its own. Clones are the same vault.
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
/// It must be used in a tokio runtime with time enabled. Files and key stores never block the
/// runtime's own threads.
#[derive(Clone)]
pub struct Vault {
    parts: Parts,
    contents: Arc<Contents>,
    task_locks: Arc<TaskLocks>,
}

/// The longest timeout for a key store.
const MAX_KEY_STORE_TIMEOUT: Duration = Duration::from_secs(86_400);

/// The parts of a vault.
#[derive(Clone)]
struct Parts {
    storage: Arc<dyn Storage>,
    /// The same storage, if it is a file.
    file: Option<FileStorage>,
    keys: Arc<dyn KeyStore>,
    allows_key_file: bool,
    timeout: Duration,
}

impl Vault {
    /// A vault in memory; it ends with the process.
    pub fn memory() -> Self {
        // It is sealed like any other, so that there is only one code path. The key protects
        // nothing here.
        let key = FixedKey(VaultKey::from_bytes([0; 32]));
        Vault::with_storage(Arc::new(MemoryStorage::default()), Arc::new(key))
    }

    /// A file whose key the app provides: for servers and tests.
    pub fn file(path: impl Into<PathBuf>, key: VaultKey) -> Self {
        Vault::with_key_store(path, Arc::new(FixedKey(key)))
    }

    /// The file `<service>.vault` in this folder, with its key in the operating system's store
    /// under the same name: Secret Service on Linux, the keychain on Apple's systems, the
    /// Credential Manager on Windows. `service` is the app's own name, such as `org.example.app`;
    /// it uses one folder.
    ///
    /// Nothing is opened before the first use. The system may then ask the user to unlock the
    /// store.
    ///
    /// On iOS the key can be read after the device was unlocked once since its start, and it never
    /// leaves the device. When the app is removed, the key stays but the file does not: the vault
    /// is then empty.
    #[cfg(all(
        feature = "keyring",
        any(target_os = "linux", target_os = "macos", target_os = "ios", windows)
    ))]
    pub fn keyring(service: &str, folder: impl AsRef<std::path::Path>) -> Self {
        let path = folder.as_ref().join(os_store::file_name(service));
        Vault::with_key_store(path, Arc::new(os_store::OsStore::new(service)))
    }

    /// A file whose key is in a store that the app provides, such as Android's Keystore.
    pub fn with_key_store(path: impl Into<PathBuf>, keys: Arc<dyn KeyStore>) -> Self {
        let file = FileStorage::new(path);
        Vault::of(Parts { file: Some(file.clone()), ..Parts::new(Arc::new(file), keys) })
    }

    /// A vault with its own storage, for tests of failing disks.
    pub fn with_storage(storage: Arc<dyn Storage>, keys: Arc<dyn KeyStore>) -> Self {
        Vault::of(Parts::new(storage, keys))
    }

    /// Allows a key file next to the vault if the system has no key store, such as a machine
    /// without a desktop: [`KeyInFile`](VaultState::KeyInFile). Any program that can read the key
    /// file can then read the vault. A locked store is not bypassed, and the key moves into a store
    /// once there is one.
    ///
    /// Call it before the first use. Without a file it has no effect.
    pub fn allow_key_file(self) -> Self {
        Vault::of(Parts { allows_key_file: true, ..self.parts })
    }

    /// How long to wait for the key store. Default: 10 s. Work that takes longer, such as a user
    /// who types a password, may still finish and helps the next attempt.
    ///
    /// Call it before the first use.
    pub fn key_store_timeout(self, timeout: Duration) -> Self {
        Vault::of(Parts { timeout: timeout.min(MAX_KEY_STORE_TIMEOUT), ..self.parts })
    }

    /// The state of the vault. It may ask the key store for the key.
    pub async fn state(&self) -> VaultState {
        let contents = self.contents.clone();
        blocking(move || Ok(contents.state())).await.unwrap_or_else(|error| error.state())
    }

    /// The record; `None` if there is none. It does not wait for a lock: the result is always one
    /// whole record that was written.
    ///
    /// # Errors
    ///
    /// [`Locked`](VaultState::Locked), [`NoKeyStore`](VaultState::NoKeyStore),
    /// [`NewerVersion`](VaultState::NewerVersion): the record is there but cannot be read now.
    /// [`Unreadable`](VaultState::Unreadable): it is lost.
    pub async fn read(&self) -> Result<Option<Vec<u8>>, VaultError> {
        let contents = self.contents.clone();
        blocking(move || contents.read()).await
    }

    /// Waits until no other task or process writes, without blocking a thread of the runtime. A
    /// dropped future and a dead process leave no lock behind.
    ///
    /// # Errors
    ///
    /// [`ReadOnly`](VaultState::ReadOnly) if the disk has no room for a lock file;
    /// [`Locked`](VaultState::Locked) if the key store keeps another task waiting, or if the folder
    /// of the file has been away for 3 seconds.
    pub async fn lock(&self) -> Result<VaultGuard, VaultError> {
        guard::lock(self.contents.clone(), self.task_lock().await?).await
    }

    /// Reports changes of the record by any process, from now on.
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

/// Runs blocking work on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VaultError> + Send + 'static,
) -> Result<T, VaultError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // The runtime is shutting down, or the app's own code has panicked.
        Err(error) => Err(VaultError::new(VaultState::Locked, error)),
    }
}
