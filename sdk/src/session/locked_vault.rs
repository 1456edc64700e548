//! LV

use std::time::Duration;

use super::decide::SessionState;
use super::record::{Record, StoredState};
use crate::error::{Error, ErrorKind, Result};
use crate::vault::{VaultError, VaultGuard};
use crate::vault_state::VaultState;

/// How long another process may have the vault, which nobody has across the network.
pub(super) const VAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// The vault, which nobody else writes meanwhile, and what it holds.
pub(super) struct LockedVault {
    pub guard: VaultGuard,
    pub read: Result<Record>,
    /// What counts where the vault's own record is lost.
    pub last: Record,
}

impl LockedVault {
    pub fn held(&self) -> std::result::Result<StoredState, VaultState> {
        self.read.as_ref().map(|record| record.held.clone()).map_err(state_of)
    }

    /// The record to be written over. What was lost is made anew of what is in memory.
    pub fn record(&self, memory: &SessionState) -> Result<Record> {
        match &self.read {
            // What was taken over once stays known, also where the file was removed.
            Ok(record) if record.series.is_empty() => {
                Ok(Record { adopted: self.last.adopted.clone(), ..record.clone() })
            }
            Ok(record) => Ok(record.clone()),
            Err(error) if is_replaceable(error) => {
                Ok(Record { held: memory.held(), lease: None, ..self.last.clone() })
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// Why it is not known what the vault holds.
    pub fn problem(&self) -> Error {
        match &self.read {
            Err(error) => error.clone(),
            Ok(_) => Error::new(ErrorKind::Protocol),
        }
    }

    /// As it was found.
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

/// No disk is waited for any longer; what has begun is finished.
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

/// A newer version's, or another server's: nothing is written over it.
pub(super) fn is_not_ours(error: &Error) -> bool {
    matches!(state_of(error), VaultState::NewerVersion | VaultState::OtherServer)
}

/// Nothing of it counts any more.
pub(super) fn is_replaceable(error: &Error) -> bool {
    matches!(state_of(error), VaultState::Unreadable | VaultState::RolledBack)
}
