//! Mailed links that activate an account, reset a password or change an address. A request costs
//! the same whether or not the account exists. A link works once, and only for its purpose.

use std::net::IpAddr;

use crate::auth::accounts::address::{self, AddressChange, refuse_own_email};
use crate::auth::accounts::django_links::{
    admit_django_link, is_mailed_by_django, row_of_django_link,
};
use crate::auth::accounts::find::{lock_by_email, lock_by_id};
use crate::auth::accounts::ownership::{become_sole_owner, is_opened_by_provider};
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
use crate::store::events::{Ending, PasswordBy};
use crate::store::one_time_tokens::{self, OneTimeToken};
use crate::store::{Tx, identifiers, known_places, outbox};

/// The result of a request for a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    Sent,
    /// The account exists, but this mail is not for it; see `may_get_mail`.
    NotSent,
    Unknown,
}

impl Auth {
    /// Mails a new activation link.
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

    /// Mails a link for a change of address, to the verified address.
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
        // An invalid address matches no account.
        let key = email_key.unwrap_or_default();
        let configured = self.configured_providers();
        let requested = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let found = lock_by_email(tx, key.clone()).await?;
                    // Read for an unknown address too, so that the time reveals nothing.
                    let id = found.as_ref().map_or(NO_ACCOUNT, |account| account.id);
                    let by_provider = is_opened_by_provider(tx, id, &configured).await?;
                    match &found {
                        Some(account) if may_get_mail(account, purpose, by_provider) => {
                            let mail_kind = MailKind::Link(purpose);
                            outbox.queue(tx, mail_kind, account, asked.language, now).await?;
                            address::resend_confirmation(tx, &outbox, account, now).await?;
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

    /// Activates an account by the mailed token.
    pub async fn activate(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        let activated = self.limited(from, self.try_activate(uid, token, from)).await;
        activated.map_err(|error| self.doubt_link(error))
    }

    async fn try_activate(&self, uid: &str, token: &str, from: IpAddr) -> Result<()> {
        let id = account_of(uid).ok_or(Error::UnknownUid)?;
        let (token, now) = (token.to_owned(), self.clock.now());
        let (django, network) = (self.django_links.clone(), self.places.network(from));
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    lock_by_id(tx, id).await?;
                    let purpose = Purpose::Activation;
                    admit_django_link(tx, django.as_ref(), purpose, id, &token, now).await?;
                    spend(tx, purpose, id, token, now).await?;
                    if !accounts::update_activated(tx, id, now).await? {
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

    /// Sets a new password by the mailed token, and ends all sessions.
    pub async fn reset_password(
        &self,
        uid: &str,
        token: &str,
        new: Password,
        from: IpAddr,
    ) -> Result<()> {
        let reset = self.limited(from, self.try_reset_password(uid, token, new, from)).await;
        reset.map_err(|error| self.doubt_link(error))
    }

    async fn try_reset_password(
        &self,
        uid: &str,
        token: &str,
        new: Password,
        from: IpAddr,
    ) -> Result<()> {
        let id = self.account_of_link(uid).await?;
        // Checked before the expensive hash, and again in the transaction.
        if self.check_link(Purpose::PasswordReset, uid, token).await? != LinkState::Open {
            return Err(Error::LinkInvalid);
        }
        // A valid link gets the same priority as a known place.
        let new = self.hasher.hash(new, self.origin(from, true)).await?;
        let (token, now) = (token.to_owned(), self.clock.now());
        let (outbox, network) = (self.outbox.clone(), self.places.network(from));
        let django = self.django_links.clone();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    lock_by_id(tx, id).await?;
                    let purpose = Purpose::PasswordReset;
                    admit_django_link(tx, django.as_ref(), purpose, id, &token, now).await?;
                    let spent = spend(tx, purpose, id, token, now).await?;
                    set_proved_password(tx, &outbox, &spent, new, now).await?;
                    // After a reset during an attack, the owner can sign in from here.
                    known_places::note_place(tx, id, network, known_until(now, now)).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Changes the address by the mailed token. Password and sessions stay; other links become
    /// invalid unless only the spelling of the address changes. Counts as a registration, because one link can be
    /// used to test many addresses.
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
                    lock_by_id(tx, id).await?;
                    spend(tx, Purpose::EmailReset, id, token, now).await?;
                    let account = accounts::account(tx, id).await?.ok_or(Error::UnknownUid)?;
                    let address_change = AddressChange {
                        needs_confirmation: strict,
                        hides_taken: strict,
                        by_password: false,
                    };
                    refuse_own_email(&account, &new, address_change)?;
                    address::change_email(tx, &outbox, &account, Some(new), address_change, now)
                        .await
                })
            })
            .await
    }

