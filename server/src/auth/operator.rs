//! Operations of the command line. An operator needs no proof of identity.

use crate::auth::accounts::account::delete;
use crate::auth::accounts::registration::NewPassword;
use crate::auth::domain::Auth;
use crate::auth::events::ListedEvent;
use crate::auth::mailing::outbox::MailKind;
use crate::auth::password::Origin;
use crate::auth::sessions::session::end_sessions;
use crate::error::Result;
use crate::identifier::{Identifier, Kind, Phone, account_of_stand_in};
use crate::store::accounts::{self, Account};
use crate::store::events::{self, Ending, Event, NameChange, PasswordBy, note_change};
use crate::store::identities::{self, Identity};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::{Tx, identifiers, one_time_tokens, sessions};

/// The sessions of one account are counted up to this number.
pub const COUNTED_SESSIONS: i64 = 10_000;

/// The deletion of an account.
pub struct Deletion {
    /// `None` if it is not kept any more.
    pub event: Option<ListedEvent>,
}

impl Auth {
    /// The address of the database, without user and password.
    pub fn database(&self) -> String {
        self.store.name()
    }

    pub async fn account_by_id(&self, id: i64) -> Result<Option<Account>> {
        let mut tx = self.store.read().await?;
        accounts::account(&mut tx, id).await
    }

    /// The account called `who`: an e-mail address, phone, username or stand-in, else an id.
    pub async fn find_account(&self, who: &str) -> Result<Option<Account>> {
        let mut tx = self.store.read().await?;
        let held = match Identifier::parse_as(who, &[Kind::Email, Kind::Phone, Kind::Username]) {
            Some(identifier) => {
                identifiers::account_by_key(&mut tx, identifier.key().to_owned()).await?
            }
            None => account_of_stand_in(who),
        };
        match held.or_else(|| who.parse().ok()) {
            Some(id) => accounts::account(&mut tx, id).await,
            None => Ok(None),
        }
    }

    /// What is left of a deleted account; `None` if no account with this number was deleted.
    pub async fn deletion_of(&self, id: i64) -> Result<Option<Deletion>> {
        let mut tx = self.store.read().await?;
        let event = Event::AccountDeleted.as_str();
        let event = events::events_named(&mut tx, id, event, 1).await?.into_iter().next();
        let was_deleted = event.is_some() || revocations::was_deleted(&mut tx, id).await?;
        Ok(was_deleted.then(|| Deletion { event: event.map(ListedEvent::from) }))
    }

    /// The account's identities at providers.
    pub async fn identities(&self, id: i64) -> Result<Vec<Identity>> {
        let mut tx = self.store.read().await?;
        identities::identities(&mut tx, id).await
    }

    /// Up to `limit` accounts with ids above `after`.
    pub async fn accounts_after(&self, after: i64, limit: i64) -> Result<Vec<Account>> {
        let mut tx = self.store.read().await?;
        accounts::accounts_after(&mut tx, after, limit).await
    }

    /// Suspends or reactivates an account; false if there is no such account. Its credentials are
    /// refused while it is suspended, and valid again afterwards.
    pub async fn set_active(&self, id: i64, is_active: bool) -> Result<bool> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if !accounts::lock_account(tx, id).await? {
                        return Ok(false);
                    }
                    switch_active(tx, id, is_active, now).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Sets a password without the old one, or removes it, and ends all sessions.
    pub async fn set_password(&self, id: i64, new: NewPassword) -> Result<bool> {
        let (new, now) = (self.hashed(new, Origin::SERVER).await?, self.clock.now());
        let outbox = self.outbox.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if !accounts::lock_account(tx, id).await? {
                        return Ok(false);
                    }
                    let is_set = new.is_some();
                    match new {
                        Some(new) => {
                            let new = new.as_str().to_owned();
                            accounts::update_password(tx, id, new, PasswordBy::Operator, now)
                                .await?;
                            accounts::update_password_proved(tx, id, false).await?;
                        }
                        None => {
                            accounts::delete_password(tx, id, PasswordBy::Operator, now).await?
                        }
                    }
                    accounts::update_password_by_sign_in(tx, id, None).await?;
                    if is_set && let Some(account) = accounts::account(tx, id).await? {
                        let mail_kind = MailKind::PasswordSetByOperator;
                        outbox.queue(tx, mail_kind, &account, None, now).await?;
                    }
                    one_time_tokens::delete_one_time_tokens(tx, id).await?;
                    end_sessions(tx, id, None, Ending::Operator, now).await?;
                    Ok(true)
                })
            })
            .await
    }

    /// Ends all sessions of the account and returns their number, counted up to
    /// [`COUNTED_SESSIONS`].
    pub async fn end_all_sessions_of_account(&self, id: i64) -> Result<i64> {
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let count = sessions::count_of_accounts(tx, id, id, COUNTED_SESSIONS).await?;
                    end_sessions(tx, id, None, Ending::Operator, now).await?;
                    Ok(count)
                })
            })
            .await
    }

    /// Removes a phone from the account that has it.
    pub async fn release_phone(&self, phone: Phone) -> Result<bool> {
        let (key, now) = (phone.key().to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    match identifiers::account_by_key(tx, key).await? {
                        Some(id) => remove_phone(tx, id, now).await,
                        None => Ok(false),
                    }
                })
            })
            .await
    }

    /// Deletes the account with all its data.
    pub async fn delete_account(&self, id: i64) -> Result<bool> {
        let (outbox, now) = (self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| Box::pin(async move { delete(tx, &outbox, id, now).await }))
            .await
    }
}

/// Suspends or reactivates an account, which is locked.
pub async fn switch_active(tx: &mut Tx, id: i64, is_active: bool, now: i64) -> Result<()> {
    let reason = if is_active { Reason::Revived } else { Reason::Suspended };
    accounts::update_active(tx, id, is_active, now).await?;
    accounts::refuse_undated(tx, id).await?;
    one_time_tokens::delete_one_time_tokens(tx, id).await?;
    revocations::insert_revocation(tx, Subject::Account(id), reason, now).await
}

/// False if the account has no phone number any more.
async fn remove_phone(tx: &mut Tx, id: i64, now: i64) -> Result<bool> {
    let is_removed = identifiers::delete_identifier(tx, id, Kind::Phone.as_str()).await?;
    if is_removed {
        note_change(tx, id, NameChange::PhoneRemoved, now).await?;
    }
    Ok(is_removed)
}
