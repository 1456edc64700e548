//! Reads and writes the record in the vault, one process at a time. The lock is held only while
//! reading and writing, never during a request.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::attempt_id::random_text;
use super::decide::is_same_renewal;
use super::last_seen::{LastSeen, UnwrittenEnd};
use super::locked_vault::{LockedVault, in_time, state_of};
use super::record::{Record, StoredState, VERSION};
use super::session_core::SessionCore;
use super::stored_session::Session;
use crate::error::{Error, ErrorKind, Result, SignOutReason};
use crate::vault_state::VaultState;

/// Where the record contains the reason of a sign-out.
const REASON: &str = "/held/signed_out";

impl SessionCore {
    /// Locks the vault among all processes and reads it. The wait is limited, because a process may
    /// be suspended while it holds the lock.
    pub(super) async fn lock_vault(&self) -> Result<LockedVault> {
        let guard = in_time(self.vault.lock()).await?;
        let before = self.last_seen();
        let read = in_time(guard.read()).await;
        let read = read.and_then(|bytes| self.parse(bytes, &before));
        Ok(LockedVault { guard, read, last: before.record })
    }

    /// Reads the record without a lock. The result is always one whole record that was written.
    pub(super) async fn vault_record(&self) -> Result<Record> {
        let before = self.last_seen();
        self.parse(in_time(self.vault.read()).await?, &before)
    }

    /// Parses a record. It is refused if another server issued the session, or if it is older than
    /// the record that was seen before the read.
    fn parse(&self, bytes: Option<Vec<u8>>, before: &LastSeen) -> Result<Record> {
        let Some(bytes) = bytes else { return Ok(Record::default()) };
        let mut record = parse(&bytes)?;
        if let StoredState::SignedIn(session) = &record.held
            && !self.is_ours(session)
        {
            return Err(Error::new(ErrorKind::Storage { state: VaultState::OtherServer }));
        }
        if before.is_of(&record) && record.number < before.record.number {
            return Err(Error::new(ErrorKind::Storage { state: VaultState::RolledBack }));
        }
        self.note_seen(&record);
        if let Some(over) = before.over.as_ref().filter(|over| over.ends(&record)) {
            record.held = StoredState::SignedOut(over.reason);
            if over.reason == SignOutReason::SignedOut {
                record.pending_sign_outs.add(over.session.clone(), self.transport.device_now());
            }
        }
        Ok(record)
    }

    fn last_seen(&self) -> LastSeen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another task may have noted a later record already.
    fn note_seen(&self, record: &Record) {
        let mut last = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.is_of(record) || last.record.number < record.number {
            last.record = record.clone();
        }
    }

