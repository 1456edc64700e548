//! Sign-in with a provider: it starts here, continues in a browser and ends with the link that the
//! browser opens. What the last step needs is in the vault before the browser opens, so an app that
//! was stopped meanwhile, or that the link starts, completes the sign-in.

use std::fmt;
use std::time::Duration;

use propusk_wire::{Identity, LinkRequest, Provider, Secret, StartSignInRequest};

use super::Client;
use crate::account::Operation;
use crate::dialects::native;
use crate::error::{Error, ErrorKind, Result};
use crate::pending_sign_in::{LinkAction, Outcome, PendingSignIn};
use crate::redirect::RedirectUri;
use crate::rejection::{Rejection, RejectionCode};
use crate::vault_state::VaultState;
use crate::{deeplink, pkce};

/// A sign-in that continues in a browser.
#[derive(Clone)]
#[non_exhaustive]
pub struct BrowserSignIn {
    /// The address to open in the system's browser; do not use a web view of the app.
    pub authorize_url: String,
    /// The id of this sign-in, for [`Client::cancel_sign_in`] and [`Loopback`](crate::Loopback).
    pub state: Secret,
    /// How long the sign-in may take.
    pub expires_in: Duration,
}

/// Without the address: it contains the state.
impl fmt::Debug for BrowserSignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserSignIn")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// The result of a link.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LinkOutcome {
    /// The user is signed in.
    SignedIn,
    /// The identity is now linked to the signed-in account.
    Linked(Box<Identity>),
    /// The link was completed before; systems may deliver the same link twice.
    AlreadyCompleted,
    /// The link does not belong to a sign-in.
    Unrelated,
}

impl Client {
    /// The providers of the server.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], [`ErrorKind::Network`].
    pub async fn providers(&self) -> Result<Vec<Provider>> {
        self.require(Operation::ProviderSignIn)?;
        self.send(Ok(native::providers())).await
    }

    /// Starts a sign-in that returns to the client's first redirect. Open
    /// [`authorize_url`](BrowserSignIn::authorize_url) in the system's browser, and pass the
    /// returned link to [`complete_sign_in`](Self::complete_sign_in).
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the client has no redirect; [`ErrorKind::Storage`] if the vault
    /// cannot store the pending sign-in; [`ErrorKind::Rejected`], [`ErrorKind::Unsupported`],
    /// [`ErrorKind::Network`].
    pub async fn begin_sign_in(&self, provider: &str) -> Result<BrowserSignIn> {
        self.require(Operation::ProviderSignIn)?;
        self.begin_sign_in_at(provider, self.first_redirect()?).await
    }

    /// As [`begin_sign_in`](Self::begin_sign_in), with another redirect of the client, such as that
    /// of a [`Loopback`](crate::Loopback).
    ///
    /// # Errors
    /// Those of [`begin_sign_in`](Self::begin_sign_in).
    pub async fn begin_sign_in_at(
        &self,
        provider: &str,
        redirect: &RedirectUri,
    ) -> Result<BrowserSignIn> {
        self.require(Operation::ProviderSignIn)?;
        let (verifier, start) = start_of(redirect)?;
        let started = self.send(native::start(None, provider, &start)).await?;
        self.store_pending(pending(provider, redirect, verifier), started).await
    }

    /// Starts linking another identity to the signed-in account. The current password may be
    /// omitted within five minutes after a sign-in.
    ///
    /// # Errors
    /// Those of [`begin_sign_in`](Self::begin_sign_in); [`ErrorKind::Rejected`] with
    /// `wrong_password` or `reauthentication_required`.
    pub async fn begin_link(
        &self,
        provider: &str,
        redirect: Option<&RedirectUri>,
        current_password: Option<Secret>,
    ) -> Result<BrowserSignIn> {
        self.require(Operation::Identities)?;
        let redirect = match redirect {
            Some(redirect) => redirect,
            None => self.first_redirect()?,
        };
        let (verifier, start) = start_of(redirect)?;
        let start = StartSignInRequest { link: true, current_password, ..start };
        let (started, by) =
            self.authorized_by(|access| native::start(Some(access), provider, &start)).await?;
        let sign_in = Some(by.user.sign_in_id.clone());
        let pending = pending(provider, redirect, verifier);
        self.store_pending(PendingSignIn { link: true, sign_in, ..pending }, started).await
    }

