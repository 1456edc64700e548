//! Changing the identifiers and the display name of an account. The rules for e-mail addresses are
//! in [`address`](crate::auth::accounts::address).

use std::net::IpAddr;

use crate::auth::accounts::address::{self, AddressChange, refuse_own_email};
use crate::auth::accounts::ownership::is_opened_by_provider;
use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::policy::Policy;
use crate::auth::sessions::reauthentication::Reauthentication;
use crate::error::{Error, Result};
use crate::identifier::{Email, Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::events::{NameChange, note_change};
use crate::store::{Tx, identifiers};

/// A change of the identifier of one kind; `to` is `None` to remove it.
pub struct Change {
    pub kind: Kind,
    pub to: Option<Identifier>,
}

/// The requested changes of identifiers and display name.
#[derive(Default)]
pub struct NewNames {
    pub identifiers: Vec<Change>,
    /// `Some(None)` removes the display name, `None` leaves it as it is.
    pub display_name: Option<Option<String>>,
}

impl Auth {
    /// Whether an account other than `but` has the identifier.
    pub async fn is_taken(&self, identifier: &Identifier, but: Option<i64>) -> Result<bool> {
        let mut tx = self.store.read().await?;
        let claimant = identifiers::claimant_by_key(&mut tx, identifier.key().to_owned()).await?;
        Ok(claimant.is_some() && claimant != but)
    }

    /// Which of the new identifiers belong to other accounts. The answer requires re-authentication
    /// and counts as a registration, because it reveals which identifiers exist. A strict API does
    /// not reveal addresses: there, the mailbox confirms the change.
    pub async fn taken_names(
        &self,
        policy: &Policy,
        proof: &Reauthentication,
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
        let is_revealed = |one: &&Identifier| !policy.strict || one.kind() != Kind::Email;
        for identifier in new.into_iter().filter(is_revealed) {
            if self.is_taken(identifier, Some(id)).await? {
                taken.push(identifier.kind());
            }
        }
        Ok(taken)
    }

    /// Checks the re-authentication and the limit, before a change of names.
    async fn admit_change(&self, proof: &Reauthentication, from: IpAddr) -> Result<()> {
        self.check_recent(proof).await?;
        self.admit_registration(from)
    }

    /// Changes the names of the account. Only identifiers require re-authentication, because they
    /// are used to sign in.
    pub async fn change_names(
        &self,
        policy: &Policy,
        proof: &Reauthentication,
        new: NewNames,
    ) -> Result<Account> {
        let (policy, proof, now) = (*policy, proof.clone(), self.clock.now());
        let (outbox, configured) = (self.outbox.clone(), self.configured_providers());
        let account = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let id = proof.who.account_id;
                    if let Some(name) = new.display_name
                        && accounts::update_display_name(tx, id, name).await?
                    {
                        note_change(tx, id, NameChange::DisplayName, now).await?;
                    }
                    let new = new.identifiers;
                    change_identifiers(tx, &outbox, &policy, &proof, new, &configured, now).await
                })
            })
            .await?;
        Ok(account.as_of(now))
    }

    /// Changes the address of the account.
    pub async fn change_email(
        &self,
        policy: &Policy,
        proof: &Reauthentication,
        new: Email,
        from: IpAddr,
    ) -> Result<()> {
        self.admit_change(proof, from).await?;
        let (policy, proof, now) = (*policy, proof.clone(), self.clock.now());
        let outbox = self.outbox.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.verify(tx, now).await?;
                    let account = accounts::account(tx, proof.who.account_id).await?;
                    let account = account.ok_or(Error::AccountNotFound)?;
                    let address_change = AddressChange::of(&policy, &proof, &account, now);
                    refuse_own_email(&account, &new, address_change)?;
                    address::change_email(tx, &outbox, &account, Some(new), address_change, now)
                        .await
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
    proof: &Reauthentication,
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
    proof.verify(tx, now).await?;
    let address_change = AddressChange::of(policy, proof, &account, now);
    let removes_one = changes.iter().any(|change| change.to.is_none());
    for change in changes {
        match (change.kind, change.to) {
            (Kind::Email, to) => {
                let to = to.and_then(Identifier::into_email);
                address::change_email(tx, outbox, &account, to, address_change, now).await?;
            }
            (kind, to) => replace_identifier(tx, outbox, &account, kind, to, now).await?,
        }
    }
    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
    if removes_one && !can_still_sign_in(tx, &account, configured).await? {
        return Err(Error::NoIdentifier);
    }
    Ok(account)
}

/// Whether the owner can still sign in: with a password, with a provider, or after a password
/// reset.
async fn can_still_sign_in(tx: &mut Tx, account: &Account, configured: &[String]) -> Result<bool> {
    Ok(account.email.is_some()
        || account.can_sign_in_with_password()
        || is_opened_by_provider(tx, account.id, configured).await?)
}

/// Whether the change has an effect; it always has if another address waits for confirmation,
/// because it cancels that.
fn differs(account: &Account, change: &Change) -> bool {
    let shown = match change.kind {
        Kind::Email if account.waits_for_confirmation() => return true,
        Kind::Email => &account.email,
        Kind::Phone => &account.phone,
        Kind::Username => &account.username,
    };
    shown.as_deref() != change.to.as_ref().map(Identifier::shown)
}

fn change_of(kind: Kind, is_set: bool) -> NameChange {
    match (kind, is_set) {
        (Kind::Email, true) => NameChange::Email,
        (Kind::Email, false) => NameChange::EmailRemoved,
        (Kind::Phone, true) => NameChange::Phone,
        (Kind::Phone, false) => NameChange::PhoneRemoved,
        (Kind::Username, true) => NameChange::Username,
        (Kind::Username, false) => NameChange::UsernameRemoved,
    }
}

/// Changes or removes a phone number or username.
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
        return note_change(tx, account.id, NameChange::Spelling, now).await;
    }
    note_change(tx, account.id, change_of(kind, to.is_some()), now).await?;
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
