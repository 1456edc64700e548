//! Access tokens, for HTTP clients of the app.

use std::sync::Arc;

use super::Client;
use crate::access_token::AccessToken;
use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};
use crate::status::SignedInUser;

#[uniffi::export]
impl Client {
    /// A valid access token, renewed if necessary. Usually this needs neither network nor disk. It
    /// fails with `SignedOut`, `Network`, `RetryLater` or `Storage`.
    #[uniffi::method(default(cancellation = None))]
    pub async fn access_token(
        &self,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<AccessToken>> {
        self.call(cancellation, |sdk| async move { sdk.access_token().await.map(shared) }).await
    }

    /// As `access_token`, but only for this sign-in: it fails with `OtherSignIn` after another one.
    #[uniffi::method(default(cancellation = None))]
    pub async fn access_token_for(
        &self,
        user: SignedInUser,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<AccessToken>> {
        let token = self.access_token(cancellation).await?;
        match token.0.user().sign_in_id == user.sign_in_id {
            true => Ok(token),
            false => Err(PropuskError::other_sign_in()),
        }
    }

    /// Another access token, after a server has refused this one. Callers with the same refused
    /// token share one renewal. If the new token is refused too, do not ask again.
    #[uniffi::method(default(cancellation = None))]
    pub async fn replace_access_token(
        &self,
        refused: Arc<AccessToken>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<AccessToken>> {
        self.call(cancellation, move |sdk| async move {
            sdk.replace_access_token(&refused.0).await.map(shared)
        })
        .await
    }

    /// Renews the access token even if it is still valid.
    #[uniffi::method(default(cancellation = None))]
    pub async fn refresh(&self, cancellation: Option<Arc<Cancellation>>) -> Result<()> {
        self.call(cancellation, |sdk| async move { sdk.refresh().await }).await
    }
}

fn shared(token: propusk::AccessToken) -> Arc<AccessToken> {
    Arc::new(AccessToken(token))
}
