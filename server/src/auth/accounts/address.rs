//! Changing the e-mail address of an account. The new address is active at once, or after its
//! mailbox has confirmed it. After a change without the current password, the old mailbox gets a
//! return link: for seven days, it restores the old address and undoes later changes. Until the new
//! address is verified, password resets go to the old verified one.

use std::net::IpAddr;

use crate::auth::accounts::find::lock_by_id;
use crate::auth::domain::Auth;
use crate::auth::mailing::one_time_token::{Purpose, RETURN_LIFETIME, spend};
use crate::auth::mailing::outbox::{MailKind, NewLink, Outbox};
use crate::auth::mailing::uid::account_of;
use crate::auth::names::has_address;
use crate::auth::policy::Policy;
use crate::auth::sessions::reauthentication::Reauthentication;
use crate::auth::sessions::session::end_sessions;
use crate::error::{Error, Result};
use crate::identifier::{Email, Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::events::{
    Ending, Event, LinkedBy, NameChange, NewEvent, PasswordBy, note_change,
};
use crate::store::one_time_tokens::{self, OneTimeToken};
use crate::store::{Tx, identifiers, identities, pending_sign_ins};

/// How an API changes an address.
#[derive(Clone, Copy)]
pub struct AddressChange {
    /// The new address becomes active when its mailbox has confirmed it.
    pub needs_confirmation: bool,
    /// Answers do not reveal whether the address is taken.
    pub hides_taken: bool,
    /// The change was authorized by the current password.
    pub by_password: bool,
}

impl AddressChange {
    pub fn of(policy: &Policy, proof: &Reauthentication, account: &Account, now: i64) -> Self {
        AddressChange {
            needs_confirmation: policy.new_address_waits || policy.strict,
            hides_taken: policy.strict,
            by_password: proof.is_by_password() && has_settled_password(account, now),
        }
    }
}

impl Auth {
    /// Verifies a new address by the mailed token, and makes it active if it is not.
    pub async fn confirm_email(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        self.limited(from, self.try_confirm_email(uid, token)).await
    }

    async fn try_confirm_email(&self, uid: &str, token: &str) -> Result<()> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let (outbox, token, now) = (self.outbox.clone(), token.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let account = lock_active(tx, id).await?;
                    let spent = spend(tx, Purpose::EmailConfirm, id, token, now).await?;
                    apply_confirmation(tx, &outbox, &account, &spent, now).await
                })
            })
            .await
    }

    /// Restores the address that the token was mailed to. This ends all sessions and deletes later
    /// identities and the password; only a mailed link sets a new one.
    pub async fn return_email(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        self.limited(from, self.try_return_email(uid, token)).await
    }

    async fn try_return_email(&self, uid: &str, token: &str) -> Result<()> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let (token, now) = (token.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let account = lock_active(tx, id).await?;
                    let spent = spend(tx, Purpose::EmailReturn, id, token, now).await?;
                    undo_email_change(tx, &account, &spent, now).await
                })
            })
            .await
    }
}

/// Whether the password is surely the owner's. A password that was set after a recent sign-in alone
/// counts only after the time in which the owner can undo it.
pub fn has_settled_password(account: &Account, now: i64) -> bool {
    is_settled(account.password_by_sign_in_at, now)
}

/// Whether the time in which the owner can undo a change by a recent sign-in is over.
fn is_settled(by_sign_in_at: Option<i64>, now: i64) -> bool {
    by_sign_in_at.is_none_or(|at| at + RETURN_LIFETIME <= now)
}

/// Changes or removes the address of a locked account.
pub async fn change_email(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: Option<Email>,
    address_change: AddressChange,
    now: i64,
) -> Result<()> {
    let Some(to) = to else {
        note_removal(tx, account, now).await?;
        return replace_email(tx, outbox, account, None, address_change.by_password, now).await;
    };
    if has_address(account, &to) {
        if account.email.as_deref() != Some(to.shown()) {
            identifiers::update_shown(tx, account.id, &Identifier::Email(to.clone())).await?;
            note_change(tx, account.id, NameChange::Spelling, now).await?;
        }
        return match account.mailbox() == account.email.as_deref() {
            true => cancel_pending(tx, account, now).await,
            false => {
                mail_confirmation(tx, outbox, account, &to, address_change.by_password, now).await
            }
        };
    }
    if address_change.needs_confirmation {
        note_change(tx, account.id, NameChange::EmailPending, now).await?;
        return ask_to_confirm(tx, outbox, account, &to, address_change, now).await;
    }
    note_change(tx, account.id, NameChange::Email, now).await?;
    replace_email(tx, outbox, account, Some(&to), address_change.by_password, now).await?;
    let account = accounts::account(tx, account.id).await?.ok_or(Error::AccountNotFound)?;
    match account.mailbox() == account.email.as_deref() {
        true => Ok(()),
        // Until it is confirmed, password resets go to the old address.
        false => {
            mail_confirmation(tx, outbox, &account, &to, address_change.by_password, now).await
        }
    }
}

