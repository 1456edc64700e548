//! Mails to be sent: what they are about, and queueing them in the transaction of the change that they
//! tell of. Nothing secret is queued: the token of a link is made again when the mail goes out.

use std::sync::Arc;

use crate::auth::limits::{Late, Limits};
use crate::auth::mailing::links::Links;
use crate::auth::mailing::one_time_token::{
    LIFETIME, LinkChallenge, OneTimeKey, Out, Purpose, bound_token, out, row,
};
use crate::auth::policy::{Policy, RESET_PATH};
use crate::auth::secrets::random::{hex, random};
use crate::error::Result;
use crate::language::Language;
use crate::mail::{Mail, Message};
use crate::store::accounts::{self, Account};
use crate::store::one_time_tokens::{self, OneTimeToken};
pub use crate::store::outbox::QueuedMail;
use crate::store::{Tx, meta, outbox};

/// Rows that decoys of tokens are written to, so that they do not wait for each other.
const DECOYS: u8 = 64;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::auth) enum Letter {
    Link(Purpose),
    /// To the address that the account had.
    EmailChanged,
    /// By its owner, with the old one or by a mailed link.
    PasswordChanged,
    PasswordSetByOperator,
    PhoneChanged,
    AccountDeleted,
    /// Somebody tried to register with an address that has an account.
    AddressInUse,
    /// A refresh token came a second time.
    SessionEnded,
    /// A sign-in from a network where the owner had not signed in before.
    NewNetwork,
    /// Another identity opens the account.
    IdentityLinked,
    /// One opens it no longer.
    IdentityUnlinked,
    /// Never sent: it costs what a mail costs.
    Decoy,
}

impl Letter {
    const ALL: [Letter; 16] = [
        Letter::Link(Purpose::Activation),
        Letter::Link(Purpose::PasswordReset),
        Letter::Link(Purpose::EmailReset),
        Letter::Link(Purpose::EmailConfirm),
        Letter::Link(Purpose::EmailReturn),
        Letter::EmailChanged,
        Letter::PasswordChanged,
        Letter::PasswordSetByOperator,
        Letter::PhoneChanged,
        Letter::AccountDeleted,
        Letter::AddressInUse,
        Letter::SessionEnded,
        Letter::NewNetwork,
        Letter::IdentityLinked,
        Letter::IdentityUnlinked,
        Letter::Decoy,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Letter::Link(purpose) => purpose.as_str(),
            Letter::EmailChanged => "email_changed",
            Letter::PasswordChanged => "password_changed",
            Letter::PasswordSetByOperator => "password_set_by_operator",
            Letter::PhoneChanged => "phone_changed",
            Letter::AccountDeleted => "account_deleted",
            Letter::AddressInUse => "address_in_use",
            Letter::SessionEnded => "session_ended",
            Letter::NewNetwork => "new_network",
            Letter::IdentityLinked => "identity_linked",
            Letter::IdentityUnlinked => "identity_unlinked",
            Letter::Decoy => "decoy",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Letter::ALL.into_iter().find(|letter| letter.as_str() == text)
    }
}

/// A link to be mailed to `to`.
pub(in crate::auth) struct NewLink<'l> {
    pub purpose: Purpose,
    pub to: &'l str,
    /// The current password came with the request.
    pub by_password: bool,
    /// The identities that a link of [`Purpose::EmailReturn`] keeps.
    pub kept_identities: Option<String>,
}

/// A mail that tells something and has no link.
struct Notice<'n> {
    letter: Letter,
    to: &'n str,
    /// The account has proved that address.
    is_proved: bool,
    /// What it names, such as a provider.
    about: Option<String>,
}

/// What is needed to queue mails inside a transaction.
#[derive(Clone)]
pub(in crate::auth) struct Post {
    pub key: OneTimeKey,
    pub links: Links,
    /// Where the links lead that reset a password, unless the settings say otherwise.
    pub reset_path: &'static str,
    /// Where neither the request nor the account names one.
    pub language: Language,
    pub limits: Arc<Limits>,
    /// Of the app that asks for a link.
    pub challenge: Option<LinkChallenge>,
}

impl Post {
    /// For mails that an API asks for.
    pub fn for_api(&self, policy: &Policy) -> Self {
        let reset_path = policy.reset_page.map_or(RESET_PATH, |page| page.link);
        Post { reset_path, ..self.clone() }
    }

    /// Queues a mail to the account's mailbox, if there is one. What is counted per mailbox are mails
    /// that go out. Beyond the limit a notice is left out; a link is left out too where one is out
    /// for this account, and else goes out as soon as the limit allows.
    pub async fn queue(
        &self,
        tx: &mut Tx,
        letter: Letter,
        account: &Account,
        language: Option<Language>,
        now: i64,
    ) -> Result<()> {
        let Some(to) = account.mailbox() else { return Ok(()) };
        match letter {
            Letter::Link(purpose) => {
                let link = NewLink { purpose, to, by_password: false, kept_identities: None };
                self.queue_link(tx, account, link, language, now).await
            }
            _ => {
                let is_proved = account.is_mailbox_proved();
                let notice = Notice { letter, to, is_proved, about: None };
                self.queue_notice(tx, notice, account, language, now).await
            }
        }
    }

