//! Cancels one call: futures of uniffi cannot be dropped from every language.

use std::sync::Arc;

use tokio::sync::watch;

/// Cancels the calls that it is passed to; use a new one for each call. The caller gets
/// `Cancelled` at once. A request that only this call needs is dropped; a sign-in, renewal,
/// sign-out or write to the vault that has begun is completed.
#[derive(uniffi::Object)]
pub struct Cancellation(watch::Sender<bool>);

#[uniffi::export]
impl Cancellation {
    /// A cancellation that has not happened yet.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Cancellation(watch::Sender::new(false)))
    }

    /// Cancels. A second time changes nothing.
    pub fn cancel(&self) {
        self.0.send_replace(true);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }
}

impl Cancellation {
    pub(crate) async fn cancelled(&self) {
        // This object owns the sender, so the channel is never closed.
        let _ = self.0.subscribe().wait_for(|is_cancelled| *is_cancelled).await;
    }
}
