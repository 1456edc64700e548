//! Access tokens, for HTTP clients of the app.

use std::sync::Arc;

use url::Url;

use super::Client;
use crate::access_token::AccessToken;
use crate::cancellation::Cancellation;
use crate::error::{PropuskError, Result};
use crate::status::SignedInUser;

#[uniffi::export]
impl Client {
    /// A valid access token, renewed if necessary. Usually this needs neither network nor disk. It
    /// fails with `SignedOut`, `Network`, `RetryLater` or `Storage`. With `fresh`, a token that expires
    /// soon is renewed first, if that is possible now: within 60 to 90 s, or closer to its end if it
    /// is valid for less than ten minutes. It is for a request whose body cannot be sent twice.
    #[uniffi::method(default(fresh = false, cancellation = None))]
    pub async fn access_token(
        &self,
        fresh: bool,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<AccessToken>> {
        self.call(cancellation, move |sdk| async move {
            let token = match fresh {
                true => sdk.fresh_access_token().await,
                false => sdk.access_token().await,
            };
            token.map(shared)
        })
        .await
    }

    /// As `access_token`, but only for this sign-in: it fails with `OtherSignIn` after another one.
    #[uniffi::method(default(fresh = false, cancellation = None))]
    pub async fn access_token_for(
        &self,
        user: SignedInUser,
        fresh: bool,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Arc<AccessToken>> {
        let token = self.access_token(fresh, cancellation).await?;
        match token.0.user().sign_in_id == user.sign_in_id {
            true => Ok(token),
            false => Err(PropuskError::other_sign_in()),
        }
    }

    /// Whether the access token may be sent to this address: the server's own origin and the
    /// `api_origins`. An HTTP client must ask before it attaches the token.
    pub fn is_allowed_origin(&self, url: String) -> bool {
        Url::parse(&url).is_ok_and(|url| self.api.allows(&url))
    }

    /// Another access token of the same sign-in, after this address has answered 401 to this one.
    /// Absent if there is no other token, or if another one would not help: an endpoint that keeps
    /// refusing causes one renewal a minute. An HTTP client then returns the 401; otherwise it sends
    /// the request once more.
    #[uniffi::method(default(cancellation = None))]
    pub async fn token_after_refusal(
        &self,
        url: String,
        refused: Arc<AccessToken>,
        cancellation: Option<Arc<Cancellation>>,
    ) -> Result<Option<Arc<AccessToken>>> {
        let Ok(url) = Url::parse(&url) else { return Ok(None) };
        let api = self.api.clone();
        self.call(cancellation, move |_| async move {
            Ok::<_, PropuskError>(api.token_after_refusal(&url, &refused.0).await?.map(shared))
        })
        .await
    }

    /// This address has answered a request with the token, and not with an error. An HTTP client
    /// reports it, so that a later refusal by this address causes a renewal at once.
    pub fn note_accepted(&self, url: String) {
        if let Ok(url) = Url::parse(&url) {
            let _entered = self.handle.enter();
            self.api.note_accepted(&url);
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
