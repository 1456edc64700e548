//! Folders that are away for a moment: the vault waits for its record and creates nothing in its
//! place.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

use propusk::{FileStorage, KeyStore, KeyStoreError, Storage, Vault, VaultKey, VaultState};

use super::part::key;
use super::waiting::TheKey;
use super::{forget, had, names, some, write};
use crate::delegate::delegate_to_file;

/// A disk with the folder of a vault, which can be taken away.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new() -> Self {
        Disk(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("home")
    }

    fn elsewhere(&self) -> PathBuf {
        self.0.path().join("elsewhere")
    }

    fn file(&self) -> PathBuf {
        self.folder().join("vault")
    }

    fn vault(&self) -> Vault {
        Vault::file(self.file(), key())
    }

    fn goes_away(&self) {
        fs::rename(self.folder(), self.elsewhere()).unwrap();
    }

    /// Like an encrypted disk that is closed: its mount point is an empty folder.
    fn leaves_a_mount_point(&self) {
        self.goes_away();
        fs::create_dir(self.folder()).unwrap();
    }

    fn comes_back(&self) {
        if self.folder().exists() {
            fs::remove_dir_all(self.folder()).unwrap();
        }
        fs::rename(self.elsewhere(), self.folder()).unwrap();
    }
}

async fn lock(vault: &Vault) -> Result<(), VaultState> {
    vault.lock().await.map(drop).map_err(|error| error.state())
}

#[tokio::test]
async fn missing_folder_is_a_locked_vault_and_is_not_created() {
    let disk = Disk::new();
    let (writer, reader) = (disk.vault(), disk.vault());
    write(&writer, "kept").await.unwrap();
    assert_eq!(had(&reader).await, some("kept"));
    disk.goes_away();
    for vault in [&writer, &reader] {
        assert_eq!(had(vault).await, Err(VaultState::Locked));
        assert_eq!(vault.state().await, VaultState::Locked);
    }
    let began = Instant::now();
    let (written, locked, forgotten) =
        tokio::join!(write(&writer, "lost"), lock(&reader), forget(&writer));
    assert_eq!(written, Err(VaultState::Locked));
    assert_eq!(locked, Err(VaultState::Locked));
    assert_eq!(forgotten, Err(VaultState::Locked));
    let waited = began.elapsed().as_secs();
    assert!((3..6).contains(&waited), "all wait at once, for 3 s: {waited} s");
    assert_eq!(names(disk.0.path()), ["elsewhere"]);
    disk.comes_back();
    assert_eq!(had(&writer).await, some("kept"));
    assert_eq!(write(&reader, "next").await, Ok(()));
    assert_eq!(writer.state().await, VaultState::Ready);
}

#[tokio::test]
async fn empty_mount_point_is_not_an_empty_vault() {
    let disk = Disk::new();
    let vault = disk.vault();
    write(&vault, "kept").await.unwrap();
    let guard = vault.lock().await.unwrap();
    disk.leaves_a_mount_point();
    assert_eq!(had(&vault).await, Err(VaultState::Locked));
    let written = guard.write(b"lost").await.map_err(|error| error.state());
    assert_eq!(written, Err(VaultState::Locked), "also where the lock is held already");
    drop(guard);
    assert_eq!(lock(&vault).await, Err(VaultState::Locked));
    assert!(names(&disk.folder()).is_empty());
    disk.comes_back();
    assert_eq!(had(&vault).await, some("kept"));
}

/// Reports how often the lock was requested.
struct LockCounter {
    file: FileStorage,
    asked: Sender<()>,
}

impl Storage for LockCounter {
    delegate_to_file!(name, read, write, set_aside, remove);

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        let lock = self.file.lock();
        // The test waits for the first report.
        let _ = self.asked.send(());
        lock
    }
}

#[tokio::test]
async fn folder_that_returns_in_time_is_written() {
    let disk = Disk::new();
    let (asked, asks) = channel();
    let counter = LockCounter { file: FileStorage::new(disk.file()), asked };
    let vault = Vault::with_storage(Arc::new(counter), Arc::new(TheKey));
    write(&disk.vault(), "kept").await.unwrap();
    assert_eq!(had(&vault).await, some("kept"));
    disk.leaves_a_mount_point();
    let waiting = vault.clone();
    let written = tokio::spawn(async move { write(&waiting, "next").await });
    let back = tokio::task::spawn_blocking(move || {
        asks.recv().unwrap();
        disk.comes_back();
        disk
    });
    let disk = back.await.unwrap();
    assert_eq!(written.await.unwrap(), Ok(()));
    assert_eq!(had(&disk.vault()).await, some("next"));
}

/// A disk that is away during one call.
struct AwayOnce {
    file: FileStorage,
    call: &'static str,
    was_away: AtomicBool,
}

impl AwayOnce {
    fn during(&self, call: &str) -> io::Result<()> {
        match call == self.call && !self.was_away.swap(true, Ordering::SeqCst) {
            true => Err(io::ErrorKind::NotConnected.into()),
            false => Ok(()),
        }
    }
}

