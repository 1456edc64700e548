//! Accounts: register, sign in, sign out, passwords.

use std::sync::Arc;
use std::time::SystemTime;

use super::Client;
use crate::account::{MailedLink, Profile, ProfileChanges, Registered, Registration};
use crate::cancellation::Cancellation;
use crate::error::Result;
use crate::session::{Adoption, SignOut};
use crate::time;

#[uniffi::export]
impl Client {
    /// Creates an account. It does not sign in. It fails with `Rejected` and the problem of each
    /// field.
    #[uniffi::method(default(cancellation = None))]
    pub async fn register(
        &self,
        registration: Registration,
        password: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Registered> {
        let new = registration.with_password(password);
        self.call(
            cancellation,
            move |sdk| async move { sdk.register(&new).await.map(Registered::from) },
        )
        .await
    }

    /// Confirms the e-mail address of a new account with the contents of the mailed link.
    #[uniffi::method(default(cancellation = None))]
    pub async fn activate(
        &self,
        link: Arc<MailedLink>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        self.call(cancellation, move |sdk| async move { sdk.activate(&link.0).await }).await
    }

    /// Sends the activation mail again.
    #[uniffi::method(default(cancellation = None))]
    pub async fn resend_activation(
        &self,
        email: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        self.call(cancellation, move |sdk| async move { sdk.resend_activation(&email).await }).await
    }

    /// Signs in with a password. The previous session is ended. It fails with `Rejected` and the
    /// code `invalid_credentials` or `account_inactive`, or with `Storage` if the vault cannot
    /// store the session.
    #[uniffi::method(default(cancellation = None))]
    pub async fn sign_in(
        &self,
        identifier: String,
        password: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        self.call(cancellation, move |sdk| async move { sdk.sign_in(&identifier, password).await })
            .await
    }

    /// Signs in with an access token that a provider, such as `google`, has issued to the app. A
    /// new user gets an account.
    #[uniffi::method(default(cancellation = None))]
    pub async fn sign_in_with_provider_token(
        &self,
        provider: String,
        token: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        self.call(cancellation, move |sdk| async move {
            sdk.sign_in_with_provider_token(&provider, token).await
        })
        .await
    }

    /// Adopts tokens that the app kept before it used this SDK: a pair, a refresh token alone, or
    /// in `access` an API token. When it returns, the tokens are in the vault: delete the old store
    /// then. No network is needed. It fails with `OtherSignIn` while a user is signed in.
    #[uniffi::method(default(access_expires_at = None, cancellation = None))]
    pub async fn adopt(
        &self,
        access: Option<String>,
        refresh: Option<String>,
        access_expires_at: Option<SystemTime>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Adoption> {
        let tokens = propusk::ExistingTokens {
            access: access.map(propusk::Secret::from),
            refresh: refresh.map(propusk::Secret::from),
            access_expires_at: access_expires_at.map(time::to_seconds),
        };
        self.call(
            cancellation,
            move |sdk| async move { sdk.adopt(tokens).await.map(Adoption::from) },
        )
        .await
    }

    /// Signs out. It takes effect as soon as the vault is written, with or without a network. Then
    /// the server is informed, for at most 5 s.
    #[uniffi::method(default(cancellation = None))]
    pub async fn sign_out(&self, cancellation: Option<Arc<Cancellation>>) -> Result<SignOut> {
        self.call(cancellation, |sdk| async move { sdk.sign_out().await.map(SignOut::from) }).await
    }

    /// Asks the server whether the access token is valid. The session does not change.
    #[uniffi::method(default(cancellation = None))]
    pub async fn verify(&self, cancellation: Option<Arc<Cancellation>>) -> Result<bool> {
        self.call(cancellation, |sdk| async move { sdk.verify().await }).await
    }

    /// Fetches the account and stores it for `cached_profile`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn profile(&self, cancellation: Option<Arc<Cancellation>>) -> Result<Profile> {
        self.call(cancellation, |sdk| async move { sdk.profile().await.map(Profile::from) }).await
    }

    /// The account as it was last fetched, without a request. Absent if it was never fetched.
    #[uniffi::method(default(cancellation = None))]
    pub async fn cached_profile(
        &self,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Option<Profile>> {
        self.call(cancellation, |sdk| async move {
            sdk.cached_profile().await.map(|profile| profile.map(Profile::from))
        })
        .await
    }

    /// Changes the account. A change of identifiers needs the current password or a sign-in within
    /// the last five minutes.
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

    /// Sends a mail with a link that resets the password. Success does not mean that the account
    /// exists.
    #[uniffi::method(default(cancellation = None))]
    pub async fn request_reset(
        &self,
        email: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        self.call(cancellation, move |sdk| async move { sdk.request_reset(&email).await }).await
    }

    /// Resets the password with the contents of the mailed link.
    #[uniffi::method(default(cancellation = None))]
    pub async fn confirm_reset(
        &self,
        link: Arc<MailedLink>,
        new_password: String,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        self.call(
            cancellation,
            move |sdk| async move { sdk.confirm_reset(&link.0, new_password).await },
        )
        .await
    }

    /// Changes the password. On the native API the current one may be absent within five minutes
    /// after a sign-in.
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

    /// Removes everything that the vault contains, in whatever state it is: for a "start over"
    /// button. A session that can be read is ended at the server first.
    #[uniffi::method(default(cancellation = None))]
    pub async fn forget_everything(&self, cancellation: Option<Arc<Cancellation>>) -> Result<()> {
        self.call(cancellation, |sdk| async move { sdk.forget_everything().await }).await
    }

    /// Deletes the account and its session.
    #[uniffi::method(default(current_password = None, cancellation = None))]
    pub async fn delete_account(
        &self,
        current_password: Option<String>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<()> {
        let current = current_password.map(propusk::Secret::from);
        self.call(cancellation, move |sdk| async move { sdk.delete_account(current).await }).await
    }
}
