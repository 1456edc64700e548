//! How an account moves from one e-mail address to another. Either the new one counts at once, or it
//! waits until its mailbox has confirmed it. Where the current password did not come with the change,
//! the old mailbox is mailed a link that for seven days brings the old address back and undoes what
//! was done since; until the new address is proved, mailed resets go to the old proved one.

use std::net::IpAddr;

use crate::auth::accounts::find::lock;
use crate::auth::domain::Auth;
use crate::auth::mailing::one_time_token::{Purpose, RETURN_LIFETIME, spend};
use crate::auth::mailing::outbox::{MailKind, NewLink, Outbox};
use crate::auth::mailing::uid::account_of;
use crate::auth::names::has_address;
use crate::auth::policy::Policy;
use crate::auth::sessions::reauthentication::Proof;
use crate::auth::sessions::session::end_sessions;
use crate::error::{Error, Result};
use crate::identifier::{Email, Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::one_time_tokens::{self, OneTimeToken};
use crate::store::{Tx, identifiers, identities, pending_sign_ins};

/// How a new address is taken by an API.
#[derive(Clone, Copy)]
pub(in crate::auth) struct Manner {
    /// It becomes active when its mailbox has confirmed it.
    pub waits: bool,
    /// Answers do not tell whether it is taken.
    pub quiet: bool,
    /// The current password came with the change.
    pub by_password: bool,
}

impl Manner {
    pub fn of(policy: &Policy, proof: &Proof, account: &Account, now: i64) -> Self {
        Manner {
            waits: policy.new_address_waits || policy.strict,
            quiet: policy.strict,
            by_password: proof.is_by_password() && has_settled_password(account, now),
        }
    }
}

/// Whether the password is its owner's: one that was set by nothing but a recent sign-in counts once
/// they have had the time to object.
pub(in crate::auth) fn has_settled_password(account: &Account, now: i64) -> bool {
    is_settled(account.password_by_sign_in_at, now)
}

/// Whether what a recent sign-in did is old enough to be its owner's doing.
fn is_settled(by_sign_in_at: Option<i64>, now: i64) -> bool {
    by_sign_in_at.is_none_or(|at| at + RETURN_LIFETIME <= now)
}

/// Gives the account, which is kept from changing, another address, or none.
pub(in crate::auth) async fn change_email(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: Option<Email>,
    manner: Manner,
    now: i64,
) -> Result<()> {
    let Some(to) = to else {
        return replace(tx, outbox, account, None, manner.by_password, now).await;
    };
    if has_address(account, &to) {
        identifiers::update_shown(tx, account.id, &Identifier::Email(to.clone())).await?;
        return match account.mailbox() == account.email.as_deref() {
            // What waited is called off.
            true => {
                one_time_tokens::delete_for(tx, account.id, Purpose::EmailConfirm.as_str()).await
            }
            false => mail_confirmation(tx, outbox, account, &to, manner.by_password, now).await,
        };
    }
    if manner.waits {
        return ask_to_confirm(tx, outbox, account, &to, manner, now).await;
    }
    replace(tx, outbox, account, Some(&to), manner.by_password, now).await?;
    let account = accounts::account(tx, account.id).await?.ok_or(Error::AccountNotFound)?;
    match account.mailbox() == account.email.as_deref() {
        true => Ok(()),
        // Until it is confirmed, mailed resets go elsewhere.
        false => mail_confirmation(tx, outbox, &account, &to, manner.by_password, now).await,
    }
}

/// Leaves the address as it is, and asks the mailbox of the new one.
async fn ask_to_confirm(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: &Email,
    manner: Manner,
    now: i64,
) -> Result<()> {
    let claimant = identifiers::claimant_by_key(tx, to.key().to_owned()).await?;
    match claimant.filter(|claimant| *claimant != account.id) {
        Some(_) if !manner.quiet => return Err(Error::Taken(Kind::Email)),
        Some(holder) => pretend_confirmation(tx, outbox, account, holder, to, now).await?,
        None => mail_confirmation(tx, outbox, account, to, manner.by_password, now).await?,
    }
    match manner.by_password {
        true => Ok(()),
        false => offer_return(tx, outbox, account, now).await,
    }
}

/// Mails the link that proves the new address. Beyond the limit the link that is out stays good.
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

/// Mails the confirmation again where the mail that was asked for goes to the old address and no link
/// to confirm the new one is out: its owner must not be kept out by an account that took it.
pub(in crate::auth) async fn remind(
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

/// The address is another account's, which the answer does not tell: its owner hears of it.
async fn pretend_confirmation(
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

/// Whether the account waits for this address to be confirmed.
fn waits_for(account: &Account, email: &Email, now: i64) -> bool {
    let waits = account.pending_email_until.is_some_and(|until| until > now);
    let pending = account.pending_email.as_deref().filter(|_| waits).and_then(Email::parse);
    pending.is_some_and(|pending| pending.key() == email.key())
}

/// Mails the old mailbox the link that undoes the change. It knows the identities of now, or those of
/// the first such link that is out; none that a sign-in alone has linked in the last days, because
/// whoever changes the address may have done that before.
async fn offer_return(tx: &mut Tx, outbox: &Outbox, account: &Account, now: i64) -> Result<()> {
    let Some(home) = account.mailbox() else { return Ok(()) };
    let purpose = Purpose::EmailReturn;
    let is_out = prolong_return(tx, account.id, home, now).await?;
    let wait = outbox.admit_link(tx, account, purpose, home, now).await?;
    if is_out && wait.is_some() {
        return Ok(());
    }
    let kept = one_time_tokens::first_kept(tx, account.id, purpose.as_str(), now).await?;
    let kept_identities = match kept {
        Some(kept) => kept,
        None => {
            let mut of_now = identities::identities(tx, account.id).await?;
            of_now.retain(|one| is_settled(one.linked_by_sign_in_at, now));
            names_of(&of_now)
        }
    };
    let link =
        NewLink { purpose, to: home, by_password: false, kept_identities: Some(kept_identities) };
    outbox.queue_admitted(tx, account, link, None, wait, now).await
}

/// Lets the link that is out work for seven days from now; false where there is none.
async fn prolong_return(tx: &mut Tx, id: i64, home: &str, now: i64) -> Result<bool> {
    let (purpose, until) = (Purpose::EmailReturn, now + RETURN_LIFETIME + 1);
    one_time_tokens::prolong(tx, id, purpose.as_str(), home.to_owned(), now, until).await
}

/// Takes another address, or none, in the place of the present one.
async fn replace(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    to: Option<&Email>,
    by_password: bool,
    now: i64,
) -> Result<()> {
    match by_password {
        true => outbox.queue(tx, MailKind::EmailChanged, account, None, now).await?,
        false => offer_return(tx, outbox, account, now).await?,
    }
    // The old one gets the resets until the new one has proved itself.
    let keeps_old = !by_password || to.is_some();
    take(tx, account, to, keeps_old, now).await
}

/// Moves the account. What proved the old mailbox says nothing of the new one, and links that were
/// mailed to the old one die, except those that bring it back.
async fn take(
    tx: &mut Tx,
    account: &Account,
    to: Option<&Email>,
    keeps_old: bool,
    now: i64,
) -> Result<()> {
    // An unproved address behind which a proved one waits is not worth coming back to.
    let may_come_back = account.mailbox() == account.email.as_deref();
    match keeps_old && may_come_back {
        true => identifiers::leave_email(tx, account.id, now).await?,
        false => drop(identifiers::delete_identifier(tx, account.id, Kind::Email.as_str()).await?),
    }
    if let Some(to) = to {
        hold(tx, account.id, to, now).await?;
    }
    accounts::update_password_proved(tx, account.id, false).await?;
    accounts::refuse_undated(tx, account.id).await?;
    one_time_tokens::delete_one_time_tokens(tx, account.id).await
}

/// Gives the account an address: one that it has left comes back as it was.
async fn hold(tx: &mut Tx, id: i64, email: &Email, now: i64) -> Result<()> {
    if bring_back(tx, id, email).await? {
        return Ok(());
    }
    match identifiers::insert_identifier(tx, id, &Identifier::Email(email.clone()), now).await? {
        true => Ok(()),
        false => Err(Error::Taken(Kind::Email)),
    }
}

/// Returns to an address that the account has left, and forgets those that it left since then; false
/// where it has not left this one. The account must hold no other.
async fn bring_back(tx: &mut Tx, id: i64, email: &Email) -> Result<bool> {
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

/// Gives the account an address back that it has left, in the place of the present one.
pub(in crate::auth) async fn come_home(tx: &mut Tx, id: i64, old: &Email) -> Result<()> {
    identifiers::delete_identifier(tx, id, Kind::Email.as_str()).await?;
    match bring_back(tx, id, old).await? {
        true => Ok(()),
        false => Err(Error::LinkInvalid),
    }
}

async fn delete_return(tx: &mut Tx, id: i64, address: String) -> Result<()> {
    one_time_tokens::delete_mailed_to(tx, id, Purpose::EmailReturn.as_str(), address).await
}

/// Identities as text, to be compared with those of later.
fn names_of(identities: &[identities::Identity]) -> String {
    let names: Vec<_> = identities.iter().map(|one| (&one.provider, &one.subject)).collect();
    serde_json::json!(names).to_string()
}

/// Takes away the identities that are not among `kept`.
async fn delete_newer_identities(tx: &mut Tx, id: i64, kept: Option<&str>) -> Result<()> {
    let kept: Vec<(String, String)> =
        kept.and_then(|kept| serde_json::from_str(kept).ok()).unwrap_or_default();
    for identity in identities::identities(tx, id).await? {
        let name = (identity.provider, identity.subject);
        if !kept.contains(&name) {
            identities::delete_identity(tx, id, name.0, name.1).await?;
        }
    }
    Ok(())
}

impl Auth {
    /// Takes the mailed token as the proof of a new address: it becomes active if it was not.
    pub async fn confirm_email(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        self.limited(from, self.try_confirm_email(uid, token)).await
    }

    async fn try_confirm_email(&self, uid: &str, token: &str) -> Result<()> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let (outbox, token, now) = (self.outbox.clone(), token.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let account = active(tx, id).await?;
                    let spent = spend(tx, Purpose::EmailConfirm, id, token, now).await?;
                    confirm(tx, &outbox, &account, &spent, now).await
                })
            })
            .await
    }

    /// Brings the address back to which the token was mailed. All sessions end, what was linked since
    /// goes, and only a mailed link sets a new password.
    pub async fn return_email(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        self.limited(from, self.try_return_email(uid, token)).await
    }

    async fn try_return_email(&self, uid: &str, token: &str) -> Result<()> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let (token, now) = (token.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let account = active(tx, id).await?;
                    let spent = spend(tx, Purpose::EmailReturn, id, token, now).await?;
                    give_back(tx, &account, &spent, now).await
                })
            })
            .await
    }
}

