//! What an account is called: changing its identifiers and the name that people read. A new e-mail
//! address is unproved, links that were mailed to the old one die, and the old one is told.

use std::net::IpAddr;

use super::external::holds;
use super::linking::opened_by_provider;
use super::outbox::{Letter, Post};
use super::proof::Proof;
use super::{Auth, Policy};
use crate::error::{Error, Result};
use crate::identifier::{Email, Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers, one_time_tokens};

/// A new value for an account's identifier of one kind, or none.
pub struct Change {
    pub kind: Kind,
    pub to: Option<Identifier>,
}

/// What an account is to be called from now on.
#[derive(Default)]
pub struct NewNames {
    pub identifiers: Vec<Change>,
    /// A name for people to read, or none; `None` leaves it.
    pub display_name: Option<Option<String>>,
}

impl Auth {
    /// Whether somebody other than `but` holds the identifier.
    pub async fn is_taken(&self, identifier: &Identifier, but: Option<i64>) -> Result<bool> {
        let mut tx = self.store.read().await?;
        let holder = identifiers::account_by_key(&mut tx, identifier.key().to_owned()).await?;
        Ok(holder.is_some() && holder != but)
    }

    /// Which of the new identifiers somebody else holds. That is told only after the proof, and each
    /// question counts as a registration does, because anybody can ask for any name here. A strict API
    /// tells nothing of addresses: their mailboxes are asked.
    pub async fn taken_names(
        &self,
        policy: &Policy,
        proof: &Proof,
        changes: &[Change],
        from: IpAddr,
    ) -> Result<Vec<Kind>> {
        let id = proof.who.account_id;
        let mut tx = self.store.read().await?;
        let account = accounts::account(&mut tx, id).await?.ok_or(Error::AccountNotFound)?;
        drop(tx);
        let mut taken = Vec::new();
        let new = changes.iter().filter(|change| differs(&account, change));
        let new: Vec<_> = new.filter_map(|change| change.to.as_ref()).collect();
        if !new.is_empty() {
            self.admit_change(proof, from).await?;
        }
        let is_told = |one: &&Identifier| !policy.strict || one.kind() != Kind::Email;
        for identifier in new.into_iter().filter(is_told) {
            if self.is_taken(identifier, Some(id)).await? {
                taken.push(identifier.kind());
            }
        }
        Ok(taken)
    }

    /// Before an account gets another name: refuses what is no proof, and counts.
    async fn admit_change(&self, proof: &Proof, from: IpAddr) -> Result<()> {
        self.look_at(proof).await?;
        self.admit_registration(from)
    }

    /// Gives the account other names; identifiers need the proof, since they open it.
    pub async fn change_names(&self, proof: &Proof, new: NewNames) -> Result<Account> {
        let (proof, post, now) = (proof.clone(), self.post.clone(), self.clock.now());
        let configured = self.configured_providers();
        let account = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let id = proof.who.account_id;
                    if let Some(name) = new.display_name {
                        accounts::update_display_name(tx, id, name).await?;
                    }
                    change_identifiers(tx, &post, &proof, new.identifiers, &configured, now).await
                })
            })
            .await?;
        self.mail_queued.notify_one();
        Ok(account)
    }

    /// Gives the account another address.
    pub async fn change_email(&self, proof: &Proof, new: Email, from: IpAddr) -> Result<()> {
        self.admit_change(proof, from).await?;
        let (proof, post, now) = (proof.clone(), self.post.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.require(tx, now).await?;
                    let account = accounts::account(tx, proof.who.account_id).await?;
                    let account = account.ok_or(Error::AccountNotFound)?;
                    move_to_email(tx, &post, &account, new, now).await
                })
            })
            .await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}

/// Replaces the e-mail address: links that were mailed to the old one die, and it is told. The
/// account's own address is one that an account has already.
pub(super) async fn move_to_email(
    tx: &mut Tx,
    post: &Post,
    account: &Account,
    new: Email,
    now: i64,
) -> Result<()> {
    if holds(account, &new) {
        return Err(Error::Taken(Kind::Email));
    }
    let change = Change { kind: Kind::Email, to: Some(Identifier::Email(new)) };
    if replace_identifier(tx, account.id, &change, now).await? {
        leave_email(tx, post, account, now).await?;
    }
    Ok(())
}

async fn leave_email(tx: &mut Tx, post: &Post, account: &Account, now: i64) -> Result<()> {
    // What proved the old mailbox says nothing of the new one.
    accounts::update_password_proved(tx, account.id, false).await?;
    one_time_tokens::delete_one_time_tokens(tx, account.id).await?;
    post.queue(tx, Letter::EmailChanged, account, None, now).await
}

async fn change_identifiers(
    tx: &mut Tx,
    post: &Post,
    proof: &Proof,
    changes: Vec<Change>,
    configured: &[String],
    now: i64,
) -> Result<Account> {
    let id = proof.who.account_id;
    accounts::lock_account(tx, id).await?;
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    let changes: Vec<_> = changes.into_iter().filter(|change| differs(&account, change)).collect();
    if changes.is_empty() {
        return Ok(account);
    }
    proof.require(tx, now).await?;
    for change in &changes {
        if replace_identifier(tx, id, change, now).await? && change.kind == Kind::Email {
            leave_email(tx, post, &account, now).await?;
        }
    }
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    let gives_up = changes.iter().any(|change| change.to.is_none());
    if gives_up && !can_be_entered(tx, &account, configured).await? {
        return Err(Error::NoIdentifier);
    }
    Ok(account)
}

/// Whether its owner can still get in: by a password, by a provider, or by a mail that sets a
/// password.
async fn can_be_entered(tx: &mut Tx, account: &Account, configured: &[String]) -> Result<bool> {
    Ok(account.email.is_some()
        || account.is_opened_by_password()
        || opened_by_provider(tx, account.id, configured).await?)
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

/// False when it is the same identifier in another spelling, and what was proved of it stays so.
async fn replace_identifier(tx: &mut Tx, id: i64, change: &Change, now: i64) -> Result<bool> {
    if let Some(to) = &change.to
        && identifiers::update_shown(tx, id, to).await?
    {
        return Ok(false);
    }
    identifiers::delete_identifier(tx, id, change.kind.as_str()).await?;
    if let Some(to) = &change.to
        && !identifiers::insert_identifier(tx, id, to, now).await?
    {
        return Err(Error::Taken(change.kind));
    }
    Ok(true)
}
