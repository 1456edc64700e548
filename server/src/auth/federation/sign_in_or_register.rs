//! Sign-in to an account by a provider's profile: by the provider's id of the user, or by an e-mail
//! address that the provider has verified. The address links only an account that another person's
//! password cannot open.

use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::accounts::ownership::become_sole_owner;
use crate::auth::adopting::Adopting;
use crate::auth::domain::{Auth, made_at_django};
use crate::auth::federation::answer::provider_error;
use crate::auth::federation::handle::is_handle;
use crate::auth::federation::identity::{hash_of_address, identity};
use crate::auth::limits::places::owner_at_new_network;
use crate::auth::mailing::outbox::{MailKind, Outbox};
use crate::auth::names::has_address;
use crate::auth::policy::Policy;
use crate::auth::sessions::session::{
    OpenedSession, Pair, SessionExtras, end_sessions, open_session,
};
use crate::auth::tokens::session_id::new_session_id;
use crate::error::{Error, ProviderFault, Result, SignInFault};
use crate::identifier::{Email, Identifier, Kind};
use crate::providers::{Profile, Provider};
use crate::store::accounts::{self, Account, NewAccount};
use crate::store::events::{Ending, Event, LinkedBy, NewEvent, PasswordBy, Registered, SignedInBy};
use crate::store::identities;
use crate::store::{Tx, identifiers, pending_identities};

/// Whether a provider's user may sign in, register, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignInMode {
    SignIn,
    Register,
    Either,
}

/// A sign-in with a provider's profile.
#[derive(Clone)]
pub struct ProviderSignIn {
    pub policy: Policy,
    pub mode: SignInMode,
    /// Whether accounts are made here, and not by a Django.
    pub makes_accounts: bool,
    /// What the new session stores beside its times.
    pub extras: SessionExtras,
    pub by: SignedInBy,
    pub from: IpAddr,
    /// The owner gets a mail if this network is new; `None`: no mail.
    pub noticed: Option<String>,
    pub adopting: Arc<Adopting>,
}

impl Auth {
    /// Opens a session for the user of a provider's access token, or of a handle for one.
    pub async fn sign_in_with_token(
        &self,
        policy: &Policy,
        provider: &str,
        token: &str,
        mode: SignInMode,
        from: IpAddr,
    ) -> Result<Pair> {
        let provider = self.provider(provider)?;
        self.within_limit(self.limits.count_sign_in(from, self.clock.now()))?;
        let profile = match self.profile_of_handle(provider.name(), token).await? {
            Some(profile) => profile,
            None => self.count_refusals(from, self.profile_of_token(provider, token)).await?,
        };
        let sign_in = ProviderSignIn {
            policy: *policy,
            mode,
            makes_accounts: self.registering_at_django().is_none(),
            extras: SessionExtras::default(),
            by: SignedInBy::ProviderToken,
            from,
            noticed: None,
            adopting: Arc::clone(&self.adopting),
        };
        let opened = self.sign_in_or_register(sign_in, &profile).await?;
        self.pair(policy, opened, None).await
    }

    /// The profile of an access token's user. A token issued to another application is refused.
    pub(in crate::auth) async fn profile_of_token(
        &self,
        provider: &Provider,
        token: &str,
    ) -> Result<Profile> {
        if is_handle(token) {
            // A handle is our token: never send it to the provider.
            return Err(Error::Provider(ProviderFault::Refused));
        }
        provider.profile(token).await.map_err(|error| provider_error(provider, &error))
    }

    /// Opens a session in the account of a profile, registering it first if the mode allows.
    pub(in crate::auth) async fn sign_in_or_register(
        &self,
        sign_in: ProviderSignIn,
        profile: &Profile,
    ) -> Result<OpenedSession> {
        match self.try_sign_in_or_register(sign_in.clone(), profile).await {
            Err(error) if sign_in.is_lost_race(&error) => {
                self.try_sign_in_or_register(sign_in, profile).await
            }
            outcome => outcome,
        }
    }

