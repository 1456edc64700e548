//! New accounts: made by whoever registers, or by an operator.

use std::net::IpAddr;

use crate::auth::accounts::create::insert;
use crate::auth::accounts::find::holder;
use crate::auth::domain::Auth;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::password::{Origin, Password, PasswordHash};
use crate::auth::policy::Policy;
use crate::auth::requester::Requester;
use crate::auth::sessions::session::{By, Kept, Opened, Pair, open_session};
use crate::auth::tokens::session_id::new_session_id;
use crate::error::{Error, Result};
use crate::identifier::{Identifier, Kind};
use crate::language::Language;
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::{Tx, identifiers};

/// A new account: at least one identifier, at most one of each kind.
pub struct Registration {
    pub identifiers: Vec<Identifier>,
    /// A password to hash, or one that is stored as another server encoded it.
    pub password: NewPassword,
    /// A name for people to read; nobody signs in by it.
    pub display_name: Option<String>,
    /// Shown as the username by an API whose accounts choose none.
    pub sign_up_name: Option<String>,
    pub is_superuser: bool,
    /// The language of its owner, where that is known.
    pub language: Option<Language>,
    /// The account is dead until the link is followed that is mailed to it.
    pub awaits_activation: bool,
}

/// How a password arrives.
pub enum NewPassword {
    Plain(Password),
    Encoded(PasswordHash),
    /// None that anything fits: the account has no password.
    Unusable,
}

impl Auth {
    /// Counts an attempt to register from this address, before anything is told of who is there.
    pub fn admit_registration(&self, from: IpAddr) -> Result<()> {
        self.limits.count_registration(from, self.clock.now())
    }

    /// Creates an account, for a client or, without `from`, for the operator.
    pub async fn register(
        &self,
        registration: Registration,
        from: Option<IpAddr>,
    ) -> Result<Account> {
        self.refuse_taken(&registration.identifiers).await?;
        let (new, identifiers) = self.prepare(registration, from).await?;
        let outbox = self.outbox.clone();
        self.store
            .write(move |tx| Box::pin(async move { insert(tx, &outbox, &new, &identifiers).await }))
            .await
    }

    /// Creates an account and opens its first session.
    pub async fn register_and_sign_in(
        &self,
        policy: &Policy,
        registration: Registration,
        from: IpAddr,
    ) -> Result<Pair> {
        self.refuse_taken(&registration.identifiers).await?;
        let (new, identifiers) = self.prepare(registration, Some(from)).await?;
        let (outbox, by, session, at) =
            (self.outbox.clone(), *policy, new_session_id()?, new.created_at);
        let opened = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let account_id = insert(tx, &outbox, &new, &identifiers).await?.id;
                    accounts::update_last_sign_in(tx, account_id, at).await?;
                    let opened = Opened { session, account_id, at, by: By::Owner };
                    open_session(tx, &by, opened, Kept::default()).await?;
                    Ok(opened)
                })
            })
            .await?;
        self.note_place(opened.account_id, from, at + policy.refresh_seconds).await;
        self.pair(policy, opened).await
    }

    /// Creates an account without telling whether somebody has the e-mail address or the phone. The
    /// number that is answered is the account's; where the address is taken it is used up, and the
    /// address's owner is told, at the cost of a registration. A username is everybody's to see, and
    /// is told. Only an e-mail address can be answered for so: without one it is refused.
    pub async fn register_quietly(
        &self,
        registration: Registration,
        asked: Requester,
    ) -> Result<i64> {
        let is = |kind: Kind| move |one: &&Identifier| one.kind() == kind;
        let email = registration.identifiers.iter().find(is(Kind::Email)).cloned();
        let email = email.ok_or(Error::NoIdentifier)?;
        if let Some(username) = registration.identifiers.iter().find(is(Kind::Username)) {
            self.refuse_taken(std::slice::from_ref(username)).await?;
        }
        let (new, identifiers) = self.prepare(registration, Some(asked.from)).await?;
        let write = || {
            let (outbox, key) = (self.outbox.clone(), email.key().to_owned());
            let (new, identifiers) = (new.clone(), identifiers.clone());
            self.store.write(move |tx| {
                Box::pin(insert_or_pretend(tx, outbox, key, new, identifiers, asked.language))
            })
        };
        match write().await {
            // Another registration was faster: it is looked at again.
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

    /// What a registration comes to before its transaction.
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

/// The number of the new account, or one that is used up where somebody has the address `key`.
async fn insert_or_pretend(
    tx: &mut Tx,
    outbox: Outbox,
    key: String,
    new: NewAccount,
    identifiers: Vec<Identifier>,
    language: Option<Language>,
) -> Result<i64> {
    match holder(tx, key.clone()).await? {
        Some(owner) => {
            outbox.queue(tx, MailKind::AddressInUse, &owner, language, new.created_at).await?;
            use_up_number(tx, &new).await
        }
        None => insert_what_is_free(tx, &outbox, &key, &new, identifiers).await,
    }
}

/// Leaves out a phone that another account has.
async fn insert_what_is_free(
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
    let id = insert(tx, outbox, new, &identifiers).await?.id;
    if !new.awaits_activation {
        // A mail goes out where the address is taken.
        outbox.queue_decoy(tx, address, new.created_at).await?;
    }
    Ok(id)
}

/// A number that no account will have: the sequence goes on behind it.
async fn use_up_number(tx: &mut Tx, new: &NewAccount) -> Result<i64> {
    let id = accounts::insert_account(tx, new).await?;
    accounts::delete_account(tx, id).await?;
    Ok(id)
}
