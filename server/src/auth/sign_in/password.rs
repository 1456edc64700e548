//! Signing in with an identifier and a password. Unknown and wrong get one answer at one cost, and so
//! does a suspended account where the policy does not tell whoever knows its password; a success is
//! one transaction.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::limits::Target;
use crate::auth::limits::places::{
    is_at_known_place, is_recorded, known_until, owner_at_new_network,
};
use crate::auth::mailing::outbox::MailKind;
use crate::auth::password::{CostSeed, Password, Verdict};
use crate::auth::policy::Policy;
use crate::auth::sessions::reauthentication::held_password;
use crate::auth::sessions::session::{By, Kept, Opened, Pair, open_session};
use crate::auth::tokens::opaque::ApiToken;
use crate::auth::tokens::session_id::new_session_id;
use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::store::accounts::{self, Credentials};
use crate::store::known_places;

/// A stored password that fitted.
struct Fitting {
    account_id: i64,
    stored: String,
    version: i64,
    /// The password in the spelling that fitted, where it shall be hashed anew.
    outdated: Option<Password>,
    /// Where it was sent from, where that is to be noted as a known place.
    place: Option<Place>,
    /// The network of which the owner is mailed if it is a new one.
    noticed: Option<String>,
}

/// A place to be noted.
struct Place {
    network: String,
    until: i64,
}

/// A password that was sent.
struct Sent<'s> {
    identifier: Option<&'s Identifier>,
    password: &'s str,
    from: IpAddr,
    /// What an unknown name costs.
    seed: CostSeed,
}

impl Auth {
    /// Opens a session for whoever is called `who` under this policy and knows the password.
    pub async fn sign_in(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Pair> {
        let opened = self.open_by_password(policy, who, password, from, Kept::default()).await?;
        self.pair(policy, opened).await
    }

    /// The same for an API that gives keys.
    pub async fn sign_in_for_key(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<ApiToken> {
        let key = ApiToken::new()?;
        let kept = Kept { key_hash: Some(key.hash()), ..Kept::default() };
        self.open_by_password(policy, who, password, from, kept).await?;
        Ok(key)
    }

    pub(in crate::auth) async fn open_by_password(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
        kept: Kept,
    ) -> Result<Opened> {
        self.limits.check_address(from, self.clock.now())?;
        let identifier = Identifier::parse_as(who, policy.signs_in_by);
        let name = identifier.as_ref().map_or(who, Identifier::key);
        let seed = self.cost_seed_of_name(name);
        let sent = Sent { identifier: identifier.as_ref(), password, from, seed };
        let found = self.find_credentials(&sent).await?;
        let is_known = is_at_known_place(found.as_ref(), self.clock.now());
        let attempt = self.limits.reserve(Target::Name(name), from, is_known, self.clock.now())?;
        let opened = self.try_sign_in(policy, sent, found, kept).await;
        self.settle(attempt, &opened).await;
        opened
    }

    /// The account may get another password between the check and the commit: then a second look
    /// decides.
    async fn try_sign_in(
        &self,
        policy: &Policy,
        sent: Sent<'_>,
        mut found: Option<Credentials>,
        kept: Kept,
    ) -> Result<Opened> {
        for _ in 0..2 {
            let fitting = self.check_password(policy, found, &sent).await?;
            if let Some(opened) = self.commit_sign_in(policy, fitting, kept.clone()).await? {
                return Ok(opened);
            }
            found = self.find_credentials(&sent).await?;
        }
        Err(Error::InvalidCredentials)
    }

    async fn find_credentials(&self, sent: &Sent<'_>) -> Result<Option<Credentials>> {
        // The read happens for every name, so that its time tells nothing.
        let key = sent.identifier.map_or_else(String::new, |one| one.key().to_owned());
        let network = self.places.network(sent.from);
        let mut tx = self.store.read().await?;
        accounts::credentials_by_key(&mut tx, key, network).await
    }

    async fn check_password(
        &self,
        policy: &Policy,
        found: Option<Credentials>,
        sent: &Sent<'_>,
    ) -> Result<Fitting> {
        // Longer than any stored password can be, so the answer needs no look at an account.
        let password = policy.password(sent.password).map_err(|_| Error::InvalidCredentials)?;
        let now = self.clock.now();
        let origin = self.origin(sent.from, is_at_known_place(found.as_ref(), now));
        let held = held_password(found.as_ref());
        let seed = match &found {
            // All names of an account without a password cost the same.
            Some(found) => self.cost_seed_of_account(found.account_id),
            None => sent.seed,
        };
        let verdict = self.hasher.verify(password, held, seed, origin).await?;
        let Some(found) = found else { return Err(Error::InvalidCredentials) };
        let until = known_until(now + policy.refresh_seconds, now);
        let is_noted = is_recorded(found.known_until, until);
        match (verdict, found.password) {
            (Verdict::Right { .. }, _) if !found.is_active => match policy.reports_inactive {
                true => Err(Error::AccountInactive),
                false => Err(Error::InvalidCredentials),
            },
            (Verdict::Right { outdated }, Some(stored)) => Ok(Fitting {
                account_id: found.account_id,
                stored,
                version: found.password_version,
                outdated,
                place: (!is_noted)
                    .then(|| Place { network: self.places.network(sent.from), until }),
                noticed: self.noticed_network(policy, sent.from),
            }),
            _ => Err(Error::InvalidCredentials),
        }
    }

    /// None when the account no longer has the password that fitted, or may not sign in any more.
    async fn commit_sign_in(
        &self,
        policy: &Policy,
        fitting: Fitting,
        kept: Kept,
    ) -> Result<Option<Opened>> {
        let Fitting { account_id, stored, version, outdated, place, noticed } = fitting;
        let at = self.clock.now();
        let opened = Opened { session: new_session_id()?, account_id, at, by: By::Owner };
        let (policy, outbox, device) = (*policy, self.outbox.clone(), kept.device_name.clone());
        let committed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let at = opened.at;
                    let owner = owner_at_new_network(tx, account_id, noticed, at).await?;
                    if !accounts::update_signed_in(tx, account_id, at, version).await? {
                        return Ok(None);
                    }
                    if let Some(Place { network, until }) = place {
                        known_places::note_place(tx, account_id, network, until).await?;
                    }
                    if let Some(owner) = owner {
                        outbox.queue_about(tx, MailKind::NewNetwork, device, &owner, at).await?;
                    }
                    open_session(tx, &policy, opened, kept).await.map(Some)
                })
            })
            .await?;
        if committed.is_none() {
            return Ok(None);
        }
        if let Some(password) = outdated {
            self.rehash_later(account_id, stored, password);
        }
        Ok(Some(opened))
    }
}
