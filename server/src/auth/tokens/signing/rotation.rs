//! Making, replacing and revoking keys. A new key is published first, so that whoever keeps the published
//! keys for a while knows it when it signs; the older one checks until the last token is over that it
//! has signed. A stolen key ends at once.

use super::key::NewKey;
use super::{SigningKeys, SigningSettings, Times, signs_at};
use crate::algorithm::Algorithm;
use crate::auth::{Auth, TokenForm};
use crate::error::Result;
use crate::store::Tx;
use crate::store::signing_keys::{self, KeyRow};

/// By how much nodes' clocks and their hearing of a new key may differ, in seconds.
const SKEW: i64 = 60;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Signs from this moment on.
    Next(i64),
    Signs,
    /// Checks until this moment.
    Checks(i64),
    Over(i64),
}

/// A key as an operator sees it.
#[derive(Clone, Debug)]
pub struct ListedKey {
    pub kid: String,
    pub algorithm: String,
    pub created_at: i64,
    pub state: KeyState,
}

/// What came of revoking a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoking {
    /// There is no key of this name.
    Unknown,
    Revoked,
    /// There was none left to sign with, so this one signs now.
    Replaced(String),
}

impl Auth {
    /// Where they are used: makes the first key and reads all of them.
    pub async fn prepare_signing_keys(&self) -> Result<()> {
        if !self.policies.iter().any(|policy| policy.form == TokenForm::PublicKey) {
            return Ok(());
        }
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let rows = signing_keys::lock_signing_keys(tx).await?;
                    if rows.iter().any(|row| row.ends_at.is_none()) {
                        return Ok(());
                    }
                    let row = settings.make(settings.algorithm, now, now)?;
                    signing_keys::insert_signing_key(tx, row).await
                })
            })
            .await?;
        self.load_signing_keys().await
    }

    /// A key that signs, now or later, but is sealed under another secret than this one, so that nothing
    /// could be signed.
    pub async fn sealed_signing_key(&self) -> Result<Option<String>> {
        self.load_signing_keys().await?;
        Ok(self.signing.sealed_away(self.clock.now()))
    }

    /// All keys that are not long over, those that sign last at the end.
    pub async fn signing_keys(&self) -> Result<Vec<ListedKey>> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let rows = signing_keys::signing_keys(&mut tx).await?;
        let current = signs_at(&rows, Times::of, now).map(|row| row.kid.clone());
        let listed = |row: KeyRow| ListedKey {
            state: state(&row, current.as_deref(), now),
            kid: row.kid,
            algorithm: row.algorithm,
            created_at: row.created_at,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Makes a new key, of this algorithm or that of the settings, and tells its name. `at_once`: it
    /// signs now, and all others are gone.
    pub async fn rotate_signing_key(
        &self,
        algorithm: Option<Algorithm>,
        at_once: bool,
    ) -> Result<String> {
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        let signs_from = if at_once { now } else { now + settings.overlap };
        let row = settings.make(algorithm.unwrap_or(settings.algorithm), now, signs_from)?;
        let (kid, last_token) = (row.kid.clone(), signs_from + self.revoked.longest_access());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    signing_keys::lock_signing_keys(tx).await?;
                    match at_once {
                        true => signing_keys::delete_signing_keys(tx).await?,
                        false => signing_keys::retire_signing_keys(tx, last_token + SKEW).await?,
                    }
                    signing_keys::insert_signing_key(tx, row).await
                })
            })
            .await?;
        self.load_signing_keys().await?;
        Ok(kid)
    }

    /// Revokes a key; where none would be left to sign, the next one signs, or a new one.
    pub async fn revoke_signing_key(&self, kid: &str) -> Result<Revoking> {
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        let kid = kid.to_owned();
        let revoking = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let before = signing_keys::lock_signing_keys(tx).await?;
                    let signer = signs_at(&before, Times::of, now).map(|row| row.kid.clone());
                    if !signing_keys::delete_signing_key(tx, kid.clone()).await? {
                        return Ok(Revoking::Unknown);
                    }
                    let rows = signing_keys::signing_keys(tx).await?;
                    if let Some(signer) = signer.filter(|signer| *signer != kid) {
                        if rows.iter().all(|row| row.ends_at.is_some()) {
                            // The one that was to follow it is gone.
                            signing_keys::update_endless(tx, signer).await?;
                        }
                        return Ok(Revoking::Revoked);
                    }
                    let lasting: Vec<_> = rows.iter().filter(|row| row.ends_at.is_none()).collect();
                    if lasting.iter().any(|row| row.signs_from <= now) {
                        return Ok(Revoking::Revoked);
                    }
                    if let Some(next) = lasting.first() {
                        signing_keys::update_signs_from(tx, next.kid.clone(), now).await?;
                        return Ok(Revoking::Replaced(next.kid.clone()));
                    }
                    let row = settings.make(settings.algorithm, now, now)?;
                    let made = row.kid.clone();
                    signing_keys::insert_signing_key(tx, row).await?;
                    Ok(Revoking::Replaced(made))
                })
            })
            .await?;
        self.load_signing_keys().await?;
        Ok(revoking)
    }
}

/// The same as [`Auth::sealed_signing_key`], of a database that is only looked at.
pub async fn sealed_key(
    tx: &mut Tx,
    settings: SigningSettings,
    now: i64,
) -> Result<Option<String>> {
    let keys = SigningKeys::new(settings);
    keys.replace(signing_keys::signing_keys(tx).await?);
    Ok(keys.sealed_away(now))
}

impl SigningKeys {
    /// A key that signs, or will, but cannot.
    fn sealed_away(&self, now: i64) -> Option<String> {
        let keys = self.keys();
        let current = signs_at(&keys, |dated| dated.times, now);
        let lasting = keys.iter().filter(|dated| dated.times.ends_at.is_none());
        let must_sign = lasting.chain(current);
        must_sign.map(|dated| &dated.key).find(|key| !key.can_sign()).map(|key| key.kid.clone())
    }
}

impl SigningSettings {
    fn make(&self, algorithm: Algorithm, now: i64, signs_from: i64) -> Result<KeyRow> {
        let NewKey { kid, public, private } = NewKey::generate(algorithm)?;
        Ok(KeyRow {
            private_key: self.sealing.seal(&kid, private)?,
            kid,
            algorithm: algorithm.as_str().to_owned(),
            public_key: public,
            created_at: now,
            signs_from,
            ends_at: None,
        })
    }
}

fn state(row: &KeyRow, current: Option<&str>, now: i64) -> KeyState {
    match row.ends_at {
        Some(end) if end <= now => KeyState::Over(end),
        _ if current == Some(&*row.kid) => KeyState::Signs,
        _ if now < row.signs_from => KeyState::Next(row.signs_from),
        Some(end) => KeyState::Checks(end),
        // Made in the same moment as the one that signs.
        None => KeyState::Next(row.signs_from),
    }
}
