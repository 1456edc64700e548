//! Key stores that are locked, missing, empty or silent.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use propusk::{KeyStore, KeyStoreError, Vault, VaultKey, VaultState};

use super::{beside, forget, had, is_free, names, some, write};

/// A store that behaves as the test says.
#[derive(Default)]
struct Store(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    key: Option<VaultKey>,
    fails: Option<KeyStoreError>,
    saved: usize,
    asked: usize,
    forgets: bool,
}

impl Store {
    fn fails(&self, error: KeyStoreError) {
        self.0.lock().unwrap().fails = Some(error);
    }

    fn is_locked(&self) {
        self.fails(KeyStoreError::Locked("for the test".to_owned()));
    }

    fn is_absent(&self) {
        self.fails(KeyStoreError::NoStore("for the test".to_owned()));
    }

    fn works(&self) {
        self.0.lock().unwrap().fails = None;
    }

    fn has(&self, key: Option<VaultKey>) {
        self.0.lock().unwrap().key = key;
    }

    fn saved(&self) -> usize {
        self.0.lock().unwrap().saved
    }

    fn asked(&self) -> usize {
        self.0.lock().unwrap().asked
    }
}

impl KeyStore for Store {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        let mut inside = self.0.lock().unwrap();
        inside.asked += 1;
        inside.fails.clone().map_or_else(|| Ok(inside.key.clone()), Err)
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        let mut inside = self.0.lock().unwrap();
        inside.saved += 1;
        if let Some(error) = inside.fails.clone() {
            return Err(error);
        }
        if !inside.forgets {
            inside.key = Some(key.clone());
        }
        Ok(())
    }
}

/// A store, and a folder for vaults that use it.
struct Device {
    store: Arc<Store>,
    folder: tempfile::TempDir,
}