/// Notes that the address is removed, or the one that waits if there is no other.
async fn note_removal(tx: &mut Tx, account: &Account, now: i64) -> Result<()> {
    let what = match account.email {
        Some(_) => NameChange::EmailRemoved,
        None => NameChange::EmailCancelled,
    };
    note_change(tx, account.id, what, now).await
}

/// Makes the link to a new address that waits for its confirmation invalid.
async fn cancel_pending(tx: &mut Tx, account: &Account, now: i64) -> Result<()> {
    one_time_tokens::delete_for(tx, account.id, Purpose::EmailConfirm.as_str()).await?;
    match account.clone().as_of(now).waits_for_confirmation() {
        true => note_change(tx, account.id, NameChange::EmailCancelled, now).await,
        false => Ok(()),
    }
}

/// Mails a confirmation to the new address; the present one stays active.
async fn ask_to_confirm(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: &Email,
    address_change: AddressChange,
    now: i64,
) -> Result<()> {
    let claimant = identifiers::claimant_by_key(tx, to.key().to_owned()).await?;
    match claimant.filter(|claimant| *claimant != account.id) {
        Some(_) if !address_change.hides_taken => return Err(Error::Taken(Kind::Email)),
        Some(holder) => mask_taken_email(tx, outbox, account, holder, to, now).await?,
        None => mail_confirmation(tx, outbox, account, to, address_change.by_password, now).await?,
    }
    match address_change.by_password {
        true => Ok(()),
        false => mail_return_link(tx, outbox, account, now).await,
    }
}

/// Mails the link that confirms the new address. If the limit of mails is exceeded, the link that
/// was mailed before stays valid.
async fn mail_confirmation(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: &Email,
    by_password: bool,
    now: i64,
) -> Result<()> {
    let purpose = Purpose::EmailConfirm;
    let wait = outbox.admit_link(tx, account, purpose, to.shown(), now).await?;
    if wait.is_some() && waits_for(account, to, now) {
        return Ok(());
    }
    one_time_tokens::delete_for(tx, account.id, purpose.as_str()).await?;
    let link = NewLink { purpose, to: to.shown(), by_password, kept_identities: None };
    outbox.queue_admitted(tx, account, link, None, wait, now).await
}

/// Mails the confirmation again if the requested mail goes to the old address and no valid link for
/// the new one exists: an account with an unverified address must not lock out the owner of the
/// address.
pub async fn resend_confirmation(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    now: i64,
) -> Result<()> {
    let new = account.email.as_deref().filter(|email| account.mailbox() != Some(*email));
    match new.and_then(Email::parse) {
        Some(new) if !waits_for(account, &new, now) => {
            mail_confirmation(tx, outbox, account, &new, false, now).await
        }
        _ => Ok(()),
    }
}

/// Answers for an address of another account as for a free one, and mails the owner of that
/// account.
async fn mask_taken_email(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    holder: i64,
    to: &Email,
    now: i64,
) -> Result<()> {
    let purpose = Purpose::EmailConfirm;
    one_time_tokens::delete_for(tx, account.id, purpose.as_str()).await?;
    let link = NewLink { purpose, to: to.shown(), by_password: false, kept_identities: None };
    outbox.insert_link(tx, account, link, None, now).await?;
    match accounts::account(tx, holder).await? {
        Some(holder) => outbox.queue(tx, MailKind::AddressInUse, &holder, None, now).await,
        None => Ok(()),
    }
}

/// Whether this address waits for its confirmation.
fn waits_for(account: &Account, email: &Email, now: i64) -> bool {
    let waits = account.pending_email_until.is_some_and(|until| until > now);
    let pending = account.pending_email.as_deref().filter(|_| waits).and_then(Email::parse);
    pending.is_some_and(|pending| pending.key() == email.key())
}

