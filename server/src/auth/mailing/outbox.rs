//! The outbox: mails are queued in the transaction of the change that they report. No secret is
//! queued: the token of a link is derived again when the mail is composed.

use std::sync::Arc;

use crate::auth::limits::{Limits, MailWait};
use crate::auth::mailing::link_urls::Links;
use crate::auth::mailing::one_time_token::{
    LIFETIME, LinkChallenge, OneTimeKey, OpenLinks, Purpose, bound_token, new_row, open_links,
};
use crate::auth::policy::{Policy, RESET_PATH};
use crate::auth::refused::RefusedAttempts;
use crate::auth::secrets::random::{hex, random};
use crate::error::Result;
use crate::language::Language;
use crate::mail::{Mail, Message};
use crate::store::accounts::{self, Account};
use crate::store::events::Refusal;
use crate::store::one_time_tokens::{self, OneTimeToken};
pub use crate::store::outbox::QueuedMail;
use crate::store::{Tx, meta, outbox};

/// The number of rows that decoys of tokens are written to; more than one, so that they rarely wait
/// for each other's lock.
const DECOYS: u8 = 64;

/// An account id that does not exist.
pub const NO_ACCOUNT: i64 = -1;

/// The subject of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    Link(Purpose),
    /// Sent to the former address.
    EmailChanged,
    /// By its owner: with the old password or a mailed link.
    PasswordChanged,
    PasswordSetByOperator,
    PhoneChanged,
    AccountDeleted,
    /// A registration with an address that has an account already.
    AddressInUse,
    /// A refresh token was reused.
    SessionEnded,
    /// A sign-in from a network where the owner had not signed in before.
    NewNetwork,
    IdentityLinked,
    IdentityUnlinked,
    DataExported,
    /// Never sent: takes the same time as queueing a mail.
    Decoy,
}

impl MailKind {
    const ALL: [MailKind; 17] = [
        MailKind::Link(Purpose::Activation),
        MailKind::Link(Purpose::PasswordReset),
        MailKind::Link(Purpose::EmailReset),
        MailKind::Link(Purpose::EmailConfirm),
        MailKind::Link(Purpose::EmailReturn),
        MailKind::EmailChanged,
        MailKind::PasswordChanged,
        MailKind::PasswordSetByOperator,
        MailKind::PhoneChanged,
        MailKind::AccountDeleted,
        MailKind::AddressInUse,
        MailKind::SessionEnded,
        MailKind::NewNetwork,
        MailKind::IdentityLinked,
        MailKind::IdentityUnlinked,
        MailKind::DataExported,
        MailKind::Decoy,
    ];

    fn as_str(self) -> &'static str {
        match self {
            MailKind::Link(purpose) => purpose.as_str(),
            MailKind::EmailChanged => "email_changed",
            MailKind::PasswordChanged => "password_changed",
            MailKind::PasswordSetByOperator => "password_set_by_operator",
            MailKind::PhoneChanged => "phone_changed",
            MailKind::AccountDeleted => "account_deleted",
            MailKind::AddressInUse => "address_in_use",
            MailKind::SessionEnded => "session_ended",
            MailKind::NewNetwork => "new_network",
            MailKind::IdentityLinked => "identity_linked",
            MailKind::IdentityUnlinked => "identity_unlinked",
            MailKind::DataExported => "data_exported",
            MailKind::Decoy => "decoy",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        MailKind::ALL.into_iter().find(|mail_kind| mail_kind.as_str() == text)
    }
}

/// A counter of mails to one mailbox.
pub struct MailCounter {
    /// Part of its stored key.
    pub name: String,
    /// The kind of mail that it counts; `None`: all notices to an address that is not proved.
    pub kind: Option<&'static str>,
}

/// All counters of mails to one mailbox.
pub fn mail_counters() -> Vec<MailCounter> {
    let mut counters = vec![MailCounter { name: SHARED_COUNTER.to_owned(), kind: None }];
    for mail_kind in MailKind::ALL {
        let kind = mail_kind.as_str();
        let counter = |name: String| MailCounter { name, kind: Some(kind) };
        match mail_kind {
            MailKind::Link(_) => {
                counters.extend(CLASSES.map(|class| counter(format!("{kind} {class}"))));
            }
            MailKind::Decoy => {}
            _ => counters.push(counter(kind.to_owned())),
        }
    }
    counters
}

/// A link to be mailed to the address `to`.
pub struct NewLink<'l> {
    pub purpose: Purpose,
    pub to: &'l str,
    /// The request contained the current password.
    pub by_password: bool,
    /// The identities that stay linked when a link of [`Purpose::EmailReturn`] is used.
    pub kept_identities: Option<String>,
}

