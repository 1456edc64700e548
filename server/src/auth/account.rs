//! Accounts: registering, showing, changing, deleting, and what an operator does to them.

use std::net::IpAddr;

use super::Auth;
use super::limits::Target;
use super::password::{Password, PasswordHash, Verdict};
use super::session::{SignedIn, end_sessions, require_recent_sign_in};
use crate::error::{Error, Result};
use crate::identifier::{Identifier, Kind, Phone};
pub use crate::store::accounts::Account;
use crate::store::accounts::{self, Credentials, NewAccount};
use crate::store::revocations::{self, Reason, Revocation, Subject};
use crate::store::{Tx, identifiers};

/// A new account: at least one identifier, at most one of each kind.
pub struct Registration {
    pub identifiers: Vec<Identifier>,
    /// A password to hash, or one that is stored as another server encoded it.
    pub password: NewPassword,
    /// A name for people to read; nobody signs in by it.
    pub display_name: Option<String>,
    /// Shown as the username by an API whose accounts choose none.
    pub sign_up_name: Option<String>,
    pub is_superuser: bool,
}

/// How a password arrives.
pub enum NewPassword {
    Plain(Password),
    Encoded(PasswordHash),
}

/// A new value for an account's identifier of one kind, or none.
pub struct Change {
    pub kind: Kind,
    pub to: Option<Identifier>,
}

/// That whoever is signed in has just shown to know the account's password; no `Debug`.
pub struct Proof {
    who: SignedIn,
    /// As it was stored: a change in between makes the proof worthless.
    stored: String,
}

impl Account {
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
    /// Whether somebody other than `but` holds the identifier.
    pub async fn is_taken(&self, identifier: &Identifier, but: Option<i64>) -> Result<bool> {
        let mut tx = self.store.read().await?;
        let holder = identifiers::account_by_key(&mut tx, identifier.key().to_owned()).await?;
        Ok(holder.is_some() && holder != but)
    }

    /// Counts an attempt to register from this address, before anything is told of who is there.
    pub fn admit_registration(&self, from: IpAddr) -> Result<()> {
        self.limits.count_registration(from, self.clock.now())
    }

    /// Creates an active account.
    pub async fn register(&self, registration: Registration) -> Result<Account> {
        let Registration { identifiers, password, display_name, sign_up_name, is_superuser } =
            registration;
        for identifier in &identifiers {
            if self.is_taken(identifier, None).await? {
                return Err(Error::Taken(identifier.kind()));
            }
        }
        let password = match password {
            NewPassword::Plain(plain) => self.hasher.hash(plain).await?,
            NewPassword::Encoded(encoded) => encoded,
        };
        let created_at = self.clock.now();
        let password = Some(password.as_str().to_owned());
        let new = NewAccount { password, display_name, sign_up_name, is_superuser, created_at };
        self.store
            .write(move |tx| Box::pin(async move { insert(tx, &new, &identifiers).await }))
            .await
    }

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
                    end_sessions(tx, id, who.session, now).await
                })
            })
            .await?;
        self.revoked.apply(&ended);
        Ok(())
    }

    /// Gives the account other identifiers; needs a recent sign-in, since they open it.
    pub async fn change_identifiers(
        &self,
        who: &SignedIn,
        changes: Vec<Change>,
    ) -> Result<Account> {
        let (who, now) = (*who, self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move { change_identifiers(tx, &who, changes, now).await })
            })
            .await
    }

    /// Deletes the account of whoever knows its password.
    pub async fn delete_own_account(&self, proof: &Proof) -> Result<()> {
        let (id, was, now) = (proof.who.account_id, proof.stored.clone(), self.clock.now());
        let deleted = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    accounts::lock_account(tx, id).await?;
                    let found = accounts::credentials(tx, id).await?;
                    if found.and_then(|found| found.password) != Some(was) {
                        return Err(Error::WrongPassword);
                    }
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

/// What an operator does, who proves nothing: the command line is his.
impl Auth {
    /// The account of this id.
    pub async fn account_by_id(&self, id: i64) -> Result<Option<Account>> {
        let mut tx = self.store.read().await?;
        accounts::account(&mut tx, id).await
    }

    /// The account called `who`: an e-mail address, phone or username, else an id.
    pub async fn find_account(&self, who: &str) -> Result<Option<Account>> {
        let mut tx = self.store.read().await?;
        let held = match Identifier::parse_as(who, &[Kind::Email, Kind::Phone, Kind::Username]) {
            Some(identifier) => {
                identifiers::account_by_key(&mut tx, identifier.key().to_owned()).await?
            }
            None => None,
        };
        match held.or_else(|| who.parse().ok()) {
            Some(id) => accounts::account(&mut tx, id).await,
            None => Ok(None),
        }
    }

    /// Up to `limit` accounts with ids above `after`.
    pub async fn accounts_after(&self, after: i64, limit: i64) -> Result<Vec<Account>> {
        let mut tx = self.store.read().await?;
        accounts::accounts_after(&mut tx, after, limit).await
    }

    /// Suspends or revives: credentials are refused while suspended and live again afterwards.
    pub async fn set_active(&self, id: i64, is_active: bool) -> Result<bool> {
        let now = self.clock.now();
        let reason = if is_active { Reason::Revived } else { Reason::Suspended };
        let change = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if !accounts::update_active(tx, id, is_active).await? {
                        return Ok(None);
                    }
                    let subject = Subject::Account(id);
                    revocations::insert_revocation(tx, subject, reason, now).await.map(Some)
                })
            })
            .await?;
        self.revoked.apply(change.as_slice());
        Ok(change.is_some())
    }

    /// Sets a password without knowing the old one, and ends all sessions.
    pub async fn set_password(&self, id: i64, new: NewPassword) -> Result<bool> {
        let new = match new {
            NewPassword::Plain(plain) => self.hasher.hash(plain).await?,
            NewPassword::Encoded(encoded) => encoded,
        };
        let now = self.clock.now();
        let ended = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let new = new.as_str().to_owned();
                    if !accounts::update_password(tx, id, None, new, now + 1).await? {
                        return Ok(None);
                    }
                    end_sessions(tx, id, None, now).await.map(Some)
                })
            })
            .await?;
        self.revoked.apply(ended.as_deref().unwrap_or_default());
        Ok(ended.is_some())
    }

    /// Ends every session of the account and tells how many there were.
    pub async fn end_all_sessions(&self, id: i64) -> Result<usize> {
        let now = self.clock.now();
        let ended = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    accounts::update_foreign_not_before(tx, id, now + 1).await?;
                    end_sessions(tx, id, None, now).await
                })
            })
            .await?;
        self.revoked.apply(&ended);
        Ok(ended.len())
    }

    /// Frees a phone from whatever account holds it.
    pub async fn release_phone(&self, phone: Phone) -> Result<bool> {
        let key = phone.key().to_owned();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    match identifiers::account_by_key(tx, key).await? {
                        Some(id) => {
                            identifiers::delete_identifier(tx, id, Kind::Phone.as_str()).await
                        }
                        None => Ok(false),
                    }
                })
            })
            .await
    }

    /// Deletes the account with all that belongs to it.
    pub async fn delete_account(&self, id: i64) -> Result<bool> {
        let now = self.clock.now();
        let deleted =
            self.store.write(move |tx| Box::pin(async move { delete(tx, id, now).await })).await?;
        self.revoked.apply(deleted.as_slice());
        Ok(deleted.is_some())
    }
}