impl Device {
    fn new() -> Self {
        Device { store: Arc::default(), folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    /// The vault of an app that has just started.
    fn vault(&self) -> Vault {
        Vault::with_key_store(self.path(), self.store.clone())
    }

    fn modest_vault(&self) -> Vault {
        self.vault().allow_key_file()
    }

    fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }
}

#[tokio::test]
async fn key_is_created_by_the_first_write_and_loaded_once() {
    let device = Device::new();
    let vault = device.vault();
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(device.store.saved(), 0);
    write(&vault, "one").await.unwrap();
    let asked = device.store.asked();
    write(&vault, "two").await.unwrap();
    assert_eq!(had(&vault).await, some("two"));
    assert_eq!((device.store.saved(), device.store.asked()), (1, asked));
    assert_eq!(had(&device.vault()).await, some("two"));
    assert_eq!(device.store.saved(), 1);
}

#[tokio::test]
async fn locked_store_changes_nothing() {
    let device = Device::new();
    write(&device.vault(), "kept").await.unwrap();
    let file = fs::read(device.path()).unwrap();
    for error in [KeyStoreError::Locked(String::new()), KeyStoreError::Other(String::new())] {
        device.store.fails(error);
        for vault in [device.vault(), device.modest_vault()] {
            assert_eq!(vault.state().await, VaultState::Locked);
            assert_eq!(had(&vault).await, Err(VaultState::Locked));
            assert_eq!(write(&vault, "new").await, Err(VaultState::Locked));
            assert_eq!(fs::read(device.path()).unwrap(), file);
            assert_eq!(device.names(), ["vault", "vault.lock"]);
        }
    }
    let vault = device.vault();
    assert_eq!(had(&vault).await, Err(VaultState::Locked));
    device.store.works();
    assert_eq!(had(&vault).await, some("kept"));
    assert_eq!(vault.state().await, VaultState::Ready);
}

#[tokio::test]
async fn locked_store_is_not_replaced_by_a_key_file() {
    let device = Device::new();
    device.store.is_locked();
    let vault = device.modest_vault();
    assert_eq!(vault.state().await, VaultState::Locked);
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(write(&vault, "new").await, Err(VaultState::Locked));
    assert_eq!(device.names(), ["vault.lock"]);
}

#[tokio::test]
async fn store_that_is_locked_later_does_not_affect_a_loaded_key() {
    let device = Device::new();
    let vault = device.vault();
    write(&vault, "one").await.unwrap();
    device.store.is_locked();
    assert_eq!(had(&vault).await, some("one"));
    write(&vault, "two").await.unwrap();
    assert_eq!(vault.state().await, VaultState::Ready);
    forget(&vault).await.unwrap();
    write(&vault, "three").await.unwrap();
    device.store.works();
    assert_eq!(had(&device.vault()).await, some("three"));
}

#[tokio::test]
async fn restored_file_without_its_key_is_lost_and_replaced() {
    let device = Device::new();
    write(&device.vault(), "restored").await.unwrap();
    let file = fs::read(device.path()).unwrap();
    for key in [None, Some(VaultKey::from_bytes([9; 32]))] {
        device.store.has(key);
        fs::write(device.path(), &file).unwrap();
        let vault = device.vault();
        assert_eq!(vault.state().await, VaultState::Unreadable);
        assert_eq!(had(&vault).await, Err(VaultState::Unreadable));
        write(&vault, "anew").await.unwrap();
        assert_eq!(had(&device.vault()).await, some("anew"));
        assert_eq!(fs::read(beside(&device.path(), ".lost")).unwrap(), file);
    }
}

#[tokio::test]
async fn key_without_a_file_is_an_empty_vault_and_is_used_again() {
    let device = Device::new();
    write(&device.vault(), "before the app was removed").await.unwrap();
    fs::remove_file(device.path()).unwrap();
    let vault = device.vault();
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(vault.state().await, VaultState::Ready);
    write(&vault, "installed again").await.unwrap();
    assert_eq!(device.store.saved(), 1);
}

#[tokio::test]
async fn key_replaced_by_another_process_is_loaded_again() {
    let device = Device::new();
    let ours = device.vault();
    write(&ours, "ours").await.unwrap();
    device.store.has(None);
    write(&device.vault(), "theirs").await.unwrap();
    assert_eq!(had(&ours).await, some("theirs"));
    write(&ours, "ours again").await.unwrap();
    assert_eq!(had(&device.vault()).await, some("ours again"));

    forget(&ours).await.unwrap();
    device.store.has(Some(VaultKey::from_bytes([9; 32])));
    write(&ours, "with the new key").await.unwrap();
    assert_eq!(had(&device.vault()).await, some("with the new key"));
}

#[tokio::test]
async fn key_wiped_while_the_app_runs_is_saved_again_by_a_sign_in() {
    let device = Device::new();
    let vault = device.vault();
    write(&vault, "one").await.unwrap();
    device.store.has(None);
    write(&vault, "two").await.unwrap();
    forget(&vault).await.unwrap();
    write(&vault, "three").await.unwrap();
    assert_eq!(had(&device.vault()).await, some("three"));
}

#[tokio::test]
async fn missing_store_refuses_writes_unless_a_key_file_is_allowed() {
    let device = Device::new();
    device.store.is_absent();
    let vault = device.vault();
    assert_eq!(vault.state().await, VaultState::NoKeyStore);
    assert_eq!(had(&vault).await, Ok(None));
    assert_eq!(write(&vault, "new").await, Err(VaultState::NoKeyStore));
    assert_eq!(device.names(), ["vault.lock"]);

    let modest = device.modest_vault();
    assert_eq!(modest.state().await, VaultState::KeyInFile);
    write(&modest, "new").await.unwrap();
    assert_eq!(modest.state().await, VaultState::KeyInFile);
    assert_eq!(device.names(), ["vault", "vault.key", "vault.lock"]);
    let key = fs::metadata(beside(&device.path(), ".key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    let again = device.modest_vault();
    assert_eq!(had(&again).await, some("new"));
    write(&again, "newer").await.unwrap();
    assert_eq!(had(&modest).await, some("newer"));
    assert_eq!(had(&device.vault()).await, some("newer"), "what was written can be read");
}

#[tokio::test]
async fn key_file_moves_into_the_store_once_there_is_one() {
    let device = Device::new();
    device.store.is_absent();
    let running = device.modest_vault();
    write(&running, "degraded").await.unwrap();
    device.store.works();
    let vault = device.modest_vault();
    assert_eq!(vault.state().await, VaultState::KeyInFile);
    assert_eq!(had(&vault).await, some("degraded"));
    write(&vault, "moved").await.unwrap();
    assert_eq!(vault.state().await, VaultState::Ready);
    assert_eq!(device.names(), ["vault", "vault.lock"]);
    assert_eq!(had(&running).await, some("moved"));
    assert_eq!(had(&device.vault()).await, some("moved"));
}

#[tokio::test]
async fn key_file_stays_while_the_store_is_locked() {
    let device = Device::new();
    device.store.is_absent();
    write(&device.modest_vault(), "degraded").await.unwrap();
    device.store.is_locked();
    let vault = device.modest_vault();
    write(&vault, "still").await.unwrap();
    let asked = device.store.asked();
    write(&vault, "and still").await.unwrap();
    assert_eq!(device.store.asked(), asked, "who refuses is not asked at every write");
    assert_eq!(had(&device.modest_vault()).await, some("and still"));
    assert_eq!(vault.state().await, VaultState::KeyInFile);
}

#[tokio::test]
async fn store_that_disappears_loses_nothing() {
    let device = Device::new();
    write(&device.modest_vault(), "in the store").await.unwrap();
    let file = fs::read(device.path()).unwrap();
    device.store.is_absent();
    let vault = device.modest_vault();
    assert_eq!(vault.state().await, VaultState::Locked);
    assert_eq!(write(&vault, "beside").await, Err(VaultState::Locked));
    assert_eq!(device.vault().state().await, VaultState::NoKeyStore);
    assert_eq!(fs::read(device.path()).unwrap(), file);
    forget(&vault).await.unwrap();
    write(&vault, "beside").await.unwrap();
    assert_eq!(had(&device.modest_vault()).await, some("beside"));
}

#[tokio::test]
async fn vault_without_its_key_file_is_lost() {
    let device = Device::new();
    device.store.is_absent();
    write(&device.modest_vault(), "degraded").await.unwrap();
    let key = beside(&device.path(), ".key");
    for damage in [|key: &Path| fs::remove_file(key), |key: &Path| fs::write(key, "damaged")] {
        damage(&key).unwrap();
        let vault = device.modest_vault();
        assert_eq!(vault.state().await, VaultState::Unreadable);
        write(&vault, "anew").await.unwrap();
        assert_eq!(had(&device.modest_vault()).await, some("anew"));
    }
}

#[tokio::test]
async fn key_that_the_store_forgets_is_not_used() {
    let device = Device::new();
    device.store.0.lock().unwrap().forgets = true;
    assert_eq!(write(&device.vault(), "new").await, Err(VaultState::Locked));
    assert_eq!(device.names(), ["vault.lock"]);
}

/// A store that answers one kind of call only when the test allows it.
struct SlowStore {
    store: Store,
    slow: &'static str,
    asked: Sender<&'static str>,
    may: Mutex<Receiver<()>>,
}

impl SlowStore {
    fn new(slow: &'static str) -> (Arc<Self>, Receiver<&'static str>, Sender<()>) {
        let ((asked, asks), (may, allowed)) = (channel(), channel());
        let store = SlowStore { store: Store::default(), slow, asked, may: Mutex::new(allowed) };
        (Arc::new(store), asks, may)
    }

    /// When the test has ended, the call continues.
    fn wait(&self, question: &'static str) {
        if question == self.slow {
            let _ = self.asked.send(question);
            let _ = self.may.lock().unwrap().recv();
        }
    }
}

impl KeyStore for SlowStore {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        self.wait("load");
        self.store.load()
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        self.wait("save");
        self.store.save(key)
    }
}

#[tokio::test]
async fn silent_store_is_locked_and_not_called_again_meanwhile() {
    let device = Device::new();
    write(&device.vault(), "kept").await.unwrap();
    let (slow, asks, may) = SlowStore::new("load");
    slow.store.has(device.store.load().unwrap());
    let vault =
        Vault::with_key_store(device.path(), slow).key_store_timeout(Duration::from_millis(50));
    for _ in 0..3 {
        assert_eq!(had(&vault).await, Err(VaultState::Locked));
        assert_eq!(write(&vault, "new").await, Err(VaultState::Locked));
    }
    assert_eq!(asks.recv(), Ok("load"));
    assert_eq!(asks.try_iter().count(), 0);
    drop(may);
    let vault = vault.key_store_timeout(Duration::from_secs(120));
    assert_eq!(had(&vault).await, some("kept"));
}

#[tokio::test]
async fn key_is_created_only_once_while_a_save_is_running() {
    let device = Device::new();
    let (slow, asks, may) = SlowStore::new("save");
    let vault = Vault::with_key_store(device.path(), slow.clone())
        .key_store_timeout(Duration::from_millis(50));
    while asks.try_recv().is_err() {
        assert_eq!(write(&vault, "too early").await, Err(VaultState::Locked));
    }
    assert_eq!(write(&vault, "too early").await, Err(VaultState::Locked));
    assert!(!is_free(&device.path()), "nor does another process");
    assert_eq!(asks.try_iter().count(), 0);
    assert_eq!(had(&vault).await, Ok(None));

    drop(may);
    // The late answer releases the lock.
    write(&vault.clone().key_store_timeout(Duration::from_secs(120)), "now").await.unwrap();
    assert_eq!(slow.store.saved(), 1);
    assert_eq!(had(&Vault::with_key_store(device.path(), slow)).await, some("now"));
}

struct Panicking;

impl KeyStore for Panicking {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        panic!("as foreign code may")
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        panic!("as foreign code may")
    }
}

#[tokio::test]
async fn store_that_panics_is_an_error() {
    let device = Device::new();
    let vault = Vault::with_key_store(device.path(), Arc::new(Panicking));
    for _ in 0..2 {
        assert_eq!(vault.state().await, VaultState::Locked);
        assert_eq!(write(&vault, "new").await, Err(VaultState::Locked));
    }
}
