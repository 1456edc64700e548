//! What happens to a session when something else happens at the same time: the disk is full, another
//! process signs in, or the server does not hear of a sign-out.

mod adoption;
mod disk;
mod events;
mod first_load;
mod pending_sign_out;
mod renewal;
mod user;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use propusk::testing::{FailingVault, FakeServer};
use propusk::{Client, FileStorage, Storage, Vault};
use serde_json::Value;
use tokio::sync::watch;

use crate::delegate::delegate_to_file;
use crate::testing::{EMAIL, PASSWORD};
use crate::vault::waiting::TheKey;

/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A start of the app on this device.
fn app(server: &FakeServer, device: &FailingVault) -> Client {
    server.builder().vault(device.vault()).build().expect("a client")
}

/// The same, signed in.
async fn signed_in_on(server: &FakeServer, device: &FailingVault) -> Client {
    let client = app(server, device);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client
}

/// The stored record.
async fn record(device: &FailingVault) -> Value {
    let record = device.vault().read().await.expect("readable").expect("a record");
    serde_json::from_slice(&record).expect("JSON")
}

/// The disk of one process. The vault is in a file, so other processes have disks of their own.
struct ProcessDisk {
    file: FileStorage,
    is_unreadable: AtomicBool,
    is_full: AtomicBool,
    /// The next write fails.
    fails_once: AtomicBool,
    /// Another process holds the lock and does not release it.
    is_taken: AtomicBool,
    /// How often the lock was requested.
    locks: watch::Sender<usize>,
    /// The number of completed writes.
    writes: watch::Sender<usize>,
    /// How often the disk was asked whether something has changed.
    checks: watch::Sender<usize>,
}

impl ProcessDisk {
    fn of(path: &Path) -> Arc<Self> {
        Arc::new(ProcessDisk {
            file: FileStorage::new(path),
            is_unreadable: AtomicBool::new(false),
            is_full: AtomicBool::new(false),
            fails_once: AtomicBool::new(false),
            is_taken: AtomicBool::new(false),
            locks: watch::Sender::new(0),
            writes: watch::Sender::new(0),
            checks: watch::Sender::new(0),
        })
    }

    fn vault(self: &Arc<Self>) -> Vault {
        Vault::with_storage(Arc::<Self>::clone(self), Arc::new(TheKey))
    }
}

impl Storage for ProcessDisk {
    delegate_to_file!(name, set_aside, remove);

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match self.is_unreadable.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the test makes the disk fail")),
            false => self.file.read(),
        }
    }

    fn write(&self, sealed: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::SeqCst) || self.fails_once.swap(false, Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(sealed)?;
        self.writes.send_modify(|writes| *writes += 1);
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        let lock = match self.is_taken.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => self.file.lock(),
        };
        self.locks.send_modify(|locks| *locks += 1);
        lock
    }

    fn version(&self) -> io::Result<Option<u64>> {
        self.checks.send_modify(|checks| *checks += 1);
        self.file.version()
    }
}
