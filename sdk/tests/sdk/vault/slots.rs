//! Named vaults, and which of them is the current one.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::process::Command;
use std::sync::{Arc, Mutex};
#[cfg(unix)]
use std::time::Duration;

use propusk::{Error, ErrorKind, KeyStore, KeyStoreError, Vault, VaultKey, VaultSlots, VaultState};
use tokio::runtime::Runtime;

use super::part::{key, text};
#[cfg(unix)]
use super::waiting::polled;
use super::{had, names, some, write};
use crate::process::{Process, playing, say};

const FOLDER: &str = "PROPUSK_TEST_SLOTS";
/// If it is set, keys are in the system's store.
const IN_STORE: &str = "PROPUSK_TEST_SLOTS_IN_STORE";

/// An app with slots in this folder.
fn app(folder: &Path) -> Process {
    Process::start(playing("slots").env(FOLDER, folder))
}

/// As [`app`], with keys in the system's store.
#[cfg(all(feature = "keyring", target_os = "linux"))]
pub fn with_keyring(command: &mut std::process::Command, folder: &Path) -> Process {
    Process::start(command.env(FOLDER, folder).env(IN_STORE, "yes"))
}

/// Answers `names`, `current`, `switch NAME`, `remove NAME`, `read NAME`, `write NAME TEXT`, and
/// `turn FIRST SECOND`, which switches forever and reports each name after it is the current one.
pub fn play() -> impl FnMut(&str) -> String {
    let runtime = Runtime::new().unwrap();
    let slots = slots_of_part();
    move |line| {
        let words: Vec<&str> = line.split(' ').collect();
        runtime.block_on(obey(&slots, &words)).unwrap_or_else(|error| format!("{:?}", error.kind()))
    }
}

fn slots_of_part() -> VaultSlots {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    match std::env::var_os(IN_STORE) {
        None => VaultSlots::file(folder, key()),
        #[cfg(all(feature = "keyring", target_os = "linux"))]
        Some(_) => VaultSlots::keyring("org.example.app", folder),
        #[cfg(not(all(feature = "keyring", target_os = "linux")))]
        Some(_) => panic!("there is no store here"),
    }
}

async fn obey(slots: &VaultSlots, words: &[&str]) -> propusk::Result<String> {
    match *words {
        ["names"] => return Ok(slots.names().await?.join(" ")),
        ["current"] => return Ok(slots.current().await?.unwrap_or_else(|| "nothing".to_owned())),
        ["switch", name] => slots.switch_to(name).await?,
        ["remove", name] => slots.remove(name).await?,
        ["read", name] => return Ok(text(slots.open(name)?.read().await?)),
        ["write", name, text] => slots.open(name)?.lock().await?.write(text.as_bytes()).await?,
        ["turn", first, second] => loop {
            for name in [first, second] {
                slots.switch_to(name).await?;
                say(name);
            }
        },
        _ => panic!("unknown command {words:?}"),
    }
    Ok("done".to_owned())
}

fn slots(folder: &Path) -> VaultSlots {
    VaultSlots::file(folder.join("made/for/it"), key())
}

