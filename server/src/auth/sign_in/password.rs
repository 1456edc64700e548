//! Sign-in with an identifier and a password. An unknown identifier and a wrong password get the
//! same answer at the same cost. So does a suspended account, unless the policy reveals its state
//! after a correct password. While an adoption is open, all of them are "later", and the name is
//! looked up at the other system first, if that is configured. A success is one transaction.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::auth::domain::Auth;
use crate::auth::limits::Target;
use crate::auth::limits::places::{
    is_at_known_place, is_recorded, known_until, owner_at_new_network,
};
use crate::auth::mailing::outbox::MailKind;
use crate::auth::password::{CostSeed, Password, Verdict};
use crate::auth::policy::Policy;
use crate::auth::sessions::reauthentication::stored_password;
use crate::auth::sessions::session::{OpenedSession, Pair, SessionExtras, open_session};
use crate::auth::tokens::opaque::ApiToken;
use crate::auth::tokens::session_id::new_session_id;
use crate::donor::Wanted;
use crate::error::{Error, Result};
use crate::identifier::Identifier;
use crate::request_record;
use crate::store::accounts::{self, Account, Credentials};
use crate::store::events::{Refusal, SignedInBy};
use crate::store::known_places;

/// The stored password that the sent one matches.
struct VerifiedPassword {
    account_id: i64,
    stored: String,
    version: i64,
    /// The sent password, if its stored hash is outdated and must be replaced.
    outdated: Option<Password>,
    /// The network to store as a known place; `None` if it is stored already.
    place: Option<Place>,
    /// The network to mail the owner about if it is new; `None` if it is known.
    noticed: Option<String>,
}

/// A known place to store.
struct Place {
    network: String,
    until: i64,
}

/// A session that was opened with a password, and its account.
pub struct SignedInAccount {
    pub opened: OpenedSession,
    pub account: Account,
}

/// The data of a sign-in request.
#[derive(Clone, Copy)]
struct SignInRequest<'s> {
    identifier: Option<&'s Identifier>,
    password: &'s str,
    from: IpAddr,
    /// Chooses the cost of the dummy hash for an unknown name.
    seed: CostSeed,
}

