//! The vault's side of the session: the record that it holds, read and written by one at a time among
//! processes.

use super::record::VERSION;
use super::{Core, Held, LOCK_PATIENCE, Machine, Record, Run};
use crate::VaultState;
use crate::error::{Error, Kind, Result};
use crate::pending_sign_in::Outcome as SignInOutcome;
use crate::vault::{VaultError, VaultGuard};

impl Core {
    /// The vault, alone among processes. One that has been stopped while it had the lock, and not
    /// killed, keeps nobody waiting for ever.
    pub(super) async fn alone(&self) -> Result<VaultGuard> {
        match tokio::time::timeout(LOCK_PATIENCE, self.vault.lock()).await {
            Ok(locked) => locked.map_err(storage),
            Err(elapsed) => {
                Err(Error::because(Kind::Storage { state: VaultState::Locked }, elapsed))
            }
        }
    }

    /// The record, if this server has issued what is in it.
    pub(super) fn parse(
        &self,
        read: std::result::Result<Option<Vec<u8>>, VaultError>,
    ) -> Result<Record> {
        let record = parse(read)?;
        let Held::SignedIn(session) = &record.held else { return Ok(record) };
        let is_ours = |origin: &String| {
            *origin == self.transport.origin() || self.former_origins.contains(origin)
        };
        match session.origin.as_ref().is_none_or(is_ours) {
            true => Ok(record),
            false => Err(Error::new(Kind::Storage { state: VaultState::OtherServer })),
        }
    }

    /// Says in what is written which server it is of.
    pub(super) fn stamp(&self, held: &mut Held) {
        if let Held::SignedIn(session) = held {
            session.origin = Some(self.transport.origin());
        }
    }

    /// What the vault holds, also for what is written next.
    pub(super) fn take_in(
        &self,
        machine: &mut Machine,
        read: std::result::Result<Option<Vec<u8>>, VaultError>,
    ) -> std::result::Result<Held, VaultState> {
        match self.parse(read) {
            Ok(record) => {
                machine.record = record;
                Ok(machine.record.held.clone())
            }
            Err(error) => {
                machine.record = Record::default();
                Err(state_of(&error))
            }
        }
    }

    pub(super) async fn lock(
        &self,
        machine: &mut Machine,
        run: &mut Run,
    ) -> std::result::Result<Held, VaultState> {
        let locked = match self.alone().await {
            Ok(locked) => locked,
            Err(error) => return Err(run.stored(error)),
        };
        let read = locked.read().await;
        run.lock = Some(locked);
        self.take_in(machine, read)
    }

    pub(super) async fn write(
        &self,
        machine: &mut Machine,
        run: &mut Run,
        held: Held,
    ) -> std::result::Result<(), VaultState> {
        let is_end = matches!(held, Held::SignedOut(_));
        let mut record = machine.record.clone();
        record.held = held;
        self.stamp(&mut record.held);
        if let Some(state) = &run.finishes {
            record.journal.finish(state, SignInOutcome::Completed);
        }
        let Some(locked) = &run.lock else { return Err(VaultState::Locked) };
        let written = match encode(&record) {
            Ok(bytes) => locked.write(&bytes).await,
            Err(error) => {
                run.problem = Some(error);
                return Err(VaultState::ReadOnly);
            }
        };
        match written {
            Ok(()) => {
                machine.record = record;
                Ok(())
            }
            // Removing needs no room, and what has ended must not come back.
            Err(error)
                if is_end
                    && error.state() != VaultState::Newer
                    && locked.forget().await.is_ok() =>
            {
                machine.record = Record::default();
                Ok(())
            }
            Err(error) => Err(run.stored(storage(error))),
        }
    }
}

fn parse(read: std::result::Result<Option<Vec<u8>>, VaultError>) -> Result<Record> {
    let Some(bytes) = read.map_err(storage)? else { return Ok(Record::default()) };
    let state = match serde_json::from_slice::<Record>(&bytes) {
        Ok(record) if record.version == VERSION => return Ok(record),
        Ok(_) => VaultState::Newer,
        Err(_) if is_newer(&bytes) => VaultState::Newer,
        Err(_) => VaultState::Foreign,
    };
    Err(Error::new(Kind::Storage { state }))
}

fn is_newer(bytes: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let version = parsed.and_then(|record| record.get("version")?.as_u64());
    version.is_some_and(|version| version > u64::from(VERSION))
}

pub(super) fn encode(record: &Record) -> Result<Vec<u8>> {
    serde_json::to_vec(record)
        .map_err(|error| Error::because(Kind::Storage { state: VaultState::Foreign }, error))
}

pub(super) fn storage(error: VaultError) -> Error {
    error.into()
}

pub(super) fn state_of(error: &Error) -> VaultState {
    match error.kind() {
        Kind::Storage { state } => *state,
        _ => VaultState::Foreign,
    }
}

pub(super) fn is_lost(error: &Error) -> bool {
    *error.kind() == Kind::Storage { state: VaultState::Foreign }
}
