//! What is done by mail: activating an account, setting a password without the old one, moving to
//! another address. Asking costs the same whoever is asked for; a link works once and only for what
//! it was mailed for.

use std::net::IpAddr;

use crate::auth::accounts::address::{self, Manner, refuse_own};
use crate::auth::accounts::find::{holder, lock};
use crate::auth::accounts::ownership::{become_sole_owner, opened_by_provider};
use crate::auth::domain::Auth;
use crate::auth::limits::places::known_until;
use crate::auth::mailing::one_time_token::{
    LinkState, Purpose, bound_token, challenge_of_verifier, link_state, spend,
};
use crate::auth::mailing::outbox::{MailKind, NO_ACCOUNT, Outbox};
use crate::auth::mailing::uid::account_of;
use crate::auth::names::has_address;
use crate::auth::password::{Password, PasswordHash};
use crate::auth::policy::Policy;
use crate::auth::requester::Requester;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::session::end_sessions;
use crate::error::{Error, Result};
use crate::identifier::{Email, Kind};
use crate::store::accounts::{self, Account};
use crate::store::one_time_tokens::{self, OneTimeToken};
use crate::store::{Tx, identifiers, known_places, outbox};

/// What came of asking for a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    Sent,
    /// The account is there and gets no such mail: suspended, active already, without a password.
    NotSent,
    Unknown,
}

impl Auth {
    /// Mails the activation link once more.
    pub async fn request_activation(
        &self,
        policy: &Policy,
        email: &str,
        asked: Requester,
    ) -> Result<Requested> {
        self.request(Purpose::Activation, policy, email, asked).await
    }

    /// Mails a link that sets a new password.
    pub async fn request_password_reset(
        &self,
        policy: &Policy,
        email: &str,
        asked: Requester,
    ) -> Result<Requested> {
        self.request(Purpose::PasswordReset, policy, email, asked).await
    }

    /// Mails a link that gives the account another address, to the one that it has proved.
    pub async fn request_email_reset(
        &self,
        policy: &Policy,
        email: &str,
        asked: Requester,
    ) -> Result<Requested> {
        self.request(Purpose::EmailReset, policy, email, asked).await
    }

    async fn request(
        &self,
        purpose: Purpose,
        policy: &Policy,
        email: &str,
        asked: Requester,
    ) -> Result<Requested> {
        let email_key = Email::parse(email).map(|email| email.key().to_owned());
        let outbox = Outbox { challenge: asked.challenge, ..self.outbox.for_policy(policy) };
        let now = self.clock.now();
        self.count_mail_request(asked.from).await?;
        // What is no address is nobody's.
        let key = email_key.unwrap_or_default();
        let configured = self.configured_providers();
        let requested = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let found = holder(tx, key.clone()).await?;
                    // Asked for nobody too, so that time tells nothing.
                    let id = found.as_ref().map_or(NO_ACCOUNT, |account| account.id);
                    let by_provider = opened_by_provider(tx, id, &configured).await?;
                    match &found {
                        Some(account) if gets(account, purpose, by_provider) => {
                            let mail_kind = MailKind::Link(purpose);
                            outbox.queue(tx, mail_kind, account, asked.language, now).await?;
                            address::remind(tx, &outbox, account, now).await?;
                            Ok(Requested::Sent)
                        }
                        _ => {
                            outbox.queue_decoy(tx, &key, now).await?;
                            Ok(found.map_or(Requested::Unknown, |_| Requested::NotSent))
                        }
                    }
                })
            })
            .await?;
        Ok(requested)
    }

    /// Brings an account to life whose owner has the mailed token.
    pub async fn activate(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        self.limited(from, self.try_activate(uid, token, from)).await
    }

    async fn try_activate(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let (token, now) = (token.to_owned(), self.clock.now());
        let network = self.places.network(from);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    lock(tx, id).await?;
                    spend(tx, Purpose::Activation, id, token, now).await?;
                    if !accounts::update_activated(tx, id).await? {
                        return Err(Error::LinkInvalid);
                    }
                    identifiers::update_verified(tx, id, Kind::Email.as_str(), now).await?;
                    known_places::note_place(tx, id, network, known_until(now, now)).await?;
                    let about = Purpose::Activation.as_str();
                    outbox::delete_mails_about(tx, id, about).await?;
                    one_time_tokens::spend_all(tx, id, about, now).await
                })
            })
            .await
    }

    /// Sets a new password for whoever has the mailed token, and ends all sessions.
    pub async fn reset_password(
        &self,
        uid: &str,
        token: &str,
        new: Password,
        from: IpAddr,
    ) -> Result<()> {
        self.limited(from, self.try_reset_password(uid, token, new, from)).await
    }

    async fn try_reset_password(
        &self,
        uid: &str,
        token: &str,
        new: Password,
        from: IpAddr,
    ) -> Result<()> {
        let id = self.account_of_link(uid).await?;
        // Before the costly hash; what counts is the look inside the transaction.
        if self.check_link(Purpose::PasswordReset, uid, token).await? != LinkState::Open {
            return Err(Error::LinkInvalid);
        }
        // An open link is a proof, as a known place is one.
        let new = self.hasher.hash(new, self.origin(from, true)).await?;
        let (token, now) = (token.to_owned(), self.clock.now());
        let (outbox, network) = (self.outbox.clone(), self.places.network(from));
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    lock(tx, id).await?;
                    let spent = spend(tx, Purpose::PasswordReset, id, token, now).await?;
                    set_proved_password(tx, &outbox, &spent, new, now).await?;
                    // Who resets because of an attack signs in here next, while it goes on.
                    known_places::note_place(tx, id, network, known_until(now, now)).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Gives the account another address; its password and sessions stay, its open links die
    /// unless it is the same mailbox. It counts as a registration does, because a good link may ask
    /// for one address after another.
    pub async fn reset_email(
        &self,
        uid: &str,
        token: &str,
        new: Email,
        strict: bool,
        from: IpAddr,
    ) -> Result<()> {
        self.admit_registration(from)?;
        self.limited(from, self.try_reset_email(uid, token, new, strict)).await
    }

    /// Whether any API hides who has an account: then what all of them share hides it too.
    pub fn is_any_strict(&self) -> bool {
        self.policies.iter().any(|policy| policy.strict)
    }

    async fn try_reset_email(
        &self,
        uid: &str,
        token: &str,
        new: Email,
        strict: bool,
    ) -> Result<()> {
        let id = self.account_of_link(uid).await?;
        let (outbox, token, now) = (self.outbox.clone(), token.to_owned(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    lock(tx, id).await?;
                    spend(tx, Purpose::EmailReset, id, token, now).await?;
                    let account = accounts::account(tx, id).await?.ok_or(Error::UnknownUid)?;
                    let manner = Manner { waits: strict, quiet: strict, by_password: false };
                    refuse_own(&account, &new, manner)?;
                    address::change_email(tx, &outbox, &account, Some(new), manner, now).await
                })
            })
            .await
    }

    /// The token by which a reset link is known: where it was bound to an app, that of the app's
    /// verifier.
    pub fn reset_token(&self, token: &str, verifier: Option<&str>) -> String {
        match verifier.filter(|_| self.outbox.links.reset_opens_an_app()) {
            Some(verifier) => bound_token(token, &challenge_of_verifier(verifier)),
            None => token.to_owned(),
        }
    }

    async fn account_of_link(&self, uid: &str) -> Result<i64> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let mut tx = self.store.read().await?;
        accounts::is_active(&mut tx, id).await?.ok_or(Error::UnknownUid)?;
        Ok(id)
    }

    /// What a link would do; it is left as it is.
    pub async fn check_link(&self, purpose: Purpose, uid: &str, token: &str) -> Result<LinkState> {
        let Some(account_id) = account_of(uid) else { return Ok(LinkState::Dead) };
        let mut tx = self.store.read().await?;
        link_state(&mut tx, purpose, account_id, hash(token), self.clock.now()).await
    }
}

