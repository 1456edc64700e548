//! Watches the vault for changes by other processes, as long as an app watches the status.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::decide::SessionState;
use super::session_core::SessionCore;
use super::status::{Status, StatusChange};

/// How often to check whether a receiver still exists.
const SUBSCRIBER_CHECK_PERIOD: Duration = Duration::from_secs(10);

impl SessionCore {
    /// Subscribes to the status. While a receiver exists, changes by other processes are reported
    /// too.
    pub fn watch(self: &Arc<Self>) -> watch::Receiver<Status> {
        let receiver = self.status.subscribe();
        if !self.is_watching.swap(true, Ordering::SeqCst) {
            let guard = WatchGuard(Arc::downgrade(self));
            tokio::spawn(async move { watch_vault(&guard.0).await });
        }
        receiver
    }

    /// The last receiver has gone: stops watching, unless a new receiver has come in the meantime
    /// and no other task watches.
    fn has_new_subscriber(&self) -> bool {
        self.is_watching.store(false, Ordering::SeqCst);
        self.status.receiver_count() > 0 && !self.is_watching.swap(true, Ordering::SeqCst)
    }

    /// Reads the vault again. Returns whether its content is known.
    async fn refresh(self: &Arc<Self>) -> bool {
        let mut memory = self.memory.lock().await;
        if memory.state == SessionState::Unknown {
            return true;
        }
        let looked = self.read_vault(&mut memory, StatusChange::OtherProcess).await;
        if let Err(error) = &looked {
            tracing::debug!(%error, "the vault could not be read for changes by another process");
        }
        looked.is_ok()
    }
}

/// Watches until no receiver is left.
async fn watch_vault(watched: &Weak<SessionCore>) {
    let Some(core) = watched.upgrade() else { return };
    let mut changes = core.vault.changes().await;
    // What was changed before the watch started.
    let mut is_known = core.refresh().await;
    drop(core);
    loop {
        let has_changed = timeout(SUBSCRIBER_CHECK_PERIOD, changes.changed()).await.is_ok();
        let Some(core) = watched.upgrade() else { return };
        if core.status.receiver_count() == 0 && !core.has_new_subscriber() {
            return;
        }
        if has_changed || !is_known {
            is_known = core.refresh().await;
        }
    }
}

/// Marks that a task is watching. Dropping it, also with the runtime, removes the mark.
struct WatchGuard(Weak<SessionCore>);

impl Drop for WatchGuard {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.is_watching.store(false, Ordering::SeqCst);
        }
    }
}
