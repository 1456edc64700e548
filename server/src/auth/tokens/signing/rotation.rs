//! Making, replacing and revoking keys. A new key is published first, so that whoever keeps the published
//! keys for a while knows it when it signs; the older one checks until the last token is over that it
//! has signed. A stolen key ends at once.

use crate::algorithm::Algorithm;
use crate::auth::tokens::signing::key::NewKey;
use crate::auth::tokens::signing::keys::{SigningKeys, SigningSettings, signs_at};
use crate::error::Result;
use crate::store::Tx;
use crate::store::signing_keys::{self, KeyRow};

/// By how much nodes' clocks and their hearing of a new key may differ, in seconds.
pub(in crate::auth) const SKEW: i64 = 60;

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
    pub(in crate::auth) fn sealed_away(&self, now: i64) -> Option<String> {
        let keys = self.keys();
        let current = signs_at(&keys, |dated| dated.times, now);
        let lasting = keys.iter().filter(|dated| dated.times.ends_at.is_none());
        let must_sign = lasting.chain(current);
        must_sign.map(|dated| &dated.key).find(|key| !key.can_sign()).map(|key| key.kid.clone())
    }
}

impl SigningSettings {
    pub(in crate::auth) fn make(
        &self,
        algorithm: Algorithm,
        now: i64,
        signs_from: i64,
    ) -> Result<KeyRow> {
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

pub(in crate::auth) fn state(row: &KeyRow, current: Option<&str>, now: i64) -> KeyState {
    match row.ends_at {
        Some(end) if end <= now => KeyState::Over(end),
        _ if current == Some(&*row.kid) => KeyState::Signs,
        _ if now < row.signs_from => KeyState::Next(row.signs_from),
        Some(end) => KeyState::Checks(end),
        // Made in the same moment as the one that signs.
        None => KeyState::Next(row.signs_from),
    }
}
