//! What an account is called: changing its identifiers and the name that people read. How it moves to
//! another e-mail address is in [`address`](crate::auth::accounts::address).

use std::net::IpAddr;

use crate::auth::accounts::address::{self, Manner, refuse_own};
use crate::auth::accounts::ownership::opened_by_provider;
use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::policy::Policy;
use crate::auth::sessions::reauthentication::Proof;
use crate::error::{Error, Result};
use crate::identifier::{Email, Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers};

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
        let claimant = identifiers::claimant_by_key(&mut tx, identifier.key().to_owned()).await?;
        Ok(claimant.is_some() && claimant != but)
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
        let account = account.as_of(self.clock.now());
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
    pub async fn change_names(
        &self,
        policy: &Policy,
        proof: &Proof,
        new: NewNames,
    ) -> Result<Account> {
        let (policy, proof, now) = (*policy, proof.clone(), self.clock.now());
        let (outbox, configured) = (self.outbox.clone(), self.configured_providers());
        let account = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let id = proof.who.account_id;
                    if let Some(name) = new.display_name {
                        accounts::update_display_name(tx, id, name).await?;
                    }
                    let new = new.identifiers;
                    change_identifiers(tx, &outbox, &policy, &proof, new, &configured, now).await
                })
            })
            .await?;
        Ok(account.as_of(now))
    }

    /// Gives the account another address.
    pub async fn change_email(
        &self,
        policy: &Policy,
        proof: &Proof,
        new: Email,
        from: IpAddr,
    ) -> Result<()> {
        self.admit_change(proof, from).await?;
        let (policy, proof, now) = (*policy, proof.clone(), self.clock.now());
        let outbox = self.outbox.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.require(tx, now).await?;
                    let account = accounts::account(tx, proof.who.account_id).await?;
                    let account = account.ok_or(Error::AccountNotFound)?;
                    let manner = Manner::of(&policy, &proof, &account, now);
                    refuse_own(&account, &new, manner)?;
                    address::change_email(tx, &outbox, &account, Some(new), manner, now).await
                })
            })
            .await?;
        Ok(())
    }
}

async fn change_identifiers(
    tx: &mut Tx,
    outbox: &Outbox,
    policy: &Policy,
    proof: &Proof,
    changes: Vec<Change>,
    configured: &[String],
    now: i64,
) -> Result<Account> {
    let id = proof.who.account_id;
    accounts::lock_account(tx, id).await?;
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    let seen = account.clone().as_of(now);
    let changes: Vec<_> = changes.into_iter().filter(|change| differs(&seen, change)).collect();
    if changes.is_empty() {
        return Ok(account);
    }
    proof.require(tx, now).await?;
    let manner = Manner::of(policy, proof, &account, now);
    let gives_up = changes.iter().any(|change| change.to.is_none());
    for change in changes {
        match (change.kind, change.to) {
            (Kind::Email, to) => {
                let to = to.and_then(Identifier::into_email);
                address::change_email(tx, outbox, &account, to, manner, now).await?;
            }
            (kind, to) => replace_identifier(tx, outbox, &account, kind, to, now).await?,
        }
    }
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    if gives_up && !can_be_entered(tx, &account, configured).await? {
        return Err(Error::NoIdentifier);
    }
    Ok(account)
}

/// Whether its owner can still get in: by a password, by a provider, or by a mail that sets a
/// password.
async fn can_be_entered(tx: &mut Tx, account: &Account, configured: &[String]) -> Result<bool> {
    Ok(account.email.is_some()
        || account.can_sign_in_with_password()
        || opened_by_provider(tx, account.id, configured).await?)
}

/// Whether the change would change anything: what is shown, or another address that waits.
fn differs(account: &Account, change: &Change) -> bool {
    let shown = match change.kind {
        Kind::Email if account.waits_for_confirmation() => return true,
        Kind::Email => &account.email,
        Kind::Phone => &account.phone,
        Kind::Username => &account.username,
    };
    shown.as_deref() != change.to.as_ref().map(Identifier::shown)
}

/// Gives the account another phone or username, or none.
async fn replace_identifier(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    kind: Kind,
    to: Option<Identifier>,
    now: i64,
) -> Result<()> {
    if let Some(to) = &to
        && identifiers::update_shown(tx, account.id, to).await?
    {
        return Ok(());
    }
    identifiers::delete_identifier(tx, account.id, kind.as_str()).await?;
    let Some(to) = to else { return Ok(()) };
    if !identifiers::insert_identifier(tx, account.id, &to, now).await? {
        return Err(Error::Taken(kind));
    }
    match kind {
        Kind::Phone => outbox.queue(tx, MailKind::PhoneChanged, account, None, now).await,
        Kind::Email | Kind::Username => Ok(()),
    }
}
