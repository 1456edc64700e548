//! What users see when the vault fails.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use propusk::{
    Client, ErrorKind, FileStorage, KeyStore, KeyStoreError, OfflinePolicy, Phase, SignOutReason,
    Storage, Vault, VaultKey, VaultState,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::delegate::delegate_to_file;
use super::{EMAIL, EXPIRED, Home, PASSWORD, key, reason};

/// Longer than any step here takes.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// A system store that can be locked and emptied.
#[derive(Default)]
struct Store {
    key: Mutex<Option<VaultKey>>,
    mood: AtomicU8,
}

const OPEN: u8 = 0;
const LOCKED: u8 = 1;
const ABSENT: u8 = 2;

impl Store {
    fn is(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn opened(&self) -> Result<(), KeyStoreError> {
        match self.mood.load(Ordering::SeqCst) {
            LOCKED => Err(KeyStoreError::Locked("asleep".to_owned())),
            ABSENT => Err(KeyStoreError::NoStore("none".to_owned())),
            _ => Ok(()),
        }
    }
}

impl KeyStore for Store {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        self.opened()?;
        Ok(self.key.lock().expect("unpoisoned").clone())
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        self.opened()?;
        *self.key.lock().expect("unpoisoned") = Some(key.clone());
        Ok(())
    }
}

/// A disk that can be full or without locks.
struct Disk {
    file: FileStorage,
    is_full: AtomicBool,
    /// Another process holds the lock and does not release it.
    is_taken: AtomicBool,
    has_locks: bool,
}

impl Disk {
    fn of(home: &Home, is_full: bool) -> Arc<Self> {
        let file = FileStorage::new(home.folder.path().join("app.vault"));
        let is_taken = AtomicBool::new(false);
        Arc::new(Disk { file, is_full: AtomicBool::new(is_full), is_taken, has_locks: true })
    }

    fn without_locks(home: &Home) -> Arc<Self> {
        let file = FileStorage::new(home.folder.path().join("app.vault"));
        let (is_full, is_taken) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Disk { file, is_full, is_taken, has_locks: false })
    }
}

impl Storage for Disk {
    delegate_to_file!(name, read, set_aside, remove);

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(sealed)
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        match self.has_locks {
            true if self.is_taken.load(Ordering::SeqCst) => Err(io::ErrorKind::TimedOut.into()),
            true => self.file.lock(),
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

fn with_store(home: &Home, store: &Arc<Store>) -> Client {
    with_store_of(home, &home.folder.path().join("app.vault"), store)
}

/// A client of this home's server, with a vault in another store.
fn with_store_of(home: &Home, path: &Path, store: &Arc<Store>) -> Client {
    let vault = Vault::with_key_store(path, Arc::<Store>::clone(store));
    home.builder().vault(vault).build().expect("a client")
}

fn on_disk(home: &Home, disk: &Arc<Disk>) -> Client {
    struct Key;
    impl KeyStore for Key {
        fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
            Ok(Some(key()))
        }

        fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
            Ok(())
        }
    }
    let vault = Vault::with_storage(Arc::<Disk>::clone(disk), Arc::new(Key));
    home.builder().vault(vault).build().expect("a client")
}

