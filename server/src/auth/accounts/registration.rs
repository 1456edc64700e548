//! Registration of accounts, by their owners or by an operator.

use std::net::IpAddr;

use crate::auth::accounts::create::insert;
use crate::auth::accounts::find::lock_by_email;
use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::password::{Origin, Password, PasswordHash};
use crate::auth::policy::Policy;
use crate::auth::requester::Requester;
use crate::auth::sessions::session::{OpenedSession, Pair, SessionExtras, open_session};
use crate::auth::tokens::session_id::new_session_id;
use crate::error::{Error, Result};
use crate::identifier::{Identifier, Kind};
use crate::language::Language;
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::events::{Registered, SignedInBy};
use crate::store::{Tx, identifiers};

/// A new account: at least one identifier, at most one of each kind.
pub struct Registration {
    pub identifiers: Vec<Identifier>,
    pub password: NewPassword,
    /// A name for people to read, not for sign-in.
    pub display_name: Option<String>,
    /// The username that is shown by an API without usernames of its own.
    pub sign_up_name: Option<String>,
    pub is_superuser: bool,
    /// The language of the owner, if known.
    pub language: Option<Language>,
    /// The account is inactive until its owner opens the mailed link.
    pub awaits_activation: bool,
}

/// The password of a new account.
pub enum NewPassword {
    Plain(Password),
    /// A hash in the encoding of another server.
    Encoded(PasswordHash),
    /// The account has no password.
    Unusable,
}

impl Auth {
    /// Counts an attempt to register, before the answer reveals which accounts exist. Fails while an
    /// adoption is open: a name that is free here may belong to somebody who still comes.
    pub fn admit_registration(&self, from: IpAddr) -> Result<()> {
        self.within_limit(self.limits.count_registration(from, self.clock.now()))?;
        self.adopting.check()
    }

    /// Creates an account. `from` is the address of the client; `None` for an operator, who may also
    /// while a Django makes the accounts.
    pub async fn register(
        &self,
        registration: Registration,
        from: Option<IpAddr>,
    ) -> Result<Account> {
        self.register_at(&Policy::BASE, registration, from).await
    }