fn state<T: std::fmt::Debug>(outcome: Result<T, Error>) -> VaultState {
    match outcome.unwrap_err().kind() {
        ErrorKind::Storage { state } => *state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn slots_are_listed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let slots = slots(folder.path());
    assert!(slots.names().await.unwrap().is_empty());
    slots.open("never-written").unwrap();
    for name in ["work", "anna@example.org", "staging.anna+2_b"] {
        write(&slots.open(name).unwrap(), name).await.unwrap();
    }
    fs::write(folder.path().join("made/for/it/NOT OURS.vault"), "").unwrap();
    fs::write(folder.path().join("made/for/it/notes"), "").unwrap();
    slots.switch_to("work").await.unwrap();
    let listed = slots.names().await.unwrap();
    assert_eq!(listed, ["anna@example.org", "staging.anna+2_b", "work"]);
    for name in listed {
        assert_eq!(had(&slots.clone().open(&name).unwrap()).await, some(&name));
    }
}

#[tokio::test]
async fn slot_name_must_be_a_file_name_on_every_system() {
    let folder = tempfile::tempdir().unwrap();
    let slots = slots(folder.path());
    let too_long = "x".repeat(65);
    for name in [
        "", " ", "Anna", "анна", "a b", "a/b", "a\\b", "..", ".", ".a", "a.", "-a", "a-", "a:b",
        "a*", "a\0", "con", "nul.txt", "aux", "prn", "com1", "lpt9.a", &too_long,
    ] {
        let refused =
            [slots.open(name).map(drop), slots.switch_to(name).await, slots.remove(name).await];
        for outcome in refused {
            let error = outcome.expect_err(name);
            assert_eq!(*error.kind(), ErrorKind::Usage, "{name:?}");
            let why = std::error::Error::source(&error).expect("a reason").to_string();
            assert!(why.contains("cannot name a slot"), "{why}");
        }
    }
    assert!(names(folder.path()).is_empty());
    for name in ["a", "0", "console", "com", "com10", "lpt.1", &too_long[1..]] {
        slots.open(name).unwrap();
    }
}

#[tokio::test]
async fn current_slot_is_the_same_in_every_process() {
    let folder = tempfile::tempdir().unwrap();
    let slots = VaultSlots::file(folder.path(), key());
    let mut app = app(folder.path());
    assert_eq!(app.ask("current"), "nothing");
    slots.switch_to("anna").await.unwrap();
    assert_eq!(app.ask("current"), "anna");
    assert_eq!(app.ask("switch boris"), "done");
    assert_eq!(slots.current().await.unwrap().as_deref(), Some("boris"));
    fs::write(folder.path().join("current"), "../damaged").unwrap();
    assert_eq!(slots.current().await.unwrap(), None);
}

#[tokio::test]
async fn current_slot_is_a_whole_name_after_a_killed_switch() {
    let folder = tempfile::tempdir().unwrap();
    let slots = VaultSlots::file(folder.path(), key());
    for round in 0..10 {
        let mut apps = [app(folder.path()), app(folder.path())];
        apps[0].tell("turn anna boris");
        apps[1].tell("turn clara dora");
        for _ in 0..=round {
            for app in &mut apps {
                app.hear().expect("it switches");
            }
            let current = slots.current().await.unwrap().expect("there is always one");
            assert!(["anna", "boris", "clara", "dora"].contains(&&*current), "{current}");
        }
        apps[0].kill();
        apps[1].kill();
        let current = slots.current().await.unwrap().expect("there is always one");
        assert!(["anna", "boris", "clara", "dora"].contains(&&*current), "{current}");
    }
    slots.switch_to("elsa").await.unwrap();
    assert_eq!(names(folder.path()), ["current", "current.lock"]);
}

#[cfg(unix)]
#[tokio::test]
async fn current_slot_is_switched_by_one_process_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let slots = VaultSlots::file(folder.path(), key());
    slots.switch_to("anna").await.unwrap();
    let other = fs::File::open(folder.path().join("current.lock")).unwrap();
    other.lock().unwrap();
    let waiting = slots.clone();
    let switching = tokio::spawn(async move { waiting.switch_to("boris").await });
    for _ in 0..10_000 {
        assert!(!switching.is_finished());
        tokio::task::yield_now().await;
    }
    assert_eq!(slots.current().await.unwrap().as_deref(), Some("anna"));
    drop(other);
    switching.await.unwrap().unwrap();
    assert_eq!(slots.current().await.unwrap().as_deref(), Some("boris"));
}

/// Another process is suspended while it holds the locks.
#[cfg(unix)]
#[tokio::test]
async fn slots_wait_for_a_lock_with_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let slots = VaultSlots::file(folder.path(), key());
    slots.switch_to("anna").await.unwrap();
    let vault = slots.open("anna").unwrap();
    write(&vault, "kept").await.unwrap();
    let locked = ErrorKind::Storage { state: VaultState::Locked };
    let other = fs::File::open(folder.path().join("current.lock")).unwrap();
    other.lock().unwrap();
    let held = vault.lock().await.unwrap();
    tokio::time::pause();
    assert_eq!(*slots.switch_to("boris").await.unwrap_err().kind(), locked);
    assert_eq!(*slots.remove("anna").await.unwrap_err().kind(), locked);
    tokio::time::resume();
    drop((other, held));
    slots.switch_to("anna").await.unwrap();
    assert_eq!(slots.current().await.unwrap().as_deref(), Some("anna"));
    assert_eq!(had(&vault).await, some("kept"));
}

/// The file of the current slot is a pipe: opening it waits for a writer, like a disk that hangs.
#[cfg(unix)]
#[tokio::test]
async fn slots_wait_for_a_disk_with_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    let slots = VaultSlots::file(folder.path(), key());
    let pipe = folder.path().join("current");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut asking = Box::pin(slots.current());
    tokio::time::pause();
    assert!(!polled(&mut asking).await);
    tokio::time::advance(Duration::from_secs(15)).await;
    tokio::time::resume();
    let answer = tokio::time::timeout(Duration::from_secs(30), asking).await;
    // The thread that waits for the disk must end before the runtime can.
    fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    assert_eq!(state(answer.expect("it does not wait for the disk")), VaultState::Locked);
}