    /// Completes a sign-in with a link that the system has delivered, at the start or while the app
    /// runs. A link that does not belong to a sign-in causes no request.
    ///
    /// # Errors
    /// [`ErrorKind::Cancelled`] if the user cancelled; [`ErrorKind::Rejected`] with
    /// `sign_in_unknown` if this app did not start the sign-in, `sign_in_expired` if it took too
    /// long, `provider_refused`, `account_in_use` and other codes of the server;
    /// [`ErrorKind::Network`] if the server could not be reached. The same link may be passed again
    /// within a minute; if the server had received the first attempt, the user must start again.
    pub async fn complete_sign_in(&self, link: &str) -> Result<LinkOutcome> {
        self.require(Operation::ProviderSignIn)?;
        let link = deeplink::parse(link, &self.parts.redirects);
        if link == deeplink::Link::Unrelated {
            return Ok(LinkOutcome::Unrelated);
        }
        // A link that arrives twice at once is redeemed once.
        let _alone = self.parts.redeem_lock.lock().await;
        let now = self.core.transport().device_now();
        let arrival = self.core.change(move |record| record.journal.arrive(link, now)).await?;
        match arrival {
            LinkAction::Redeem { code, sign_in } => self.redeem(code, *sign_in).await,
            LinkAction::AlreadyEnded(Outcome::Completed) => Ok(LinkOutcome::AlreadyCompleted),
            LinkAction::Unrelated => Ok(LinkOutcome::Unrelated),
            LinkAction::Ended { outcome: Outcome::Cancelled, .. }
            | LinkAction::AlreadyEnded(Outcome::Cancelled) => Err(Error::new(ErrorKind::Cancelled)),
            LinkAction::Ended { error, .. } => Err(rejected(error.as_str())),
            LinkAction::AlreadyEnded(Outcome::Expired) => {
                Err(rejected(RejectionCode::SignInExpired))
            }
            LinkAction::AlreadyEnded(Outcome::Failed) | LinkAction::Unknown => {
                Err(rejected(RejectionCode::SignInUnknown))
            }
            LinkAction::Malformed(broken) => Err(Error::because(
                ErrorKind::Rejected(Rejection::new(RejectionCode::SignInUnknown)),
                format!("malformed link: {broken:?}"),
            )),
        }
    }

    /// Cancels a sign-in whose browser the user has closed.
    ///
    /// # Errors
    /// [`ErrorKind::Storage`].
    pub async fn cancel_sign_in(&self, state: &Secret) -> Result<()> {
        let state = state.clone();
        self.core.change(move |record| record.journal.finish(&state, Outcome::Cancelled)).await
    }

    fn first_redirect(&self) -> Result<&RedirectUri> {
        let none = || Error::usage("the client has no redirect; see ClientBuilder::redirect");
        self.parts.redirects.first().ok_or_else(none)
    }

    async fn store_pending(
        &self,
        pending: PendingSignIn,
        started: propusk_wire::StartSignInResponse,
    ) -> Result<BrowserSignIn> {
        let (state, now) = (Secret::from(started.state), self.core.transport().device_now());
        let expires_at = PendingSignIn::expiry(started.expires_in, now);
        let origin = Some(self.core.transport().origin());
        let pending = PendingSignIn { state: state.clone(), expires_at, origin, ..pending };
        let expires_in = pending.expires_at.saturating_sub(now);
        self.core.change(move |record| record.journal.begin(pending, now)).await?;
        Ok(BrowserSignIn {
            authorize_url: started.authorize_url,
            state,
            expires_in: Duration::from_secs(expires_in.try_into().unwrap_or(0)),
        })
    }

    async fn redeem(&self, code: Secret, sign_in: PendingSignIn) -> Result<LinkOutcome> {
        if !self.core.is_origin_ours(sign_in.origin.as_ref()) {
            return Err(Error::new(ErrorKind::Storage { state: VaultState::OtherServer }));
        }
        let state = sign_in.state.clone();
        let redeemed = match sign_in.link {
            true => self.redeem_link(code, &sign_in).await,
            false => self.redeem_session(code, &sign_in).await,
        };
        let is_refused = |error: &Error| {
            matches!(error.kind(), ErrorKind::Rejected(_) | ErrorKind::SignedOut { .. })
        };
        if redeemed.as_ref().is_err_and(is_refused) {
            self.core.change(move |record| record.journal.finish(&state, Outcome::Failed)).await?;
        }
        redeemed
    }

    async fn redeem_session(&self, code: Secret, sign_in: &PendingSignIn) -> Result<LinkOutcome> {
        let call = native::complete(&code, &sign_in.verifier, self.core.app())?;
        self.core.open_session(call, Some(sign_in.state.clone())).await?;
        Ok(LinkOutcome::SignedIn)
    }

    async fn redeem_link(&self, code: Secret, sign_in: &PendingSignIn) -> Result<LinkOutcome> {
        let link = LinkRequest { code, code_verifier: sign_in.verifier.clone() };
        let token = self.core.current_token().await?;
        // An identity is not linked to the account of another user.
        if sign_in.sign_in.as_ref().is_some_and(|begun| *begun != token.user.sign_in_id) {
            return Err(Error::new(ErrorKind::OtherSignIn));
        }
        let (identity, _) = self.authorized_as(token, |access| native::link(access, &link)).await?;
        let state = sign_in.state.clone();
        self.core.change(move |record| record.journal.finish(&state, Outcome::Completed)).await?;
        Ok(LinkOutcome::Linked(Box::new(identity)))
    }
}

fn start_of(redirect: &RedirectUri) -> Result<(Secret, StartSignInRequest)> {
    let verifier = pkce::verifier()?;
    let start = StartSignInRequest {
        redirect: redirect.as_str().to_owned(),
        code_challenge: pkce::challenge(&verifier),
        ..StartSignInRequest::default()
    };
    Ok((verifier, start))
}

fn pending(provider: &str, redirect: &RedirectUri, verifier: Secret) -> PendingSignIn {
    PendingSignIn {
        verifier,
        provider: provider.to_owned(),
        redirect: redirect.as_str().to_owned(),
        ..PendingSignIn::default()
    }
}

fn rejected(code: impl Into<RejectionCode>) -> Error {
    Error::new(ErrorKind::Rejected(Rejection::new(code)))
}