    /// The same at an API, whose links are mailed.
    pub async fn register_at(
        &self,
        policy: &Policy,
        registration: Registration,
        from: Option<IpAddr>,
    ) -> Result<Account> {
        if from.is_some() {
            self.refuse_registration_at_django()?;
        }
        self.refuse_taken(&registration.identifiers).await?;
        let (new, identifiers) = self.prepare(registration, from).await?;
        let outbox = self.outbox.for_policy(policy);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let how = Registered::WithName;
                    insert(tx, &outbox, &new, &identifiers, how).await
                })
            })
            .await
    }

    /// Creates an account and opens its first session.
    pub async fn register_and_sign_in(
        &self,
        policy: &Policy,
        registration: Registration,
        from: IpAddr,
    ) -> Result<Pair> {
        self.refuse_registration_at_django()?;
        self.refuse_taken(&registration.identifiers).await?;
        let (new, identifiers) = self.prepare(registration, Some(from)).await?;
        let (outbox, opening_policy, session, at) =
            (self.outbox.clone(), *policy, new_session_id()?, new.created_at);
        let opened = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let how = Registered::WithName;
                    let account_id = insert(tx, &outbox, &new, &identifiers, how).await?.id;
                    accounts::update_last_sign_in(tx, account_id, at).await?;
                    let by = SignedInBy::Registration;
                    let opened = OpenedSession { session, account_id, at, by };
                    open_session(tx, &opening_policy, opened, SessionExtras::default()).await?;
                    Ok(opened)
                })
            })
            .await?;
        self.note_place(opened.account_id, from, at + policy.refresh_seconds).await;
        self.pair(policy, opened, None).await
    }

    /// Creates an account without revealing whether the e-mail address or the phone number is
    /// taken. Returns the number of the account. If the address is taken, the number is an unused
    /// one and the owner of the address gets a mail. Usernames are public: a taken one is an error.
    /// Fails without an e-mail address.
    pub async fn register_masked(
        &self,
        policy: &Policy,
        registration: Registration,
        asked: Requester,
    ) -> Result<i64> {
        self.refuse_registration_at_django()?;
        let is = |kind: Kind| move |one: &&Identifier| one.kind() == kind;
        let email = registration.identifiers.iter().find(is(Kind::Email)).cloned();
        let email = email.ok_or(Error::NoIdentifier)?;
        if let Some(username) = registration.identifiers.iter().find(is(Kind::Username)) {
            self.refuse_taken(std::slice::from_ref(username)).await?;
        }
        let (new, identifiers) = self.prepare(registration, Some(asked.from)).await?;
        let write = || {
            let (outbox, key) = (self.outbox.for_policy(policy), email.key().to_owned());
            let (new, identifiers) = (new.clone(), identifiers.clone());
            self.store.write(move |tx| {
                Box::pin(insert_or_mail_owner(tx, outbox, key, new, identifiers, asked.language))
            })
        };
        match write().await {
            // A concurrent registration took the identifier: try again.
            Err(Error::Taken(Kind::Email | Kind::Phone)) => write().await,
            outcome => outcome,
        }
    }

    pub(in crate::auth) async fn refuse_taken(&self, identifiers: &[Identifier]) -> Result<()> {
        for identifier in identifiers {
            if self.is_taken(identifier, None).await? {
                return Err(Error::Taken(identifier.kind()));
            }
        }
        Ok(())
    }

    /// Hashes the password and builds the row, before the transaction.
    pub(in crate::auth) async fn prepare(
        &self,
        registration: Registration,
        from: Option<IpAddr>,
    ) -> Result<(NewAccount, Vec<Identifier>)> {
        let origin = from.map_or(Origin::SERVER, |from| self.origin(from, false));
        let password = self.hashed(registration.password, origin).await?;
        let new = NewAccount {
            password: password.map(|password| password.as_str().to_owned()),
            display_name: registration.display_name,
            sign_up_name: registration.sign_up_name,
            is_superuser: registration.is_superuser,
            awaits_activation: registration.awaits_activation,
            language: registration.language.map(Language::code),
            created_at: self.clock.now(),
        };
        Ok((new, registration.identifiers))
    }

    pub(in crate::auth) async fn hashed(
        &self,
        password: NewPassword,
        origin: Origin,
    ) -> Result<Option<PasswordHash>> {
        match password {
            NewPassword::Plain(plain) => Ok(Some(self.hasher.hash(plain, origin).await?)),
            NewPassword::Encoded(encoded) => Ok(Some(encoded)),
            NewPassword::Unusable => Ok(None),
        }
    }
}

/// The number of the new account, or an unused number if the address `key` is taken.
async fn insert_or_mail_owner(
    tx: &mut Tx,
    outbox: Outbox,
    key: String,
    new: NewAccount,
    identifiers: Vec<Identifier>,
    language: Option<Language>,
) -> Result<i64> {
    match lock_by_email(tx, key.clone()).await? {
        Some(owner) => {
            outbox.queue(tx, MailKind::AddressInUse, &owner, language, new.created_at).await?;
            // In the place of the event of a registration, and of its webhook.
            tx.note_decoy();
            tx.note_webhook_decoy(new.created_at);
            consume_number(tx, &new).await
        }
        None => insert_without_taken_phone(tx, &outbox, &key, &new, identifiers).await,
    }
}

/// Inserts the account, without the phone number if another account has it.
async fn insert_without_taken_phone(
    tx: &mut Tx,
    outbox: &Outbox,
    address: &str,
    new: &NewAccount,
    mut identifiers: Vec<Identifier>,
) -> Result<i64> {
    if let Some(place) = identifiers.iter().position(|one| one.kind() == Kind::Phone) {
        let key = identifiers[place].key().to_owned();
        if identifiers::account_by_key(tx, key).await?.is_some() {
            identifiers.remove(place);
        }
    }
    let id = insert(tx, outbox, new, &identifiers, Registered::WithName).await?.id;
    if !new.awaits_activation {
        // As many writes as for a taken address, which gets a mail.
        outbox.queue_decoy(tx, address, new.created_at).await?;
    }
    Ok(id)
}

/// Consumes a number of the sequence, so that no account gets it.
async fn consume_number(tx: &mut Tx, new: &NewAccount) -> Result<i64> {
    let id = accounts::insert_account(tx, new).await?;
    accounts::delete_account(tx, id).await?;
    Ok(id)
}