/// The account, kept from changing until the write ends; a suspended one leaves its links alone.
async fn active(tx: &mut Tx, id: i64) -> Result<Account> {
    lock(tx, id).await?;
    let account = accounts::account(tx, id).await?.ok_or(Error::UnknownUid)?;
    match account.is_active {
        true => Ok(account),
        false => Err(Error::LinkInvalid),
    }
}

async fn confirm(
    tx: &mut Tx,
    outbox: &Outbox,
    account: &Account,
    spent: &OneTimeToken,
    now: i64,
) -> Result<()> {
    let new = Email::parse(&spent.address).ok_or(Error::LinkInvalid)?;
    if has_address(account, &new) {
        one_time_tokens::delete_one_time_tokens(tx, account.id).await?;
        let purpose = Purpose::EmailReturn.as_str();
        identifiers::delete_left_for_good(tx, account.id, purpose, now).await?;
    } else {
        if spent.by_password {
            outbox.queue(tx, MailKind::EmailChanged, account, None, now).await?;
        } else if let Some(home) = account.mailbox() {
            // It was mailed when the change was asked for.
            prolong_return(tx, account.id, home, now).await?;
        }
        take(tx, account, Some(&new), !spent.by_password, now).await?;
    }
    identifiers::update_verified(tx, account.id, Kind::Email.as_str(), now).await
}

async fn give_back(tx: &mut Tx, account: &Account, spent: &OneTimeToken, now: i64) -> Result<()> {
    let (id, old) = (account.id, Email::parse(&spent.address).ok_or(Error::LinkInvalid)?);
    if !has_address(account, &old) {
        come_home(tx, id, &old).await?;
    }
    // The link was read in its mailbox.
    identifiers::update_verified(tx, id, Kind::Email.as_str(), now).await?;
    delete_newer_identities(tx, id, spent.kept_identities.as_deref()).await?;
    pending_sign_ins::delete_links_to(tx, id).await?;
    accounts::delete_password(tx, id).await?;
    accounts::update_password_voided(tx, id).await?;
    one_time_tokens::delete_one_time_tokens(tx, id).await?;
    delete_return(tx, id, spent.address.clone()).await?;
    end_sessions(tx, id, None, now).await
}

/// The account's own address is one that an account has already.
pub(in crate::auth) fn refuse_own(account: &Account, new: &Email, manner: Manner) -> Result<()> {
    match has_address(account, new) && !manner.quiet {
        true => Err(Error::Taken(Kind::Email)),
        false => Ok(()),
    }
}
