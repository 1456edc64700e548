//! The life of signing keys. A new key is published before it signs, so that services that cache
//! the published keys know it by then. The old key verifies until the last token that it signed has
//! expired. A stolen key is revoked at once.

use crate::algorithm::Algorithm;
use crate::auth::tokens::signing::key::NewKey;
use crate::auth::tokens::signing::keys::{SigningKeys, SigningSettings, signing_key_at};
use crate::error::Result;
use crate::store::Tx;
use crate::store::signing_keys::{self, KeyRow};

/// By how much the clocks of nodes, and the times at which they load a new key, may differ, in
/// seconds.
pub const SKEW: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Signs from this time on.
    Next(i64),
    Signs,
    /// Verifies until this time.
    Checks(i64),
    /// No longer verifies, since this time.
    Ended(i64),
}

/// A key as an operator sees it.
#[derive(Clone, Debug)]
pub struct ListedKey {
    pub kid: String,
    pub algorithm: String,
    pub created_at: i64,
    pub state: KeyState,
}

/// The result of revoking a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyRevocation {
    /// There is no key with this name.
    Unknown,
    Revoked,
    /// No other key was signing, so the one with this name signs now.
    Replaced(String),
}

/// The same as [`crate::auth::Auth::sealed_signing_key`], for a database that is only read.
pub async fn sealed_key(
    tx: &mut Tx,
    settings: SigningSettings,
    now: i64,
) -> Result<Option<String>> {
    let keys = SigningKeys::new(settings);
    keys.replace(signing_keys::signing_keys(tx).await?);
    Ok(keys.sealed_key(now))
}

impl SigningKeys {
    /// The name of a key that should sign, now or later, but cannot: its private half is sealed
    /// under another secret.
    pub fn sealed_key(&self, now: i64) -> Option<String> {
        let keys = self.keys();
        let current = signing_key_at(&keys, |dated| dated.times, now);
        let lasting = keys.iter().filter(|dated| dated.times.ends_at.is_none());
        let must_sign = lasting.chain(current);
        must_sign.map(|dated| &dated.key).find(|key| !key.can_sign()).map(|key| key.kid.clone())
    }
}

impl SigningSettings {
    /// A new key, to be stored.
    pub fn new_key(&self, algorithm: Algorithm, now: i64, signs_from: i64) -> Result<KeyRow> {
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

pub fn state(row: &KeyRow, current: Option<&str>, now: i64) -> KeyState {
    match row.ends_at {
        Some(end) if end <= now => KeyState::Ended(end),
        _ if current == Some(&*row.kid) => KeyState::Signs,
        _ if now < row.signs_from => KeyState::Next(row.signs_from),
        Some(end) => KeyState::Checks(end),
        // Made in the same second as the one that signs.
        None => KeyState::Next(row.signs_from),
    }
}