impl Storage for AwayOnce {
    fn name(&self) -> &str {
        self.file.name()
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        self.during("read")?;
        self.file.read()
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.during("write")?;
        self.file.write(sealed)
    }

    fn set_aside(&self) -> io::Result<()> {
        self.during("set aside")?;
        self.file.set_aside()
    }

    fn remove(&self) -> io::Result<()> {
        self.during("remove")?;
        self.file.remove()
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        self.during("lock")?;
        self.file.lock()
    }
}

#[tokio::test]
async fn write_waits_for_a_disk_that_is_away_during_any_step() {
    for call in ["lock", "read", "write", "set aside", "remove"] {
        let disk = Disk::new();
        write(&disk.vault(), "first").await.unwrap();
        if call == "set aside" {
            fs::write(disk.file(), "damaged").unwrap();
        }
        let was_away = AtomicBool::new(false);
        let storage = Arc::new(AwayOnce { file: FileStorage::new(disk.file()), call, was_away });
        let vault = Vault::with_storage(Arc::<AwayOnce>::clone(&storage), Arc::new(TheKey));
        assert_eq!(write(&vault, "next").await, Ok(()), "{call}");
        assert_eq!(forget(&vault).await, Ok(()), "{call}");
        assert!(storage.was_away.load(Ordering::SeqCst), "{call}");
    }
}

#[tokio::test]
async fn other_folder_with_a_vault_that_opens_is_used_from_then_on() {
    let disk = Disk::new();
    let vault = disk.vault();
    write(&vault, "first").await.unwrap();
    disk.goes_away();
    write(&disk.vault(), "restored").await.unwrap();
    assert_eq!(had(&vault).await, some("restored"));
    fs::remove_file(disk.file()).unwrap();
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(write(&vault, "next").await, Ok(()));
}

#[tokio::test]
async fn other_folder_with_a_foreign_vault_is_not_changed() {
    let disk = Disk::new();
    let vault = disk.vault();
    write(&vault, "kept").await.unwrap();
    disk.leaves_a_mount_point();
    fs::write(disk.file(), "of another app").unwrap();
    assert_eq!(had(&vault).await, Err(VaultState::Locked));
    assert_eq!(write(&vault, "lost").await, Err(VaultState::Locked));
    assert_eq!(fs::read(disk.file()).unwrap(), b"of another app");
    disk.comes_back();
    assert_eq!(had(&vault).await, some("kept"));
}

#[tokio::test]
async fn file_removed_from_its_folder_is_an_empty_vault() {
    let disk = Disk::new();
    let vault = disk.vault();
    write(&vault, "kept").await.unwrap();
    fs::remove_file(disk.file()).unwrap();
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(write(&vault, "next").await, Ok(()));
    assert_eq!(had(&vault).await, some("next"));
}

#[tokio::test]
async fn folder_is_created_before_the_file_was_seen() {
    let disk = Disk::new();
    let vault = disk.vault();
    assert_eq!(lock(&vault).await, Ok(()));
    fs::remove_dir_all(disk.folder()).unwrap();
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(write(&vault, "first").await, Ok(()));
}

/// A system without a key store, which runs an action when it is called.
struct Absent(Box<dyn Fn() + Send + Sync>);

impl KeyStore for Absent {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        (self.0)();
        Err(KeyStoreError::NoStore("for the test".to_owned()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        unreachable!("it has never said that it has none")
    }
}

#[tokio::test]
async fn key_file_is_not_created_on_a_mount_point() {
    let disk = Arc::new(Disk::new());
    let goes = disk.clone();
    let store = Absent(Box::new(move || goes.leaves_a_mount_point()));
    let vault = Vault::with_key_store(disk.file(), Arc::new(store)).allow_key_file();
    write(&disk.vault(), "of a key that is gone").await.unwrap();
    fs::write(disk.file(), "damaged").unwrap();
    assert_eq!(had(&vault).await, Err(VaultState::Unreadable));
    // The next write needs a new key, and the folder disappears while the key store is called.
    assert_eq!(write(&vault, "lost").await, Err(VaultState::Locked));
    assert!(names(&disk.folder()).is_empty());
}

#[tokio::test]
async fn key_file_in_a_missing_folder_is_not_lost() {
    let disk = Disk::new();
    let modest = || {
        let store = Arc::new(Absent(Box::new(|| {})));
        Vault::with_key_store(disk.file(), store).allow_key_file()
    };
    let vault = modest();
    write(&vault, "kept").await.unwrap();
    assert_eq!(names(&disk.folder()), ["vault", "vault.key", "vault.lock"]);
    disk.leaves_a_mount_point();
    assert_eq!(had(&vault).await, Err(VaultState::Locked));
    assert_eq!(write(&vault, "lost").await, Err(VaultState::Locked));
    assert!(names(&disk.folder()).is_empty());
    disk.comes_back();
    assert_eq!(had(&modest()).await, some("kept"));
}
