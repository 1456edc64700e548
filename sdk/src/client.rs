//! The app's door: one server, one vault, at most one account signed in.

mod account;
mod browser;
mod builder;
mod native;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use propusk_wire::Secret;
use tokio::sync::watch;

pub use browser::{BrowserSignIn, LinkOutcome};
pub use builder::ClientBuilder;

use crate::account::{Operation, Profile};
use crate::api_access::ApiAccess;
use crate::dialects::{Call, Credential, Dialect, Refusal};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Failure;
use crate::redirect::RedirectUri;
use crate::session::{
    CurrentToken, OfflineIdentity, OfflinePolicy, SessionCore, SignedInUser, Status,
};
use crate::vault_state::VaultState;

/// Signs in at one server and keeps the session; a cheap clone, all of which share the session.
///
/// Every operation runs within a tokio runtime with its I/O and time enabled, and panics outside of one.
/// Dropping a future gives up waiting, not the session's work: a refresh, a sign-in or a sign-out that has
/// begun is finished and what comes of it is kept.
///
/// ```no_run
/// # async fn example() -> propusk::Result<()> {
/// use propusk::{Client, Vault};
///
/// let client = Client::builder("https://id.example.org")
///     .vault(Vault::keyring("org.example.app", "/home/anna/.local/share/example"))
///     .build()?;
/// client.sign_in("anna@example.org", "correct horse battery staple").await?;
/// let token = client.access_token().await?; // renewed by itself
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) core: Arc<SessionCore>,
    pub(crate) parts: Arc<ClientParts>,
}

/// What a client is made of beside its session.
pub(crate) struct ClientParts {
    pub redirects: Vec<RedirectUri>,
    pub api: ApiAccess,
    /// Whoever redeems a link is alone.
    pub redeem_lock: tokio::sync::Mutex<()>,
}

impl Client {
    /// A client of the server at this address, such as `https://id.example.org`.
    pub fn builder(server: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(server.into())
    }

    /// The API that is spoken.
    pub fn dialect(&self) -> Dialect {
        self.core.dialect()
    }

    /// Whether the API that is spoken has the operation.
    pub fn supports(&self, operation: Operation) -> bool {
        self.dialect().supports(operation)
    }

    /// Whether somebody is signed in, and who. Reads the vault if that has not been done; waits for no
    /// network and for no renewal.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] while the vault cannot be read: nothing is known then, and nobody is signed
    /// out.
    pub async fn status(&self) -> Result<Status> {
        self.core.status().await
    }

