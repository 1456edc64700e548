//! Which access token a caller gets: the current one, a renewed one, or a replacement for a refused one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use propusk_wire::Secret;

use super::current_token::CurrentToken;
use super::renewal_purpose::RenewalPurpose;
use super::session_core::SessionCore;
use super::status::SignedInUser;
use crate::error::{Error, ErrorKind, Result};

/// A token that expires within this many seconds is renewed before it is returned, if possible.
const MIN_REMAINING_LIFE: i64 = 5;
/// The shortest time between two verifications of adopted tokens, in seconds.
const VERIFY_PERIOD: i64 = 60;

impl SessionCore {
    /// An access token that has not expired, as far as this device knows.
    pub async fn current_token(self: &Arc<Self>) -> Result<Arc<CurrentToken>> {
        let token = match self.cached_token() {
            Some(token) => token,
            None => {
                self.ensure_loaded().await?;
                self.cached_token().ok_or_else(|| self.signed_out_error())?
            }
        };
        let now = self.transport.moment().server;
        let is_fresh = token.is_fresh(now);
        if !is_fresh && !token.is_alive(now.saturating_add(MIN_REMAINING_LIFE)) {
            return self.token_after_renewal(RenewalPurpose::UsableToken).await;
        }
        let is_to_be_renewed = !is_fresh && !token.is_renewed_by_calls;
        // The token is still valid, so the renewal runs in the background.
        if (token.is_unverified || is_to_be_renewed) && !self.is_paused() {
            if token.is_unverified && self.may_verify() {
                drop(self.start_renewal(RenewalPurpose::Verify));
            } else if is_to_be_renewed {
                drop(self.start_renewal(RenewalPurpose::UsableToken));
            }
        }
        Ok(token)
    }

    /// Refuses to work for a user who is not the signed-in one. It is asked before a token is
    /// requested, so that nothing is renewed for a request that is not sent.
    pub fn refuse_other_user(&self, user: Option<&SignedInUser>) -> Result<()> {
        match (user, self.cached_token()) {
            (Some(user), Some(token)) if !token.user.is_same(user) => {
                Err(Error::new(ErrorKind::OtherSignIn))
            }
            _ => Ok(()),
        }
    }

    /// Another access token, because a server has refused this one.
    pub async fn replacement_for(self: &Arc<Self>, refused: &Secret) -> Result<Arc<CurrentToken>> {
        self.token_after_renewal(RenewalPurpose::ReplaceRefused(refused.clone())).await
    }

    /// Renews the access token even if it is still valid.
    pub async fn renew(self: &Arc<Self>) -> Result<()> {
        self.backoff().reset();
        self.token_after_renewal(RenewalPurpose::ForceRenewal).await.map(drop)
    }

    /// Limits verifications to one per minute.
    fn may_verify(&self) -> bool {
        let (now, last) = (self.transport.device_now(), self.verified_at.load(Ordering::Relaxed));
        let may = !(last..last.saturating_add(VERIFY_PERIOD)).contains(&now);
        if may {
            self.verified_at.store(now, Ordering::Relaxed);
        }
        may
    }

    /// A token that does not expire soon, if one is available.
    pub async fn fresh_token(self: &Arc<Self>) -> Result<Arc<CurrentToken>> {
        let token = self.current_token().await?;
        match token.is_fresh(self.transport.moment().server) {
            true => Ok(token),
            false => self.token_after_renewal(RenewalPurpose::UsableToken).await,
        }
    }

    async fn token_after_renewal(
        self: &Arc<Self>,
        purpose: RenewalPurpose,
    ) -> Result<Arc<CurrentToken>> {
        let outcome = self.renew_for(&purpose).await;
        let is_anothers = matches!(purpose, RenewalPurpose::UsableToken) && outcome.is_err();
        if is_anothers && self.cached_token().is_some() && self.has_usable_token() {
            // The renewal failed, but the current token is still usable.
            return self.cached_token().ok_or_else(|| self.signed_out_error());
        }
        outcome?;
        if !self.has_usable_token() {
            // The renewal brought no token, because this device's clock was ahead.
            self.start_renewal(purpose).outcome().await?;
        }
        let token = self.cached_token().ok_or_else(|| self.signed_out_error())?;
        match self.has_usable_token() {
            true => Ok(token),
            false => Err(Error::explained(
                ErrorKind::Network,
                "the server answers, but does not renew the access token now",
            )),
        }
    }

    /// Renews for this purpose. A renewal that runs for another purpose is waited for; its result
    /// counts only if it meets this purpose too.
    pub(super) async fn renew_for(self: &Arc<Self>, purpose: &RenewalPurpose) -> Result<()> {
        let before = self.cached_token();
        loop {
            let flight = self.start_renewal(purpose.clone());
            let is_for_this = flight.purpose == *purpose;
            let outcome = flight.outcome().await;
            if is_for_this {
                return outcome;
            }
            if self.has_met(purpose, before.as_deref()) {
                return Ok(());
            }
            // Another request would fail in the same way.
            if outcome.as_ref().is_err_and(is_server_away) {
                return outcome;
            }
        }
    }

    /// Whether the current token meets the purpose; `before` was the one when it arose.
    fn has_met(&self, purpose: &RenewalPurpose, before: Option<&CurrentToken>) -> bool {
        let Some(token) = self.cached_token() else { return false };
        let token = &token.credential.token;
        match purpose {
            RenewalPurpose::ReplaceRefused(refused) => token != refused,
            RenewalPurpose::ForceRenewal => {
                before.is_some_and(|before| *token != before.credential.token)
            }
            _ => self.has_usable_token(),
        }
    }

    fn has_usable_token(&self) -> bool {
        let now = self.transport.moment().server;
        self.cached_token().is_none_or(|token| token.is_alive(now))
    }

    /// Whether background renewals are paused after a failure.
    fn is_paused(&self) -> bool {
        self.backoff().current_error(self.transport.device_now()).is_some()
    }
}

fn is_server_away(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Network | ErrorKind::RetryLater { .. })
}
