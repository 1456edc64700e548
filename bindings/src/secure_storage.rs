//! The app's own store for the key of a vault, such as Android's Keystore.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use propusk::{KeyStore, KeyStoreError, VaultKey};

use crate::error::unexpected;

/// Stores the 32 bytes of a vault's key. The calls may block and may show a dialog: they run on a
/// thread of their own, one at a time. Any exception means that the store cannot be used now.
#[uniffi::export(with_foreign)]
pub trait SecureStorage: Send + Sync {
    /// The key. Absent only if the store is certain to have none: the vault is then lost.
    fn load(&self) -> Result<Option<Vec<u8>>, SecureStorageError>;

    /// Saves the key and replaces the previous one.
    fn save(&self, key: Vec<u8>) -> Result<(), SecureStorageError>;

    /// Removes the key, if there is one.
    fn remove(&self) -> Result<(), SecureStorageError>;
}

/// Why a store cannot load or save a key. `detail` is for a log and must not contain the key.
#[derive(Clone, Debug, Eq, PartialEq, uniffi::Error)]
pub enum SecureStorageError {
    /// It is locked or the user refused: it may work later.
    Locked {
        /// An English sentence for a log.
        detail: String,
    },
    /// The system has no such store.
    NoStore {
        /// An English sentence for a log.
        detail: String,
    },
    /// Any other error.
    Failed {
        /// An English sentence for a log.
        detail: String,
    },
}

impl fmt::Display for SecureStorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (SecureStorageError::Locked { detail }
        | SecureStorageError::NoStore { detail }
        | SecureStorageError::Failed { detail }) = self;
        f.write_str(detail)
    }
}

impl StdError for SecureStorageError {}

impl From<uniffi::UnexpectedUniFFICallbackError> for SecureStorageError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        SecureStorageError::Failed { detail: unexpected(&error) }
    }
}

impl From<SecureStorageError> for KeyStoreError {
    fn from(error: SecureStorageError) -> Self {
        match error {
            SecureStorageError::Locked { detail } => KeyStoreError::Locked(detail),
            SecureStorageError::NoStore { detail } => KeyStoreError::NoStore(detail),
            SecureStorageError::Failed { detail } => KeyStoreError::Other(detail),
        }
    }
}

/// The app's store as the SDK's.
pub struct AppKeyStore(pub Arc<dyn SecureStorage>);

impl KeyStore for AppKeyStore {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        let Some(bytes) = self.0.load()? else { return Ok(None) };
        let count = bytes.len();
        let key = <[u8; 32]>::try_from(bytes).map_err(|_| {
            KeyStoreError::Other(format!("the app's storage returns {count} bytes instead of 32"))
        })?;
        Ok(Some(VaultKey::from_bytes(key)))
    }

    fn save(&self, key: &VaultKey) -> Result<(), KeyStoreError> {
        Ok(self.0.save(key.expose().to_vec())?)
    }

    fn remove(&self) -> Result<(), KeyStoreError> {
        Ok(self.0.remove()?)
    }
}