impl Auth {
    /// Opens a session by a password and signs a pair of JWTs.
    pub async fn sign_in_jwt(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<Pair> {
        let signed_in = self.sign_in_jwt_and_account(policy, who, password, from).await;
        signed_in.map(|(pair, _)| pair)
    }

    /// The same, with the account that has signed in.
    pub async fn sign_in_jwt_and_account(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<(Pair, Account)> {
        let SignedInAccount { opened, account } =
            self.open_by_password(policy, who, password, from, SessionExtras::default()).await?;
        let account = self.shown_at(policy, account).await?;
        let pair = self.pair(policy, opened, Some(account.clone())).await?;
        Ok((pair, account))
    }

    /// Opens a session by a password and returns its API token.
    pub async fn sign_in_api_token(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<ApiToken> {
        let key = ApiToken::new()?;
        let extras = SessionExtras { key_hash: Some(key.hash()), ..SessionExtras::default() };
        self.open_by_password(policy, who, password, from, extras).await?;
        Ok(key)
    }

    /// Opens a session by a password, within the limits on attempts.
    pub(in crate::auth) async fn open_by_password(
        &self,
        policy: &Policy,
        who: &str,
        password: &str,
        from: IpAddr,
        extras: SessionExtras,
    ) -> Result<SignedInAccount> {
        self.within_limit(self.limits.check_address(from, self.clock.now()))?;
        let identifier = Identifier::parse_as(who, policy.signs_in_by);
        let name = identifier.as_ref().map_or(who, Identifier::key);
        let seed = self.cost_seed_of_name(name);
        let request = SignInRequest { identifier: identifier.as_ref(), password, from, seed };
        let found = self.find_credentials(&request).await?;
        if let Some(found) = &found {
            request_record::note_account(found.account_id);
        }
        let is_known = is_at_known_place(found.as_ref(), self.clock.now());
        let account_id = found.as_ref().map(|found| found.account_id);
        let attempt = self.limits.reserve(Target::Name(name), from, is_known, self.clock.now());
        let attempt =
            attempt.inspect_err(|_| self.count_refused(account_id, Refusal::TooManyAttempts))?;
        let mut opened = self.try_sign_in(policy, request, found, extras.clone()).await;
        let began = Instant::now();
        // Every name alike, so that the time does not tell which are known here or there.
        if opened.as_ref().is_err_and(may_be_otherwise_there)
            && self.look_up_there(Wanted::Name(spellings(who, name)), from).await
        {
            opened = match self.find_credentials(&request).await {
                Ok(found) => self.try_sign_in(policy, request, found, extras).await,
                Err(error) => Err(error),
            };
            if opened.is_err() {
                next_second_after(began).await;
            }
        }
        self.settle(attempt, &opened).await;
        opened.map_err(|error| {
            if let Some(refusal) = refusal_of(&error) {
                self.count_refused(account_id, refusal);
            }
            // Counted as a failure all the same: a right password would be accepted.
            self.adopting.doubt(mask_inactive(policy, error))
        })
    }

    /// Checks the password and opens the session. If the password changes in between, checks once
    /// more.
    async fn try_sign_in(
        &self,
        policy: &Policy,
        request: SignInRequest<'_>,
        mut found: Option<Credentials>,
        extras: SessionExtras,
    ) -> Result<SignedInAccount> {
        for _ in 0..2 {
            let verified = self.check_password(policy, found, &request).await?;
            if let Some(opened) = self.commit_sign_in(policy, verified, extras.clone()).await? {
                return Ok(opened);
            }
            found = self.find_credentials(&request).await?;
        }
        Err(Error::InvalidCredentials)
    }

    async fn find_credentials(&self, request: &SignInRequest<'_>) -> Result<Option<Credentials>> {
        // Read for every name, so that the time does not reveal which identifiers are valid.
        let key = request.identifier.map_or_else(String::new, |one| one.key().to_owned());
        let network = self.places.network(request.from);
        let mut tx = self.store.read().await?;
        accounts::credentials_by_key(&mut tx, key, network).await
    }

    async fn check_password(
        &self,
        policy: &Policy,
        found: Option<Credentials>,
        request: &SignInRequest<'_>,
    ) -> Result<VerifiedPassword> {
        // A password that is too long is refused for every account alike: none is stored.
        let password = policy.password(request.password).map_err(|_| Error::InvalidCredentials)?;
        let now = self.clock.now();
        let origin = self.origin(request.from, is_at_known_place(found.as_ref(), now));
        let stored_hash = stored_password(found.as_ref());
        let seed = match &found {
            // All identifiers of an account without a password get the same cost.
            Some(found) => self.cost_seed_of_account(found.account_id),
            None => request.seed,
        };
        let verdict = self.hasher.verify(password, stored_hash, seed, origin).await?;
        let Some(found) = found else { return Err(Error::InvalidCredentials) };
        let until = known_until(now + policy.refresh_seconds, now);
        let is_stored = is_recorded(found.known_until, until);
        // A sign-in from a known network needs no notice.
        let noticed = match is_at_known_place(Some(&found), now) {
            true => None,
            false => self.noticed_network(policy, request.from),
        };
        match (verdict, found.password) {
            (Verdict::Right { .. }, _) if !found.is_active => Err(Error::AccountInactive),
            (Verdict::Right { outdated }, Some(stored)) => Ok(VerifiedPassword {
                account_id: found.account_id,
                stored,
                version: found.password_version,
                outdated,
                place: (!is_stored)
                    .then(|| Place { network: self.places.network(request.from), until }),
                noticed,
            }),
            _ => Err(Error::InvalidCredentials),
        }
    }

    /// `None` if the account has another password by now, or may not sign in any more.
    async fn commit_sign_in(
        &self,
        policy: &Policy,
        verified: VerifiedPassword,
        extras: SessionExtras,
    ) -> Result<Option<SignedInAccount>> {
        let VerifiedPassword { account_id, stored, version, outdated, place, noticed } = verified;
        let at = self.clock.now();
        let opened =
            OpenedSession { session: new_session_id()?, account_id, at, by: SignedInBy::Password };
        let (policy, outbox, device) = (*policy, self.outbox.clone(), extras.device_name.clone());
        let committed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let at = opened.at;
                    let owner = owner_at_new_network(tx, account_id, noticed, at).await?;
                    let account = accounts::update_signed_in(tx, account_id, at, version).await?;
                    let Some(account) = account else { return Ok(None) };
                    if let Some(Place { network, until }) = place {
                        known_places::note_place(tx, account_id, network, until).await?;
                    }
                    if let Some(owner) = owner {
                        outbox.queue_about(tx, MailKind::NewNetwork, device, &owner, at).await?;
                    }
                    open_session(tx, &policy, opened, extras).await?;
                    Ok(Some(account))
                })
            })
            .await?;
        let Some(account) = committed else { return Ok(None) };
        if let Some(password) = outdated {
            self.rehash_later(account_id, stored, password);
        }
        Ok(Some(SignedInAccount { opened, account }))
    }
}

/// Waits until whole seconds have passed: an account that is found there takes longer than none.
async fn next_second_after(began: Instant) {
    sleep_until(began + Duration::from_secs(began.elapsed().as_secs() + 1)).await;
}

/// Answers a right password of a suspended account as a wrong one, unless the policy reveals the
/// state. The log and the events have the true reason.
fn mask_inactive(policy: &Policy, error: Error) -> Error {
    match error {
        Error::AccountInactive if !policy.reports_inactive => {
            error.note();
            Error::InvalidCredentials
        }
        error => error,
    }
}

/// Whether the other system may have another password, another state, or the name at all.
fn may_be_otherwise_there(error: &Error) -> bool {
    matches!(error, Error::InvalidCredentials | Error::AccountInactive)
}

/// A name as it was sent, and as it is compared here.
fn spellings(who: &str, key: &str) -> Vec<String> {
    let who = who.trim();
    match who == key {
        true => vec![key.to_owned()],
        false => vec![who.to_owned(), key.to_owned()],
    }
}

/// Why a sign-in was refused; `None` if it was not processed.
fn refusal_of(error: &Error) -> Option<Refusal> {
    match error {
        Error::InvalidCredentials => Some(Refusal::WrongPassword),
        Error::AccountInactive => Some(Refusal::Inactive),
        _ => None,
    }
}