/// Whether a mail for this purpose may go to the account, which a provider opens or not.
fn gets(account: &Account, purpose: Purpose, by_provider: bool) -> bool {
    match purpose {
        Purpose::Activation => account.awaits_activation,
        // Whom a provider lets in has no password to reset. Who has not proved the mailbox may have
        // put somebody else's address there, whose owner gets in this way, and so does whose
        // provider is not served any more.
        Purpose::PasswordReset => {
            let has_proved = account.is_mailbox_proved();
            let had_password = account.has_password || account.password_voided;
            account.is_active && (had_password || !has_proved || !by_provider)
        }
        Purpose::EmailReset => account.is_active && account.email_verified_at.is_some(),
        // Mailed with a change of address, and never asked for.
        Purpose::EmailConfirm | Purpose::EmailReturn => false,
    }
}

/// Sets a password in the act that proves the mailbox, and ends all sessions. The first such act makes
/// the only owner. So does one at the address that the account had before an unproved one: it becomes
/// the account's address again, because the unproved one may be a thief's.
async fn set_proved_password(
    tx: &mut Tx,
    outbox: &Outbox,
    spent: &OneTimeToken,
    new: PasswordHash,
    now: i64,
) -> Result<()> {
    let id = spent.account_id;
    let account = accounts::account(tx, id).await?.ok_or(Error::UnknownUid)?;
    if !account.is_active {
        return Err(Error::LinkInvalid);
    }
    let mailbox = Email::parse(&spent.address).ok_or(Error::LinkInvalid)?;
    let is_present = has_address(&account, &mailbox);
    if !is_present {
        address::come_home(tx, id, &mailbox).await?;
    }
    if !is_present || account.email_owned_at.is_none() {
        become_sole_owner(tx, id, &mailbox, None, now).await?;
    }
    accounts::update_password(tx, id, new.as_str().to_owned()).await?;
    accounts::update_password_proved(tx, id, true).await?;
    accounts::update_password_by_sign_in(tx, id, None).await?;
    one_time_tokens::delete_one_time_tokens(tx, id).await?;
    outbox.queue(tx, MailKind::PasswordChanged, &account, None, now).await?;
    end_sessions(tx, id, None, now).await
}
