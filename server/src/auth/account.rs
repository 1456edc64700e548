//! Accounts as their owners deal with them: showing, proving and changing the password, deleting.

use std::net::IpAddr;

use super::Auth;
use super::limits::Target;
use super::password::{Password, PasswordHash, Verdict};
use super::session::{SignedIn, end_sessions};
use crate::error::{Error, Result};
pub use crate::store::accounts::Account;
use crate::store::accounts::{self, Credentials};
use crate::store::revocations::{self, Reason, Revocation, Subject};
use crate::store::{Tx, one_time_tokens};

/// That whoever is signed in has just shown to know the account's password; no `Debug`.
pub struct Proof {
    pub(super) who: SignedIn,
    /// As it was stored: a change in between makes the proof worthless.
    pub(super) stored: String,
}

impl Account {
    /// What names the account where an address is expected: its e-mail, else phone, else username.
    pub fn user_name(&self) -> &str {
        [&self.email, &self.phone, &self.username]
            .into_iter()
            .find_map(Option::as_deref)
            .unwrap_or_default()
    }

    /// The username, or what stands for it where the account has chosen none: what it registered
    /// with, as long as that is still its own, else its e-mail address or phone.
    pub fn username_shown(&self) -> &str {
        let held = [&self.email, &self.phone].into_iter().find(|held| **held == self.sign_up_name);
        [&self.username, held.unwrap_or(&None), &self.email, &self.phone]
            .into_iter()
            .find_map(Option::as_deref)
            .unwrap_or_default()
    }
}

impl Auth {
    /// The account behind a credential; refused when it is suspended or gone by now.
    pub async fn account(&self, who: &SignedIn) -> Result<Account> {
        let mut tx = self.store.read().await?;
        match accounts::account(&mut tx, who.account_id).await? {
            Some(account) if account.is_active => Ok(account),
            Some(_) => Err(Error::AccountInactive),
            None => Err(Error::AccountNotFound),
        }
    }

    /// Replaces the password and ends every other session. Foreign tokens of before end too, the
    /// acting one among them: it cannot be told from a stolen sibling.
    pub async fn change_password(&self, proof: &Proof, new: Password) -> Result<()> {
        let new = self.hasher.hash(new).await?;
        let (who, was, now) = (proof.who, proof.stored.clone(), self.clock.now());
        let ended = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let (id, new) = (who.account_id, new.as_str().to_owned());
                    if !accounts::update_password(tx, id, Some(was), new, now).await? {
                        return Err(Error::WrongPassword);
                    }
                    one_time_tokens::delete_one_time_tokens(tx, id).await?;
                    end_sessions(tx, id, who.session, now).await
                })
            })
            .await?;
        self.revoked.apply(&ended);
        Ok(())
    }

    /// Deletes the account of whoever knows its password.
    pub async fn delete_own_account(&self, proof: &Proof) -> Result<()> {
        let (id, was, now) = (proof.who.account_id, proof.stored.clone(), self.clock.now());
        let deleted = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    require_password(tx, id, was).await?;
                    delete(tx, id, now).await
                })
            })
            .await?;
        self.revoked.apply(deleted.as_slice());
        Ok(())
    }

    /// Checks the current password, which sensitive changes ask for again.
    pub async fn prove_password(
        &self,
        who: &SignedIn,
        current: &str,
        from: IpAddr,
    ) -> Result<Proof> {
        let target = Target { name: None, account: Some(who.account_id) };
        let attempt = self.limits.reserve(target, from, self.clock.now())?;
        let proof = self.try_password(who, current).await;
        attempt.settle(&proof, self.clock.now());
        proof
    }

    async fn try_password(&self, who: &SignedIn, current: &str) -> Result<Proof> {
        let current = Password::parse(current).map_err(|_| Error::WrongPassword)?;
        let mut tx = self.store.read().await?;
        let found = accounts::credentials(&mut tx, who.account_id).await?;
        drop(tx);
        let verdict = self.hasher.verify(current, held_password(found.as_ref())).await?;
        match (verdict, found.and_then(|found| found.password)) {
            (Verdict::Right { .. }, Some(stored)) => Ok(Proof { who: *who, stored }),
            _ => Err(Error::WrongPassword),
        }
    }
}

/// The stored password of somebody who may exist.
pub(super) fn held_password(found: Option<&Credentials>) -> Option<PasswordHash> {
    found.and_then(|found| found.password.clone()).map(PasswordHash::new)
}

/// Refuses when the password is no longer the one that was proved.
pub(super) async fn require_password(tx: &mut Tx, id: i64, proved: String) -> Result<()> {
    accounts::lock_account(tx, id).await?;
    let found = accounts::credentials(tx, id).await?;
    match found.and_then(|found| found.password) == Some(proved) {
        true => Ok(()),
        false => Err(Error::WrongPassword),
    }
}

pub(super) async fn delete(tx: &mut Tx, id: i64, now: i64) -> Result<Option<Revocation>> {
    if !accounts::delete_account(tx, id).await? {
        return Ok(None);
    }
    revocations::insert_revocation(tx, Subject::Account(id), Reason::Deleted, now).await.map(Some)
}
