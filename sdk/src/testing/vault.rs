//! A vault in memory whose disk and key store fail on demand.

use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::vault::{KeyStore, KeyStoreError, Storage, Vault, VaultKey};

/// The behaviour of a disk.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum DiskState {
    /// It reads and writes.
    #[default]
    Works,
    /// It reads but cannot write: [`VaultState::ReadOnly`](crate::VaultState::ReadOnly).
    Full,
    /// It neither reads nor writes: [`VaultState::Locked`](crate::VaultState::Locked).
    Unreadable,
    /// It has no locks between processes:
    /// [`VaultState::WithoutLocks`](crate::VaultState::WithoutLocks).
    WithoutLocks,
}

/// The behaviour of the system's key store.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyStoreState {
    /// It loads and saves keys.
    #[default]
    Open,
    /// It is locked, or the user refuses: [`VaultState::Locked`](crate::VaultState::Locked).
    Locked,
    /// The system has none: [`VaultState::NoKeyStore`](crate::VaultState::NoKeyStore).
    NoStore,
}

/// The disk and the key store of a device, in memory. They outlive the [`Vault`]s that use them.
/// Clones are the same device.
///
/// ```
/// use propusk::testing::{DiskState, FailingVault, FakeServer};
/// use propusk::{ErrorKind, VaultState};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> propusk::Result<()> {
/// let (server, device) = (FakeServer::start().await, FailingVault::new());
/// server.add_account("anna@example.org", "a quiet harbour at noon");
/// let app = server.builder().vault(device.vault()).build()?;
///
/// device.set_disk(DiskState::Full);
/// let error = app.sign_in("anna@example.org", "a quiet harbour at noon").await.unwrap_err();
/// assert_eq!(*error.kind(), ErrorKind::Storage { state: VaultState::ReadOnly });
///
/// device.set_disk(DiskState::Works);
/// app.sign_in("anna@example.org", "a quiet harbour at noon").await?;
/// drop(app);
/// let app = server.builder().vault(device.vault()).build()?; // the next start
/// assert!(app.status().await?.is_signed_in());
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct FailingVault {
    disk: Arc<Disk>,
    keys: Arc<Keys>,
}

impl FailingVault {
    /// A device with an empty, working disk and an open key store without a key.
    pub fn new() -> Self {
        FailingVault::default()
    }

    /// A vault on this device. Call it once for each start of the app or for each process. Before
    /// the next start, drop the clients of the previous one.
    pub fn vault(&self) -> Vault {
        let storage = DiskStorage(Arc::clone(&self.disk));
        Vault::with_storage(Arc::new(storage), Arc::<Keys>::clone(&self.keys))
    }

    /// Sets the behaviour of the disk.
    pub fn set_disk(&self, state: DiskState) {
        self.disk.inner().state = state;
    }

    /// Sets the behaviour of the key store. A running app has already loaded the key, so a locked
    /// store takes effect at the next start.
    pub fn set_key_store(&self, state: KeyStoreState) {
        lock(&self.keys.0).state = state;
    }

    /// Damages one byte of the stored record: it is
    /// [`VaultState::Unreadable`](crate::VaultState::Unreadable) until it is written again. It does
    /// nothing if nothing is stored.
    pub fn damage(&self) {
        let mut disk = self.disk.inner();
        if let Some(last) = disk.bytes.as_mut().and_then(|bytes| bytes.last_mut()) {
            *last ^= 1;
            disk.version += 1;
        }
    }

    /// Removes the key, as when a backup is restored on another device. At the next start, the
    /// stored record is [`VaultState::Unreadable`](crate::VaultState::Unreadable).
    pub fn lose_key(&self) {
        lock(&self.keys.0).key = None;
    }

    /// Takes the lock, as another process does to write, until the value is dropped. Meanwhile the
    /// app's writes wait. It blocks the thread while a vault holds the lock.
    pub fn hold_lock(&self) -> HeldLock {
        HeldLock(self.disk.acquire())
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.disk.inner().bytes.is_none()
    }
}

