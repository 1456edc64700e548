//! What other processes do, for whoever watches: the vault is looked at when it has changed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::decide::State;
use super::session_core::Core;
use super::status::{Change, Status};

/// How often it is asked whether anybody still watches.
const STILL_WATCHED: Duration = Duration::from_secs(10);

impl Core {
    /// The changes of the status. While somebody has it, what other processes do is told too.
    pub fn watch(self: &Arc<Self>) -> watch::Receiver<Status> {
        let receiver = self.status.subscribe();
        if !self.looks.swap(true, Ordering::SeqCst) {
            let looks = Looks(Arc::downgrade(self));
            tokio::spawn(async move { look_after(&looks.0).await });
        }
        receiver
    }

    /// Nobody watches, and nobody looks; unless whoever has come meanwhile has found somebody who looks.
    fn is_watched_again(&self) -> bool {
        self.looks.store(false, Ordering::SeqCst);
        self.status.receiver_count() > 0 && !self.looks.swap(true, Ordering::SeqCst)
    }

    /// Somebody may have written the vault.
    /// Whether it is known what the vault holds.
    async fn look_again(self: &Arc<Self>) -> bool {
        let mut memory = self.memory.lock().await;
        if memory.state == State::Unknown {
            return true;
        }
        let looked = self.look(&mut memory, Change::OtherProcess).await;
        if let Err(error) = &looked {
            tracing::debug!(%error, "what another process has done is not known");
        }
        looked.is_ok()
    }
}

/// Looks until nobody watches any more.
async fn look_after(watched: &Weak<Core>) {
    let Some(core) = watched.upgrade() else { return };
    let mut changes = core.vault.changes().await;
    // What was done while nobody watched.
    let mut is_known = core.look_again().await;
    drop(core);
    loop {
        let has_changed = timeout(STILL_WATCHED, changes.changed()).await.is_ok();
        let Some(core) = watched.upgrade() else { return };
        if core.status.receiver_count() == 0 && !core.is_watched_again() {
            return;
        }
        if has_changed || !is_known {
            is_known = core.look_again().await;
        }
    }
}

/// Is there while somebody looks; gone also with its runtime.
struct Looks(Weak<Core>);

impl Drop for Looks {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.looks.store(false, Ordering::SeqCst);
        }
    }
}
