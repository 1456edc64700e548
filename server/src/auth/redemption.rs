//! What came of a sign-in with a provider, for whoever began it: an app that has the verifier gets
//! a session, a client of the document the provider's tokens. A code is spent by what it is good
//! for, so that a failure of ours leaves it.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use super::external::{Door, Entry, HANDLE, is_handle};
use super::flow::{Callback, Told};
use super::flow_key::{FlowKey, challenge_of};
use super::key::Key;
use super::one_time::hash;
use super::session::{By, Opaque, Opened};
use super::{Account, Auth, Policy, random};
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::providers::{Grant, Profile, Provider};
use crate::store::accounts;
use crate::store::pending_sign_ins::{self, PendingSignIn};

/// How long a handle stands for a provider's token, in seconds.
const HANDLE_LIFETIME: i64 = 600;

/// A provider's tokens, or a handle in their place; no `Debug`.
pub struct ProviderTokens {
    pub access_token: String,
    pub refresh_token: Option<String>,
    /// In seconds.
    pub expires_in: Option<i64>,
}

impl Auth {
    /// Ends an app's sign-in: the account is entered or made, and a session opened. Whoever has the
    /// code without the verifier gets nothing, and nor does anybody after that.
    pub async fn complete_sign_in(
        &self,
        policy: &Policy,
        code: &str,
        verifier: &str,
        from: IpAddr,
    ) -> Result<(Key, Account)> {
        let key = Key::new()?;
        let opaque = Opaque { key_hash: Some(key.hash()), ..Opaque::default() };
        let door = Door { policy: *policy, entry: Entry::Either, opaque, by: By::Owner };
        let opened = self.counted(from, self.enter_by_code(door, code, verifier)).await?;
        let mut tx = self.store.read().await?;
        let account = accounts::account(&mut tx, opened.account_id).await?;
        Ok((key, account.ok_or(Error::AccountNotFound)?))
    }

    async fn enter_by_code(&self, door: Door, code: &str, verifier: &str) -> Result<Opened> {
        match self.try_enter_by_code(door.clone(), code, verifier).await {
            Err(error) if door.opens_for_who_comes_second(&error) => {
                self.try_enter_by_code(door, code, verifier).await
            }
            outcome => outcome,
        }
    }

    async fn try_enter_by_code(&self, door: Door, code: &str, verifier: &str) -> Result<Opened> {
        let (key, post, now) = (self.flow_key.clone(), self.post.clone(), self.clock.now());
        let (code, verifier) = (code.to_owned(), verifier.to_owned());
        let entered = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let spent = pending_sign_ins::spend_code(tx, hash(&code), now).await?;
                    let told = spent.and_then(|spent| told_to_app(&key, &spent, &code, &verifier));
                    // A wrong verifier has burnt the code, so this is no error.
                    let Some(told) = told else { return Ok(None) };
                    door.open(tx, &post, &told.profile, now).await.map(Some)
                })
            })
            .await?;
        let (opened, ended) = entered.ok_or(SignInFault::Unknown)?;
        self.revoked.apply(&ended);
        Ok(opened)
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
        let (state_hash, told) =
            self.counted(from, self.told_to_client(provider, callback)).await?;
        if policy.strict {
            return self.hand_out(state_hash, &told).await;
        }
        let Grant { access_token, refresh_token, expires_in, .. } = told.grant;
        Ok(ProviderTokens { access_token, refresh_token, expires_in })
    }

    /// For a client that has no verifier: the code must be of a sign-in that was begun without one.
    async fn told_to_client(
        &self,
        provider: &Provider,
        callback: Callback,
    ) -> Result<(String, Told)> {
        let code = callback.code.as_deref().unwrap_or_default();
        let (code_hash, now) = (hash(code), self.clock.now());
        let spent =
            self.store.write(move |tx| Box::pin(pending_sign_ins::spend_code(tx, code_hash, now)));
        if let Some(pending) = spent.await? {
            let told = told_by_code(&self.flow_key, provider, &pending, &callback);
            return Ok((pending.state_hash, told.ok_or(SignInFault::Unknown)?));
        }
        // Not one of ours; with the state of an open sign-in it may be the provider's.
        let state = callback.state.as_deref().ok_or(SignInFault::Unknown)?;
        let pending = self.spend_state(provider, state, true).await?;
        let told = self.what_was_told(provider, &pending, &callback).await?;
        Ok((pending.state_hash, told))
    }

    async fn hand_out(&self, state_hash: String, told: &Told) -> Result<ProviderTokens> {
        let handle = format!("{HANDLE}{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
        let (hash, sealed) = (hash(&handle), self.flow_key.seal(&handle, told)?);
        let until = self.clock.now() + HANDLE_LIFETIME;
        let handed_out = self.store.write(move |tx| {
            Box::pin(pending_sign_ins::update_handle(tx, state_hash, hash, sealed, until))
        });
        match handed_out.await? {
            true => Ok(ProviderTokens {
                access_token: handle,
                refresh_token: None,
                expires_in: Some(HANDLE_LIFETIME),
            }),
            false => Err(SignInFault::Unknown.into()),
        }
    }

    /// The person behind a handle; none: it is none.
    pub(super) async fn profile_of_handle(
        &self,
        provider: &str,
        token: &str,
    ) -> Result<Option<Profile>> {
        if !is_handle(token) {
            return Ok(None);
        }
        let mut tx = self.store.read().await?;
        let (hash, now) = (hash(token), self.clock.now());
        let found =
            pending_sign_ins::pending_by_handle(&mut tx, hash, provider.to_owned(), now).await?;
        let told: Option<Told> = found.and_then(|found| self.flow_key.open(token, &found.sealed?));
        match told {
            Some(told) => Ok(Some(told.profile)),
            None => Err(Error::Provider(ProviderFault::Refused)),
        }
    }
}

/// What was told, for who has the verifier of the challenge.
fn told_to_app(key: &FlowKey, spent: &PendingSignIn, code: &str, verifier: &str) -> Option<Told> {
    let expected = spent.challenge.as_deref()?;
    let is_apps = challenge_of(verifier).as_bytes().ct_eq(expected.as_bytes());
    match bool::from(is_apps) && is_verifier(verifier) {
        true => key.open(code, spent.sealed.as_deref()?),
        false => None,
    }
}

/// What was told, for who has the code of a sign-in with this provider that no app waits for, and
/// whatever else of it has been sent along is right.
fn told_by_code(
    key: &FlowKey,
    provider: &Provider,
    spent: &PendingSignIn,
    callback: &Callback,
) -> Option<Told> {
    let is_of_state = callback.state.as_deref().is_none_or(|state| hash(state) == spent.state_hash);
    let is_fetched = spent.redirect.is_none() && spent.provider == provider.name();
    if !is_of_state || !is_fetched {
        return None;
    }
    let told: Told = key.open(callback.code.as_deref()?, spent.sealed.as_deref()?)?;
    let is_of_device = !provider.binds_device() || told.device_id == callback.device_id;
    is_of_device.then_some(told)
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}
