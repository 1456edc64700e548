//! The vault while this process holds its lock, with the record that was read under the lock.

use super::decide::SessionState;
use super::record::{Record, StoredState};
use crate::error::{Error, ErrorKind, Result};
use crate::vault::{VAULT_TIMEOUT, VaultError, VaultGuard};
use crate::vault_state::VaultState;

/// The locked vault and its record.
pub(super) struct LockedVault {
    pub guard: VaultGuard,
    pub read: Result<Record>,
    /// The record that was seen last, used if the stored record is lost.
    pub last: Record,
}

impl LockedVault {
    pub fn held(&self) -> std::result::Result<StoredState, VaultState> {
        self.read.as_ref().map(|record| record.held.clone()).map_err(state_of)
    }

    /// The record to change and write. A lost record is built again from the state in memory.
    pub fn record(&self, memory: &SessionState) -> Result<Record> {
        match &self.read {
            // Fingerprints of adopted tokens are kept even if the file was removed.
            Ok(record) if record.series.is_empty() => {
                Ok(Record { adopted: self.last.adopted.clone(), ..record.clone() })
            }
            Ok(record) => Ok(record.clone()),
            Err(error) if is_replaceable(error) => {
                let (held, last) = (memory.held(), self.last.clone());
                Ok(Record { held, lease: None, unknown_reason: None, ..last })
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// Why the content of the vault is unknown.
    pub fn problem(&self) -> Error {
        match &self.read {
            Err(error) => error.clone(),
            Ok(_) => Error::new(ErrorKind::Protocol),
        }
    }

    /// The record as it was read.
    pub fn found(&self) -> Option<&Record> {
        self.read.as_ref().ok()
    }

    pub async fn remove(&self) -> Result<()> {
        in_time(self.guard.remove()).await
    }

    pub async fn remove_any_version(&self) -> Result<()> {
        in_time(self.guard.remove_any_version()).await
    }
}

/// Limits the wait for a slow disk. The work continues in the background.
pub(super) async fn in_time<T>(
    work: impl Future<Output = std::result::Result<T, VaultError>>,
) -> Result<T> {
    match tokio::time::timeout(VAULT_TIMEOUT, work).await {
        Ok(done) => Ok(done?),
        Err(elapsed) => {
            Err(Error::because(ErrorKind::Storage { state: VaultState::Locked }, elapsed))
        }
    }
}

pub(super) fn state_of(error: &Error) -> VaultState {
    match error.kind() {
        ErrorKind::Storage { state } => *state,
        _ => VaultState::Unreadable,
    }
}

/// Whether a newer version or another server has written the record: it must not be overwritten.
pub(super) fn is_not_ours(error: &Error) -> bool {
    matches!(state_of(error), VaultState::NewerVersion | VaultState::OtherServer)
}

/// Whether the record is lost and may be overwritten.
pub(super) fn is_replaceable(error: &Error) -> bool {
    matches!(state_of(error), VaultState::Unreadable | VaultState::RolledBack)
}
