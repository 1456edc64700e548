//! Accounts as their owners deal with them: showing, changing the password, deleting.

use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::password::Password;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::reauthentication::Proof;
use crate::auth::sessions::session::end_sessions;
use crate::error::{Error, Result};
pub use crate::store::accounts::Account;
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{Tx, accounts, one_time_tokens, sessions};

impl Auth {
    /// The account behind a credential; refused when it is suspended or gone by now.
    pub async fn account(&self, who: &SignedIn) -> Result<Account> {
        let mut tx = self.store.read().await?;
        match accounts::account(&mut tx, who.account_id).await? {
            Some(account) if account.is_active => Ok(account.as_of(self.clock.now())),
            Some(_) => Err(Error::AccountInactive),
            None => Err(Error::AccountNotFound),
        }
    }

    /// Replaces the password, or gives a first one, and ends every other session. Foreign tokens of
    /// before end too, the acting one among them: it cannot be told from a stolen sibling.
    pub async fn change_password(&self, proof: &Proof, new: Password) -> Result<()> {
        self.look_at(proof).await?;
        let new = self.hasher.hash(new, self.origin(proof.from, true)).await?;
        let (proof, outbox, now) = (proof.clone(), self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.require(tx, now).await?;
                    let (who, new) = (proof.who, new.as_str().to_owned());
                    let account = accounts::account(tx, who.account_id).await?;
                    if account.is_some_and(|account| account.password_voided) {
                        // Its mailbox has called the account back, and sets the next one by mail.
                        return Err(Error::ReauthenticationRequired);
                    }
                    if !accounts::update_password(tx, who.account_id, new).await? {
                        return Err(Error::AccountNotFound);
                    }
                    if !proof.is_by_password() {
                        // Nothing tells that whoever signed in has the mailbox.
                        accounts::update_password_proved(tx, who.account_id, false).await?;
                        accounts::update_password_by_sign_in(tx, who.account_id, Some(now)).await?;
                    }
                    one_time_tokens::delete_one_time_tokens(tx, who.account_id).await?;
                    let account = accounts::account(tx, who.account_id).await?;
                    let account = account.ok_or(Error::AccountNotFound)?;
                    outbox.queue(tx, MailKind::PasswordChanged, &account, None, now).await?;
                    end_sessions(tx, who.account_id, who.session, now).await
                })
            })
            .await
    }

    /// Deletes the account of whoever proves to be its owner.
    pub async fn delete_own_account(&self, proof: &Proof) -> Result<()> {
        let (proof, outbox, now) = (proof.clone(), self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.require(tx, now).await?;
                    delete(tx, &outbox, proof.who.account_id, now).await.map(drop)
                })
            })
            .await
    }
}

/// Sessions that are deleted in the write that deletes their account; the sweeper deletes the others,
/// which nothing opens any more.
const SESSIONS_AT_ONCE: i64 = 5_000;

/// Deletes the account with all that belongs to it, and mails its owner; false if it is gone.
pub(in crate::auth) async fn delete(
    tx: &mut Tx,
    outbox: &Outbox,
    id: i64,
    now: i64,
) -> Result<bool> {
    if !accounts::lock_account(tx, id).await? {
        return Ok(false);
    }
    let account = accounts::account(tx, id).await?;
    if let Some(account) = account.filter(|account| !account.awaits_activation) {
        outbox.queue_deleted(tx, &account, now).await?;
    }
    // First, because it reads how long the account's access tokens may be good.
    let subject = Subject::Account(id);
    revocations::insert_revocation(tx, subject, Reason::Deleted, now).await?;
    sessions::delete_account_sessions(tx, id, SESSIONS_AT_ONCE).await?;
    accounts::delete_account(tx, id).await?;
    Ok(true)
}
