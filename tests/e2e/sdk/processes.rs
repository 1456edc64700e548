//! Several processes of an app that share a vault.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use propusk::{Dialect, FileStorage, KeyStore, KeyStoreError, Storage, Vault, VaultKey};
use propusk_tests::process::beside_tests;
use propusk_tests::recording_proxy::RecordingProxy;
use tokio::process::Command;
use tokio::sync::oneshot;

use super::delegate::delegate_to_file;
use super::peer::Peer;
use super::{EXPIRED, Home, PASSWORD, key, vault_at};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

#[tokio::test(flavor = "multi_thread")]
async fn refresh_is_sent_once_by_three_processes_with_a_hundred_calls() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    let process = || {
        Command::new(beside_tests("app_process"))
            .args([tap.url(), home.folder.path().join("app.vault").display().to_string()])
            .args([home.clock.now().to_string(), "100".to_owned()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the process starts")
    };
    for process in [process(), process(), process()] {
        let output = process.wait_with_output().await.expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "100\n");
        assert!(output.status.success());
    }
    assert_eq!(tap.count(REFRESH), 1);
    // This process finds what the others have stored.
    client.access_token().await.expect("a token");
    assert_eq!(tap.count(REFRESH), 1);
}

/// The disk of a process that is suspended when it has read the vault after its next write.
struct SuspendingDisk {
    file: FileStorage,
    is_next: AtomicBool,
    /// Notified when the process is suspended.
    suspended: Mutex<Option<oneshot::Sender<()>>>,
    is_resumed: Mutex<bool>,
    resumes: Condvar,
    /// Whether reads fail now.
    is_away: AtomicBool,
}

impl SuspendingDisk {
    /// The receiver is notified when the process is suspended.
    fn of(folder: &Path) -> (Arc<Self>, oneshot::Receiver<()>) {
        let (suspended, is_suspended) = oneshot::channel();
        let disk = Arc::new(SuspendingDisk {
            file: FileStorage::new(folder.join("app.vault")),
            is_next: AtomicBool::new(false),
            suspended: Mutex::new(Some(suspended)),
            is_resumed: Mutex::new(false),
            resumes: Condvar::new(),
            is_away: AtomicBool::new(false),
        });
        (disk, is_suspended)
    }

    fn vault(self: &Arc<Self>) -> Vault {
        Vault::with_storage(Arc::<Self>::clone(self), Arc::new(Key))
    }

    fn resume(&self) {
        *self.is_resumed.lock().expect("no panic") = true;
        self.resumes.notify_all();
    }
}

impl Storage for SuspendingDisk {
    delegate_to_file!(name, set_aside, remove, lock);

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let read = self.file.read();
        if self.is_next.load(Ordering::SeqCst)
            && let Some(suspended) = self.suspended.lock().expect("no panic").take()
        {
            suspended.send(()).expect("the test waits");
            let is_resumed = self.is_resumed.lock().expect("no panic");
            drop(self.resumes.wait_while(is_resumed, |is_resumed| !*is_resumed));
        }
        match self.is_away.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the disk is away")),
            false => read,
        }
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        self.file.write(sealed)?;
        self.is_next.store(true, Ordering::SeqCst);
        Ok(())
    }
}

struct Key;

impl KeyStore for Key {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(Some(key()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Other("there is one key".to_owned()))
    }
}

/// Between the last look at the vault and the send, the process is suspended, and another one renews
/// twice: the refresh token in memory was spent long ago, and sending it would end the session.
async fn assert_stale_refresh_token_is_not_sent(is_away: bool) {
    let home = Home::start().await;
    let (tap, other) = home.tapped().await;
    let (disk, is_suspended) = SuspendingDisk::of(home.folder.path());
    let client = home.builder_at(&tap).vault(disk.vault()).build().expect("a client");
    assert!(client.status().await.expect("a status").is_signed_in());
    home.advance(EXPIRED);
    let renewal = tokio::spawn({
        let client = client.clone();
        async move { client.access_token().await }
    });
    // It has written its lease and read the vault once more.
    is_suspended.await.expect("it renews");
    for _ in 0..2 {
        home.advance(EXPIRED);
        other.access_token().await.expect("a token");
    }
    disk.is_away.store(is_away, Ordering::SeqCst);
    disk.resume();
    let renewed = renewal.await.expect("no panic");
    assert_eq!(renewed.is_err(), is_away, "{renewed:?}");
    disk.is_away.store(false, Ordering::SeqCst);
    client.network_changed();
    let token = client.access_token().await.expect("a token").token().clone();
    assert_eq!(token, *other.access_token().await.expect("a token").token());
    other.refresh().await.expect("the session is alive");
    assert_eq!(tap.count(REFRESH), 3, "only the other process has sent its refresh tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_that_became_stale_during_a_suspension_is_not_sent() {
    assert_stale_refresh_token_is_not_sent(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_is_not_sent_if_it_is_unknown_whether_it_is_stale() {
    assert_stale_refresh_token_is_not_sent(true).await;
}

/// The process is suspended before it sends its refresh token. When it is resumed, its lease has
/// expired, and another one has sent the token: a second request would be refused.
#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_is_not_sent_after_another_process_has_taken_over_the_lease() {
    const ROTATING: &str = "POST /token/refresh";
    let peer = Peer::ours(Dialect::SimplejwtRotating).await;
    peer.account("nina").await;
    let folder = tempfile::tempdir().expect("a folder");
    let tap = RecordingProxy::open(peer.address()).await;
    let client_with = |vault| peer.builder_at(tap.url()).vault(vault).build().expect("a client");
    let other = client_with(vault_at(folder.path()));
    other.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    peer.expire_access().await;
    let (disk, is_suspended) = SuspendingDisk::of(folder.path());
    let token = |client: propusk::Client| {
        tokio::spawn(async move { client.access_token().await.map(|token| token.token().clone()) })
    };
    let first = token(client_with(disk.vault()));
    is_suspended.await.expect("it renews");
    peer.advance(22).await;
    tap.hold_answers_to(ROTATING);
    let second = token(other.clone());
    tap.wait_for_answer(ROTATING).await;
    disk.resume();
    for _ in 0..1_000 {
        assert_eq!(tap.count(ROTATING), 1, "the other process has sent it");
        tokio::task::yield_now().await;
    }
    tap.release_answers();
    let (first, second) = (first.await.expect("no panic"), second.await.expect("no panic"));
    assert_eq!(first.expect("the other's token"), second.expect("a token"));
    assert!(other.status().await.expect("a status").is_signed_in());
    assert_eq!(tap.count(ROTATING), 1);
}