/// Mails the return link to the old mailbox. The link stores which identities it keeps: the present
/// ones, or those of the first valid return link. It does not keep identities that were linked in
/// the last seven days by a recent sign-in alone: the person who changes the address may have linked
/// them.
async fn mail_return_link(tx: &mut Tx, outbox: &Outbox, account: &Account, now: i64) -> Result<()> {
    let Some(mailbox) = account.mailbox() else { return Ok(()) };
    let purpose = Purpose::EmailReturn;
    let has_link = extend_return_link(tx, account.id, mailbox, now).await?;
    let wait = outbox.admit_link(tx, account, purpose, mailbox, now).await?;
    if has_link && wait.is_some() {
        return Ok(());
    }
    let kept = one_time_tokens::first_kept(tx, account.id, purpose.as_str(), now).await?;
    let kept_identities = match kept {
        Some(kept) => kept,
        None => {
            let mut present = identities::identities(tx, account.id).await?;
            present.retain(|one| is_settled(one.linked_by_sign_in_at, now));
            identities_to_json(&present)
        }
    };
    let link = NewLink {
        purpose,
        to: mailbox,
        by_password: false,
        kept_identities: Some(kept_identities),
    };
    outbox.queue_admitted(tx, account, link, None, wait, now).await
}

/// Extends the mailed return link to seven days from now; false if there is none.
async fn extend_return_link(tx: &mut Tx, id: i64, mailbox: &str, now: i64) -> Result<bool> {
    let (purpose, until) = (Purpose::EmailReturn, now + RETURN_LIFETIME + 1);
    one_time_tokens::prolong(tx, id, purpose.as_str(), mailbox.to_owned(), now, until).await
}

/// Replaces the present address with `to`, and mails the mailbox of the old one.
async fn replace_email(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: Option<&Email>,
    by_password: bool,
    now: i64,
) -> Result<()> {
    match by_password {
        true => outbox.queue(tx, MailKind::EmailChanged, account, None, now).await?,
        false => mail_return_link(tx, outbox, account, now).await?,
    }
    // The old address gets password resets until the new one is verified.
    let keeps_old = !by_password || to.is_some();
    move_to_email(tx, account, to, keeps_old, now).await
}

/// Stores the new address. It starts unverified, and all links that were mailed to the old one
/// become invalid, except return links.
async fn move_to_email(
    tx: &mut Tx,
    account: &Account,
    to: Option<&Email>,
    keeps_old: bool,
    now: i64,
) -> Result<()> {
    // Do not keep an unverified address if the account still has a verified one.
    let is_worth_keeping = account.mailbox() == account.email.as_deref();
    match keeps_old && is_worth_keeping {
        true => identifiers::leave_email(tx, account.id, now).await?,
        false => drop(identifiers::delete_identifier(tx, account.id, Kind::Email.as_str()).await?),
    }
    if let Some(to) = to {
        assign_email(tx, account.id, to, now).await?;
    }
    accounts::update_password_proved(tx, account.id, false).await?;
    accounts::refuse_undated(tx, account.id).await?;
    one_time_tokens::delete_one_time_tokens(tx, account.id).await
}

/// Gives the account an address. A former address of the account keeps its verification.
async fn assign_email(tx: &mut Tx, id: i64, email: &Email, now: i64) -> Result<()> {
    if restore_left_email(tx, id, email).await? {
        return Ok(());
    }
    match identifiers::insert_identifier(tx, id, &Identifier::Email(email.clone()), now).await? {
        true => Ok(()),
        false => Err(Error::Taken(Kind::Email)),
    }
}

/// Makes a former address active again, and deletes the later ones; false if it is not a former
/// address of the account. The account must have no active address.
async fn restore_left_email(tx: &mut Tx, id: i64, email: &Email) -> Result<bool> {
    let Some(since) = identifiers::left_at(tx, id, email.key().to_owned()).await? else {
        return Ok(false);
    };
    identifiers::return_email(tx, id, email.key().to_owned()).await?;
    for (key, shown) in identifiers::left_since(tx, id, since).await? {
        identifiers::delete_left(tx, id, key).await?;
        delete_return(tx, id, shown).await?;
    }
    delete_return(tx, id, email.shown().to_owned()).await?;
    Ok(true)
}