/// A store with a key for each slot.
#[derive(Default)]
struct Keys(Mutex<HashMap<String, VaultKey>>);

struct KeyOf {
    keys: Arc<Keys>,
    name: String,
    fails: bool,
}

impl KeyStore for KeyOf {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(self.keys.0.lock().unwrap().get(&self.name).cloned())
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        self.keys.0.lock().unwrap().insert(self.name.clone(), key.clone());
        Ok(())
    }

    fn remove(&self) -> Result<(), KeyStoreError> {
        if self.fails {
            return Err(KeyStoreError::Locked("for the test".to_owned()));
        }
        self.keys.0.lock().unwrap().remove(&self.name);
        Ok(())
    }
}

fn slots_with(folder: &Path, keys: &Arc<Keys>, fails: bool) -> VaultSlots {
    let keys = keys.clone();
    VaultSlots::with_key_stores(folder, move |name| {
        Arc::new(KeyOf { keys: keys.clone(), name: name.to_owned(), fails })
    })
}

#[tokio::test]
async fn slot_removal_deletes_the_file_and_the_key_only() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::default());
    let slots = slots_with(folder.path(), &keys, false);
    for name in ["anna", "boris"] {
        write(&slots.open(name).unwrap(), name).await.unwrap();
        slots.switch_to(name).await.unwrap();
    }
    for ending in [".new", ".lost", ".key", ".key.new"] {
        fs::write(folder.path().join(format!("boris.vault{ending}")), "left").unwrap();
    }
    let in_use = slots.open("boris").unwrap();
    assert_eq!(had(&in_use).await, some("boris"));
    slots.remove("boris").await.unwrap();
    assert_eq!(slots.names().await.unwrap(), ["anna"]);
    assert_eq!(slots.current().await.unwrap(), None);
    assert_eq!(keys.0.lock().unwrap().keys().collect::<Vec<_>>(), ["anna"]);
    let files = names(folder.path());
    assert!(!cfg!(unix) || files == ["anna.vault", "anna.vault.lock", "current.lock"], "{files:?}");
    assert_eq!(had(&in_use).await, Ok(None));
    slots.remove("boris").await.unwrap();

    slots.switch_to("anna").await.unwrap();
    slots.remove("never-written").await.unwrap();
    assert_eq!(slots.current().await.unwrap().as_deref(), Some("anna"));
    assert_eq!(had(&slots.open("anna").unwrap()).await, some("anna"));
    write(&in_use, "again").await.unwrap();
    assert_eq!(had(&slots.open("boris").unwrap()).await, some("again"));
}

#[tokio::test]
async fn slot_removal_reports_a_key_that_stays() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(Keys::default());
    let slots = slots_with(folder.path(), &keys, true);
    write(&slots.open("anna").unwrap(), "record").await.unwrap();
    slots.switch_to("anna").await.unwrap();
    assert_eq!(state(slots.remove("anna").await), VaultState::Locked);
    assert!(slots.names().await.unwrap().is_empty());
    assert_eq!(slots.current().await.unwrap(), None);
    slots_with(folder.path(), &keys, false).remove("anna").await.unwrap();
    assert!(keys.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn slot_that_is_unreadable_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let slots = VaultSlots::file(folder.path(), key());
    for damage in ["damaged", "PROPUSK\u{7f}of a newer version"] {
        fs::write(folder.path().join("anna.vault"), damage).unwrap();
        slots.remove("anna").await.unwrap();
        assert!(slots.names().await.unwrap().is_empty());
    }
}

/// A process that waits for a removed lock file must not get a lock that others do not see.
#[cfg(unix)]
#[tokio::test]
async fn slot_lock_excludes_while_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("anna.vault");
    let mut apps: Vec<_> = (0..3).map(|_| super::part::app("file", &path)).collect();
    for app in &mut apps {
        app.tell("add 100");
    }
    let vault = Vault::file(&path, key());
    for _ in 0..100 {
        let guard = vault.lock().await.unwrap();
        fs::remove_file(super::beside(&path, ".lock")).unwrap();
        drop(guard);
    }
    for app in &mut apps {
        assert_eq!(app.hear().as_deref(), Some("done"));
    }
    assert_eq!(had(&vault).await, some("300"));
}
