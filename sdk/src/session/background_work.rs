//! Counts background work, so that an app that is about to exit can wait for it.

use tokio::sync::watch;

/// The number of running tasks.
pub(super) struct BackgroundWork(watch::Sender<usize>);

/// One running task; dropping it ends the count.
pub(super) struct WorkGuard(watch::Sender<usize>);

impl BackgroundWork {
    pub fn new() -> Self {
        BackgroundWork(watch::Sender::new(0))
    }

    pub fn begin(&self) -> WorkGuard {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        WorkGuard(self.0.clone())
    }

    /// Waits until no task is running.
    pub async fn wait_until_idle(&self) {
        // This struct owns the sender, so the channel is never closed.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
