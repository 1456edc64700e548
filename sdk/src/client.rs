//! The client of an app: one server, one vault, and at most one signed-in account.

mod account;
mod bound;
mod browser;
mod builder;
mod native;
mod new_token_refusals;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use propusk_wire::Secret;
use tokio::sync::watch;

pub use bound::BoundClient;
pub use browser::{BrowserSignIn, LinkOutcome};
pub use builder::ClientBuilder;
use new_token_refusals::NewTokenRefusals;

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

/// Signs in at one server and keeps the session. Clones are cheap and share the session.
///
/// Every operation must run in a tokio runtime with I/O and time enabled, and panics outside of
/// one. Dropping a future stops the wait, not the work: a refresh, sign-in or sign-out that has
/// started is completed and its result is stored.
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
    /// Calls are sent only while this sign-in is the current one. `None`: whichever sign-in is
    /// current.
    user: Option<Arc<SignedInUser>>,
}

/// The parts of a client other than its session.
pub(crate) struct ClientParts {
    pub redirects: Vec<RedirectUri>,
    pub api: ApiAccess,
    /// Held while a link is redeemed.
    pub redeem_lock: tokio::sync::Mutex<()>,
    pub new_token_refusals: NewTokenRefusals,
}

impl Client {
    /// Builds a client of the server at this address, such as `https://id.example.org`.
    pub fn builder(server: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(server.into())
    }

    /// The API that the client uses.
    pub fn dialect(&self) -> Dialect {
        self.core.dialect()
    }

    /// Whether that API has the operation.
    pub fn supports(&self, operation: Operation) -> bool {
        self.dialect().supports(operation)
    }

    /// Whether a user is signed in, and which one. It reads the vault if needed and does not wait
    /// for the network or for a renewal.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`] while the vault cannot be read: the status is unknown, and the user
    /// is not signed out.
    pub async fn status(&self) -> Result<Status> {
        self.core.status().await
    }

