//! The keys that sign tokens which anybody can check, as every node holds them in memory. What is in the
//! database is read again with the revocations, and at once for a key that nobody knows here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::algorithm::Algorithm;
use crate::auth::secrets::random::{hex, random};
use crate::auth::secrets::sealing::SealingKey;
use crate::auth::tokens::signing::access_token::{self, Access, Header, Issuer};
use crate::auth::tokens::signing::key::{Jwk, SigningKey};
use crate::error::{Error, Fault, Result, TokenFault};
use crate::store::signing_keys::KeyRow;

/// Unknown keys have the database asked at most once in this time.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// How keys are made and used.
#[derive(Clone)]
pub struct SigningSettings {
    pub issuer: Issuer,
    /// Of keys that are made from now on.
    pub algorithm: Algorithm,
    /// How long a new key is published before it signs, in seconds.
    pub overlap: i64,
    /// What the private halves are sealed with.
    pub sealing: SealingKey,
}

/// A key and its times.
#[derive(Clone)]
pub(in crate::auth) struct Dated {
    pub(in crate::auth) key: Arc<SigningKey>,
    pub(in crate::auth) times: Times,
}

#[derive(Clone, Copy)]
pub(in crate::auth) struct Times {
    signs_from: i64,
    pub(in crate::auth) ends_at: Option<i64>,
}

impl Times {
    pub(in crate::auth) fn of(row: &KeyRow) -> Self {
        Times { signs_from: row.signs_from, ends_at: row.ends_at }
    }

    fn is_over(self, now: i64) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}

/// The key that signs at this moment. Where none does yet, the clock here is behind that of whoever made
/// the first one, which then signs early.
pub(in crate::auth) fn signs_at<T>(
    keys: &[T],
    times: impl Fn(&T) -> Times,
    now: i64,
) -> Option<&T> {
    let mut alive = keys.iter().filter(|key| !times(key).is_over(now));
    let first = alive.clone().next();
    alive.rfind(|key| times(key).signs_from <= now).or(first)
}

/// The keys; one set per server.
pub struct SigningKeys {
    pub(in crate::auth) settings: SigningSettings,
    /// Those that sign last at the end.
    keys: RwLock<Arc<Vec<Dated>>>,
    asked: Mutex<Option<Instant>>,
}

impl SigningKeys {
    pub fn new(settings: SigningSettings) -> Self {
        SigningKeys { settings, keys: RwLock::default(), asked: Mutex::default() }
    }

    /// A token of this account's session.
    pub fn sign(&self, access: Access, now: i64, expires_at: i64) -> Result<String> {
        let keys = self.keys();
        let current = signs_at(&keys, |dated| dated.times, now);
        let current = current.ok_or(Error::Internal(Fault::NoSigningKey))?;
        let jti = hex(&random::<16>()?);
        access_token::sign(&current.key, &self.settings.issuer, access, jti, now, expires_at)
    }

    /// What others need to check tokens: keys that do not sign yet are among them.
    pub fn published(&self, now: i64) -> Vec<Jwk> {
        let keys = self.keys();
        keys.iter().filter(|one| !one.times.is_over(now)).map(|one| one.key.jwk()).collect()
    }

    pub(in crate::auth) fn knows(&self, kid: &str) -> bool {
        self.keys().iter().any(|dated| dated.key.kid == kid)
    }

    pub(in crate::auth) fn read(
        &self,
        header: &Header,
        token: &str,
        now: i64,
    ) -> std::result::Result<Access, TokenFault> {
        let keys = self.keys();
        let named = keys.iter().find(|one| one.key.kid == header.kid && !one.times.is_over(now));
        let key = &named.ok_or(TokenFault::Malformed)?.key;
        header.read(key, &self.settings.issuer, token, now)
    }

    pub(in crate::auth) fn keys(&self) -> Arc<Vec<Dated>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the database may be asked for a key that is not known here.
    pub(in crate::auth) fn may_ask(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = asked.is_none_or(|at| at.elapsed() >= ASKED_EVERY);
        if is_due {
            *asked = Some(Instant::now());
        }
        is_due
    }

    /// Takes over what is in the database; a key that is known already is not opened again.
    pub(in crate::auth) fn replace(&self, rows: Vec<KeyRow>) {
        let before = self.keys();
        let known: HashMap<_, _> =
            before.iter().map(|dated| (&*dated.key.kid, &dated.key)).collect();
        let dated = |row: KeyRow| {
            let key = match known.get(&*row.kid) {
                Some(key) => Arc::clone(key),
                None => Arc::new(self.open(&row)?),
            };
            Some(Dated { key, times: Times::of(&row) })
        };
        let keys = rows.into_iter().filter_map(dated).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// None: of a newer version. Without its private half where that is sealed under another secret.
    fn open(&self, row: &KeyRow) -> Option<SigningKey> {
        let algorithm = Algorithm::parse(&row.algorithm)?;
        let private = self.settings.sealing.open(&row.kid, &row.private_key);
        SigningKey::open(algorithm, &row.public_key, private.as_deref())
            .filter(|key| key.kid == row.kid)
    }
}
