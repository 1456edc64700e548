//! What an account is named by: changing its identifiers. A new e-mail address is unproved, links that
//! were mailed to the old one die, and the old one is told.

use super::Auth;
use super::account::{Proof, require_password};
use super::outbox::{Letter, Post};
use super::session::{SignedIn, require_recent_sign_in};
use crate::error::{Error, Result};
use crate::identifier::{Email, Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers, one_time_tokens};

/// A new value for an account's identifier of one kind, or none.
pub struct Change {
    pub kind: Kind,
    pub to: Option<Identifier>,
}

impl Auth {
    /// Whether somebody other than `but` holds the identifier.
    pub async fn is_taken(&self, identifier: &Identifier, but: Option<i64>) -> Result<bool> {
        let mut tx = self.store.read().await?;
        let holder = identifiers::account_by_key(&mut tx, identifier.key().to_owned()).await?;
        Ok(holder.is_some() && holder != but)
    }

    /// Gives the account other identifiers; needs a recent sign-in, since they open it.
    pub async fn change_identifiers(
        &self,
        who: &SignedIn,
        changes: Vec<Change>,
    ) -> Result<Account> {
        let (who, post, now) = (*who, self.post.clone(), self.clock.now());
        let account = self
            .store
            .write(move |tx| {
                Box::pin(async move { change_identifiers(tx, &post, &who, changes, now).await })
            })
            .await?;
        self.mail_queued.notify_one();
        Ok(account)
    }

    /// Gives the account another address, for who has just proved to know its password.
    pub async fn change_email(&self, proof: &Proof, new: Email) -> Result<()> {
        let (id, was) = (proof.who.account_id, proof.stored.clone());
        let (post, now) = (self.post.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    require_password(tx, id, was).await?;
                    let account = accounts::account(tx, id).await?.ok_or(Error::AccountNotFound)?;
                    move_to_email(tx, &post, &account, new, now).await
                })
            })
            .await?;
        self.mail_queued.notify_one();
        Ok(())
    }
}

/// Replaces the e-mail address: links that were mailed to the old one die, and it is told.
pub(super) async fn move_to_email(
    tx: &mut Tx,
    post: &Post,
    account: &Account,
    new: Email,
    now: i64,
) -> Result<()> {
    let change = Change { kind: Kind::Email, to: Some(Identifier::Email(new)) };
    if differs(account, &change) && replace_identifier(tx, account.id, &change, now).await? {
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
        if replace_identifier(tx, id, change, now).await? && change.kind == Kind::Email {
            leave_email(tx, post, &account, now).await?;
        }
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