/// The stored password of somebody who may exist.
pub(super) fn held_password(found: Option<&Credentials>) -> Option<PasswordHash> {
    found.and_then(|found| found.password.clone()).map(PasswordHash::new)
}

async fn insert(tx: &mut Tx, new: &NewAccount, identifiers: &[Identifier]) -> Result<Account> {
    // Looked at first: a failed insert would use up an account id on Postgres.
    for identifier in identifiers {
        if identifiers::account_by_key(tx, identifier.key().to_owned()).await?.is_some() {
            return Err(Error::Taken(identifier.kind()));
        }
    }
    let id = accounts::insert_account(tx, new).await?;
    for identifier in identifiers {
        if !identifiers::insert_identifier(tx, id, identifier, new.created_at).await? {
            return Err(Error::Taken(identifier.kind()));
        }
    }
    accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)
}

async fn delete(tx: &mut Tx, id: i64, now: i64) -> Result<Option<Revocation>> {
    if !accounts::delete_account(tx, id).await? {
        return Ok(None);
    }
    revocations::insert_revocation(tx, Subject::Account(id), Reason::Deleted, now).await.map(Some)
}

async fn change_identifiers(
    tx: &mut Tx,
    who: &SignedIn,
    changes: Vec<Change>,
    now: i64,
) -> Result<Account> {
    let id = who.account_id;
    accounts::lock_account(tx, id).await?;
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    let changes: Vec<_> = changes.into_iter().filter(|change| differs(&account, change)).collect();
    if changes.is_empty() {
        return Ok(account);
    }
    require_recent_sign_in(tx, who, now).await?;
    for change in &changes {
        replace_identifier(tx, id, change, now).await?;
    }
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    if [&account.email, &account.phone, &account.username].into_iter().all(Option::is_none) {
        return Err(Error::NoIdentifier);
    }
    Ok(account)
}

/// Whether the change would change anything that is shown.
fn differs(account: &Account, change: &Change) -> bool {
    let shown = match change.kind {
        Kind::Email => &account.email,
        Kind::Phone => &account.phone,
        Kind::Username => &account.username,
    };
    shown.as_deref() != change.to.as_ref().map(Identifier::shown)
}

async fn replace_identifier(tx: &mut Tx, id: i64, change: &Change, now: i64) -> Result<()> {
    identifiers::delete_identifier(tx, id, change.kind.as_str()).await?;
    if let Some(to) = &change.to
        && !identifiers::insert_identifier(tx, id, to, now).await?
    {
        return Err(Error::Taken(change.kind));
    }
    Ok(())
}