    /// Queues a notice that names something, such as a provider.
    pub async fn queue_about(
        &self,
        tx: &mut Tx,
        letter: Letter,
        about: Option<String>,
        account: &Account,
        now: i64,
    ) -> Result<()> {
        let Some(to) = account.mailbox() else { return Ok(()) };
        let notice = Notice { letter, to, is_proved: account.is_mailbox_proved(), about };
        self.queue_notice(tx, notice, account, None, now).await
    }

    /// Queues the notice that the account is deleted: to its mailbox, and to addresses that could come
    /// back until now, whose owners may have lost the account to a thief.
    pub async fn queue_deleted(&self, tx: &mut Tx, account: &Account, now: i64) -> Result<()> {
        self.queue(tx, Letter::AccountDeleted, account, None, now).await?;
        let returns = Purpose::EmailReturn.as_str();
        for (to, is_proved) in one_time_tokens::addresses_out(tx, account.id, returns, now).await? {
            if account.mailbox() != Some(&to) {
                let (letter, to) = (Letter::AccountDeleted, to.as_str());
                let notice = Notice { letter, to, is_proved, about: None };
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
        if !self.limits.admit_notice(tx, notice.counted_as(), notice.to, now).await? {
            return pretend_to_queue(tx, now).await;
        }
        let Notice { letter, to, about, .. } = notice;
        let mail = QueuedMail { about, ..self.mail_to(letter, account, to, language, now)? };
        outbox::insert_mail(tx, mail).await
    }

    /// Counts a mail with a link and answers `None`, or how it has to wait.
    pub async fn admit_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        purpose: Purpose,
        to: &str,
        now: i64,
    ) -> Result<Option<Late>> {
        let about = format!("{} {}", purpose.as_str(), class_of(account, to));
        self.limits.admit_link(tx, &about, to, now).await
    }

    /// Queues a mail with a link. Only the first link that is out is bound to the app that asks: with
    /// a challenge of their own, others could else use up all that the owner may be mailed. Nor does
    /// a bound link keep a mail from going out late: it may be bound to another's app.
    pub async fn queue_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        link: NewLink<'_>,
        language: Option<Language>,
        now: i64,
    ) -> Result<()> {
        let purpose = link.purpose;
        let late = self.admit_link(tx, account, purpose, link.to, now).await?;
        let out = out(tx, purpose, account.id, now).await?;
        if late.is_some() && out == Some(Out::ForAnyone) {
            return pretend_to_queue(tx, now).await;
        }
        let post = Post { challenge: self.challenge.filter(|_| out.is_none()), ..self.clone() };
        post.queue_admitted(tx, account, link, language, late, now).await
    }

    /// Queues a mail with a link that has been counted, or has to wait for that.
    pub async fn queue_admitted(
        &self,
        tx: &mut Tx,
        account: &Account,
        link: NewLink<'_>,
        language: Option<Language>,
        late: Option<Late>,
        now: i64,
    ) -> Result<()> {
        let mut mail = self.insert_link(tx, account, link, language, now).await?;
        if let Some(Late { until, count }) = late {
            (mail.due_at, mail.waits_for) = (until, Some(count));
        }
        outbox::insert_mail(tx, mail).await
    }

    /// Stores the token of a link and gives the mail that would carry it.
    pub async fn insert_link(
        &self,
        tx: &mut Tx,
        account: &Account,
        link: NewLink<'_>,
        language: Option<Language>,
        now: i64,
    ) -> Result<QueuedMail> {
        let NewLink { purpose, to, by_password, kept_identities } = link;
        let mut mail = self.mail_to(Letter::Link(purpose), account, to, language, now)?;
        let token = self.key.token(purpose, account.id, &mail.id, now);
        let is_reset = purpose == Purpose::PasswordReset;
        let app = self.challenge.filter(|_| is_reset && self.links.reset_opens_an_app());
        let known = app.map_or_else(|| token.clone(), |app| bound_token(&token, &app));
        let row = row(&known, purpose, account.id, to, now);
        mail.token_hash = Some(row.hash.clone());
        mail.link = Some(self.links.to(purpose, self.reset_path, account.id, app.is_some()));
        let is_bound = app.is_some();
        let row = OneTimeToken { by_password, is_bound, kept_identities, ..row };
        one_time_tokens::insert_one_time_token(tx, row).await?;
        Ok(mail)
    }

