//! The key of a vault, and the trait of key stores.

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
    /// A new random key.
    ///
    /// # Errors
    ///
    /// If the system provides no random bytes.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| io::Error::other("the system provides no random bytes"))?;
        Ok(VaultKey(bytes))
    }

    /// A key from elsewhere. The bytes must be random; a password is not.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        VaultKey(bytes)
    }

    /// The bytes of the key.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as text, because KDE's store supports only text.
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

/// Stores one key: the operating system's store, or one that an app provides, such as Android's
/// Keystore.
///
/// The calls may block and may show a dialog, so they run on their own thread, one at a time. The
/// vault waits for them until its [timeout](super::Vault::key_store_timeout).
pub trait KeyStore: Send + Sync {
    /// The key. `None` only if the store is certain to have none: the vault is then lost.
    ///
    /// # Errors
    ///
    /// If the store cannot say, for example before the device was unlocked.
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError>;

    /// Saves the key and replaces the previous one.
    ///
    /// # Errors
    ///
    /// If the key is not saved.
    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError>;

    /// Removes the key, if there is one. It is called when a slot is
    /// [removed](super::VaultSlots::remove). The default keeps the key, which then opens nothing.
    ///
    /// # Errors
    ///
    /// If the key is still there.
    fn remove(&self) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

/// Why a store cannot load or save a key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// It is locked, the user refused, or it does not answer: it may work later.
    Locked(String),
    /// The system has no such store. It does not mean that the store has no key.
    NoStore(String),
    /// Any other error; it is unknown whether the store has a key.
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

/// A key that the app provides.
pub(super) struct FixedKey(pub VaultKey);

impl KeyStore for FixedKey {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(Some(self.0.clone()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Other("the app provides the key".to_owned()))
    }
}
