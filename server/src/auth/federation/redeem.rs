//! Redeeming the code of a sign-in with a provider: an app with the code verifier gets a session, a
//! client without a redirect gets the provider's tokens. One transaction spends the code and makes
//! its result: if this server fails or the account is refused, the app can retry with the same code.

use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::domain::Auth;
use crate::auth::federation::answer::{Callback, open_for_app, open_for_client};
use crate::auth::federation::handle::{ProviderTokens, issue_provider_tokens};
use crate::auth::federation::sign_in_or_register::{ProviderSignIn, SignInMode};
use crate::auth::policy::Policy;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::session::OpenedSession;
use crate::auth::sign_in::device::{DeviceName, Issued, device_extras};
use crate::error::{Error, Result, SignInFault};
use crate::providers::Provider;
use crate::store::accounts::{self, Account};
use crate::store::events::SignedInBy;
use crate::store::pending_sign_ins;

/// The result of looking for a code among ours.
enum OwnCode {
    Redeemed(ProviderTokens),
    /// The request does not match the sign-in, and the code is spent.
    Mismatch,
    Unknown,
}

impl Auth {
    /// Completes an app's sign-in: signs in to the account or registers it, and opens a session. A
    /// wrong code verifier spends the code.
    pub async fn complete_sign_in(
        &self,
        policy: &Policy,
        code: &str,
        verifier: &str,
        device: Option<DeviceName>,
        from: IpAddr,
    ) -> Result<Issued> {
        let extras = device_extras(device)?;
        let sign_in = ProviderSignIn {
            policy: *policy,
            mode: SignInMode::Either,
            makes_accounts: self.registering_at_django().is_none(),
            extras: extras.clone(),
            by: SignedInBy::Provider,
            from,
            noticed: self.noticed_network(policy, from),
            adopting: Arc::clone(&self.adopting),
        };
        let (opened, account) =
            self.limited(from, self.sign_in_by_code(sign_in, code, verifier)).await?;
        self.note_place(account.id, from, opened.at + policy.refresh_seconds).await;
        self.issue_first(policy, opened, &extras, account)
    }

    async fn sign_in_by_code(
        &self,
        sign_in: ProviderSignIn,
        code: &str,
        verifier: &str,
    ) -> Result<(OpenedSession, Account)> {
        match self.try_sign_in_by_code(sign_in.clone(), code, verifier).await {
            Err(error) if sign_in.is_lost_race(&error) => {
                self.try_sign_in_by_code(sign_in, code, verifier).await
            }
            outcome => outcome,
        }
    }

    async fn try_sign_in_by_code(
        &self,
        sign_in: ProviderSignIn,
        code: &str,
        verifier: &str,
    ) -> Result<(OpenedSession, Account)> {
        let (key, outbox, now) = (self.flow_key.clone(), self.outbox.clone(), self.clock.now());
        let (code, verifier) = (code.to_owned(), verifier.to_owned());
        let signed_in = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let spent = pending_sign_ins::spend_code(tx, hash(&code), now).await?;
                    // The code of a link cannot sign in.
                    let spent = spent.filter(|spent| spent.link_to().is_none());
                    let answer =
                        spent.and_then(|spent| open_for_app(&key, &spent, &code, &verifier));
                    // Not an error: a wrong verifier must commit that the code is spent.
                    let Some(answer) = answer else { return Ok(None) };
                    let opened = sign_in.open(tx, &outbox, &answer.profile, now).await?;
                    let account = accounts::account(tx, opened.account_id).await?;
                    Ok(Some((opened, account.ok_or(Error::AccountNotFound)?)))
                })
            })
            .await?;
        Ok(signed_in.ok_or(SignInFault::Unknown)?)
    }

    /// Exchanges our code, or the provider's code with the state of an open sign-in, for the
    /// provider's tokens. A strict policy gives a handle instead, for [`Auth::sign_in_with_token`].
    pub async fn redeem_code(
        &self,
        policy: &Policy,
        provider: &str,
        callback: Callback,
        from: IpAddr,
    ) -> Result<ProviderTokens> {
        let provider = self.provider(provider)?;
        self.within_limit(self.limits.count_sign_in(from, self.clock.now()))?;
        self.count_refusals(from, self.redeem_own_code(policy.strict, provider, callback)).await
    }

    async fn redeem_own_code(
        &self,
        by_handle: bool,
        provider: &Provider,
        callback: Callback,
    ) -> Result<ProviderTokens> {
        let (key, now) = (self.flow_key.clone(), self.clock.now());
        let (name, binds_device) = (provider.name().to_owned(), provider.binds_device());
        let sent = callback.clone();
        let found = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let code = sent.code.as_deref().unwrap_or_default();
                    let Some(spent) = pending_sign_ins::spend_code(tx, hash(code), now).await?
                    else {
                        return Ok(OwnCode::Unknown);
                    };
                    // Not an error: a wrong attempt must commit that the code is spent.
                    let Some(answer) = open_for_client(&key, &name, binds_device, &spent, &sent)
                    else {
                        return Ok(OwnCode::Mismatch);
                    };
                    let tokens =
                        issue_provider_tokens(tx, &key, by_handle, spent.state_hash, answer, now);
                    tokens.await.map(OwnCode::Redeemed)
                })
            })
            .await?;
        match found {
            OwnCode::Redeemed(tokens) => Ok(tokens),
            OwnCode::Mismatch => Err(SignInFault::Unknown.into()),
            OwnCode::Unknown => self.redeem_provider_code(by_handle, provider, callback).await,
        }
    }

    /// Exchanges a code that is not ours: with the state of an open sign-in, it may be the
    /// provider's.
    async fn redeem_provider_code(
        &self,
        by_handle: bool,
        provider: &Provider,
        callback: Callback,
    ) -> Result<ProviderTokens> {
        let state = callback.state.as_deref().ok_or(SignInFault::Unknown)?;
        let pending = self.spend_state(provider, state, true).await?;
        let answer = self.ask_provider(provider, &pending, &callback).await?;
        let (key, now) = (self.flow_key.clone(), self.clock.now());
        let tokens = self.store.write(move |tx| {
            Box::pin(async move {
                issue_provider_tokens(tx, &key, by_handle, pending.state_hash, answer, now).await
            })
        });
        tokens.await
    }
}