impl fmt::Debug for FailingVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailingVault")
            .field("disk", &self.disk.inner().state)
            .field("key_store", &lock(&self.keys.0).state)
            .finish_non_exhaustive()
    }
}

/// The lock of a [`FailingVault`]; dropping it releases the lock.
#[must_use = "dropping it gives the lock back"]
pub struct HeldLock(#[expect(dead_code, reason = "dropping it is what it is for")] DiskLock);

impl fmt::Debug for HeldLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldLock")
    }
}

/// The bytes that all vaults of a device share.
#[derive(Default)]
struct Disk {
    inner: Mutex<DiskInner>,
    unlocked: Condvar,
}

#[derive(Default)]
struct DiskInner {
    state: DiskState,
    bytes: Option<Vec<u8>>,
    /// It grows with every change.
    version: u64,
    is_locked: bool,
}

/// The lock between the vaults of a disk; dropping it releases the lock.
struct DiskLock(Arc<Disk>);

/// The disk as the storage of one vault.
struct DiskStorage(Arc<Disk>);

impl Disk {
    fn inner(&self) -> MutexGuard<'_, DiskInner> {
        lock(&self.inner)
    }

    fn acquire(self: &Arc<Self>) -> DiskLock {
        let free = self.unlocked.wait_while(self.inner(), |disk| disk.is_locked);
        free.unwrap_or_else(PoisonError::into_inner).is_locked = true;
        DiskLock(Arc::clone(self))
    }

    /// Replaces the stored bytes, if the disk allows it.
    fn store(&self, bytes: Option<Vec<u8>>) -> io::Result<()> {
        let mut disk = self.inner();
        match disk.state {
            // A full disk still allows removing.
            DiskState::Full if bytes.is_some() => return Err(io::ErrorKind::StorageFull.into()),
            DiskState::Unreadable => return Err(unreadable()),
            DiskState::Works | DiskState::Full | DiskState::WithoutLocks => {}
        }
        disk.bytes = bytes;
        disk.version += 1;
        Ok(())
    }
}

impl Drop for DiskLock {
    fn drop(&mut self) {
        self.0.inner().is_locked = false;
        self.0.unlocked.notify_one();
    }
}

impl Storage for DiskStorage {
    fn name(&self) -> &str {
        "testing"
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let disk = self.0.inner();
        match disk.state {
            DiskState::Unreadable => Err(unreadable()),
            _ => Ok(disk.bytes.clone()),
        }
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.0.store(Some(sealed.to_vec()))
    }

    fn set_aside(&self) -> io::Result<()> {
        self.0.store(None)
    }

    fn remove(&self) -> io::Result<()> {
        self.0.store(None)
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        if !self.has_locks() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Box::new(self.0.acquire()))
    }

    fn version(&self) -> io::Result<Option<u64>> {
        let disk = self.0.inner();
        match disk.state {
            DiskState::Unreadable => Err(unreadable()),
            _ => Ok(Some(disk.version)),
        }
    }

    fn has_locks(&self) -> bool {
        self.0.inner().state != DiskState::WithoutLocks
    }
}

fn unreadable() -> io::Error {
    io::Error::other("the test makes the disk fail")
}

/// The key store of a device.
#[derive(Default)]
struct Keys(Mutex<KeysInner>);

#[derive(Default)]
struct KeysInner {
    state: KeyStoreState,
    key: Option<VaultKey>,
}

impl Keys {
    fn open(&self) -> Result<MutexGuard<'_, KeysInner>, KeyStoreError> {
        let keys = lock(&self.0);
        let why = || "the test says so".to_owned();
        match keys.state {
            KeyStoreState::Open => Ok(keys),
            KeyStoreState::Locked => Err(KeyStoreError::Locked(why())),
            KeyStoreState::NoStore => Err(KeyStoreError::NoStore(why())),
        }
    }
}

impl KeyStore for Keys {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(self.open()?.key.clone())
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        self.open()?.key = Some(key.clone());
        Ok(())
    }

    fn remove(&self) -> Result<(), KeyStoreError> {
        self.open()?.key = None;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
