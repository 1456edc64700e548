//! The sessions and identities of the account.

use std::sync::Arc;

use super::Client;
use crate::cancellation::Cancellation;
use crate::error::Result;
use crate::session::{Identity, Session};

#[uniffi::export]
impl Client {
    /// The sessions of the account, the newest first.
    #[uniffi::method(default(cancellation = None))]
    pub async fn sessions(&self, cancellation: Option<Arc<Cancellation>>) -> Result<Vec<Session>> {
        self.call(cancellation, |sdk| async move {
            sdk.sessions().await.map(|sessions| sessions.into_iter().map(Session::from).collect())
        })
        .await
    }

    /// Ends another session of the account.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn end_session(
        &self,
        id: String,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move { sdk.end_session(&id, current).await }).await
    }

    /// Ends all other sessions of the account.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn end_other_sessions(
        &self,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move { sdk.end_other_sessions(current).await })
            .await
    }

    /// The identities at providers with which the account signs in.
    #[uniffi::method(default(cancellation = None))]
    pub async fn identities(
        &self,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Vec<Identity>> {
        self.call(cancellation, |sdk| async move {
            sdk.identities().await.map(|found| found.into_iter().map(Identity::from).collect())
        })
        .await
    }

    /// Removes an identity from the account. It fails with `Rejected` and `nothing_to_sign_in_by`
    /// for the last way to sign in.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn unlink(
        &self,
        provider: String,
        subject: String,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let current = current_password.map(propusk::Secret::from);
        self.call(
            cancellation,
            move |sdk| async move { sdk.unlink(&provider, &subject, current).await },
        )
        .await
    }
}