/// A mail without a link.
struct Notice<'n> {
    mail_kind: MailKind,
    to: &'n str,
    /// The account has proved the address.
    is_proved: bool,
    /// A name that the mail contains, such as that of a provider.
    about: Option<String>,
}

/// Queues mails inside a transaction, and composes queued ones.
#[derive(Clone)]
pub struct Outbox {
    pub key: OneTimeKey,
    pub links: Links,
    /// The path of links that reset a password, unless a setting replaces it.
    pub reset_path: &'static str,
    /// Used if neither the request nor the account names a language.
    pub language: Language,
    pub limits: Arc<Limits>,
    /// The challenge of the app that asks for a link.
    pub challenge: Option<LinkChallenge>,
    /// Counts mails that were dropped.
    pub refused: Arc<RefusedAttempts>,
}

impl Outbox {
    /// The outbox with the links of an API.
    pub fn for_policy(&self, policy: &Policy) -> Self {
        let reset_path = policy.reset_page.map_or(RESET_PATH, |page| page.link);
        Outbox { reset_path, links: self.links.with(policy.links), ..self.clone() }
    }

    /// Queues a mail to the account's mailbox, if it has one. Mails that are sent are counted per
    /// mailbox. Above the limit a notice is dropped; a link is dropped if the account has an open
    /// one, and else waits until the limit allows it.
    pub async fn queue(
        &self,
        tx: &mut Tx,
        mail_kind: MailKind,
        account: &Account,
        language: Option<Language>,
        now: i64,
    ) -> Result<()> {
        let Some(to) = account.mailbox() else { return Ok(()) };
        match mail_kind {
            MailKind::Link(purpose) => {
                let link = NewLink { purpose, to, by_password: false, kept_identities: None };
                self.queue_link(tx, account, link, language, now).await
            }
            _ => {
                let is_proved = account.is_mailbox_proved();
                let notice = Notice { mail_kind, to, is_proved, about: None };
                self.queue_notice(tx, notice, account, language, now).await
            }
        }
    }

    /// Queues a notice that contains a name, such as that of a provider.
    pub async fn queue_about(
        &self,
        tx: &mut Tx,
        mail_kind: MailKind,
        about: Option<String>,
        account: &Account,
        now: i64,
    ) -> Result<()> {
        let Some(to) = account.mailbox() else { return Ok(()) };
        let notice = Notice { mail_kind, to, is_proved: account.is_mailbox_proved(), about };
        self.queue_notice(tx, notice, account, None, now).await
    }

    /// Queues the notice that the account was deleted: to its mailbox, and to addresses that could
    /// still be brought back, because their owners may have lost the account to a thief.
    pub async fn queue_deleted(&self, tx: &mut Tx, account: &Account, now: i64) -> Result<()> {
        self.queue(tx, MailKind::AccountDeleted, account, None, now).await?;
        let returns = Purpose::EmailReturn.as_str();
        for (to, is_proved) in one_time_tokens::addresses_out(tx, account.id, returns, now).await? {
            if account.mailbox() != Some(&to) {
                let (mail_kind, to) = (MailKind::AccountDeleted, to.as_str());
                let notice = Notice { mail_kind, to, is_proved, about: None };
                self.queue_notice(tx, notice, account, None, now).await?;
            }
        }
        Ok(())
    }

    async fn queue_notice(
        &self,
        tx: &mut Tx,
        notice: Notice<'_>,
        account: &Account,
        language: Option<Language>,
        now: i64,
    ) -> Result<()> {
        if !self.limits.admit_notice(tx, notice.counter_name(), notice.to, now).await? {
            return self.drop_mail(tx, account, now).await;
        }
        let Notice { mail_kind, to, about, .. } = notice;
        let mail = QueuedMail { about, ..self.mail_to(mail_kind, account, to, language, now)? };
        outbox::insert_mail(tx, mail).await
    }

