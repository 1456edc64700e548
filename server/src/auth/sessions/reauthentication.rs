//! What a sensitive change asks for beside a good credential: the current password, or a sign-in of a
//! moment ago. What was proved is looked at again in the transaction of the change.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::limits::Target;
use crate::auth::limits::places::is_at_known_place;
use crate::auth::password::{Origin, Password, PasswordHash, Verdict};
use crate::auth::requester::SignedIn;
use crate::auth::sessions::session::require_recent_sign_in;
use crate::error::{Error, Result};
use crate::store::Tx;
use crate::store::accounts::{self, Credentials};

/// By what whoever is signed in may make a sensitive change; no `Debug`.
#[derive(Clone)]
pub struct Proof {
    pub(in crate::auth) who: SignedIn,
    /// Where the request came from.
    pub(in crate::auth) from: IpAddr,
    by: By,
}

#[derive(Clone)]
enum By {
    /// The version of the password: a change in between makes the proof worthless.
    Password(i64),
    RecentSignIn,
}

impl Proof {
    /// Nothing but the credential: the change itself looks how old its sign-in is.
    pub fn by_recent_sign_in(who: &SignedIn, from: IpAddr) -> Self {
        Proof { who: *who, from, by: By::RecentSignIn }
    }

    pub(in crate::auth) fn is_by_password(&self) -> bool {
        matches!(self.by, By::Password(_))
    }

    /// Keeps the account from changing until the write ends, and refuses what is no proof any more.
    pub(in crate::auth) async fn require(&self, tx: &mut Tx, now: i64) -> Result<()> {
        let id = self.who.account_id;
        accounts::lock_account(tx, id).await?;
        match &self.by {
            By::RecentSignIn => require_recent_sign_in(tx, &self.who, now).await,
            By::Password(proved) => {
                match accounts::password_version(tx, id).await? == Some(*proved) {
                    true => Ok(()),
                    false => Err(Error::WrongPassword),
                }
            }
        }
    }
}

impl Auth {
    /// What there is to make a sensitive change by: the password where one is given, else the
    /// sign-in. A credential of an application, or one that stood in a URL, is none, whatever comes
    /// with it.
    pub async fn prove(
        &self,
        who: &SignedIn,
        current: Option<&str>,
        from: IpAddr,
    ) -> Result<Proof> {
        match current {
            Some(_) if who.of_client || who.in_url => Err(Error::ReauthenticationRequired),
            Some(current) => self.prove_password(who, current, from).await,
            None => Ok(Proof::by_recent_sign_in(who, from)),
        }
    }

    /// Checks the current password, which sensitive changes ask for again.
    async fn prove_password(&self, who: &SignedIn, current: &str, from: IpAddr) -> Result<Proof> {
        let network = self.places.network(from);
        let mut tx = self.store.read().await?;
        let found = accounts::credentials(&mut tx, who.account_id, network).await?;
        drop(tx);
        let is_known = is_at_known_place(found.as_ref(), self.clock.now());
        let target = Target::Account(who.account_id);
        let attempt = self.limits.reserve(target, from, is_known, self.clock.now())?;
        let origin = self.origin(from, is_known);
        let version = self.try_password(who, current, found, origin).await;
        self.settle(attempt, &version).await;
        Ok(Proof { who: *who, from, by: By::Password(version?) })
    }

    /// Refuses a sign-in that is too old, before work that costs something.
    pub(in crate::auth) async fn look_at(&self, proof: &Proof) -> Result<()> {
        if proof.is_by_password() {
            return Ok(());
        }
        let mut tx = self.store.read().await?;
        require_recent_sign_in(&mut tx, &proof.who, self.clock.now()).await
    }

    /// The version of the password, if it is this one.
    async fn try_password(
        &self,
        who: &SignedIn,
        current: &str,
        found: Option<Credentials>,
        origin: Origin,
    ) -> Result<i64> {
        let current = Password::parse(current).map_err(|_| Error::WrongPassword)?;
        let (held, seed) =
            (held_password(found.as_ref()), self.cost_seed_of_account(who.account_id));
        match (self.hasher.verify(current, held, seed, origin).await?, found) {
            (Verdict::Right { .. }, Some(found)) => Ok(found.password_version),
            _ => Err(Error::WrongPassword),
        }
    }
}

/// The stored password of somebody who may exist.
pub(in crate::auth) fn held_password(found: Option<&Credentials>) -> Option<PasswordHash> {
    found.and_then(|found| found.password.clone()).map(PasswordHash::new)
}
