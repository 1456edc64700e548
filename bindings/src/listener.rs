//! Reports changes of the status to the app.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::error::CallbackError;
use crate::status::Status;

/// Receives the status: once at the start, then after each change. The calls come from a thread of
/// the SDK, one at a time and in order; states that follow each other quickly may be left out. An
/// exception changes nothing: the next status still comes.
#[uniffi::export(with_foreign)]
pub trait SessionListener: Send + Sync {
    /// The status now.
    fn on_status(&self, status: Status) -> Result<(), CallbackError>;
}

/// A listener that is being called, until `stop` or until this object is released.
#[derive(uniffi::Object)]
pub struct StatusWatch {
    task: AbortHandle,
    is_stopped: Arc<AtomicBool>,
}

#[uniffi::export]
impl StatusWatch {
    /// Ends the calls. One that is running still returns; no other one begins.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
        self.task.abort();
    }
}

impl StatusWatch {
    pub(crate) fn start(
        handle: &Handle,
        mut changes: watch::Receiver<propusk::Status>,
        listener: Arc<dyn SessionListener>,
    ) -> Arc<Self> {
        let is_stopped = Arc::new(AtomicBool::new(false));
        let gate = Arc::clone(&is_stopped);
        let task = handle.spawn(async move {
            loop {
                let status = changes.borrow_and_update().clone().into();
                report(&listener, &gate, status).await;
                if changes.changed().await.is_err() {
                    return;
                }
            }
        });
        Arc::new(StatusWatch { task: task.abort_handle(), is_stopped })
    }
}

impl Drop for StatusWatch {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The app's code may block, so it does not run on the runtime's own threads.
async fn report(listener: &Arc<dyn SessionListener>, is_stopped: &Arc<AtomicBool>, status: Status) {
    let (listener, is_stopped) = (Arc::clone(listener), Arc::clone(is_stopped));
    let call = move || match is_stopped.load(Ordering::SeqCst) {
        true => Ok(()),
        false => listener.on_status(status),
    };
    match tokio::task::spawn_blocking(call).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the app's listener failed"),
        Err(error) => tracing::warn!(%error, "the app's listener was not called"),
    }
}
