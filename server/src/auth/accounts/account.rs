//! What owners do with their accounts: showing them, changing the password, deleting them.

use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::password::Password;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::reauthentication::Reauthentication;
use crate::auth::sessions::session::end_sessions;
use crate::error::{Error, Result};
pub use crate::store::accounts::Account;
use crate::store::events::{self, Ending, Event, NewEvent, PasswordBy};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{Tx, accounts, one_time_tokens, sessions};

impl Auth {
    /// The account of a credential; fails if it has been suspended or deleted.
    pub async fn account(&self, who: &SignedIn) -> Result<Account> {
        let mut tx = self.store.read().await?;
        match accounts::account(&mut tx, who.account_id).await? {
            Some(account) if account.is_active => Ok(account.as_of(self.clock.now())),
            Some(_) => Err(self.adopting.unless_open(Error::AccountInactive)),
            None => Err(Error::AccountNotFound),
        }
    }

    /// Sets the password, and ends all other sessions. All tokens of a replaced server are refused
    /// too, even one that sent this request: the server cannot distinguish it from a stolen one.
    pub async fn change_password(&self, proof: &Reauthentication, new: Password) -> Result<()> {
        self.check_recent(proof).await?;
        let new = self.hasher.hash(new, self.origin(proof.from, true)).await?;
        let (proof, outbox, now) = (proof.clone(), self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.verify(tx, now).await?;
                    let (who, new) = (proof.who, new.as_str().to_owned());
                    let account = accounts::account(tx, who.account_id).await?;
                    if account.is_some_and(|account| account.password_voided) {
                        // The owner of the mailbox has undone a change of the address: only a
                        // mailed link sets the next password.
                        return Err(Error::ReauthenticationRequired);
                    }
                    let by = match proof.is_by_password() {
                        true => PasswordBy::CurrentPassword,
                        false => PasswordBy::RecentSignIn,
                    };
                    if !accounts::update_password(tx, who.account_id, new, by, now).await? {
                        return Err(Error::AccountNotFound);
                    }
                    if !proof.is_by_password() {
                        // A recent sign-in does not prove access to the mailbox.
                        accounts::update_password_proved(tx, who.account_id, false).await?;
                        accounts::update_password_by_sign_in(tx, who.account_id, Some(now)).await?;
                    }
                    one_time_tokens::delete_one_time_tokens(tx, who.account_id).await?;
                    let account = accounts::account(tx, who.account_id).await?;
                    let account = account.ok_or(Error::AccountNotFound)?;
                    outbox.queue(tx, MailKind::PasswordChanged, &account, None, now).await?;
                    let why = Ending::PasswordChanged;
                    end_sessions(tx, who.account_id, who.session, why, now).await
                })
            })
            .await
    }

    /// Deletes the account after re-authentication.
    pub async fn delete_own_account(&self, proof: &Reauthentication) -> Result<()> {
        let (proof, outbox, now) = (proof.clone(), self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.verify(tx, now).await?;
                    delete(tx, &outbox, proof.who.account_id, now).await.map(drop)
                })
            })
            .await
    }
}

/// How many sessions are deleted together with their account. The sweeper deletes the others, which
/// cannot be used any more.
const SESSIONS_AT_ONCE: i64 = 5_000;
/// The same for its events.
const EVENTS_AT_ONCE: i64 = 5_000;

/// Deletes the account and its data, and mails its owner; false if there is no such account.
pub async fn delete(tx: &mut Tx, outbox: &Outbox, id: i64, now: i64) -> Result<bool> {
    if !accounts::lock_account(tx, id).await? {
        return Ok(false);
    }
    let account = accounts::account(tx, id).await?;
    if let Some(account) = account.filter(|account| !account.awaits_activation) {
        outbox.queue_deleted(tx, &account, now).await?;
    }
    delete_unnoticed(tx, id, now).await?;
    Ok(true)
}

/// Deletes the account, which is locked, and its data, without a mail.
pub async fn delete_unnoticed(tx: &mut Tx, id: i64, now: i64) -> Result<()> {
    // Before the sessions are deleted, because it reads when their access tokens expire.
    let subject = Subject::Account(id);
    revocations::insert_revocation(tx, subject, Reason::Deleted, now).await?;
    sessions::delete_account_sessions(tx, id, SESSIONS_AT_ONCE).await?;
    events::delete_of_account(tx, id, EVENTS_AT_ONCE).await?;
    accounts::delete_account(tx, id).await?;
    tx.note(NewEvent::of(id, Event::AccountDeleted, now));
    Ok(())
}
