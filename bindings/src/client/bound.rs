//! Operations for one sign-in only.

use std::future::Future;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::{Client, check_process};
use crate::account::{Profile, ProfileChanges};
use crate::browser::BrowserSignIn;
use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};
use crate::event::AccountEvents;
use crate::runtime::run;
use crate::session::{Identity, Session};
use crate::status::SignedInUser;

/// Operations of a client for one sign-in only. Each fails with `OtherSignIn` after another sign-in
/// has replaced this one, in this process or another: then nothing is sent. A dialog that one user
/// has opened then does not change or delete the account of the next one.
#[derive(uniffi::Object)]
pub struct BoundClient {
    sdk: propusk::BoundClient,
    handle: Handle,
    process: u32,
}

#[uniffi::export]
impl Client {
    /// Operations for this sign-in only. It fails with `OtherSignIn` if this sign-in is not the
    /// current one, and with `Storage` while the vault cannot be read.
    #[uniffi::method(default(cancellation = None))]
    pub async fn for_user(
        &self,
        user: SignedInUser,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<BoundClient>> {
        let (handle, process) = (self.handle.clone(), self.process);
        self.call(cancellation, move |sdk| async move {
            let current = sdk.status().await?.user;
            match current.filter(|current| current.sign_in_id == user.sign_in_id) {
                Some(current) => {
                    Ok(Arc::new(BoundClient { sdk: sdk.for_user(&current), handle, process }))
                }
                None => Err(PropuskError::other_sign_in()),
            }
        })
        .await
    }
}

#[uniffi::export]
impl BoundClient {
    /// As `Client.profile`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn profile(&self, cancellation: Option<Arc<Cancellation>>) -> Result<Profile> {
        self.call(cancellation, |sdk| async move { sdk.profile().await.map(Profile::from) }).await
    }

    /// As `Client.update_profile`.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn update_profile(
        &self,
        changes: ProfileChanges,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Profile> {
        let changes = changes.with_password(current_password);
        self.call(cancellation, move |sdk| async move {
            sdk.update_profile(&changes).await.map(Profile::from)
        })
        .await
    }

    /// As `Client.change_password`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn change_password(
        &self,
        current_password: Option<String>,
        new_password: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move {
            sdk.change_password(current, new_password).await
        })
        .await
    }

    /// As `Client.delete_account`.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn delete_account(
        &self,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move { sdk.delete_account(current).await }).await
    }

    /// As `Client.export_account`.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn export_account(
        &self,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<String> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move { sdk.export_account(current).await }).await
    }

    /// As `Client.account_events`.
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

    /// As `Client.sessions`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn sessions(&self, cancellation: Option<Arc<Cancellation>>) -> Result<Vec<Session>> {
        self.call(cancellation, |sdk| async move {
            sdk.sessions().await.map(|sessions| sessions.into_iter().map(Session::from).collect())
        })
        .await
    }

    /// As `Client.end_session`.
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

    /// As `Client.end_other_sessions`.
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

    /// As `Client.identities`.
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

    /// As `Client.begin_link`. The link is completed by the client.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn begin_link(
        &self,
        provider: String,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<BrowserSignIn>> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move {
            let begun = sdk.begin_link(&provider, None, current).await;
            begun.map(|begun| Arc::new(BrowserSignIn(begun)))
        })
        .await
    }

    /// As `Client.unlink`.
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

impl BoundClient {
    /// Runs the work of one call; see `runtime::run`.
    async fn call<T, E, F>(
        &self,
        cancellation: Option<Arc<Cancellation>>,
        work: impl FnOnce(propusk::BoundClient) -> F,
    ) -> Result<T>
    where
        T: Send + 'static,
        E: Into<PropuskError> + Send + 'static,
        F: Future<Output = std::result::Result<T, E>> + Send + 'static,
    {
        check_process(self.process)?;
        run(&self.handle, cancellation, work(self.sdk.clone())).await
    }
}