    async fn try_sign_in_or_register(
        &self,
        sign_in: ProviderSignIn,
        profile: &Profile,
    ) -> Result<OpenedSession> {
        let (profile, outbox, at) = (profile.clone(), self.outbox.clone(), self.clock.now());
        self.store
            .write(move |tx| Box::pin(async move { sign_in.open(tx, &outbox, &profile, at).await }))
            .await
    }
}

impl ProviderSignIn {
    /// Whether we lost a race with a request that created the same account; a retry then signs in
    /// to it.
    pub fn is_lost_race(&self, error: &Error) -> bool {
        matches!(error, Error::SignIn(SignInFault::Registered) | Error::Taken(_))
            && self.mode != SignInMode::Register
    }

    pub async fn open(
        self,
        tx: &mut Tx,
        outbox: &Outbox,
        profile: &Profile,
        at: i64,
    ) -> Result<OpenedSession> {
        let account_id = self.find_or_register_account(tx, outbox, profile, at).await?;
        let owner = owner_at_new_network(tx, account_id, self.noticed, at).await?;
        if let Some(owner) = owner {
            let device = self.extras.device_name.clone();
            outbox.queue_about(tx, MailKind::NewNetwork, device, &owner, at).await?;
        }
        accounts::update_last_sign_in(tx, account_id, at).await?;
        let opened = OpenedSession { session: new_session_id()?, account_id, at, by: self.by };
        open_session(tx, &self.policy, opened, self.extras).await?;
        Ok(opened)
    }

    async fn find_or_register_account(
        &self,
        tx: &mut Tx,
        outbox: &Outbox,
        profile: &Profile,
        now: i64,
    ) -> Result<i64> {
        // In strict mode an unverified address is ignored: the result would show whether an account
        // has it.
        let is_usable = |_: &Email| profile.email_verified || !self.policy.strict;
        let email = profile.email.as_deref().and_then(Email::parse).filter(is_usable);
        let known = match account_of(tx, profile).await? {
            None => account_by_address(tx, profile, email.as_ref(), now).await?,
            known => known,
        };
        if let Some(account) = known {
            return match self.mode {
                SignInMode::Register => Err(SignInFault::Registered.into()),
                SignInMode::SignIn | SignInMode::Either if !account.is_active => {
                    Err(self.adopting.unless_open(Error::AccountInactive))
                }
                SignInMode::SignIn | SignInMode::Either => {
                    sign_in_known(tx, &account, profile, email, now).await
                }
            };
        }
        // Another account of the replaced system may have the identity.
        self.adopting.check()?;
        // The result shows whether an account has the address: count it like a registration.
        let counted = outbox.limits.count_registration(self.from, now);
        counted.inspect_err(|_| outbox.refuse_attempt(tx, now))?;
        let holder = match &email {
            Some(email) => identifiers::claimant_by_key(tx, email.key().to_owned()).await?,
            None => None,
        };
        match (holder, self.mode) {
            (Some(_), SignInMode::Register) => Err(Error::Taken(Kind::Email)),
            // A user whose address is not verified must not learn that an account has the address.
            (Some(_), SignInMode::SignIn) if !profile.email_verified => Err(self.no_account()),
            (Some(holder), _) => link(tx, outbox, holder, profile, email, now).await,
            (None, SignInMode::Register | SignInMode::Either) if self.makes_accounts => {
                create(tx, outbox, profile, email, now).await
            }
            (None, _) => Err(self.no_account()),
        }
    }

    /// The refusal of a user who has no account here.
    fn no_account(&self) -> Error {
        match self.makes_accounts {
            true => SignInFault::NotRegistered.into(),
            false => made_at_django(),
        }
    }
}

/// The account of the identity, locked until the write ends.
async fn account_of(tx: &mut Tx, profile: &Profile) -> Result<Option<Account>> {
    let Some(id) = id_of(tx, profile).await? else { return Ok(None) };
    accounts::lock_account(tx, id).await?;
    // While we waited for the lock, an owner who proved the mailbox may have removed the identity.
    match id_of(tx, profile).await? {
        Some(still) if still == id => accounts::account(tx, id).await,
        _ => Ok(None),
    }
}

