//! Waiting for the lock.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use propusk::{FileStorage, KeyStore, KeyStoreError, Storage, Vault, VaultKey};

use super::part::{app, key};
use super::{had, is_free, some, write};
use crate::delegate::delegate_to_file;

/// Polls once, which enters the queue, and returns whether the future is done.
pub async fn polled<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_ready()))
        .await
}

#[tokio::test]
async fn lock_is_given_to_tasks_in_order() {
    let vault = Vault::memory();
    let first = vault.lock().await.unwrap();
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for number in 0..10 {
        let (vault, order) = (vault.clone(), order.clone());
        let mut turn = Box::pin(async move {
            let _guard = vault.lock().await.unwrap();
            order.lock().unwrap().push(number);
        });
        assert!(!polled(&mut turn).await);
        waiting.push(tokio::spawn(turn));
    }
    drop(first);
    for turn in waiting {
        turn.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn lock_wait_for_a_task_can_be_dropped() {
    let vault = Vault::memory();
    let held = vault.lock().await.unwrap();
    let mut waiter = Box::pin(vault.lock());
    assert!(!polled(&mut waiter).await);
    drop(waiter);
    drop(held);
    write(&vault, "it is free").await.unwrap();
}

/// On one thread: if waiting blocked it, the test would never end.
#[tokio::test(flavor = "current_thread")]
async fn lock_wait_for_a_process_can_be_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let mut holder = app("file", &path);
    assert_eq!(holder.ask("lock"), "done");
    let vault = Vault::file(&path, key());
    for _ in 0..3 {
        let mut waiter = Box::pin(vault.lock());
        assert!(!polled(&mut waiter).await);
    }
    let mut patient = Box::pin(vault.lock());
    assert!(!polled(&mut patient).await);
    assert!(!is_free(&path));
    assert_eq!(holder.ask("unlock"), "done");
    drop(patient.await.unwrap());
    assert!(is_free(&path));
    assert_eq!(holder.ask("write theirs"), "done");
    assert_eq!(had(&vault).await, some("theirs"));
}

#[tokio::test]
async fn lock_is_shared_by_vaults_of_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let vaults = [0, 1].map(|_| Vault::file(folder.path().join("vault"), key()));
    let held = vaults[0].lock().await.unwrap();
    let other = vaults[1].clone();
    let turn = tokio::spawn(async move { write(&other, "second").await });
    held.write(b"first").await.unwrap();
    assert_eq!(held.read().await.unwrap().as_deref(), Some(&b"first"[..]));
    drop(held);
    turn.await.unwrap().unwrap();
    assert_eq!(had(&vaults[0]).await, some("second"));
}

/// A disk that reports when a write starts and waits until it may continue.
struct SlowDisk {
    file: FileStorage,
    begun: Sender<()>,
    may: Mutex<Receiver<()>>,
}

impl Storage for SlowDisk {
    delegate_to_file!(name, read, set_aside, remove, lock);

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.begun.send(()).unwrap();
        self.may.lock().unwrap().recv().unwrap();
        self.file.write(sealed)
    }
}

/// A store with the key of the tests.
pub struct TheKey;

impl KeyStore for TheKey {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(Some(key()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        unreachable!("it has one")
    }
}

#[tokio::test]
async fn lock_is_held_until_a_dropped_write_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let ((begun, begins), (may, allowed)) = (channel(), channel());
    let disk = SlowDisk { file: FileStorage::new(&path), begun, may: Mutex::new(allowed) };
    let slow = Vault::with_storage(Arc::new(disk), Arc::new(TheKey));

    let guard = slow.lock().await.unwrap();
    let mut abandoned = Box::pin(guard.write(b"abandoned"));
    assert!(!polled(&mut abandoned).await);
    begins.recv().unwrap();
    drop(abandoned);
    drop(guard);

    assert!(!is_free(&path));
    assert_eq!(had(&slow).await, Ok(None), "who reads does not wait");
    may.send(()).unwrap();
    drop(slow.lock().await.unwrap());
    assert_eq!(had(&slow).await, some("abandoned"));
}
