//! What other processes do, for whoever watches: the vault is looked at when it has changed.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::decide::State;
use super::{Change, Core, Status};

/// How often it is asked whether anybody still watches.
const STILL_WATCHED: Duration = Duration::from_secs(10);

impl Core {
    /// The changes of the status. While somebody has it, what other processes do is told too.
    pub fn watch(self: &Arc<Self>) -> watch::Receiver<Status> {
        let receiver = self.status.subscribe();
        if !self.looks.swap(true, Ordering::SeqCst) {
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
        receiver
    }

    /// Somebody may have written the vault.
    async fn look_again(self: &Arc<Self>) {
        let mut memory = self.memory.lock().await;
        if memory.state == State::Unknown {
            return;
        }
        if let Err(error) = self.look(&mut memory, Change::OtherProcess).await {
            tracing::debug!(%error, "what another process has done is not known");
        }
    }
}

/// Looks until nobody watches any more.
async fn look_after(watched: Weak<Core>) {
    let Some(core) = watched.upgrade() else { return };
    let mut changes = core.vault.changes().await;
    // What was done while nobody watched.
    core.look_again().await;
    drop(core);
    loop {
        let has_changed = timeout(STILL_WATCHED, changes.changed()).await.is_ok();
        let Some(core) = watched.upgrade() else { return };
        if core.status.receiver_count() == 0 {
            core.looks.store(false, Ordering::SeqCst);
            // Whoever has come meanwhile has found somebody who looks.
            if core.status.receiver_count() == 0 || core.looks.swap(true, Ordering::SeqCst) {
                return;
            }
        }
        if has_changed {
            core.look_again().await;
        }
    }
}
