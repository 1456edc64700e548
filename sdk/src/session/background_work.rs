//! What goes on in the background: counted, so that an app that ends can wait for it.

use tokio::sync::watch;

/// The work under way.
pub(super) struct BackgroundWork(watch::Sender<usize>);

/// One piece of it, until it is dropped.
pub(super) struct WorkGuard(watch::Sender<usize>);

impl BackgroundWork {
    pub fn new() -> Self {
        BackgroundWork(watch::Sender::new(0))
    }

    pub fn begin(&self) -> WorkGuard {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        WorkGuard(self.0.clone())
    }

    /// Waits until there is none.
    pub async fn wait_until_idle(&self) {
        // The sender is here, so that there is always an answer.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for WorkGuard {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
