//! However many callers ask at once after a start, the key store is asked once, also if it refuses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};

use propusk::{Client, ErrorKind, KeyStore, KeyStoreError, Vault, VaultKey, VaultState};
use tokio::task::JoinSet;

use crate::testing::kind;
use crate::vault::part::key;

const CALLERS: usize = 100;

/// A store that refuses, the first time when the test allows it.
struct Refusing {
    asked: Arc<AtomicUsize>,
    may: Mutex<Receiver<()>>,
}

impl KeyStore for Refusing {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        if self.asked.fetch_add(1, Ordering::SeqCst) == 0 {
            self.may.lock().expect("no panic").recv().expect("the test goes on");
        }
        Err(KeyStoreError::Locked("the user refuses".to_owned()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        unreachable!("it never says that it has no key")
    }
}

#[tokio::test]
async fn refusal_of_the_key_store_is_shared_by_all_callers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vault");
    let guard = Vault::file(&path, key()).lock().await.expect("a lock");
    guard.write(b"a record").await.expect("written");
    drop(guard);

    let (asked, (allow, may)) = (Arc::new(AtomicUsize::new(0)), channel());
    let store = Refusing { asked: Arc::clone(&asked), may: Mutex::new(may) };
    let client = Client::builder("https://id.example.org");
    let client = client.vault(Vault::with_key_store(path, Arc::new(store)));
    let client = client.build().expect("a client");
    let begun = Arc::new(AtomicUsize::new(0));
    let mut calls = JoinSet::new();
    for _ in 0..CALLERS {
        let (client, begun) = (client.clone(), Arc::clone(&begun));
        calls.spawn(async move {
            begun.fetch_add(1, Ordering::SeqCst);
            client.status().await
        });
    }
    while begun.load(Ordering::SeqCst) < CALLERS {
        tokio::task::yield_now().await;
    }
    allow.send(()).expect("the store waits");
    for outcome in calls.join_all().await {
        assert_eq!(kind(outcome), ErrorKind::Storage { state: VaultState::Locked });
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}
