//! What tasks and runtimes leave behind, through the session's own door.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::{Client, SignOutReason, Status, Storage, Vault, VaultKey};

/// A disk whose lock another process has.
struct Held {
    waits: Sender<()>,
    given: Mutex<Receiver<()>>,
}

impl Storage for Held {
    fn name(&self) -> &str {
        "held"
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn write(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn set_aside(&self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        self.waits.send(()).map_err(io::Error::other)?;
        self.given.lock().map_err(|_| io::ErrorKind::Other)?.recv().map_err(io::Error::other)?;
        Ok(Box::new(()))
    }
}

struct FixedKey;

impl crate::KeyStore for FixedKey {
    fn load(&self) -> Result<Option<VaultKey>, crate::KeyStoreError> {
        Ok(Some(VaultKey::from_bytes([7; 32])))
    }

    fn save(&self, _: &VaultKey) -> Result<(), crate::KeyStoreError> {
        Ok(())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

#[test]
fn a_runtime_that_goes_away_in_the_middle_leaves_nobody_stuck() {
    let (waits, waiting) = channel();
    let (give, given) = channel();
    let disk = Held { waits, given: Mutex::new(given) };
    let vault = Vault::with_storage(Arc::new(disk), Arc::new(FixedKey));
    let client = Client::builder("https://id.example.org").vault(vault).build().expect("a client");

    let first = runtime();
    let leaving = client.clone();
    first.spawn(async move { leaving.sign_out().await });
    first.block_on(async {
        while waiting.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    });
    first.shutdown_background();
    give.send(()).expect("somebody waits for the lock");

    runtime().block_on(async {
        let nobody = Status::SignedOut { reason: SignOutReason::NeverSignedIn };
        assert_eq!(client.status().await.expect("a status"), nobody);
        give.send(()).expect("the lock");
        client.sign_out().await.expect("a sign-out");
    });
}