    /// The token that identifies a reset link in the store. If the link is bound to an app, it
    /// depends on the app's verifier.
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

    /// The state of a link, without spending it.
    pub async fn check_link(&self, purpose: Purpose, uid: &str, token: &str) -> Result<LinkState> {
        let Some(account_id) = account_of(uid) else { return Ok(LinkState::Dead) };
        let (mut tx, now) = (self.store.read().await?, self.clock.now());
        let state = link_state(&mut tx, purpose, account_id, hash(token), now).await?;
        if state != LinkState::Dead {
            return Ok(state);
        }
        let django = self.django_links.as_ref();
        match row_of_django_link(&mut tx, django, purpose, account_id, token, now).await? {
            Some(_) => Ok(LinkState::Open),
            None if django.is_some() && is_mailed_by_django(purpose) => {
                self.adopting.check().map(|()| LinkState::Dead)
            }
            None => Ok(LinkState::Dead),
        }
    }

    /// While an adoption is open, a link of the Django may fit the account as it is there by now.
    fn doubt_link(&self, error: Error) -> Error {
        match error {
            Error::UnknownUid | Error::LinkInvalid if self.django_links.is_some() => {
                self.adopting.unless_open(error)
            }
            certain => certain,
        }
    }
}

/// Whether a mail for this purpose may go to the account.
fn may_get_mail(account: &Account, purpose: Purpose, by_provider: bool) -> bool {
    match purpose {
        Purpose::Activation => account.awaits_activation,
        // An account without a password that signs in by a provider has nothing to reset. If its
        // address is unverified, the reset lets the owner of the address take the account over.
        // If its provider is not configured any more, the reset gives the owner access again.
        Purpose::PasswordReset => {
            let has_proved = account.is_mailbox_proved();
            let had_password = account.has_password || account.password_voided;
            account.is_active && (had_password || !has_proved || !by_provider)
        }
        Purpose::EmailReset => account.is_active && account.email_verified_at.is_some(),
        // Mailed with a change of address, never on request.
        Purpose::EmailConfirm | Purpose::EmailReturn => false,
    }
}

/// Sets a password after a mailed link has proved access to the mailbox, and ends all sessions. The
/// first such reset makes this person the sole owner. So does a reset at a former address of an account whose
/// present address is unverified: the former one is restored, because a thief may have set the
/// other.
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
        address::restore_email(tx, id, &mailbox).await?;
    }
    if !is_present || account.email_owned_at.is_none() {
        become_sole_owner(tx, id, &mailbox, None, now).await?;
    }
    let by = PasswordBy::MailedLink;
    accounts::update_password(tx, id, new.as_str().to_owned(), by, now).await?;
    accounts::update_password_proved(tx, id, true).await?;
    accounts::update_password_by_sign_in(tx, id, None).await?;
    one_time_tokens::delete_one_time_tokens(tx, id).await?;
    outbox.queue(tx, MailKind::PasswordChanged, &account, None, now).await?;
    end_sessions(tx, id, None, Ending::PasswordChanged, now).await
}
