//! What users can see of their own account: its events, and the export of everything that is kept.

use std::sync::Arc;

use super::Client;
use crate::cancellation::Cancellation;
use crate::error::Result;
use crate::event::AccountEvents;

#[uniffi::export]
impl Client {
    /// What has happened to the account, the newest first, in pages. The first page is without
    /// `before`, each further one with the `next` of the page before.
    #[uniffi::method(default(before = None, cancellation = None))]
    pub async fn account_events(
        &self,
        before: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<AccountEvents> {
        self.call(cancellation, move |sdk| async move {
            sdk.account_events(before.as_deref()).await.map(AccountEvents::from)
        })
        .await
    }

    /// Everything that the server keeps of the account, except secrets, as one JSON text, for a
    /// file of the user. It needs the current password or a sign-in within the last five minutes,
    /// and the owner gets a mail. It may have many MiB of personal data, which is not stored.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn export_account(
        &self,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<String> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move { sdk.export_account(current).await }).await
    }
}