fn state<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> VaultState {
    match outcome.expect_err("a failure").kind() {
        ErrorKind::Storage { state } => *state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn locked_store_does_not_sign_out() {
    let (home, store) = (Home::start().await, Arc::new(Store::default()));
    with_store(&home, &store).sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    store.is(LOCKED);
    let app = with_store(&home, &store);
    assert_eq!(state(app.status().await), VaultState::Locked);
    assert_eq!(state(app.access_token().await), VaultState::Locked);
    assert_eq!(app.watch().borrow().phase, Phase::Unknown);
    assert_eq!(state(app.sign_in(EMAIL, PASSWORD).await), VaultState::Locked);
    assert_eq!(state(app.sign_out().await), VaultState::Locked);
    assert_eq!(app.watch().borrow().phase, Phase::Unknown, "the session is still stored");
    store.is(OPEN);
    assert_eq!(app.status().await.expect("a status").phase, Phase::SignedIn);
    app.profile().await.expect("the session of before");
}

#[tokio::test]
async fn missing_store_is_reported() {
    let (home, store) = (Home::start().await, Arc::new(Store::default()));
    store.is(ABSENT);
    let app = with_store(&home, &store);
    assert_eq!(state(app.sign_in(EMAIL, PASSWORD).await), VaultState::NoKeyStore);
    let path = home.folder.path().join("app.vault");
    let vault = Vault::with_key_store(path, Arc::<Store>::clone(&store)).allow_key_file();
    let app = home.builder().vault(vault).build().expect("a client");
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in, on purpose");
    assert_eq!(app.vault_state().await, VaultState::KeyInFile);
}

#[tokio::test]
async fn vault_without_its_key_signs_out_with_its_reason() {
    let (home, store) = (Home::start().await, Arc::new(Store::default()));
    with_store(&home, &store).sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    // As after a restored backup.
    *store.key.lock().expect("unpoisoned") = None;
    let app = with_store(&home, &store);
    assert_eq!(
        app.status().await.expect("a status").phase,
        Phase::SignedOut { reason: SignOutReason::VaultLost }
    );
    assert_eq!(reason(app.access_token().await), SignOutReason::VaultLost);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    with_store(&home, &store).profile().await.expect("a session that is kept");
}

#[tokio::test]
async fn damaged_file_does_not_sign_out_a_running_app() {
    let home = Home::start().await;
    let app = home.signed_in().await;
    std::fs::write(home.folder.path().join("app.vault"), "garbage").expect("written");
    home.advance(EXPIRED);
    app.profile().await.expect("what is in memory is not lost");
    home.app().profile().await.expect("and it is written again");
}

#[tokio::test]
async fn damaged_file_does_not_prevent_a_provider_sign_in() {
    let home = Home::start().await;
    let app = home.signed_in().await;
    let path = home.folder.path().join("app.vault");
    std::fs::write(&path, "garbage").expect("written");
    // Writing the journal of sign-ins also writes the session.
    app.cancel_sign_in(&"no state".into()).await.expect("a journal");
    home.app().profile().await.expect("a session");
    std::fs::write(&path, "garbage").expect("written");
    let again = home.app();
    again.cancel_sign_in(&"no state".into()).await.expect("a journal");
    assert_eq!(reason(again.profile().await), SignOutReason::VaultLost);
}

#[tokio::test]
async fn record_of_a_newer_version_is_not_changed() {
    let home = Home::start().await;
    let locked = home.vault().lock().await.expect("a lock");
    let newer = br#"{"version":2,"held":{"signed_in_elsewhere":1}}"#;
    locked.write(newer).await.expect("written");
    drop(locked);
    let app = home.app();
    assert_eq!(state(app.status().await), VaultState::NewerVersion);
    assert_eq!(state(app.sign_in(EMAIL, PASSWORD).await), VaultState::NewerVersion);
    assert_eq!(state(app.sign_out().await), VaultState::NewerVersion);
    assert_eq!(home.vault().read().await.expect("readable"), Some(newer.to_vec()));
}

/// Nothing in it is unknown, but it does not say that an older version may change it.
#[tokio::test]
async fn record_of_a_newer_version_that_looks_the_same_is_not_changed() {
    let home = Home::start().await;
    home.signed_in().await;
    let vault = home.vault();
    let guard = vault.lock().await.expect("a lock");
    let record = guard.read().await.expect("readable").expect("a record");
    let mut record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    record["version"] = 2.into();
    let newer = record.to_string();
    guard.write(newer.as_bytes()).await.expect("written");
    drop(guard);
    let app = home.app();
    assert_eq!(state(app.access_token().await), VaultState::NewerVersion);
    assert_eq!(state(app.sign_out().await), VaultState::NewerVersion);
    assert_eq!(vault.read().await.expect("readable"), Some(newer.into_bytes()));
}

/// Nothing is done by half: the session neither ends at the server nor in this process.
#[tokio::test]
async fn sign_out_is_refused_if_a_newer_version_has_written_the_record() {
    let home = Home::start().await;
    let app = home.signed_in().await;
    let guard = home.vault().lock().await.expect("a lock");
    guard.write(br#"{"version":2,"held":{"signed_in_elsewhere":1}}"#).await.expect("written");
    drop(guard);
    assert_eq!(state(app.sign_out().await), VaultState::NewerVersion);
    assert!(app.status().await.expect("a status").is_signed_in());
    app.profile().await.expect("the session is alive");
}

#[tokio::test]
async fn record_keeps_unknown_members_of_a_newer_version() {
    let home = Home::start().await;
    home.signed_in().await;
    let vault = home.vault();
    let guard = vault.lock().await.expect("a lock");
    let record = guard.read().await.expect("readable").expect("a record");
    let mut record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    record["version"] = 2.into();
    record["readable_by"] = 1.into();
    record["number"] = (record["number"].as_u64().expect("a number") + 1).into();
    record["passkeys"] = serde_json::json!([{"id": "p"}]);
    record["held"]["signed_in"]["bound_to"] = "a key of the device".into();
    record["journal"]["later"] = serde_json::json!({"more": true});
    guard.write(record.to_string().as_bytes()).await.expect("written");
    drop(guard);

    let app = home.app();
    app.refresh().await.expect("a renewal");
    app.cancel_sign_in(&"no state".into()).await.expect("a journal");
    let after = vault.read().await.expect("readable").expect("a record");
    let after: serde_json::Value = serde_json::from_slice(&after).expect("JSON");
    assert_ne!(after["held"]["signed_in"]["refresh"], record["held"]["signed_in"]["refresh"]);
    let session = &after["held"]["signed_in"];
    assert_eq!((&after["version"], &after["readable_by"]), (&2.into(), &1.into()));
    assert_eq!(after["passkeys"], record["passkeys"]);
    assert_eq!(session["bound_to"], record["held"]["signed_in"]["bound_to"]);
    assert_eq!(after["journal"]["later"], record["journal"]["later"]);
    app.sign_out().await.expect("a sign-out");
    let left = vault.read().await.expect("readable").expect("a record");
    let left: serde_json::Value = serde_json::from_slice(&left).expect("JSON");
    assert_eq!(left["passkeys"], record["passkeys"]);
}

/// The stored record.
async fn record_of(vault: &Vault) -> serde_json::Value {
    let record = vault.read().await.expect("readable").expect("a record");
    serde_json::from_slice(&record).expect("JSON")
}

/// Writes a record as the next one of its series.
async fn replace(vault: &Vault, record: &mut serde_json::Value) {
    record["number"] = (record["number"].as_u64().expect("a number") + 1).into();
    let guard = vault.lock().await.expect("a lock");
    guard.write(record.to_string().as_bytes()).await.expect("written");
}

#[tokio::test]
async fn record_keeps_unknown_members_and_values_in_all_its_parts() {
    let home = Home::start().await;
    home.signed_in().await;
    let (vault, now) = (home.vault(), home.clock.now());
    let mut record = record_of(&vault).await;
    let mut owed = record["held"]["signed_in"].clone();
    owed["lineage"] = "another".into();
    owed["credential"]["token"] = "another".into();
    owed["origin"] = "https://another.example.org".into();
    record["held"]["signed_in"]["profile"]["later"] = 1.into();
    record["held"]["signed_in"]["credential"]["later"] = 1.into();
    record["lease"] =
        json!({"holder": "another", "process": 0, "until": 0, "lives": 1, "later": 2});
    record["owed"] = json!([{"session": owed, "since": now, "later": 3}]);
    record["adopted"] = json!([{"hash": "a hash", "until": null, "later": 4}]);
    record["journal"] = json!({
        "open": [{"state": "a state", "expires_at": now + 300, "later": 5}],
        "over": [{"state_hash": "a hash", "outcome": "abducted", "later": 6}],
        "reset": {"verifier": "a verifier", "expires_at": now + 300, "later": 7},
    });
    replace(&vault, &mut record).await;

    let app = home.app();
    home.advance(120);
    let policy = OfflinePolicy::trusted_for(LIMIT);
    app.offline_identity(policy).await.expect("a user");
    let mut after = record_of(&vault).await;
    assert_ne!(after["latest"], record["latest"], "the time is written");
    for member in [
        "/held/signed_in/profile/later",
        "/held/signed_in/credential/later",
        "/lease/later",
        "/owed/0/later",
        "/adopted/0/later",
        "/journal/open/0/later",
        "/journal/over/0/later",
        "/journal/over/0/outcome",
        "/journal/reset/later",
    ] {
        assert!(record.pointer(member).is_some(), "{member}");
        assert_eq!(after.pointer(member), record.pointer(member), "{member}");
    }

    after["held"] = json!({"signed_out": "abducted"});
    replace(&vault, &mut after).await;
    home.app().cancel_sign_in(&"a state".into()).await.expect("a journal");
    let left = record_of(&vault).await;
    assert_eq!(left["journal"]["open"], json!([]), "the journal is written");
    assert_eq!(left["held"], json!({"signed_out": "abducted"}));
}

#[tokio::test]
async fn restored_older_record_is_reported_and_never_sent() {
    let home = Home::start().await;
    let app = home.signed_in().await;
    let path = home.folder.path().join("app.vault");
    let older = std::fs::read(&path).expect("a vault");
    app.refresh().await.expect("a renewal");
    std::fs::write(&path, &older).expect("put back");
    assert_eq!(app.vault_state().await, VaultState::RolledBack);
    home.advance(EXPIRED);
    app.profile().await.expect("what is in memory is newer");
    assert_eq!(app.vault_state().await, VaultState::Ready);
    home.app().profile().await.expect("and it is written again");
    // Also after a sign-out: the session does not come back.
    app.sign_out().await.expect("a sign-out");
    std::fs::write(&path, &older).expect("put back");
    assert_eq!(reason(app.access_token().await), SignOutReason::SignedOut);
    assert_eq!(app.vault_state().await, VaultState::RolledBack);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(app.vault_state().await, VaultState::Ready);
}

#[tokio::test]
async fn missing_folder_does_not_cost_the_session() {
    let home = Home::start().await;
    let folder = home.folder.path().join("disk");
    let vault = || super::vault_at(&folder);
    let app = home.builder().vault(vault()).build().expect("a client");
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let elsewhere = home.folder.path().join("unmounted");
    std::fs::rename(&folder, &elsewhere).expect("it goes away");
    // Only the mount point is left.
    std::fs::create_dir(&folder).expect("a folder");
    assert_eq!(app.vault_state().await, VaultState::Locked);
    app.access_token().await.expect("the token that works");
    home.advance(EXPIRED);
    assert_eq!(state(app.access_token().await), VaultState::Locked);
    assert!(app.status().await.expect("a status").is_signed_in());
    assert_eq!(std::fs::read_dir(&folder).expect("a folder").count(), 0);
    std::fs::remove_dir(&folder).expect("empty");
    std::fs::rename(&elsewhere, &folder).expect("it comes back");
    app.access_token().await.expect("a token");
    let again = home.builder().vault(vault()).build().expect("a client");
    again.profile().await.expect("and it is written");
}

#[tokio::test]
async fn full_disk_does_not_cost_the_session() {
    let home = Home::start().await;
    let disk = Disk::of(&home, false);
    let app = on_disk(&home, &disk);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    disk.is_full.store(true, Ordering::SeqCst);
    home.advance(EXPIRED);
    app.profile().await.expect("the fresh tokens are in memory");
    home.advance(EXPIRED);
    // The tokens are not spent while they are not stored.
    assert_eq!(state(app.profile().await), VaultState::ReadOnly);
    assert!(app.status().await.expect("a status").is_signed_in());
    // The process ends here; another starts with the stored record.
    disk.is_full.store(false, Ordering::SeqCst);
    let again = on_disk(&home, &disk);
    again.profile().await.expect("the answer of before is had again");
}

#[tokio::test]
async fn unchanged_record_is_not_written() {
    let home = Home::start().await;
    let disk = Disk::of(&home, false);
    let app = on_disk(&home, &disk);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    disk.is_full.store(true, Ordering::SeqCst);
    app.cancel_sign_in(&"no state".into()).await.expect("no need of a disk");
}

#[tokio::test]
async fn sign_in_fails_if_its_session_cannot_be_stored() {
    let home = Home::start().await;
    let disk = Disk::of(&home, true);
    let app = on_disk(&home, &disk);
    assert_eq!(state(app.sign_in(EMAIL, PASSWORD).await), VaultState::ReadOnly);
    assert_eq!(
        app.status().await.expect("a status").phase,
        Phase::SignedOut { reason: SignOutReason::NeverSignedIn }
    );
}

#[tokio::test]
async fn sign_out_on_a_full_disk_leaves_nothing() {
    let home = Home::start().await;
    let disk = Disk::of(&home, false);
    let app = on_disk(&home, &disk);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    disk.is_full.store(true, Ordering::SeqCst);
    app.sign_out().await.expect("a sign-out");
    let again = on_disk(&home, &disk);
    assert!(!again.status().await.expect("a status").is_signed_in());
}

#[tokio::test]
async fn sign_out_that_cannot_be_written_counts_and_is_written_later() {
    let home = Home::start().await;
    let disk = Disk::of(&home, false);
    let app = on_disk(&home, &disk);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    disk.is_taken.store(true, Ordering::SeqCst);
    app.sign_out().await.expect_err("it cannot be written");
    for _ in 0..3 {
        assert!(!app.status().await.expect("a status").is_signed_in());
        assert_eq!(reason(app.access_token().await), SignOutReason::SignedOut);
    }
    disk.is_taken.store(false, Ordering::SeqCst);
    app.cancel_sign_in(&"no state".into()).await.expect("whatever is written next");
    assert!(!home.app().status().await.expect("a status").is_signed_in());
}

#[tokio::test]
async fn finish_pending_work_waits_for_the_disk() {
    let home = Home::start().await;
    let disk = Disk::of(&home, false);
    let app = on_disk(&home, &disk);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert!(app.finish_pending_work(LIMIT).await);
    disk.is_full.store(true, Ordering::SeqCst);
    app.refresh().await.expect("tokens in memory");
    assert!(!app.finish_pending_work(LIMIT).await, "they are not on the disk");
    disk.is_full.store(false, Ordering::SeqCst);
    assert!(app.finish_pending_work(LIMIT).await);
    home.app().profile().await.expect("a session");
}

#[tokio::test]
async fn sign_in_after_a_removed_file_is_not_an_older_record() {
    let home = Home::start().await;
    let (one, other) = (home.signed_in().await, home.app());
    for _ in 0..3 {
        other.refresh().await.expect("a renewal, which the first has not seen");
    }
    std::fs::remove_file(home.folder.path().join("app.vault")).expect("removed");
    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    home.advance(EXPIRED);
    other.access_token().await.expect("the new session's");
    let user = |client: Client| async move { client.status().await.expect("a status").user };
    assert_eq!(user(other).await, user(one).await);
}

#[tokio::test]
async fn sign_out_is_sent_only_to_the_server_of_the_session() {
    let home = Home::start().await;
    let (tap, app) = home.tapped().await;
    std::fs::write(home.folder.path().join("app.vault"), "garbage").expect("written");
    tap.answer("DELETE /propusk/v1/sessions/current", None);
    assert_eq!(app.sign_out().await.expect("a sign-out"), propusk::SignOut::Pending);
    let other = propusk_tests::recording_proxy::RecordingProxy::open(home.server.address).await;
    let client = Client::builder(other.url()).clock(home.clock.clone()).vault(home.vault());
    let client = client.build().expect("a client");
    assert!(!client.status().await.expect("a status").is_signed_in());
    assert!(client.finish_pending_work(LIMIT).await);
    assert!(other.seen().is_empty(), "{:?}", other.seen());
    // Also when a sign-out of its own is pending.
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let own = client.access_token().await.expect("a token");
    other.forget();
    other.answer("DELETE /propusk/v1/sessions/current", None);
    assert_eq!(client.sign_out().await.expect("a sign-out"), propusk::SignOut::Pending);
    assert!(client.finish_pending_work(LIMIT).await);
    for seen in other.seen() {
        assert_eq!(seen.authorization.as_deref(), own.header().to_str().ok(), "{seen:?}");
    }
}

#[tokio::test]
async fn disk_without_locks_is_reported_and_signs_in() {
    let home = Home::start().await;
    let disk = Disk::without_locks(&home);
    let app = on_disk(&home, &disk);
    app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(app.vault_state().await, VaultState::WithoutLocks);
    home.advance(EXPIRED);
    // Within a process there is still one renewal at a time.
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let app = app.clone();
        calls.spawn(async move { app.profile().await });
    }
    for profile in calls.join_all().await {
        profile.expect("a profile");
    }
    app.sign_out().await.expect("a sign-out");
}

#[tokio::test]
async fn forget_everything_leaves_every_state() {
    for was in
        ["newer", "newer format", "locked", "absent", "foreign", "another server's", "signed in"]
    {
        let (home, other) = (Home::start().await, Home::start().await);
        let store = Arc::new(Store::default());
        let app = with_store(&home, &store);
        app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        let session = app.access_token().await.expect("a token");
        let path = home.folder.path().join("app.vault");
        match was {
            "newer" => {
                let vault = Vault::with_key_store(&path, Arc::<Store>::clone(&store));
                let newer = br#"{"version":2,"held":{"signed_in_elsewhere":1}}"#;
                vault.lock().await.expect("a lock").write(newer).await.expect("written");
            }
            "newer format" => std::fs::write(&path, b"PROPUSK\x02 and more").expect("written"),
            "locked" => store.is(LOCKED),
            "absent" => store.is(ABSENT),
            "foreign" => std::fs::write(&path, "no vault").expect("written"),
            _ => {}
        }
        let server = if was == "another server's" { &other } else { &home };
        let again = with_store_of(server, &path, &store);
        again.forget_everything().await.expect("everything is forgotten");
        assert!(!path.exists(), "{was}");
        assert!(!again.status().await.expect("a status").is_signed_in(), "{was}");
        store.is(OPEN);
        again.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        // Only a session that could be read is ended at the server, and no other server receives a
        // request.
        let is_alive = home
            .server
            .client
            .get("/propusk/v1/account", Some(&format!("Bearer {}", session.token().expose())))
            .await;
        assert_eq!(is_alive.status == 200, was != "signed in", "{was}");
    }
}
