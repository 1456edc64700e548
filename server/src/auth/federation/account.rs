//! Accounts as providers open them: by the provider's own name for a person, or by an e-mail
//! address that the provider is believed about, and then only where no stranger's password opens
//! the account too.

use std::net::IpAddr;

use crate::auth::accounts::ownership::become_sole_owner;
use crate::auth::domain::Auth;
use crate::auth::federation::answer::told;
use crate::auth::federation::handle::is_handle;
use crate::auth::federation::identity::identity;
use crate::auth::limits::places::owner_at_new_network;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::names::has_address;
use crate::auth::policy::Policy;
use crate::auth::sessions::session::{By, Kept, Opened, Pair, end_sessions, open_session};
use crate::auth::tokens::session_id::new_session_id;
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::identifier::{Email, Identifier, Kind};
use crate::providers::{Profile, Provider};
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::identities;
use crate::store::{Tx, identifiers};

/// What whoever comes from a provider may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Enter an account that is there.
    SignIn,
    /// Make a new one.
    Register,
    Either,
}

impl Auth {
    /// Opens a session for whoever an access token of a provider, or a handle for one, belongs to.
    pub async fn sign_in_with_token(
        &self,
        policy: &Policy,
        provider: &str,
        token: &str,
        entry: Entry,
        from: IpAddr,
    ) -> Result<Pair> {
        let provider = self.provider(provider)?;
        self.limits.count_sign_in(from, self.clock.now())?;
        let profile = match self.profile_of_handle(provider.name(), token).await? {
            Some(profile) => profile,
            None => self.counted(from, self.profile_of_token(provider, token)).await?,
        };
        let door = Door {
            policy: *policy,
            entry,
            kept: Kept::default(),
            by: By::Token,
            from,
            noticed: None,
        };
        let opened = self.enter(door, &profile).await?;
        self.pair(policy, opened).await
    }

    /// Whose access token this is; one that was issued to another application is nobody's.
    pub(in crate::auth) async fn profile_of_token(
        &self,
        provider: &Provider,
        token: &str,
    ) -> Result<Profile> {
        if is_handle(token) {
            // Ours, and none of the provider's business.
            return Err(Error::Provider(ProviderFault::Refused));
        }
        provider.profile(token).await.map_err(|error| told(provider, &error))
    }

    /// Enters or makes the account of a person and opens a session there.
    pub(in crate::auth) async fn enter(&self, door: Door, profile: &Profile) -> Result<Opened> {
        match self.try_enter(door.clone(), profile).await {
            Err(error) if door.opens_for_who_comes_second(&error) => {
                self.try_enter(door, profile).await
            }
            outcome => outcome,
        }
    }

    async fn try_enter(&self, door: Door, profile: &Profile) -> Result<Opened> {
        let (profile, outbox, at) = (profile.clone(), self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| Box::pin(async move { door.open(tx, &outbox, &profile, at).await }))
            .await
    }
}

/// A way in for whoever comes from a provider.
#[derive(Clone)]
pub(in crate::auth) struct Door {
    pub policy: Policy,
    pub entry: Entry,
    pub kept: Kept,
    pub by: By,
    pub from: IpAddr,
    /// The network of which the owner is mailed if it is a new one.
    pub noticed: Option<String>,
}

impl Door {
    /// Whether somebody was quicker by a moment, in whose account there is now room for this one.
    pub fn opens_for_who_comes_second(&self, error: &Error) -> bool {
        matches!(error, Error::SignIn(SignInFault::Registered) | Error::Taken(_))
            && self.entry != Entry::Register
    }

    /// Signs in to the account of a profile, or registers it, and opens a session.
    pub async fn open(
        self,
        tx: &mut Tx,
        outbox: &Outbox,
        profile: &Profile,
        at: i64,
    ) -> Result<Opened> {
        let account_id = self.enter_account(tx, outbox, profile, at).await?;
        let owner = owner_at_new_network(tx, account_id, self.noticed, at).await?;
        if let Some(owner) = owner {
            let device = self.kept.device_name.clone();
            outbox.queue_about(tx, MailKind::NewNetwork, device, &owner, at).await?;
        }
        accounts::update_last_sign_in(tx, account_id, at).await?;
        let opened = Opened { session: new_session_id()?, account_id, at, by: self.by };
        open_session(tx, &self.policy, opened, self.kept).await?;
        Ok(opened)
    }

    async fn enter_account(
        &self,
        tx: &mut Tx,
        outbox: &Outbox,
        profile: &Profile,
        now: i64,
    ) -> Result<i64> {
        // An address that is only claimed would tell whether somebody has it.
        let counts = |_: &Email| profile.email_verified || !self.policy.strict;
        let email = profile.email.as_deref().and_then(Email::parse).filter(counts);
        if let Some(account) = account_of(tx, profile).await? {
            return match self.entry {
                Entry::Register => Err(SignInFault::Registered.into()),
                Entry::SignIn | Entry::Either if !account.is_active => Err(Error::AccountInactive),
                Entry::SignIn | Entry::Either => {
                    come_again(tx, &account, profile, email, now).await
                }
            };
        }
        // What comes of it tells whether an account has the address, as a registration does.
        outbox.limits.count_registration(self.from, now)?;
        let holder = match &email {
            Some(email) => identifiers::claimant_by_key(tx, email.key().to_owned()).await?,
            None => None,
        };
        match (holder, self.entry) {
            (Some(_), Entry::Register) => Err(Error::Taken(Kind::Email)),
            // Who only claims to have an address is not told whose it is.
            (Some(_), Entry::SignIn) if !profile.email_verified => {
                Err(SignInFault::NotRegistered.into())
            }
            (Some(holder), _) => link(tx, outbox, holder, profile, email, now).await,
            (None, Entry::SignIn) => Err(SignInFault::NotRegistered.into()),
            (None, _) => create(tx, outbox, profile, email, now).await,
        }
    }
}

