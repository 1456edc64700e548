//! Signing in with an identifier and a password. Unknown, wrong and suspended get one answer at one
//! cost; a success is one transaction.

use std::net::IpAddr;

use super::account::held_password;
use super::password::{Password, PasswordHash, Verdict};
use super::session::{Pair, new_session_id};
use super::{Auth, Policy};
use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::store::accounts::{self, Credentials};

impl Auth {
    /// Opens a session for whoever is called `who` under this policy and knows the password.
    pub async fn sign_in(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Pair> {
        let identifier = Identifier::parse_as(who, policy.signs_in_by);
        // What is no identifier here is counted all the same.
        let key = identifier.as_ref().map_or(who, Identifier::key);
        let attempt = self.limits.reserve(key, from, self.clock.now())?;
        // Longer than any stored password can be, so the answer needs no look at an account.
        let password = Password::parse(password).map_err(|_| Error::InvalidCredentials)?;
        let found = self.find_credentials(identifier.as_ref()).await?;
        let (account_id, rehashed) = self.check_password(found, password).await?;
        let now = self.clock.now();
        let pair = self.commit_sign_in(policy, account_id, rehashed, now).await?;
        attempt.succeeded(now);
        Ok(pair)
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

    /// The account whose password this is, with the stored form and its better one where the scheme
    /// is outdated.
    async fn check_password(
        &self,
        found: Option<Credentials>,
        password: Password,
    ) -> Result<(i64, Option<(String, PasswordHash)>)> {
        let verdict = self.hasher.verify(password, held_password(found.as_ref())).await?;
        match (verdict, found) {
            (
                Verdict::Right { rehashed },
                Some(Credentials { account_id, password: Some(was), is_active: true }),
            ) => Ok((account_id, rehashed.map(|better| (was, better)))),
            _ => Err(Error::InvalidCredentials),
        }
    }

    async fn commit_sign_in(
        &self,
        policy: &Policy,
        account_id: i64,
        rehashed: Option<(String, PasswordHash)>,
        now: i64,
    ) -> Result<Pair> {
        let id = new_session_id()?;
        let pair = self.sign_pair(policy, id, account_id, now)?;
        let policy = policy.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if !accounts::update_signed_in(tx, account_id, now).await? {
                        return Err(Error::InvalidCredentials);
                    }
                    if let Some((was, better)) = rehashed {
                        accounts::update_rehashed(tx, account_id, was, better.as_str().to_owned())
                            .await?;
                    }
                    Auth::open_session(tx, &policy, id, account_id, now).await
                })
            })
            .await?;
        Ok(pair)
    }
}
