//! What goes on in the background: counted, so that an app that ends can wait for it.

use tokio::sync::watch;

/// The work under way.
pub(super) struct Work(watch::Sender<usize>);

/// One piece of it, until it is dropped.
pub(super) struct Busy(watch::Sender<usize>);

impl Work {
    pub fn new() -> Self {
        Work(watch::Sender::new(0))
    }

    pub fn begin(&self) -> Busy {
        self.0.send_modify(|count| *count = count.saturating_add(1));
        Busy(self.0.clone())
    }

    /// Waits until there is none.
    pub async fn done(&self) {
        // The sender is here, so that there is always an answer.
        let _ = self.0.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}
