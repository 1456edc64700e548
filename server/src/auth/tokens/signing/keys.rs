//! The signing keys in memory, on every node. They are reloaded from the database together with the
//! revocations, and at once if a token names a key that is not known here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::algorithm::Algorithm;
use crate::auth::secrets::random::{hex, random};
use crate::auth::secrets::sealing::SealingKey;
use crate::auth::tokens::signing::access_token::{self, AccessSubject, Header, Issuer, ReadToken};
use crate::auth::tokens::signing::key::{Jwk, SigningKey};
use crate::error::{Error, Fault, Result, TokenFault};
use crate::store::signing_keys::KeyRow;

/// Tokens with unknown keys reload the keys at most once in this time.
const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// The settings of signing keys.
#[derive(Clone)]
pub struct SigningSettings {
    pub issuer: Issuer,
    /// The algorithm of new keys.
    pub algorithm: Algorithm,
    /// How long a new key is published before it signs, in seconds.
    pub overlap: i64,
    /// Seals the private halves.
    pub sealing: SealingKey,
}

/// The number of a key in memory. A key that was withdrawn and comes back gets another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyNumber(u32);

/// A key and its times.
#[derive(Clone)]
pub struct DatedKey {
    pub key: Arc<SigningKey>,
    number: KeyNumber,
    pub times: KeyTimes,
}

#[derive(Clone, Copy)]
pub struct KeyTimes {
    signs_from: i64,
    pub ends_at: Option<i64>,
}

impl KeyTimes {
    pub fn of(row: &KeyRow) -> Self {
        KeyTimes { signs_from: row.signs_from, ends_at: row.ends_at }
    }

    fn has_ended(self, now: i64) -> bool {
        self.ends_at.is_some_and(|end| end <= now)
    }
}

/// The key that signs at this moment. If none signs yet, the clock here is behind the clock of the
/// node that made the first key; then the first key signs early.
pub fn signing_key_at<T>(keys: &[T], times: impl Fn(&T) -> KeyTimes, now: i64) -> Option<&T> {
    let mut alive = keys.iter().filter(|key| !times(key).has_ended(now));
    let first = alive.clone().next();
    alive.rfind(|key| times(key).signs_from <= now).or(first)
}

/// The keys; one set per server.
pub struct SigningKeys {
    pub settings: SigningSettings,
    /// In the order in which they begin to sign.
    keys: RwLock<Arc<Vec<DatedKey>>>,
    reloaded_at: Mutex<Option<Instant>>,
    /// How many keys were opened.
    opened: AtomicU32,
}

impl SigningKeys {
    pub fn new(settings: SigningSettings) -> Self {
        SigningKeys {
            settings,
            keys: RwLock::default(),
            reloaded_at: Mutex::default(),
            opened: AtomicU32::new(0),
        }
    }

    /// Signs an access token for a session.
    pub fn sign(&self, access: AccessSubject, now: i64, expires_at: i64) -> Result<String> {
        let keys = self.keys();
        let current = signing_key_at(&keys, |dated| dated.times, now);
        let current = current.ok_or(Error::Internal(Fault::NoSigningKey))?;
        let jti = hex(&random::<16>()?);
        access_token::sign(&current.key, &self.settings.issuer, access, jti, now, expires_at)
    }

    /// The public keys for services that verify tokens, including keys that do not sign yet.
    pub fn published(&self, now: i64) -> Vec<Jwk> {
        let keys = self.keys();
        keys.iter().filter(|one| !one.times.has_ended(now)).map(|one| one.key.jwk()).collect()
    }

    pub fn knows(&self, kid: &str) -> bool {
        self.keys().iter().any(|dated| dated.key.kid == kid)
    }

    /// Verifies a token with this header, and answers which key has signed it. The key must verify at
    /// this moment.
    pub fn read(
        &self,
        header: &Header,
        token: &str,
        now: i64,
    ) -> std::result::Result<(ReadToken, KeyNumber), TokenFault> {
        let keys = self.keys();
        let named = keys.iter().find(|one| one.key.kid == header.kid && !one.times.has_ended(now));
        let named = named.ok_or(TokenFault::Malformed)?;
        let read = header.read(&named.key, &self.settings.issuer, token)?;
        read.at(now)?;
        Ok((read, named.number))
    }

