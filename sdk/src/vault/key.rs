//! The key that opens a vault, and who keeps it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

/// 32 random bytes that seal a vault.
#[derive(Clone)]
pub struct VaultKey([u8; 32]);

impl VaultKey {
    /// A new one.
    ///
    /// # Errors
    ///
    /// Where the system gives no random bytes.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| io::Error::other("the system gives no random bytes"))?;
        Ok(VaultKey(bytes))
    }

    /// One that was made elsewhere. The bytes must be random: a password is not.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        VaultKey(bytes)
    }

    /// The bytes themselves.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// As text, because KDE's store holds nothing else.
    pub(super) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(super) fn from_text(text: &[u8]) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(VaultKey(bytes.try_into().ok()?))
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Keeps one key: the operating system's store, or one that an app supplies, such as Android's
/// Keystore.
///
/// The calls may block, and show something to the user: they are made on a thread of their own.
/// The vault waits for them [so long](super::Vault::key_store_timeout) and makes one at a time.
pub trait KeyStore: Send + Sync {
    /// The key, or `None` if the store is certain to have none: what it sealed is then lost.
    ///
    /// # Errors
    ///
    /// Where the store cannot say, such as before the device has been unlocked.
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError>;

    /// Keeps the key instead of the one that was kept before.
    ///
    /// # Errors
    ///
    /// Where the key is not kept.
    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError>;

    /// Removes the key, if there is one. It is asked for when a slot is
    /// [removed](super::VaultSlots::remove); a store that does not know how keeps the key, which then
    /// opens nothing.
    ///
    /// # Errors
    ///
    /// Where the key is still there.
    fn remove(&self) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

/// Why a store neither gives nor takes a key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// It is locked, the user refused, or nobody answers: it may work later.
    Locked(String),
    /// The system has no such store.
    NoStore(String),
    /// Anything else; nobody knows whether it has a key.
    Other(String),
}

impl fmt::Display for KeyStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyStoreError::Locked(why) => write!(f, "the key store is locked: {why}"),
            KeyStoreError::NoStore(why) => write!(f, "there is no key store: {why}"),
            KeyStoreError::Other(why) => write!(f, "the key store fails: {why}"),
        }
    }
}

impl StdError for KeyStoreError {}

/// A key that the app holds.
pub(super) struct FixedKey(pub VaultKey);

impl KeyStore for FixedKey {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(Some(self.0.clone()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Other("the app has chosen the key".to_owned()))
    }
}
