//! Exchanges the client in use, and reports the status of the new one to the page.

use propusk::Client;
use tauri::async_runtime::{self, JoinHandle};
use tauri::{Emitter, Runtime};

use crate::STATUS_EVENT;
use crate::deep_links;
use crate::lock::lock;
use crate::output::Status;
use crate::state::{InUse, Propusk, PropuskExt};

impl<R: Runtime> Propusk<R> {
    /// Uses another client from now on, or none. Operations of the previous one that have begun
    /// are not stopped. Its status is no longer reported.
    pub fn set_client(&self, client: Option<Client>) {
        // First: its last report would otherwise come after the first one of the new client.
        if let Some(reporter) = lock(&self.in_use).reporter.take() {
            reporter.abort();
        }
        let reporter = client.clone().map(|client| self.report(client));
        let has_client = client.is_some();
        let before = std::mem::replace(&mut *lock(&self.in_use), InUse { client, reporter });
        // Of a call that came between.
        if let Some(reporter) = before.reporter {
            reporter.abort();
        }
        if let Some(pending) = lock(&self.pending).take() {
            pending.cancel();
        }
        if has_client {
            let early = std::mem::take(&mut *lock(&self.early_links));
            deep_links::complete_all(&self.app, early);
        } else {
            self.emit(Status::unknown());
        }
    }

    fn report(&self, client: Client) -> JoinHandle<()> {
        let app = self.app.clone();
        async_runtime::spawn(async move {
            let mut changes = client.watch();
            // Reads the vault; a failure is no status.
            if let Err(error) = client.status().await {
                tracing::info!(%error, "the status is not known yet");
            }
            loop {
                let status = Status::from(changes.borrow_and_update().clone());
                app.propusk().emit(status);
                if changes.changed().await.is_err() {
                    return;
                }
            }
        })
    }

    fn emit(&self, status: Status) {
        if let Err(error) = self.app.emit(STATUS_EVENT, status) {
            tracing::warn!(%error, "a status was not reported to the page");
        }
    }
}