    fn mail_to(
        &self,
        letter: Letter,
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
            ..queued(letter, to.to_owned(), now)?
        })
    }

    /// Costs what queueing costs, and what sending costs the database, so that time does not tell who
    /// has an account.
    pub async fn pretend(&self, tx: &mut Tx, address: &str, now: i64) -> Result<()> {
        self.limits.pretend_mail(tx, address, now).await?;
        out(tx, Purpose::PasswordReset, NOBODY, now).await?;
        pretend_to_queue(tx, now).await
    }

    /// Whether the limits allow a late mail that is to be sent now; one that is still too many waits
    /// longer, and one whose link is over goes, so long as the clock is right. It locks what requests
    /// lock, in their order: the account, the count, the mail.
    pub async fn admit_late(
        &self,
        tx: &mut Tx,
        mail: &QueuedMail,
        now: i64,
        is_clock_right: bool,
    ) -> Result<bool> {
        if let Some(id) = mail.account_id {
            // Where the account is gone, its late mail is gone too.
            accounts::lock_account(tx, id).await?;
        }
        if is_clock_right && wanted_until(tx, mail).await? <= now {
            outbox::delete_mail(tx, mail.id.clone()).await?;
            return Ok(false);
        }
        let count = mail.waits_for.as_deref().unwrap_or_default();
        match self.limits.admit_late(tx, count, now).await? {
            Some(until) => outbox::release_lease(tx, mail.id.clone(), until).await?,
            None => {
                outbox::update_in_time(tx, mail.id.clone()).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The mail as it goes out; `None` for what is never sent. `title_of` is how people know a provider.
    pub fn write(
        &self,
        queued: &QueuedMail,
        account: Option<&Account>,
        title_of: impl Fn(&str) -> String,
    ) -> Option<Mail> {
        let about = queued.about.as_deref();
        let username = account.and_then(Account::chosen_name);
        let mailed = |name: Option<&str>| Some(account?.mailed_name(name?)?.to_owned());
        let username = mailed(username).unwrap_or_default();
        let provider = || about.map(&title_of);
        let message = match Letter::parse(&queued.message)? {
            Letter::Link(purpose) => {
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
            Letter::EmailChanged => Message::EmailChanged,
            Letter::PasswordChanged => Message::PasswordChanged,
            Letter::PasswordSetByOperator => Message::PasswordSetByOperator,
            Letter::PhoneChanged => Message::PhoneChanged,
            Letter::AccountDeleted => Message::AccountDeleted,
            Letter::AddressInUse => Message::AddressInUse,
            Letter::SessionEnded => Message::SessionEnded { device: mailed(about) },
            Letter::NewNetwork => Message::NewNetwork { device: mailed(about) },
            Letter::IdentityLinked => Message::IdentityLinked { provider: provider()? },
            Letter::IdentityUnlinked => Message::IdentityUnlinked { provider: provider()? },
            Letter::Decoy => return None,
        };
        let language = Language::parse(&queued.language).unwrap_or(self.language);
        Some(Mail { id: queued.id.clone(), to: queued.recipient.clone(), language, message })
    }
}

/// Until when a mail is worth being sent: as long as its link works, or three days.
pub(in crate::auth) async fn wanted_until(tx: &mut Tx, mail: &QueuedMail) -> Result<i64> {
    let link_ends = match mail.token_hash.clone() {
        Some(hash) => one_time_tokens::expires_at(tx, hash).await?,
        None => None,
    };
    Ok(link_ends.unwrap_or(mail.created_at + LIFETIME))
}

/// Links to one mailbox are counted in three classes: tags cost nothing, so that an attacker may have
/// many accounts at them, and only the mailbox's owner can have proved an address. So others use up
/// nothing that the owner needs.
fn class_of(account: &Account, to: &str) -> &'static str {
    if account.is_mailbox_proved() && account.mailbox() == Some(to) {
        return "proved";
    }
    if to.contains('+') { "tagged" } else { "plain" }
}

async fn pretend_to_queue(tx: &mut Tx, now: i64) -> Result<()> {
    let [slot, value @ ..] = random::<17>()?;
    meta::write_decoy(tx, slot % DECOYS, hex(&value)).await?;
    outbox::insert_mail(tx, queued(Letter::Decoy, String::new(), now)?).await
}

impl Notice<'_> {
    /// By what it is counted. At an address that is not proved all notices share one count: its owner
    /// may never have heard of the account.
    fn counted_as(&self) -> &'static str {
        match self.is_proved || self.letter == Letter::AddressInUse {
            true => self.letter.as_str(),
            false => "notice",
        }
    }
}

/// A new mail, due at once.
fn queued(letter: Letter, recipient: String, now: i64) -> Result<QueuedMail> {
    Ok(QueuedMail {
        id: hex(&random::<16>()?),
        account_id: None,
        token_hash: None,
        message: letter.as_str().to_owned(),
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

/// The id of no account.
pub(in crate::auth) const NOBODY: i64 = -1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_read_as_it_is_written() {
        for letter in Letter::ALL {
            assert_eq!(Letter::parse(letter.as_str()), Some(letter));
        }
    }
}