/// The account, locked, whose identity another system knew by this address only. It becomes an
/// identity like any other, because the provider has verified the address.
async fn account_by_address(
    tx: &mut Tx,
    profile: &Profile,
    email: Option<&Email>,
    now: i64,
) -> Result<Option<Account>> {
    let Some(email) = email.filter(|_| profile.email_verified) else { return Ok(None) };
    let hash = hash_of_address(&profile.provider, email);
    let Some(id) = pending_identities::account_of_pending(tx, hash.clone(), now).await? else {
        return Ok(None);
    };
    accounts::lock_account(tx, id).await?;
    // While we waited for the lock, an owner who proved the mailbox may have removed it.
    if !pending_identities::delete_pending(tx, hash, id).await? {
        return Ok(None);
    }
    insert(tx, profile, id, now).await?;
    let event = NewEvent::of(id, Event::Linked(LinkedBy::Address), now);
    tx.note(event.about(profile.provider.clone()));
    accounts::account(tx, id).await
}

async fn id_of(tx: &mut Tx, profile: &Profile) -> Result<Option<i64>> {
    identities::account_by_identity(tx, profile.provider.clone(), profile.subject.clone()).await
}

async fn sign_in_known(
    tx: &mut Tx,
    account: &Account,
    profile: &Profile,
    email: Option<Email>,
    now: i64,
) -> Result<i64> {
    identities::update_identity(tx, identity(profile, account.id, now)).await?;
    let proves = profile.email_verified && email.is_some_and(|email| has_address(account, &email));
    match proves && address_is_mailbox(account) && account.email_verified_at.is_none() {
        true => take_ownership(tx, account, profile, now).await,
        false => Ok(account.id),
    }
}

/// Links the identity to the account that has the same address, if the provider verified the
/// address, no unproved password opens the account, and no older address can recover it.
async fn link(
    tx: &mut Tx,
    outbox: &Outbox,
    holder: i64,
    profile: &Profile,
    email: Option<Email>,
    now: i64,
) -> Result<i64> {
    accounts::lock_account(tx, holder).await?;
    // A concurrent sign-in of the same user may have linked it already.
    if id_of(tx, profile).await?.is_some() {
        return Err(SignInFault::Registered.into());
    }
    let account = accounts::account(tx, holder).await?.ok_or(SignInFault::AccountInUse)?;
    let still_holds = email.is_some_and(|email| has_address(&account, &email));
    let is_owners =
        address_is_mailbox(&account) && (!account.has_password || account.password_proved);
    if !(profile.email_verified && still_holds && account.is_active && is_owners) {
        return Err(SignInFault::AccountInUse.into());
    }
    insert(tx, profile, holder, now).await?;
    let event = NewEvent::of(holder, Event::Linked(LinkedBy::Address), now);
    tx.note(event.about(profile.provider.clone()));
    if account.email_owned_at.is_none() {
        return take_ownership(tx, &account, profile, now).await;
    }
    let provider = Some(profile.provider.clone());
    outbox.queue_about(tx, MailKind::IdentityLinked, provider, &account, now).await?;
    Ok(holder)
}

/// Whether the account's address is its mailbox. If not, an older, proved address can still recover
/// the account, and a provider's proof of the new address must not take it over.
fn address_is_mailbox(account: &Account) -> bool {
    account.mailbox() == account.email.as_deref()
}

/// The first proof of the account's mailbox: makes its owner the only one who can sign in.
async fn take_ownership(
    tx: &mut Tx,
    account: &Account,
    profile: &Profile,
    now: i64,
) -> Result<i64> {
    let id = account.id;
    let mailbox =
        account.email.as_deref().and_then(Email::parse).ok_or(SignInFault::AccountInUse)?;
    let proving = (profile.provider.clone(), profile.subject.clone());
    become_sole_owner(tx, id, &mailbox, Some(proving), now).await?;
    accounts::delete_password(tx, id, PasswordBy::Ownership, now).await?;
    end_sessions(tx, id, None, Ending::Ownership, now).await?;
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
    let how = Registered::ByProvider;
    let account_id =
        crate::auth::accounts::create::insert(tx, outbox, &new, &identifiers, how).await?.id;
    if let Some(email) = email.filter(|_| profile.email_verified) {
        // The account is new, so there is no password or session to remove.
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