/// The account that the identity opens, kept from changing until the write ends.
async fn account_of(tx: &mut Tx, profile: &Profile) -> Result<Option<Account>> {
    let Some(id) = id_of(tx, profile).await? else { return Ok(None) };
    accounts::lock_account(tx, id).await?;
    // Somebody may have proved to own the account while this waited.
    match id_of(tx, profile).await? {
        Some(still) if still == id => accounts::account(tx, id).await,
        _ => Ok(None),
    }
}

async fn id_of(tx: &mut Tx, profile: &Profile) -> Result<Option<i64>> {
    identities::account_by_identity(tx, profile.provider.clone(), profile.subject.clone()).await
}

async fn come_again(
    tx: &mut Tx,
    account: &Account,
    profile: &Profile,
    email: Option<Email>,
    now: i64,
) -> Result<i64> {
    identities::update_identity(tx, identity(profile, account.id, now)).await?;
    let proves = profile.email_verified && email.is_some_and(|email| has_address(account, &email));
    match proves && is_home(account) && account.email_verified_at.is_none() {
        true => take_over(tx, account, profile, now).await,
        false => Ok(account.id),
    }
}

/// Opens somebody's account by the identity too, if the address is proved, no password of a
/// stranger's opens it, and no older address may call it back.
async fn link(
    tx: &mut Tx,
    outbox: &Outbox,
    holder: i64,
    profile: &Profile,
    email: Option<Email>,
    now: i64,
) -> Result<i64> {
    accounts::lock_account(tx, holder).await?;
    // The same person may have come a moment ago: nothing is left to link then.
    if id_of(tx, profile).await?.is_some() {
        return Err(SignInFault::Registered.into());
    }
    let account = accounts::account(tx, holder).await?.ok_or(SignInFault::AccountInUse)?;
    let still_holds = email.is_some_and(|email| has_address(&account, &email));
    let is_owners = is_home(&account) && (!account.has_password || account.password_proved);
    if !(profile.email_verified && still_holds && account.is_active && is_owners) {
        return Err(SignInFault::AccountInUse.into());
    }
    insert(tx, profile, holder, now).await?;
    if account.email_owned_at.is_none() {
        return take_over(tx, &account, profile, now).await;
    }
    let provider = Some(profile.provider.clone());
    outbox.queue_about(tx, MailKind::IdentityLinked, provider, &account, now).await?;
    Ok(holder)
}

/// Whether the account's address is its mailbox. Else an older address, which was proved, may still
/// call the account back, and a provider's word about the new one takes nothing over.
fn is_home(account: &Account) -> bool {
    account.mailbox() == account.email.as_deref()
}

/// The first proof of the account's mailbox: nobody else gets in from now on.
async fn take_over(tx: &mut Tx, account: &Account, profile: &Profile, now: i64) -> Result<i64> {
    let id = account.id;
    let mailbox =
        account.email.as_deref().and_then(Email::parse).ok_or(SignInFault::AccountInUse)?;
    let proving = (profile.provider.clone(), profile.subject.clone());
    become_sole_owner(tx, id, &mailbox, Some(proving), now).await?;
    accounts::delete_password(tx, id).await?;
    end_sessions(tx, id, None, now).await?;
    Ok(id)
}

async fn create(
    tx: &mut Tx,
    outbox: &Outbox,
    profile: &Profile,
    email: Option<Email>,
    now: i64,
) -> Result<i64> {
    let new = NewAccount {
        password: None,
        display_name: profile.name.clone(),
        sign_up_name: email.as_ref().map(|email| email.shown().to_owned()),
        is_superuser: false,
        awaits_activation: false,
        language: None,
        created_at: now,
    };
    let identifiers: Vec<_> = email.clone().map(Identifier::Email).into_iter().collect();
    let account_id =
        crate::auth::accounts::create::insert(tx, outbox, &new, &identifiers).await?.id;
    if let Some(email) = email.filter(|_| profile.email_verified) {
        // There is no other way in yet.
        identifiers::update_owned(tx, account_id, email.key().to_owned(), now).await?;
    }
    insert(tx, profile, account_id, now).await?;
    Ok(account_id)
}

async fn insert(tx: &mut Tx, profile: &Profile, account_id: i64, now: i64) -> Result<()> {
    match identities::insert_identity(tx, identity(profile, account_id, now)).await? {
        true => Ok(()),
        false => Err(SignInFault::Registered.into()),
    }
}