    /// A receiver of [`Status`] changes, for a user interface. It starts with what is known
    /// already: call [`status`](Self::status) once to read the vault. While a receiver exists,
    /// changes by other processes that share the vault are reported within two seconds.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.core.watch()
    }

    /// Waits until all background work is done: renewals, pending sign-outs, and writes that
    /// failed. Returns whether all of it was done within the limit.
    ///
    /// Call it before a process exits: in a command-line program, a handler of a push message or an
    /// app extension. Unfinished work continues at the next start, except a renewal that has spent
    /// the refresh token: its session may be lost.
    pub async fn finish_pending_work(&self, limit: Duration) -> bool {
        self.core.finish_pending_work(limit).await
    }

    /// Reports that the network has changed or is available again. Whatever waits for the server is
    /// retried at once.
    pub fn network_changed(&self) {
        self.core.on_network_change();
    }

    /// The signed-in user, and whether the app may trust that without a request to the server. It
    /// is based on the sealed record in the vault and on the latest server time that was ever
    /// known, so setting the device's clock back does not extend the trust. No request is sent.
    ///
    /// # Errors
    /// [`ErrorKind::SignedOut`], [`ErrorKind::Storage`].
    pub async fn offline_identity(&self, policy: OfflinePolicy) -> Result<OfflineIdentity> {
        self.core.offline_identity(policy).await
    }

    /// The state of the vault.
    pub async fn vault_state(&self) -> VaultState {
        self.core.vault_state().await
    }

    /// A valid access token, renewed if necessary. Usually this needs neither network nor disk.
    ///
    /// # Errors
    /// [`ErrorKind::SignedOut`] with the reason; [`ErrorKind::Network`], [`ErrorKind::RetryLater`]
    /// or [`ErrorKind::Storage`] if the token must be renewed and cannot be renewed now.
    pub async fn access_token(&self) -> Result<AccessToken> {
        Ok(AccessToken(self.core.current_token().await?))
    }

    /// As [`access_token`](Self::access_token), but a token that expires soon is renewed first, if
    /// that is possible now: within 60 to 90 s, or closer to its end if it is valid for less than
    /// ten minutes. It is for requests that cannot be sent twice, such as the upload of a stream,
    /// and for connections that are checked only when they are opened.
    ///
    /// # Errors
    /// Those of [`access_token`](Self::access_token).
    pub async fn fresh_access_token(&self) -> Result<AccessToken> {
        Ok(AccessToken(self.core.fresh_token().await?))
    }

    /// As [`access_token`](Self::access_token), but only for this sign-in. Work that one user
    /// started is then not done in the name of the next one.
    ///
    /// # Errors
    /// [`ErrorKind::OtherSignIn`]; those of [`access_token`](Self::access_token).
    pub async fn access_token_for(&self, user: &SignedInUser) -> Result<AccessToken> {
        self.core.refuse_other_user(Some(user))?;
        let token = self.core.current_token().await?;
        refuse_token_of_other(Some(user), &token)?;
        Ok(AccessToken(token))
    }

    /// Another access token, after a server has refused this one. It is for clients that
    /// [`api`](Self::api) does not cover, such as WebSocket and gRPC. Callers with the same refused
    /// token share one renewal. If the API cannot renew the token now, the same token is
    /// returned. If the new token is refused too, do not ask again.
    ///
    /// # Errors
    /// Those of [`access_token`](Self::access_token); [`ErrorKind::OtherSignIn`] if another sign-in
    /// has replaced the one of the token.
    pub async fn replace_access_token(&self, refused: &AccessToken) -> Result<AccessToken> {
        self.replacement_for(&refused.0).await.map(AccessToken)
    }

    /// Renews the access token even if it is still valid. A server of `simplejwt_rotating` may
    /// renew only expired tokens; before that, nothing changes.
    ///
    /// # Errors
    /// Those of [`access_token`](Self::access_token).
    pub async fn refresh(&self) -> Result<()> {
        self.core.renew().await
    }

    /// The account as it was last fetched, without a request. `None` if it was never fetched.
    ///
    /// # Errors
    /// [`ErrorKind::SignedOut`], [`ErrorKind::Storage`].
    pub async fn cached_profile(&self) -> Result<Option<Profile>> {
        self.core.profile().await
    }

    /// Another token of the same sign-in: a request of one user is not sent in the name of another.
    async fn replacement_for(&self, refused: &CurrentToken) -> Result<Arc<CurrentToken>> {
        let next = self.core.replacement_for(&refused.credential.token).await?;
        match next.sign_in_id == refused.sign_in_id {
            true => Ok(next),
            false => Err(Error::new(ErrorKind::OtherSignIn)),
        }
    }

    /// Sends a call with the access token, and once more with another token if it is refused.
    pub(crate) async fn authorized<T>(
        &self,
        make_call: impl Fn(&Credential) -> Result<Call<T>>,
    ) -> Result<T> {
        self.authorized_by(make_call).await.map(|(answer, _)| answer)
    }

    /// As [`authorized`](Self::authorized); also returns the token that was used.
    pub(crate) async fn authorized_by<T>(
        &self,
        make_call: impl Fn(&Credential) -> Result<Call<T>>,
    ) -> Result<(T, Arc<CurrentToken>)> {
        self.core.refuse_other_user(self.user.as_deref())?;
        self.authorized_as(self.core.current_token().await?, make_call).await
    }

    /// As [`authorized_by`](Self::authorized_by), with this token or another one of the same
    /// sign-in.
    pub(crate) async fn authorized_as<T>(
        &self,
        token: Arc<CurrentToken>,
        make_call: impl Fn(&Credential) -> Result<Call<T>>,
    ) -> Result<(T, Arc<CurrentToken>)> {
        refuse_token_of_other(self.user.as_deref(), &token)?;
        let call = make_call(&token.credential)?;
        let path = call.request.path.clone();
        let outcome = self.core.transport().send(call).await;
        if !matches!(outcome, Err(Failure::Network(_) | Failure::Silent | Failure::Unexpected(_))) {
            self.core.on_server_answer();
        }
        let (refusals, now) = (&self.parts.new_token_refusals, self.core.transport().device_now());
        match outcome {
            Err(Failure::Refused(Refusal::Unauthorized))
                if refusals.contains(&path, &token.credential.token, now) =>
            {
                Err(new_token_refused())
            }
            Err(Failure::Refused(
                Refusal::Unauthorized | Refusal::AccountInactive | Refusal::SignedOut(_),
            )) => {
                let next = self.replacement_for(&token).await?;
                match self.core.transport().send(make_call(&next.credential)?).await {
                    Err(Failure::Refused(Refusal::Unauthorized)) => {
                        refusals.add(path, next.credential.token.clone(), now);
                        Err(new_token_refused())
                    }
                    outcome => Ok((outcome?, next)),
                }
            }
            outcome => Ok((outcome?, token)),
        }
    }

    pub(crate) async fn send<T>(&self, call: Result<Call<T>>) -> Result<T> {
        Ok(self.core.transport().send(call?).await?)
    }
}

fn new_token_refused() -> Error {
    Error::explained(
        ErrorKind::Protocol,
        "the server refuses an access token that it has just issued",
    )
}

/// Refuses to send the token of a user who is not the one that the call is bound to.
fn refuse_token_of_other(user: Option<&SignedInUser>, token: &CurrentToken) -> Result<()> {
    match user {
        Some(user) if !token.user.is_same(user) => Err(Error::new(ErrorKind::OtherSignIn)),
        _ => Ok(()),
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

/// An access token that is valid now. Ask for it again before every request instead of keeping it.
#[derive(Clone)]
pub struct AccessToken(pub(crate) Arc<CurrentToken>);

impl AccessToken {
    /// The token itself.
    pub fn token(&self) -> &Secret {
        &self.0.credential.token
    }

    /// The user that the token belongs to.
    pub fn user(&self) -> &SignedInUser {
        &self.0.user
    }

    /// When it expires by the server's clock, in seconds since 1970. `None` if it does not expire
    /// or if the time is unknown.
    pub fn expires_at(&self) -> Option<i64> {
        self.0.expires_at
    }

    /// The value of the `Authorization` header, marked as sensitive.
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