    /// Notes an end that could not be written. It counts at once and is written with the next
    /// write.
    pub(super) fn set_unwritten_end(&self, over: Option<UnwrittenEnd>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).over = over;
    }

    pub(super) fn has_unwritten_end(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).over.is_some()
    }

    /// Whether this server issued the session.
    pub(super) fn is_ours(&self, session: &Session) -> bool {
        self.is_origin_ours(session.origin.as_ref())
    }

    /// The origins of the client's server, the current one first.
    pub(crate) fn origins(&self) -> Vec<String> {
        [self.transport.origin()].into_iter().chain(self.former_origins.iter().cloned()).collect()
    }

    /// Whether this is the current or a former origin of the client's server.
    pub(crate) fn is_origin_ours(&self, origin: Option<&String>) -> bool {
        origin.is_none_or(|origin| {
            *origin == self.transport.origin() || self.former_origins.contains(origin)
        })
    }

    /// Writes the record if it has changed. An unchanged record is not written, because any program
    /// can open forged links again and again.
    pub(super) async fn write(&self, locked: &LockedVault, mut record: Record) -> Result<()> {
        if let StoredState::SignedIn(session) = &mut record.held {
            session.origin = Some(self.transport.origin());
            record.lost_sign_in_id = None;
            // Some servers issue the same token again: ending the old session would end the new
            // one.
            record.pending_sign_outs.retain(|owed| !owed.session().has_same_token(session));
        }
        if let Ok(found) = &locked.read
            && !self.has_unwritten_end()
            && encode(found)? == encode(&record)?
        {
            return Ok(());
        }
        // The series continues only over a restored older record. A lost or removed record may have
        // had a higher number than this process knows.
        if locked.found().is_none_or(|found| found.series.is_empty())
            && locked.held() != Err(VaultState::RolledBack)
        {
            record.series = random_text()?.expose().to_owned();
            record.number = 0;
        }
        record.number = record.number.saturating_add(1);
        record.latest_server_time = match newly_confirmed(locked.found(), &record) {
            // The server's time is reliable.
            Some(at) => at,
            None => {
                let latest = record.latest_server_time.max(self.transport.moment().server);
                latest.max(self.unwritten_time.load(Ordering::Relaxed))
            }
        };
        in_time(locked.guard.write(&encode(&record)?)).await?;
        self.note_seen(&record);
        self.set_unwritten_end(None);
        self.unwritten_time.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// Writes the end of a session. If there is no room for it, the record is removed, because the
    /// session must not come back. Returns whether the record was written and not removed.
    pub(super) async fn write_end(&self, locked: &LockedVault, record: Record) -> Result<bool> {
        match self.write(locked, record).await {
            Err(error)
                if state_of(&error) != VaultState::NewerVersion
                    && locked.remove().await.is_ok() =>
            {
                self.set_unwritten_end(None);
                Ok(false)
            }
            written => written.map(|()| true),
        }
    }

    /// Forgets the series: the next write starts a new one.
    pub(super) fn forget_seen(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = LastSeen::default();
    }
}

/// When the server confirmed the session, if the record contains a new or renewed session.
fn newly_confirmed(found: Option<&Record>, record: &Record) -> Option<i64> {
    let session = record.session()?;
    let is_known =
        found.and_then(Record::session).is_some_and(|found| is_same_renewal(found, session));
    session.confirmed_at.filter(|_| !is_known)
}

fn parse(bytes: &[u8]) -> Result<Record> {
    let state = match serde_json::from_slice::<Record>(bytes) {
        Ok(record) if record.is_known() => {
            let unknown_reason = unknown_reason(&record, bytes);
            return Ok(Record { unknown_reason, ..record });
        }
        Ok(_) => VaultState::NewerVersion,
        Err(_) if is_newer(bytes) => VaultState::NewerVersion,
        Err(_) => VaultState::Unreadable,
    };
    Err(Error::new(ErrorKind::Storage { state }))
}

fn is_newer(bytes: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<Value>(bytes).ok();
    let version = parsed.and_then(|record| record.get("version")?.as_u64());
    version.is_some_and(|version| version > u64::from(VERSION))
}

/// The stored reason of a sign-out, if this version reads it as [`SignOutReason::Ended`].
fn unknown_reason(record: &Record, bytes: &[u8]) -> Option<Value> {
    if record.held != StoredState::SignedOut(SignOutReason::Ended) {
        return None;
    }
    let stored: Value = serde_json::from_slice(bytes).ok()?;
    stored.pointer(REASON).filter(|reason| **reason != "ended").cloned()
}

fn encode(record: &Record) -> Result<Vec<u8>> {
    let encoded = match (&record.held, &record.unknown_reason) {
        (StoredState::SignedOut(SignOutReason::Ended), Some(reason)) => {
            serde_json::to_value(record).and_then(|mut value| {
                if let Some(stored) = value.pointer_mut(REASON) {
                    *stored = reason.clone();
                }
                serde_json::to_vec(&value)
            })
        }
        _ => serde_json::to_vec(record),
    };
    encoded.map_err(|error| {
        Error::because(ErrorKind::Storage { state: VaultState::Unreadable }, error)
    })
}
