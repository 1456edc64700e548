//! What came of a sign-in with a provider, for whoever began it: an app that has the verifier gets
//! a session, a client of the document the provider's tokens. A code is spent together with what it
//! is good for, so that a failure of ours leaves it; a refused account leaves it to the app, too.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::federation::account::{Door, Entry};
use crate::auth::federation::answer::{Callback, told_by_code, told_to_app};
use crate::auth::federation::handle::{ProviderTokens, given_out};
use crate::auth::policy::Policy;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::session::{By, Opened};
use crate::auth::sign_in::rotation::{DeviceName, Issued, kept_for};
use crate::error::{Error, Result, SignInFault};
use crate::providers::Provider;
use crate::store::accounts::{self, Account};
use crate::store::pending_sign_ins;

/// What a code has come to.
enum Found {
    Tokens(ProviderTokens),
    Burnt,
    NoCode,
}

impl Auth {
    /// Ends an app's sign-in: the account is entered or made, and a session opened. Whoever has the
    /// code without the verifier gets nothing, and nor does anybody after that.
    pub async fn complete_sign_in(
        &self,
        policy: &Policy,
        code: &str,
        verifier: &str,
        device: Option<DeviceName>,
        from: IpAddr,
    ) -> Result<Issued> {
        let kept = kept_for(device)?;
        let door = Door {
            policy: *policy,
            entry: Entry::Either,
            kept: kept.clone(),
            by: By::Owner,
            from,
            noticed: self.noticed_network(policy, from),
        };
        let (opened, account) =
            self.limited(from, self.enter_by_code(door, code, verifier)).await?;
        self.note_place(account.id, from, opened.at + policy.refresh_seconds).await;
        self.issue_first(policy, opened, &kept, account)
    }

    async fn enter_by_code(
        &self,
        door: Door,
        code: &str,
        verifier: &str,
    ) -> Result<(Opened, Account)> {
        match self.try_enter_by_code(door.clone(), code, verifier).await {
            Err(error) if door.opens_for_who_comes_second(&error) => {
                self.try_enter_by_code(door, code, verifier).await
            }
            outcome => outcome,
        }
    }

    async fn try_enter_by_code(
        &self,
        door: Door,
        code: &str,
        verifier: &str,
    ) -> Result<(Opened, Account)> {
        let (key, outbox, now) = (self.flow_key.clone(), self.outbox.clone(), self.clock.now());
        let (code, verifier) = (code.to_owned(), verifier.to_owned());
        let entered = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let spent = pending_sign_ins::spend_code(tx, hash(&code), now).await?;
                    // By the code of a link nobody enters.
                    let spent = spent.filter(|spent| spent.link_to().is_none());
                    let told = spent.and_then(|spent| told_to_app(&key, &spent, &code, &verifier));
                    // A wrong verifier has burnt the code, so this is no error.
                    let Some(told) = told else { return Ok(None) };
                    let opened = door.open(tx, &outbox, &told.profile, now).await?;
                    let account = accounts::account(tx, opened.account_id).await?;
                    Ok(Some((opened, account.ok_or(Error::AccountNotFound)?)))
                })
            })
            .await?;
        Ok(entered.ok_or(SignInFault::Unknown)?)
    }

    /// Gives the provider's tokens for our code, or for the provider's with the state of an open
    /// sign-in; `strict`: a handle for them, good for [`Auth::sign_in_with_token`] alone.
    pub async fn redeem_code(
        &self,
        policy: &Policy,
        provider: &str,
        callback: Callback,
        from: IpAddr,
    ) -> Result<ProviderTokens> {
        let provider = self.provider(provider)?;
        self.limits.count_sign_in(from, self.clock.now())?;
        self.counted(from, self.tokens_for(policy.strict, provider, callback)).await
    }

    async fn tokens_for(
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
                        return Ok(Found::NoCode);
                    };
                    // What does not fit has burnt the code, so this is no error.
                    let Some(told) = told_by_code(&key, &name, binds_device, &spent, &sent) else {
                        return Ok(Found::Burnt);
                    };
                    let tokens = given_out(tx, &key, by_handle, spent.state_hash, told, now);
                    tokens.await.map(Found::Tokens)
                })
            })
            .await?;
        match found {
            Found::Tokens(tokens) => Ok(tokens),
            Found::Burnt => Err(SignInFault::Unknown.into()),
            Found::NoCode => self.tokens_for_theirs(by_handle, provider, callback).await,
        }
    }

    /// For a code that is not one of ours: with the state of an open sign-in it may be the
    /// provider's.
    async fn tokens_for_theirs(
        &self,
        by_handle: bool,
        provider: &Provider,
        callback: Callback,
    ) -> Result<ProviderTokens> {
        let state = callback.state.as_deref().ok_or(SignInFault::Unknown)?;
        let pending = self.spend_state(provider, state, true).await?;
        let told = self.what_was_told(provider, &pending, &callback).await?;
        let (key, now) = (self.flow_key.clone(), self.clock.now());
        let given_out = self.store.write(move |tx| {
            Box::pin(
                async move { given_out(tx, &key, by_handle, pending.state_hash, told, now).await },
            )
        });
        given_out.await
    }
}