    /// The changes of [`Status`], for a screen that follows them. It begins with what is known: call
    /// [`status`](Self::status) once to have the vault read. What other processes do that share the
    /// vault is told within two seconds, while somebody watches.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.core.watch()
    }

    /// Waits until nothing is under way: a renewal, a sign-out that the server has to hear of, a session
    /// that could not be written. Whether all of it is done within this time.
    ///
    /// To be called by a program that ends: one for the command line before `main` returns, a handler
    /// of a push message, an app's extension. What is not done then is done at the next start.
    pub async fn finish_pending_work(&self, limit: Duration) -> bool {
        self.core.finish_pending_work(limit).await
    }

    /// The network is another one, or there is one again: what waits because the server could not be
    /// reached is tried at once.
    pub fn network_changed(&self) {
        self.core.on_network_change();
    }

    /// Who is signed in, and how far that can be relied on without asking the server: from what the
    /// vault holds under its seal, and the latest time that was ever known of the server's. A device's
    /// clock that is set back gains nothing. Costs no network.
    ///
    /// # Errors
    /// [`ErrorKind::SignedOut`], [`ErrorKind::Storage`].
    pub async fn offline_identity(&self, policy: OfflinePolicy) -> Result<OfflineIdentity> {
        self.core.offline_identity(policy).await
    }

    /// In which state the vault is.
    pub async fn vault_state(&self) -> VaultState {
        self.core.vault_state().await
    }

    /// An access token that works, renewed if need be. Without a need it costs no network and no
    /// disk.
    ///
    /// # Errors
    /// [`ErrorKind::SignedOut`] with the reason; [`ErrorKind::Network`], [`ErrorKind::RetryLater`] or [`ErrorKind::Storage`]
    /// where it has to be renewed and cannot be now.
    pub async fn access_token(&self) -> Result<AccessToken> {
        Ok(AccessToken(self.core.current_token().await?))
    }

    /// The same for this sign-in alone: what one person has begun is not done in the name of the next.
    ///
    /// # Errors
    /// [`ErrorKind::OtherSignIn`]; as of [`access_token`](Self::access_token).
    pub async fn access_token_for(&self, user: &SignedInUser) -> Result<AccessToken> {
        let current_token = self.core.current_token().await?;
        match current_token.user.is_same(user) {
            true => Ok(AccessToken(current_token)),
            false => Err(Error::new(ErrorKind::OtherSignIn)),
        }
    }

    /// Another access token than this one, which a server has refused, for clients that [`api`](Self::api)
    /// does not serve, such as WebSocket and gRPC. However many callers were refused with the same token,
    /// one renewal is made, and none where it has been made already. Where the API cannot renew the token
    /// now, it is the same one again. A second refusal in a row is the server's answer: do not ask again.
    ///
    /// # Errors
    /// As of [`access_token`](Self::access_token); [`ErrorKind::OtherSignIn`] where another sign-in has taken the
    /// place of the token's own.
    pub async fn replace_access_token(&self, refused: &AccessToken) -> Result<AccessToken> {
        self.replacement_for(&refused.0).await.map(AccessToken)
    }

    /// Renews the access token even if it still works. A server of `simplejwt_rotating` may renew only
    /// what has expired: nothing changes before.
    ///
    /// # Errors
    /// As of [`access_token`](Self::access_token).
    pub async fn refresh(&self) -> Result<()> {
        self.core.renew().await
    }

    /// The account as it was last seen: no network. `None` where nobody has asked for it yet.
    ///
    /// # Errors
    /// [`ErrorKind::SignedOut`], [`ErrorKind::Storage`].
    pub async fn cached_profile(&self) -> Result<Option<Profile>> {
        self.core.profile().await
    }

    /// What one person has asked for is not done in the name of another, who has signed in meanwhile.
    async fn replacement_for(&self, refused: &CurrentToken) -> Result<Arc<CurrentToken>> {
        let next = self.core.replacement_for(&refused.credential.token).await?;
        match next.sign_in_id == refused.sign_in_id {
            true => Ok(next),
            false => Err(Error::new(ErrorKind::OtherSignIn)),
        }
    }

    /// Sends what needs an access token, and once more with another one if it is refused.
    pub(crate) async fn authorized<T>(
        &self,
        make_call: impl Fn(&Credential) -> Result<Call<T>>,
    ) -> Result<T> {
        self.authorized_by(make_call).await.map(|(answer, _)| answer)
    }

    /// The same, and whose token it was.
    pub(crate) async fn authorized_by<T>(
        &self,
        make_call: impl Fn(&Credential) -> Result<Call<T>>,
    ) -> Result<(T, Arc<CurrentToken>)> {
        self.authorized_as(self.core.current_token().await?, make_call).await
    }

    /// The same with this token, or one of the same sign-in.
    pub(crate) async fn authorized_as<T>(
        &self,
        current_token: Arc<CurrentToken>,
        make_call: impl Fn(&Credential) -> Result<Call<T>>,
    ) -> Result<(T, Arc<CurrentToken>)> {
        let outcome = self.core.transport().send(make_call(&current_token.credential)?).await;
        if !matches!(outcome, Err(Failure::Network(_) | Failure::Unexpected(_))) {
            self.core.on_server_answer();
        }
        match outcome {
            Err(Failure::Refused(
                Refusal::Unauthorized | Refusal::AccountInactive | Refusal::SignedOut(_),
            )) => {
                let next = self.replacement_for(&current_token).await?;
                match self.core.transport().send(make_call(&next.credential)?).await {
                    Err(Failure::Refused(Refusal::Unauthorized)) => Err(Error::because(
                        ErrorKind::Protocol,
                        "the server refuses an access token that it has just issued",
                    )),
                    outcome => Ok((outcome?, next)),
                }
            }
            outcome => Ok((outcome?, current_token)),
        }
    }

    pub(crate) async fn send<T>(&self, call: Result<Call<T>>) -> Result<T> {
        Ok(self.core.transport().send(call?).await?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.core.transport().base().as_str())
            .field("dialect", &self.dialect())
            .finish_non_exhaustive()
    }
}

/// An access token at the moment it was asked for. Ask again for every request rather than keep it.
#[derive(Clone)]
pub struct AccessToken(Arc<CurrentToken>);

impl AccessToken {
    /// The bare token.
    pub fn token(&self) -> &Secret {
        &self.0.credential.token
    }

    /// Whose it is.
    pub fn user(&self) -> &SignedInUser {
        &self.0.user
    }

    /// When it expires by the server's clock, in seconds since 1970; `None` where it does not, or nobody
    /// says when.
    pub fn expires_at(&self) -> Option<i64> {
        self.0.expires_at
    }

    /// As it goes into `Authorization`, marked as sensitive.
    pub fn header(&self) -> reqwest::header::HeaderValue {
        self.0.header.clone()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken([redacted])")
    }
}

#[cfg(test)]
mod tests;