    /// Counts a mail with a link; `None` if it may be sent at once.
    pub async fn admit_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        purpose: Purpose,
        to: &str,
        now: i64,
    ) -> Result<Option<MailWait>> {
        let about = format!("{} {}", purpose.as_str(), class_of(account, to));
        self.limits.admit_link(tx, &about, to, now).await
    }

    /// Queues a mail with a link. Only the first open link is bound to the app that asks: otherwise
    /// an attacker with an own challenge could use up the owner's allowance with links that do not
    /// work for the owner. For the same reason a mail above the limit is dropped only if an open link
    /// is unbound.
    pub async fn queue_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        link: NewLink<'_>,
        language: Option<Language>,
        now: i64,
    ) -> Result<()> {
        let purpose = link.purpose;
        let wait = self.admit_link(tx, account, purpose, link.to, now).await?;
        let open = open_links(tx, purpose, account.id, now).await?;
        if wait.is_some() && open == Some(OpenLinks::Unbound) {
            return self.drop_mail(tx, account, now).await;
        }
        let challenge = self.challenge.filter(|_| open.is_none());
        let outbox = Outbox { challenge, ..self.clone() };
        outbox.queue_admitted(tx, account, link, language, wait, now).await
    }

    /// Queues a mail with a link that [`Outbox::admit_link`] has counted or deferred.
    pub async fn queue_admitted(
        &self,
        tx: &mut Tx,
        account: &Account,
        link: NewLink<'_>,
        language: Option<Language>,
        wait: Option<MailWait>,
        now: i64,
    ) -> Result<()> {
        let mut mail = self.insert_link(tx, account, link, language, now).await?;
        if let Some(MailWait { until, count }) = wait {
            (mail.due_at, mail.waits_for) = (until, Some(count));
        }
        outbox::insert_mail(tx, mail).await
    }

    /// Stores the token of a link, and answers the mail with this link, not queued.
    pub async fn insert_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        link: NewLink<'_>,
        language: Option<Language>,
        now: i64,
    ) -> Result<QueuedMail> {
        let NewLink { purpose, to, by_password, kept_identities } = link;
        let mut mail = self.mail_to(MailKind::Link(purpose), account, to, language, now)?;
        let token = self.key.token(purpose, account.id, &mail.id, now);
        let is_reset = purpose == Purpose::PasswordReset;
        let app = self.challenge.filter(|_| is_reset && self.links.reset_opens_an_app());
        let known = app.map_or_else(|| token.clone(), |app| bound_token(&token, &app));
        let row = new_row(&known, purpose, account.id, to, now);
        mail.token_hash = Some(row.hash.clone());
        mail.link = Some(self.links.template(purpose, self.reset_path, account.id, app.is_some()));
        let is_bound = app.is_some();
        let row = OneTimeToken { by_password, is_bound, kept_identities, ..row };
        one_time_tokens::insert_one_time_token(tx, row).await?;
        Ok(mail)
    }

    fn mail_to(
        &self,
        mail_kind: MailKind,
        account: &Account,
        to: &str,
        language: Option<Language>,
        now: i64,
    ) -> Result<QueuedMail> {
        let stored = account.language.as_deref().and_then(Language::parse);
        let language = language.or(stored).unwrap_or(self.language);
        Ok(QueuedMail {
            account_id: Some(account.id),
            language: language.code().to_owned(),
            ..queued(mail_kind, to.to_owned(), now)?
        })
    }

    /// Takes the time that queueing and sending a link take in the database, so that the response
    /// time does not show whether an account exists.
    pub async fn queue_decoy(&self, tx: &mut Tx, address: &str, now: i64) -> Result<()> {
        self.limits.count_decoy(tx, address, now).await?;
        open_links(tx, Purpose::PasswordReset, NO_ACCOUNT, now).await?;
        insert_decoy(tx, now).await
    }

    /// Counts a mail above its limit, which costs the same as queueing it.
    async fn drop_mail(&self, tx: &mut Tx, account: &Account, now: i64) -> Result<()> {
        self.refused.count(Some(account.id), Refusal::MailLimit, tx.cause(), now);
        insert_decoy(tx, now).await
    }

    /// Counts an attempt beyond a limit of its network.
    pub fn refuse_attempt(&self, tx: &Tx, now: i64) {
        self.refused.count(None, Refusal::TooManyAttempts, tx.cause(), now);
    }

    /// Whether the limits now allow a mail that waits for them. If not, it waits longer; if its
    /// link has expired by a trusted clock, it is deleted. Takes locks in the order in which
    /// requests take them: the account, the count, the mail.
    pub async fn admit_waiting(
        &self,
        tx: &mut Tx,
        mail: &QueuedMail,
        now: i64,
        is_clock_trusted: bool,
    ) -> Result<bool> {
        if let Some(id) = mail.account_id {
            // If the account is gone, its mails are gone too.
            accounts::lock_account(tx, id).await?;
        }
        if is_clock_trusted && useful_until(tx, mail).await? <= now {
            outbox::delete_expired(tx, mail.id.clone(), now).await?;
            return Ok(false);
        }
        let count = mail.waits_for.as_deref().unwrap_or_default();
        match self.limits.admit_waiting(tx, count, now).await? {
            Some(until) => outbox::release_lease(tx, mail.id.clone(), until).await?,
            None => {
                outbox::update_in_time(tx, mail.id.clone()).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Composes a queued mail; `None` for a decoy. `title_of` answers the display name of a
    /// provider.
    pub fn compose(
        &self,
        queued: &QueuedMail,
        account: Option<&Account>,
        title_of: impl Fn(&str) -> String,
    ) -> Option<Mail> {
        let about = queued.about.as_deref();
        let username = account.and_then(Account::chosen_name);
        let mailed = |name: Option<&str>| Some(account?.name_for_mail(name?)?.to_owned());
        let username = mailed(username).unwrap_or_default();
        let provider = || about.map(&title_of);
        let message = match MailKind::parse(&queued.message)? {
            MailKind::Link(purpose) => {
                let (id, at) = (&queued.id, queued.created_at);
                let token = self.key.token(purpose, queued.account_id?, id, at);
                let link = queued.link.as_ref()?.replace("{token}", &token);
                match purpose {
                    Purpose::Activation => Message::Activation { link },
                    Purpose::PasswordReset => Message::PasswordReset { link, username },
                    Purpose::EmailReset => Message::EmailReset { link, username },
                    Purpose::EmailConfirm => Message::EmailConfirm { link },
                    Purpose::EmailReturn => Message::EmailReturn { link },
                }
            }
            MailKind::EmailChanged => Message::EmailChanged,
            MailKind::PasswordChanged => Message::PasswordChanged,
            MailKind::PasswordSetByOperator => Message::PasswordSetByOperator,
            MailKind::PhoneChanged => Message::PhoneChanged,
            MailKind::AccountDeleted => Message::AccountDeleted,
            MailKind::AddressInUse => Message::AddressInUse,
            MailKind::SessionEnded => Message::SessionEnded { device: mailed(about) },
            MailKind::NewNetwork => Message::NewNetwork { device: mailed(about) },
            MailKind::IdentityLinked => Message::IdentityLinked { provider: provider()? },
            MailKind::IdentityUnlinked => Message::IdentityUnlinked { provider: provider()? },
            MailKind::DataExported => Message::DataExported,
            MailKind::Decoy => return None,
        };
        let language = Language::parse(&queued.language).unwrap_or(self.language);
        Some(Mail { id: queued.id.clone(), to: queued.recipient.clone(), language, message })
    }
}

/// When a mail is no longer worth sending: when its link expires, or after three days.
pub async fn useful_until(tx: &mut Tx, mail: &QueuedMail) -> Result<i64> {
    let link_ends = match mail.token_hash.clone() {
        Some(hash) => one_time_tokens::expires_at(tx, hash).await?,
        None => None,
    };
    Ok(link_ends.unwrap_or(mail.created_at + LIFETIME))
}

/// Notices to an address that is not proved share one counter.
const SHARED_COUNTER: &str = "notice";
const CLASSES: [&str; 3] = [PROVED, TAGGED, PLAIN];
const PROVED: &str = "proved";
const TAGGED: &str = "tagged";
const PLAIN: &str = "plain";

/// Links to one mailbox are counted in three classes, so that others cannot use up the owner's
/// allowance: anyone can register many accounts with tagged forms of the address, but only the
/// mailbox's owner can prove one.
fn class_of(account: &Account, to: &str) -> &'static str {
    if account.is_mailbox_proved() && account.mailbox() == Some(to) {
        return PROVED;
    }
    if to.contains('+') { TAGGED } else { PLAIN }
}

async fn insert_decoy(tx: &mut Tx, now: i64) -> Result<()> {
    let [slot, value @ ..] = random::<17>()?;
    meta::write_decoy(tx, slot % DECOYS, hex(&value)).await?;
    outbox::insert_mail(tx, queued(MailKind::Decoy, String::new(), now)?).await
}

impl Notice<'_> {
    /// The counter of this notice. Notices to an address that is not proved share one counter: its
    /// owner may not know the account at all. Exports, which have a limit of their own, do not use up
    /// what the others have.
    fn counter_name(&self) -> &'static str {
        let is_counted_alone =
            matches!(self.mail_kind, MailKind::AddressInUse | MailKind::DataExported);
        match self.is_proved || is_counted_alone {
            true => self.mail_kind.as_str(),
            false => SHARED_COUNTER,
        }
    }
}

/// A new mail, due at once.
fn queued(mail_kind: MailKind, recipient: String, now: i64) -> Result<QueuedMail> {
    Ok(QueuedMail {
        id: hex(&random::<16>()?),
        account_id: None,
        token_hash: None,
        message: mail_kind.as_str().to_owned(),
        recipient,
        language: String::new(),
        link: None,
        about: None,
        created_at: now,
        due_at: now,
        waits_for: None,
        attempts: 0,
        leased: false,
        dead_at: None,
        problem: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_kind_is_parsed_from_its_own_text() {
        for mail_kind in MailKind::ALL {
            assert_eq!(MailKind::parse(mail_kind.as_str()), Some(mail_kind));
        }
    }
}
