//! Re-authentication for sensitive changes: the current password or a recent sign-in, in addition
//! to a valid credential. The transaction of the change verifies it again.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::limits::Target;
use crate::auth::limits::places::is_at_known_place;
use crate::auth::password::{Origin, Password, PasswordHash, Verdict};
use crate::auth::requester::SignedIn;
use crate::auth::sessions::session::check_recent_sign_in;
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::store::accounts::{self, Credentials};
use crate::store::events::Refusal;

/// Evidence of re-authentication: the current password or a recent sign-in. Has no `Debug`.
#[derive(Clone)]
pub struct Reauthentication {
    pub(in crate::auth) who: SignedIn,
    /// The address of the client.
    pub(in crate::auth) from: IpAddr,
    method: Method,
}

#[derive(Clone)]
enum Method {
    /// The version of the password that was checked: a later change of the password makes this
    /// invalid.
    Password(i64),
    RecentSignIn,
}

impl Reauthentication {
    /// By the age of the sign-in, which `verify` checks.
    pub fn by_recent_sign_in(who: &SignedIn, from: IpAddr) -> Self {
        Reauthentication { who: *who, from, method: Method::RecentSignIn }
    }

    pub(in crate::auth) fn is_by_password(&self) -> bool {
        matches!(self.method, Method::Password(_))
    }

    /// Locks the account until the write ends, and fails if the evidence is no longer valid.
    pub(in crate::auth) async fn verify(&self, tx: &mut Tx, now: i64) -> Result<()> {
        let id = self.who.account_id;
        accounts::lock_account(tx, id).await?;
        match &self.method {
            Method::RecentSignIn => check_recent_sign_in(tx, &self.who, now).await,
            Method::Password(proved) => {
                match accounts::password_version(tx, id).await? == Some(*proved) {
                    true => Ok(()),
                    false => Err(Error::WrongPassword),
                }
            }
        }
    }
}

impl Auth {
    /// Re-authenticates by the current password if it is given, else by a recent sign-in. A
    /// credential of an OAuth client, or one that was sent in a URL, cannot re-authenticate.
    pub async fn reauthenticate(
        &self,
        who: &SignedIn,
        current: Option<&str>,
        from: IpAddr,
    ) -> Result<Reauthentication> {
        match current {
            Some(_) if who.is_lent() => Err(Error::CredentialNotAllowed),
            Some(current) => self.verify_current_password(who, current, from).await,
            None => Ok(Reauthentication::by_recent_sign_in(who, from)),
        }
    }

    async fn verify_current_password(
        &self,
        who: &SignedIn,
        current: &str,
        from: IpAddr,
    ) -> Result<Reauthentication> {
        let network = self.places.network(from);
        let mut tx = self.store.read().await?;
        let found = accounts::credentials(&mut tx, who.account_id, network).await?;
        drop(tx);
        let is_known = is_at_known_place(found.as_ref(), self.clock.now());
        let target = Target::Account(who.account_id);
        let id = Some(who.account_id);
        let attempt = self.limits.reserve(target, from, is_known, self.clock.now());
        let attempt = attempt.inspect_err(|_| self.count_refused(id, Refusal::TooManyAttempts))?;
        let origin = self.origin(from, is_known);
        let version = self.matching_version(who, current, found, origin).await;
        self.settle(attempt, &version).await;
        if matches!(version, Err(Error::WrongPassword)) {
            self.count_refused(id, Refusal::WrongCurrentPassword);
        }
        let version = version.map_err(|error| self.adopting.doubt(error))?;
        Ok(Reauthentication { who: *who, from, method: Method::Password(version) })
    }

    /// Fails early if the sign-in is too old, before expensive work.
    pub(in crate::auth) async fn check_recent(&self, proof: &Reauthentication) -> Result<()> {
        if proof.is_by_password() {
            return Ok(());
        }
        let mut tx = self.store.read().await?;
        check_recent_sign_in(&mut tx, &proof.who, self.clock.now()).await
    }

    /// The version of the stored password, if `current` matches it.
    async fn matching_version(
        &self,
        who: &SignedIn,
        current: &str,
        found: Option<Credentials>,
        origin: Origin,
    ) -> Result<i64> {
        let current = Password::parse(current).map_err(|_| Error::WrongPassword)?;
        let (stored_hash, seed) =
            (stored_password(found.as_ref()), self.cost_seed_of_account(who.account_id));
        match (self.hasher.verify(current, stored_hash, seed, origin).await?, found) {
            (Verdict::Right { .. }, Some(found)) => Ok(found.password_version),
            _ => Err(Error::WrongPassword),
        }
    }
}

/// The stored password, if the account exists and has one.
pub fn stored_password(found: Option<&Credentials>) -> Option<PasswordHash> {
    found.and_then(|found| found.password.clone()).map(PasswordHash::new)
}