    /// Whether tokens of this key are valid at this moment.
    pub fn verifies(&self, number: KeyNumber, now: i64) -> bool {
        self.keys().iter().any(|one| one.number == number && !one.times.has_ended(now))
    }

    pub fn keys(&self) -> Arc<Vec<DatedKey>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the keys may be reloaded for an unknown key; if so, counts that as done.
    pub fn may_reload(&self) -> bool {
        let mut reloaded_at = self.reloaded_at.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = reloaded_at.is_none_or(|at| at.elapsed() >= RELOAD_INTERVAL);
        if is_due {
            *reloaded_at = Some(Instant::now());
        }
        is_due
    }

    /// Replaces the keys with those of the database; a key that is known already is not opened
    /// again.
    pub fn replace(&self, rows: Vec<KeyRow>) {
        let before = self.keys();
        let known: HashMap<_, _> = before.iter().map(|dated| (&*dated.key.kid, dated)).collect();
        let dated = |row: KeyRow| {
            let times = KeyTimes::of(&row);
            if let Some(known) = known.get(&*row.kid) {
                return Some(DatedKey { times, ..DatedKey::clone(known) });
            }
            let key = Arc::new(self.open(&row)?);
            let number = KeyNumber(self.opened.fetch_add(1, Ordering::Relaxed));
            Some(DatedKey { key, number, times })
        };
        let keys = rows.into_iter().filter_map(dated).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// `None` if the row was written by a newer version of the server. A key whose private half is
    /// sealed under another secret only verifies.
    fn open(&self, row: &KeyRow) -> Option<SigningKey> {
        let algorithm = Algorithm::parse(&row.algorithm)?;
        let private = self.settings.sealing.open(&row.kid, &row.private_key);
        SigningKey::open(algorithm, &row.public_key, private.as_deref())
            .filter(|key| key.kid == row.kid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUBJECT: AccessSubject = AccessSubject { account_id: 7, session: 1 };

    fn keys(audience: &str) -> SigningKeys {
        let issuer = "https://a.example".to_owned();
        SigningKeys::new(SigningSettings {
            issuer: Issuer { issuer, audience: audience.to_owned() },
            algorithm: Algorithm::Es256,
            overlap: 600,
            sealing: SealingKey::new([1; 32]),
        })
    }

    fn read(keys: &SigningKeys, token: &str, now: i64) -> Option<(AccessSubject, KeyNumber)> {
        let (read, number) = keys.read(&Header::of(token)?, token, now).ok()?;
        Some((read.subject, number))
    }

    #[test]
    fn token_and_the_number_of_its_key_need_a_key_that_verifies_now() {
        let keys = keys("apps");
        let row = keys.settings.new_key(Algorithm::Es256, 0, 0).expect("a key");
        let with_end = |ends_at| keys.replace(vec![KeyRow { ends_at, ..row.clone() }]);
        with_end(None);
        let token = keys.sign(SUBJECT, 100, 1_000).expect("a token");
        let (subject, number) = read(&keys, &token, 999).expect("a good token");
        assert_eq!(subject, SUBJECT);
        assert_eq!(read(&keys, &token, 1_000), None);
        with_end(Some(500));
        assert_eq!(read(&keys, &token, 499), Some((SUBJECT, number)));
        assert_eq!(read(&keys, &token, 500), None);
        assert!(keys.verifies(number, 499) && !keys.verifies(number, 500));
        keys.replace(Vec::new());
        assert!(read(&keys, &token, 499).is_none() && !keys.verifies(number, 499));
        with_end(None);
        let (subject, another) = read(&keys, &token, 999).expect("a good token");
        assert_eq!(subject, SUBJECT);
        assert!(keys.verifies(another, 999) && !keys.verifies(number, 999));
    }

    #[test]
    fn token_is_one_of_this_audience() {
        let [apps, others] = ["apps", "others"].map(keys);
        let row = apps.settings.new_key(Algorithm::Es256, 0, 0).expect("a key");
        for one in [&apps, &others] {
            one.replace(vec![row.clone()]);
        }
        let token = apps.sign(SUBJECT, 100, 1_000).expect("a token");
        assert!(read(&apps, &token, 500).is_some() && read(&others, &token, 500).is_none());
    }
}