/// Replaces the present address with a former one.
pub async fn restore_email(tx: &mut Tx, id: i64, old: &Email) -> Result<()> {
    identifiers::delete_identifier(tx, id, Kind::Email.as_str()).await?;
    match restore_left_email(tx, id, old).await? {
        true => Ok(()),
        false => Err(Error::LinkInvalid),
    }
}

async fn delete_return(tx: &mut Tx, id: i64, address: String) -> Result<()> {
    one_time_tokens::delete_mailed_to(tx, id, Purpose::EmailReturn.as_str(), address).await
}

/// Identities as JSON, for [`delete_newer_identities`].
fn identities_to_json(identities: &[identities::Identity]) -> String {
    let names: Vec<_> = identities.iter().map(|one| (&one.provider, &one.subject)).collect();
    serde_json::json!(names).to_string()
}

/// Deletes the identities that are not in `kept`.
async fn delete_newer_identities(tx: &mut Tx, id: i64, kept: Option<&str>, now: i64) -> Result<()> {
    let kept = one_time_tokens::identities_of_json(kept);
    for identity in identities::identities(tx, id).await? {
        let name = (identity.provider, identity.subject);
        if !kept.contains(&name) {
            let event = NewEvent::of(id, Event::Unlinked(LinkedBy::EmailReturned), now);
            tx.note(event.about(name.0.clone()));
            identities::delete_identity(tx, id, name.0, name.1).await?;
        }
    }
    Ok(())
}

/// Locks and returns the account; fails if it is suspended, before a link is spent.
async fn lock_active(tx: &mut Tx, id: i64) -> Result<Account> {
    lock_by_id(tx, id).await?;
    let account = accounts::account(tx, id).await?.ok_or(Error::UnknownUid)?;
    match account.is_active {
        true => Ok(account),
        false => Err(Error::LinkInvalid),
    }
}

async fn apply_confirmation(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    spent: &OneTimeToken,
    now: i64,
) -> Result<()> {
    let new = Email::parse(&spent.address).ok_or(Error::LinkInvalid)?;
    note_change(tx, account.id, NameChange::EmailConfirmed, now).await?;
    if has_address(account, &new) {
        one_time_tokens::delete_one_time_tokens(tx, account.id).await?;
        let purpose = Purpose::EmailReturn.as_str();
        identifiers::delete_left_for_good(tx, account.id, purpose, now).await?;
    } else {
        if spent.by_password {
            outbox.queue(tx, MailKind::EmailChanged, account, None, now).await?;
        } else if let Some(mailbox) = account.mailbox() {
            // The return link was mailed when the change was requested.
            extend_return_link(tx, account.id, mailbox, now).await?;
        }
        move_to_email(tx, account, Some(&new), !spent.by_password, now).await?;
    }
    identifiers::update_verified(tx, account.id, Kind::Email.as_str(), now).await
}

async fn undo_email_change(
    tx: &mut Tx,
    account: &Account,
    spent: &OneTimeToken,
    now: i64,
) -> Result<()> {
    let (id, old) = (account.id, Email::parse(&spent.address).ok_or(Error::LinkInvalid)?);
    if !has_address(account, &old) {
        restore_email(tx, id, &old).await?;
    }
    // The link was opened, which proves access to the mailbox.
    identifiers::update_verified(tx, id, Kind::Email.as_str(), now).await?;
    note_change(tx, id, NameChange::EmailReturned, now).await?;
    delete_newer_identities(tx, id, spent.kept_identities.as_deref(), now).await?;
    pending_sign_ins::delete_links_to(tx, id).await?;
    accounts::delete_password(tx, id, PasswordBy::EmailReturned, now).await?;
    accounts::update_password_voided(tx, id).await?;
    one_time_tokens::delete_one_time_tokens(tx, id).await?;
    delete_return(tx, id, spent.address.clone()).await?;
    end_sessions(tx, id, None, Ending::EmailReturned, now).await
}

/// Fails if the account has the new address already, unless the answer must not reveal that.
pub fn refuse_own_email(
    account: &Account,
    new: &Email,
    address_change: AddressChange,
) -> Result<()> {
    match has_address(account, new) && !address_change.hides_taken {
        true => Err(Error::Taken(Kind::Email)),
        false => Ok(()),
    }
}
