//! Reads and replaces the record: which files may be overwritten, and what happens to an unreadable
//! one. Everything here blocks.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::disk_retry::{is_away, retry_while_away, retry_while_away_since};
use super::keys::{Keys, LocatedKey, state_of};
use super::sealed::{KeyLocation, MAX_RECORD, Sealed, Unreadable, seal};
use super::{FileStorage, Storage, VaultError};
use crate::vault_state::VaultState;

/// The storage and its keys.
pub(super) struct Contents {
    pub(super) storage: Arc<dyn Storage>,
    /// The same storage, if it is a file.
    file: Option<FileStorage>,
    pub(super) keys: Keys,
    /// Whether the last write was refused.
    read_only: AtomicBool,
    /// Whether the last attempt to lock found no support for locks.
    is_without_locks: AtomicBool,
}

impl Contents {
    pub(super) fn new(storage: Arc<dyn Storage>, file: Option<FileStorage>, keys: Keys) -> Self {
        let (read_only, is_without_locks) = (AtomicBool::new(false), AtomicBool::new(false));
        Contents { storage, file, keys, read_only, is_without_locks }
    }

    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, VaultError> {
        let Some(file) = self.stored()? else { return Ok(None) };
        let (_, record) = self.open(&file)?;
        Ok(Some(record))
    }

    pub(super) fn state(&self) -> VaultState {
        let found = match self.stored() {
            Ok(None) => self.keys.state(),
            Ok(Some(file)) => self.open(&file).map(|(known, _)| state_of(known.key_location)),
            Err(error) => Err(error),
        };
        match found {
            Ok(_) if self.read_only.load(Ordering::SeqCst) => VaultState::ReadOnly,
            Ok(_) if self.is_without_locks() => VaultState::WithoutLocks,
            Ok(state) => state,
            Err(error) => error.state(),
        }
    }

    /// Replaces the record. `lock_guard` is held until all work has finished.
    pub(super) fn write(
        &self,
        record: &[u8],
        lock_guard: &(impl Clone + Send + 'static),
    ) -> Result<(), VaultError> {
        if record.len() > MAX_RECORD {
            return Err(VaultError::new(VaultState::ReadOnly, "a record may have at most 1 MiB"));
        }
        let known = match self.read_with_retry()? {
            None => self.keys.for_new_file(lock_guard)?,
            Some(file) => match self.open(&file) {
                Ok((opened, _)) => self.keys.for_existing_file(opened, lock_guard),
                Err(error) if error.state() == VaultState::Unreadable => {
                    self.replaced(lock_guard)?
                }
                Err(error) => return Err(error),
            },
        };
        let sealed =
            self.written(seal(&known.key, known.key_location, self.storage.name(), record))?;
        self.written(retry_while_away(|| self.storage.write(&sealed)))?;
        if known.key_location == KeyLocation::Store {
            self.keys.remove_key_file();
        }
        Ok(())
    }

    /// Removes the record, except one that a newer version has written.
    pub(super) fn remove(&self) -> Result<(), VaultError> {
        if let Some(file) = self.read_with_retry()?
            && Sealed::parse(&file).is_err_and(|error| error == Unreadable::Newer)
        {
            return Err(unreadable(Unreadable::Newer));
        }
        self.remove_any_version()
    }

    /// Removes the record without reading it.
    pub(super) fn remove_any_version(&self) -> Result<(), VaultError> {
        self.written(retry_while_away(|| self.storage.remove()))
    }

    /// Removes the record, the keys and the lock file. If one of them fails, the others are still
    /// removed, and the first error is returned.
    pub(super) fn erase(
        &self,
        lock_guard: &(impl Clone + Send + 'static),
    ) -> Result<(), VaultError> {
        let record = self.remove_any_version();
        let keys = self.keys.erase(lock_guard);
        // A key store that has not answered may still remove the key: until then no other process
        // may create one.
        let lock = match (&keys, &self.file) {
            (Ok(()), Some(file)) => file.remove_lock(),
            _ => Ok(()),
        };
        record.and(keys).and_then(|()| self.written(lock))
    }

    /// Waits for the lock between processes. Without support for locks, only the tasks of this
    /// process wait for each other, and the state reports it.
    pub(super) fn lock(&self, asked: Instant) -> io::Result<Box<dyn Send>> {
        let lock = retry_while_away_since(asked, || self.storage.lock());
        let is_none = lock.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Unsupported);
        let was_none = self.is_without_locks.swap(is_none, Ordering::SeqCst);
        if !is_none {
            return lock;
        }
        if !was_none {
            tracing::warn!(
                vault = self.storage.name(),
                "this file system has no locks between processes"
            );
        }
        Ok(Box::new(()))
    }

    pub(super) fn locked<T>(&self, lock: io::Result<T>) -> Result<T, VaultError> {
        self.written(lock)
    }

    fn is_without_locks(&self) -> bool {
        self.is_without_locks.load(Ordering::SeqCst) || !self.storage.has_locks()
    }

    /// A key for a new file in place of an unreadable one. The old file is set aside only after
    /// there is a key.
    fn replaced(
        &self,
        lock_guard: &(impl Clone + Send + 'static),
    ) -> Result<LocatedKey, VaultError> {
        let known = self.keys.for_new_file(lock_guard)?;
        self.written(retry_while_away(|| self.storage.set_aside()))?;
        tracing::warn!(vault = self.storage.name(), "an unreadable vault was set aside");
        Ok(known)
    }

    fn open(&self, stored: &[u8]) -> Result<(LocatedKey, Vec<u8>), VaultError> {
        let opened = Sealed::parse(stored)
            .map_err(unreadable)
            .and_then(|sealed| self.keys.open(&sealed, self.storage.name()));
        match (&opened, &self.file) {
            (Ok(_), Some(file)) => file.folder.confirm_home(),
            (Err(error), Some(file))
                if error.state() == VaultState::Unreadable && file.folder.is_elsewhere() =>
            {
                return Err(locked("another folder with another vault is at the vault's path"));
            }
            _ => {}
        }
        opened
    }

    fn stored(&self) -> Result<Option<Vec<u8>>, VaultError> {
        self.storage.read().map_err(locked)
    }

    fn read_with_retry(&self) -> Result<Option<Vec<u8>>, VaultError> {
        retry_while_away(|| self.storage.read()).map_err(locked)
    }

    fn written<T>(&self, outcome: io::Result<T>) -> Result<T, VaultError> {
        if let Err(error) = &outcome
            && is_away(error)
        {
            return outcome.map_err(locked);
        }
        self.read_only.store(outcome.is_err(), Ordering::SeqCst);
        outcome.map_err(|error| VaultError::new(VaultState::ReadOnly, error))
    }
}

fn locked(why: impl Into<Box<dyn StdError + Send + Sync>>) -> VaultError {
    VaultError::new(VaultState::Locked, why)
}

fn unreadable(why: Unreadable) -> VaultError {
    let state = match why {
        Unreadable::Newer => VaultState::NewerVersion,
        Unreadable::Damaged => VaultState::Unreadable,
    };
    VaultError::new(state, why)
}
