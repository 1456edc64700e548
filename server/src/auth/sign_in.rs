//! Signing in with an identifier and a password. Unknown and wrong get one answer at one cost, and so
//! does a suspended account where the policy does not tell whoever knows its password; a success is
//! one transaction.

use std::net::IpAddr;

use super::key::Key;
use super::limits::Target;
use super::password::{Password, Verdict};
use super::proof::held_password;
use super::session::{By, Kept, Opened, Pair, new_session_id, open_session};
use super::{Auth, Policy};
use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::store::accounts::{self, Credentials};

/// A stored password that fitted.
struct Fitting {
    account_id: i64,
    stored: String,
    /// What shall be stored from now on.
    better: Option<String>,
}

impl Auth {
    /// Opens a session for whoever is called `who` under this policy and knows the password.
    pub async fn sign_in(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Pair> {
        let opened = self.open_by_password(policy, who, password, from, Kept::default()).await?;
        self.pair(policy, opened).await
    }

    /// The same for an API that gives keys.
    pub async fn sign_in_for_key(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Key> {
        let key = Key::new()?;
        let kept = Kept { key_hash: Some(key.hash()), ..Kept::default() };
        self.open_by_password(policy, who, password, from, kept).await?;
        Ok(key)
    }

    pub(super) async fn open_by_password(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
        kept: Kept,
    ) -> Result<Opened> {
        self.limits.check_address(from, self.clock.now())?;
        let identifier = Identifier::parse_as(who, policy.signs_in_by);
        let found = self.find_credentials(identifier.as_ref()).await?;
        let name = Some(identifier.as_ref().map_or(who, Identifier::key));
        let target = Target { name, account: found.as_ref().map(|found| found.account_id) };
        let attempt = self.limits.reserve(target, from, self.clock.now())?;
        let opened = self.try_sign_in(policy, identifier.as_ref(), found, password, kept).await;
        attempt.settle(&opened, self.clock.now());
        opened
    }

    /// The stored password may change between its check and the commit. If it was only hashed
    /// anew, the second look still fits; after a change of password it does not.
    async fn try_sign_in(
        &self,
        policy: &Policy,
        identifier: Option<&Identifier>,
        mut found: Option<Credentials>,
        password: &str,
        kept: Kept,
    ) -> Result<Opened> {
        for _ in 0..2 {
            // Longer than any stored password can be, so the answer needs no look at an account.
            let password = Password::parse(password).map_err(|_| Error::InvalidCredentials)?;
            let fitting = self.check_password(found, password, policy.tells_inactive).await?;
            if let Some(opened) = self.commit_sign_in(policy, fitting, kept.clone()).await? {
                return Ok(opened);
            }
            found = self.find_credentials(identifier).await?;
        }
        Err(Error::InvalidCredentials)
    }

    async fn find_credentials(
        &self,
        identifier: Option<&Identifier>,
    ) -> Result<Option<Credentials>> {
        // The read happens for every name, so that its time tells nothing.
        let key = identifier.map_or_else(String::new, |identifier| identifier.key().to_owned());
        let mut tx = self.store.read().await?;
        accounts::credentials_by_key(&mut tx, key).await
    }

    async fn check_password(
        &self,
        found: Option<Credentials>,
        password: Password,
        tells: bool,
    ) -> Result<Fitting> {
        let verdict = self.hasher.verify(password, held_password(found.as_ref())).await?;
        match (verdict, found) {
            (Verdict::Right { .. }, Some(Credentials { is_active: false, .. })) => match tells {
                true => Err(Error::AccountInactive),
                false => Err(Error::InvalidCredentials),
            },
            (
                Verdict::Right { rehashed },
                Some(Credentials { account_id, password: Some(stored), is_active: true }),
            ) => {
                let better = rehashed.map(|hash| hash.as_str().to_owned());
                Ok(Fitting { account_id, stored, better })
            }
            _ => Err(Error::InvalidCredentials),
        }
    }

    /// None when the account no longer has the password that fitted, or may not sign in any more.
    async fn commit_sign_in(
        &self,
        policy: &Policy,
        fitting: Fitting,
        kept: Kept,
    ) -> Result<Option<Opened>> {
        let Fitting { account_id, stored, better } = fitting;
        let at = self.clock.now();
        let opened = Opened { session: new_session_id()?, account_id, at, by: By::Owner };
        let policy = *policy;
        let committed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let at = opened.at;
                    if !accounts::update_signed_in(tx, account_id, at, stored, better).await? {
                        return Ok(None);
                    }
                    open_session(tx, &policy, opened, kept).await.map(Some)
                })
            })
            .await?;
        let Some(ended) = committed else { return Ok(None) };
        self.revoked.apply(&ended);
        Ok(Some(opened))
    }
}
