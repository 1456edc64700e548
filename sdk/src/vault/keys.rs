//! Decides which key opens the file and which one seals it next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::key_file::KeyFile;
use super::sealed::{KeyLocation, Sealed};
use super::timed_key_store::TimedKeyStore;
use super::{KeyStore, KeyStoreError, VaultError, VaultKey};
use crate::vault_state::VaultState;

/// The key store, the key file, and the key that was found last.
pub(super) struct Keys {
    pub(super) store: TimedKeyStore,
    key_file: Option<KeyFile>,
    /// Whether a key file may be created if there is no key store.
    allows_key_file: bool,
    known: Mutex<Option<LocatedKey>>,
    /// Set after the store refused to take over the key of the key file. It is not asked again,
    /// because it may show a dialog each time.
    store_refuses: AtomicBool,
}

/// A key and where it is kept.
#[derive(Clone)]
pub(super) struct LocatedKey {
    pub key: VaultKey,
    pub key_location: KeyLocation,
}

impl Keys {
    pub(super) fn new(
        store: Arc<dyn KeyStore>,
        timeout: Duration,
        key_file: Option<KeyFile>,
        allows_key_file: bool,
    ) -> Self {
        Keys {
            store: TimedKeyStore::new(store, timeout),
            key_file,
            allows_key_file,
            known: Mutex::new(None),
            store_refuses: AtomicBool::new(false),
        }
    }

    /// Opens a file with the remembered key, or with the one that is stored now.
    pub(super) fn open(
        &self,
        sealed: &Sealed,
        name: &str,
    ) -> Result<(LocatedKey, Vec<u8>), VaultError> {
        if let Some(known) = self.known()
            && known.key_location == sealed.key_location
            && let Some(record) = sealed.open(&known.key, name)
        {
            return Ok((known, record));
        }
        let kept = match sealed.key_location {
            KeyLocation::Store => self.store.load(),
            KeyLocation::File => self.key_file.as_ref().map_or(Ok(None), KeyStore::load),
        };
        let key =
            kept.map_err(|error| self.unavailable(error))?.ok_or_else(|| unreadable("no key"))?;
        let record = sealed.open(&key, name).ok_or_else(|| unreadable("another key, or damage"))?;
        Ok((self.remember(LocatedKey { key, key_location: sealed.key_location }), record))
    }

    /// The key for a file that does not exist or is unreadable. A remembered key is used if it is
    /// unknown whether there is another.
    pub(super) fn for_new_file(
        &self,
        lock_guard: &(impl Clone + Send + 'static),
    ) -> Result<LocatedKey, VaultError> {
        let known = self.known();
        let found = match self.key_of_store(lock_guard) {
            Err(error) if known.is_none() => self.key_file_after(error),
            found => found,
        };
        match (found, known) {
            (Ok(found), _) => Ok(self.remember(found)),
            (Err(_), Some(known)) => Ok(known),
            (Err(error), None) => Err(self.unavailable(error)),
        }
    }

    /// The key to seal a file again that was just opened. A key from a key file moves into the key
    /// store once there is one.
    pub(super) fn for_existing_file(
        &self,
        opened: LocatedKey,
        lock_guard: &(impl Clone + Send + 'static),
    ) -> LocatedKey {
        if opened.key_location == KeyLocation::Store || self.store_refuses.load(Ordering::SeqCst) {
            return opened;
        }
        match self.key_of_store(lock_guard) {
            Ok(known) => self.remember(known),
            Err(KeyStoreError::NoStore(_)) => opened,
            Err(error) => {
                tracing::warn!(%error, "the vault's key stays in its key file");
                self.store_refuses.store(true, Ordering::SeqCst);
                opened
            }
        }
    }

    /// Removes the key file, when nothing is sealed with its key any more.
    pub(super) fn remove_key_file(&self) {
        if let Some(key_file) = &self.key_file
            && let Err(error) = key_file.remove()
        {
            tracing::warn!(%error, "a key file that opens nothing any more could not be removed");
        }
    }

    /// Removes the keys, wherever they are.
    pub(super) fn erase(
        &self,
        lock_guard: &(impl Clone + Send + 'static),
    ) -> Result<(), VaultError> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let key_file = self.key_file.as_ref().map_or(Ok(()), KeyFile::remove);
        match self.store.remove(lock_guard.clone()) {
            Ok(()) | Err(KeyStoreError::NoStore(_)) => {}
            Err(error) => return Err(self.unavailable(error)),
        }
        key_file.map_err(|error| VaultError::new(VaultState::ReadOnly, error))
    }

    /// The state of a vault without a file.
    pub(super) fn state(&self) -> Result<VaultState, VaultError> {
        if let Some(known) = self.known() {
            return Ok(state_of(known.key_location));
        }
        match self.store.load() {
            Ok(_) => Ok(VaultState::Ready),
            Err(KeyStoreError::NoStore(_)) if self.allows_key_file => Ok(VaultState::KeyInFile),
            Err(error) => Err(self.unavailable(error)),
        }
    }

    /// The key of the store. A new key counts only after the store returns it.
    fn key_of_store(
        &self,
        lock_guard: &(impl Clone + Send + 'static),
    ) -> Result<LocatedKey, KeyStoreError> {
        let key = match self.store.load()? {
            Some(key) => key,
            None => {
                self.store.save(&generate()?, lock_guard.clone())?;
                self.store.load()?.ok_or_else(forgotten)?
            }
        };
        Ok(LocatedKey { key, key_location: KeyLocation::Store })
    }

    fn key_file_after(&self, error: KeyStoreError) -> Result<LocatedKey, KeyStoreError> {
        let key_file = match (&error, &self.key_file) {
            (KeyStoreError::NoStore(_), Some(key_file)) if self.allows_key_file => key_file,
            _ => return Err(error),
        };
        let key = match key_file.load()? {
            Some(key) => key,
            None => {
                let key = generate()?;
                key_file.save(&key)?;
                key
            }
        };
        tracing::warn!(%error, "the vault's key is in a key file");
        Ok(LocatedKey { key, key_location: KeyLocation::File })
    }

    fn unavailable(&self, error: KeyStoreError) -> VaultError {
        let state = match error {
            // The file was sealed with a key of the store, so the store is only unavailable.
            KeyStoreError::NoStore(_) if self.allows_key_file => VaultState::Locked,
            KeyStoreError::NoStore(_) => VaultState::NoKeyStore,
            KeyStoreError::Locked(_) | KeyStoreError::Other(_) => VaultState::Locked,
        };
        VaultError::new(state, error)
    }

    fn known(&self) -> Option<LocatedKey> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, known: LocatedKey) -> LocatedKey {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        known
    }
}

pub(super) fn state_of(key_location: KeyLocation) -> VaultState {
    match key_location {
        KeyLocation::Store => VaultState::Ready,
        KeyLocation::File => VaultState::KeyInFile,
    }
}

fn unreadable(why: &str) -> VaultError {
    VaultError::new(VaultState::Unreadable, why.to_owned())
}

fn generate() -> Result<VaultKey, KeyStoreError> {
    VaultKey::generate().map_err(|error| KeyStoreError::Other(error.to_string()))
}

fn forgotten() -> KeyStoreError {
    KeyStoreError::Other("it does not keep what it is given".to_owned())
}
