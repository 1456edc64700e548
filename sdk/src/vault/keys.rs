//! Which key opens the file and which one seals it next.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::attempts::Attempts;
use super::key_file::KeyFile;
use super::sealed::{Keeper, Sealed};
use super::{KeyStore, KeyStoreError, VaultError, VaultKey};
use crate::vault_state::VaultState;

/// The store, the file beside, and the key that was found last.
pub(super) struct Keys {
    pub(super) store: Attempts,
    beside: Option<KeyFile>,
    /// Whether a new key may lie beside the file where there is no store.
    may_lie_beside: bool,
    known: Mutex<Option<Known>>,
    /// Set once the store was there but kept to itself: it is not asked again to take the key that
    /// lies beside the file, as it might show something to the user each time.
    store_refuses: AtomicBool,
}

/// A key and who keeps it.
#[derive(Clone)]
pub(super) struct Known {
    pub key: VaultKey,
    pub keeper: Keeper,
}

impl Keys {
    pub(super) fn new(
        store: Arc<dyn KeyStore>,
        patience: Duration,
        beside: Option<KeyFile>,
        may_lie_beside: bool,
    ) -> Self {
        Keys {
            store: Attempts::new(store, patience),
            beside,
            may_lie_beside,
            known: Mutex::new(None),
            store_refuses: AtomicBool::new(false),
        }
    }

    /// Opens a file, with the known key or with the one that its keeper has now.
    pub(super) fn open(&self, sealed: &Sealed, name: &str) -> Result<(Known, Vec<u8>), VaultError> {
        if let Some(known) = self.known()
            && known.keeper == sealed.keeper
            && let Some(record) = sealed.open(&known.key, name)
        {
            return Ok((known, record));
        }
        let kept = match sealed.keeper {
            Keeper::Store => self.store.load(),
            Keeper::File => self.beside.as_ref().map_or(Ok(None), KeyStore::load),
        };
        let key = kept.map_err(|error| self.out_of_reach(error))?.ok_or_else(|| lost("no key"))?;
        let record = sealed.open(&key, name).ok_or_else(|| lost("another key, or damage"))?;
        Ok((self.learn(Known { key, keeper: sealed.keeper }), record))
    }

    /// The key for a file of which there is none yet, or none that can be read. A known key serves
    /// where nobody can say that there is another.
    pub(super) fn for_new_file(
        &self,
        hold: &(impl Clone + Send + 'static),
    ) -> Result<Known, VaultError> {
        let known = self.known();
        let found = match self.of_store(hold) {
            Err(error) if known.is_none() => self.beside_for(error),
            found => found,
        };
        match (found, known) {
            (Ok(found), _) => Ok(self.learn(found)),
            (Err(_), Some(known)) => Ok(known),
            (Err(error), None) => Err(self.out_of_reach(error)),
        }
    }

    /// The key with which a file is sealed again that this one has opened: a key that lies beside it
    /// gives way to one in the store, once there is a store.
    pub(super) fn to_seal_again(
        &self,
        opened: Known,
        hold: &(impl Clone + Send + 'static),
    ) -> Known {
        if opened.keeper == Keeper::Store || self.store_refuses.load(Ordering::SeqCst) {
            return opened;
        }
        match self.of_store(hold) {
            Ok(known) => self.learn(known),
            Err(KeyStoreError::Absent(_)) => opened,
            Err(error) => {
                tracing::warn!(%error, "the vault's key stays beside its file");
                self.store_refuses.store(true, Ordering::SeqCst);
                opened
            }
        }
    }

    /// To be called when nothing is sealed any more with the key that lies beside the file.
    pub(super) fn forget_beside(&self) {
        if let Some(beside) = &self.beside
            && let Err(error) = beside.remove()
        {
            tracing::warn!(%error, "a key that opens nothing any more stays beside the vault");
        }
    }

    /// Removes the keys, wherever they are. A system without a store has none in it.
    pub(super) fn erase(&self, hold: &(impl Clone + Send + 'static)) -> Result<(), VaultError> {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let beside = self.beside.as_ref().map_or(Ok(()), KeyFile::remove);
        match self.store.remove(hold.clone()) {
            Ok(()) | Err(KeyStoreError::Absent(_)) => {}
            Err(error) => return Err(self.out_of_reach(error)),
        }
        beside.map_err(|error| VaultError::new(VaultState::ReadOnly, error))
    }

    /// How a vault stands that has no file.
    pub(super) fn state(&self) -> Result<VaultState, VaultError> {
        if let Some(known) = self.known() {
            return Ok(state_of(known.keeper));
        }
        match self.store.load() {
            Ok(_) => Ok(VaultState::Ready),
            Err(KeyStoreError::Absent(_)) if self.may_lie_beside => Ok(VaultState::Degraded),
            Err(error) => Err(self.out_of_reach(error)),
        }
    }

    /// The store's key. A new one counts once the store gives it back.
    fn of_store(&self, hold: &(impl Clone + Send + 'static)) -> Result<Known, KeyStoreError> {
        let key = match self.store.load()? {
            Some(key) => key,
            None => {
                self.store.save(&generate()?, hold.clone())?;
                self.store.load()?.ok_or_else(forgotten)?
            }
        };
        Ok(Known { key, keeper: Keeper::Store })
    }

    fn beside_for(&self, error: KeyStoreError) -> Result<Known, KeyStoreError> {
        let beside = match (&error, &self.beside) {
            (KeyStoreError::Absent(_), Some(beside)) if self.may_lie_beside => beside,
            _ => return Err(error),
        };
        let key = match beside.load()? {
            Some(key) => key,
            None => {
                let key = generate()?;
                beside.save(&key)?;
                key
            }
        };
        tracing::warn!(%error, "the vault's key lies beside its file");
        Ok(Known { key, keeper: Keeper::File })
    }

    fn out_of_reach(&self, error: KeyStoreError) -> VaultError {
        let state = match error {
            // It was there when the file was sealed, and the app would make do with less for a new one.
            KeyStoreError::Absent(_) if self.may_lie_beside => VaultState::Locked,
            KeyStoreError::Absent(_) => VaultState::Absent,
            KeyStoreError::Locked(_) | KeyStoreError::Other(_) => VaultState::Locked,
        };
        VaultError::new(state, error)
    }

    fn known(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn learn(&self, known: Known) -> Known {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        known
    }
}

pub(super) fn state_of(keeper: Keeper) -> VaultState {
    match keeper {
        Keeper::Store => VaultState::Ready,
        Keeper::File => VaultState::Degraded,
    }
}

fn lost(why: &str) -> VaultError {
    VaultError::new(VaultState::Foreign, why.to_owned())
}

fn generate() -> Result<VaultKey, KeyStoreError> {
    VaultKey::generate().map_err(|error| KeyStoreError::Other(error.to_string()))
}

fn forgotten() -> KeyStoreError {
    KeyStoreError::Other("it forgets what it was given".to_owned())
}
