//! The vault's side of the session: the record that it holds, read and written by one at a time among
//! processes. The lock is held for reading and writing alone, never while the server is asked.

use std::sync::PoisonError;

use super::decide::{State, is_base};
use super::record::{Held, VERSION};
use super::{Core, LOCK_PATIENCE, Record, Session, random_text};
use crate::VaultState;
use crate::error::{Error, Kind, Result};
use crate::vault::{VaultError, VaultGuard};

/// The vault, which nobody else writes meanwhile, and what it holds.
pub(super) struct Desk {
    guard: VaultGuard,
    read: Result<Record>,
}

/// Which record was seen last; an earlier one is no longer what counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    series: String,
    number: u64,
}

impl Desk {
    pub fn held(&self) -> std::result::Result<Held, VaultState> {
        self.read.as_ref().map(|record| record.held.clone()).map_err(state_of)
    }

    /// The record to be written over. What was lost is made anew of what is in memory.
    pub fn record(&self, memory: &State) -> Result<Record> {
        match &self.read {
            Ok(record) => Ok(record.clone()),
            Err(error) if is_replaceable(error) => {
                Ok(Record { held: memory.held(), ..Record::default() })
            }
            Err(error) => Err(error.clone()),
        }
    }

    /// Why it is not known what the vault holds.
    pub fn problem(&self) -> Error {
        match &self.read {
            Err(error) => error.clone(),
            Ok(_) => Error::new(Kind::Protocol),
        }
    }

    /// As it was found.
    pub fn found(&self) -> Option<&Record> {
        self.read.as_ref().ok()
    }

    pub async fn forget(&self) -> std::result::Result<(), VaultError> {
        self.guard.forget().await
    }

    pub async fn forget_whatever_it_is(&self) -> std::result::Result<(), VaultError> {
        self.guard.forget_whatever_it_is().await
    }
}

impl Core {
    /// The vault, alone among processes. One that has been stopped while it had the lock, and not
    /// killed, keeps nobody waiting for ever.
    pub(super) async fn alone(&self) -> Result<Desk> {
        let guard = match tokio::time::timeout(LOCK_PATIENCE, self.vault.lock()).await {
            Ok(locked) => locked?,
            Err(elapsed) => {
                return Err(Error::because(Kind::Storage { state: VaultState::Locked }, elapsed));
            }
        };
        let before = self.last_seen();
        let read = guard.read().await;
        Ok(Desk { guard, read: self.parse(read, &before) })
    }

    /// What the vault holds, without a lock: one of the records that were written, wholly.
    pub(super) async fn vault_record(&self) -> Result<Record> {
        let before = self.last_seen();
        self.parse(self.vault.read().await, &before)
    }

    /// The record, if this server has issued what is in it and nobody has put back an older one than
    /// that which was seen before it was read.
    fn parse(
        &self,
        read: std::result::Result<Option<Vec<u8>>, VaultError>,
        before: &Seen,
    ) -> Result<Record> {
        let Some(bytes) = read? else { return Ok(Record::default()) };
        let record = parse(&bytes)?;
        if let Held::SignedIn(session) = &record.held
            && !self.is_ours(session)
        {
            return Err(Error::new(Kind::Storage { state: VaultState::OtherServer }));
        }
        let seen = Seen { series: record.series.clone(), number: record.number };
        if before.is_of(&seen) && seen.number < before.number {
            return Err(Error::new(Kind::Storage { state: VaultState::WentBack }));
        }
        self.note_seen(seen);
        Ok(record)
    }

    fn last_seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whoever has read earlier may be later here.
    fn note_seen(&self, seen: Seen) {
        let mut last = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.is_of(&seen) || last.number < seen.number {
            *last = seen;
        }
    }

    /// Whether this server has issued it.
    pub(super) fn is_ours(&self, session: &Session) -> bool {
        self.is_origin_ours(session.origin.as_ref())
    }

    /// The origins of the client's server, the present one first.
    pub(crate) fn origins(&self) -> Vec<String> {
        [self.transport.origin()].into_iter().chain(self.former_origins.iter().cloned()).collect()
    }

    /// Whether this is the client's server, by its present name or a former one.
    pub(crate) fn is_origin_ours(&self, origin: Option<&String>) -> bool {
        origin.is_none_or(|origin| {
            *origin == self.transport.origin() || self.former_origins.contains(origin)
        })
    }

    /// Writes what has changed; what has not is not written, for anybody may have a forged link opened,
    /// again and again.
    pub(super) async fn write(&self, desk: &Desk, mut record: Record) -> Result<()> {
        if let Held::SignedIn(session) = &mut record.held {
            session.origin = Some(self.transport.origin());
        }
        if let Ok(found) = &desk.read
            && encode(found)? == encode(&record)?
        {
            return Ok(());
        }
        let last = self.last_seen();
        if record.series.is_empty() {
            // Over a record that is lost, or was put back, the series goes on.
            record.series = match last.series.is_empty() {
                true => random_text()?.expose().to_owned(),
                false => last.series.clone(),
            };
            record.number = last.number;
        }
        record.number = record.number.saturating_add(1);
        record.latest = match newly_vouched(desk.found(), &record) {
            // The server knows what time it is.
            Some(at) => at,
            None => record.latest.max(self.transport.moment().server),
        };
        desk.guard.write(&encode(&record)?).await?;
        self.note_seen(Seen { series: record.series, number: record.number });
        Ok(())
    }

    /// The same for an end, which must not come back: removing needs no room. Whether the record was
    /// written, and not only removed.
    pub(super) async fn write_end(&self, desk: &Desk, record: Record) -> Result<bool> {
        match self.write(desk, record).await {
            Err(error) if state_of(&error) != VaultState::Newer && desk.forget().await.is_ok() => {
                self.forget_seen();
                Ok(false)
            }
            written => written.map(|()| true),
        }
    }

    /// What is stored next begins anew.
    pub(super) fn forget_seen(&self) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Seen::default();
    }
}

impl Seen {
    fn is_of(&self, other: &Seen) -> bool {
        !self.series.is_empty() && self.series == other.series
    }
}

/// When the server has vouched for the session, if it is another one than was found, or renewed.
fn newly_vouched(found: Option<&Record>, record: &Record) -> Option<i64> {
    let session = record.session()?;
    let is_known = found.and_then(Record::session).is_some_and(|found| is_base(found, session));
    session.vouched_at.filter(|_| !is_known)
}

fn parse(bytes: &[u8]) -> Result<Record> {
    let state = match serde_json::from_slice::<Record>(bytes) {
        Ok(record) if record.is_known() => return Ok(record),
        Ok(_) => VaultState::Newer,
        Err(_) if is_newer(bytes) => VaultState::Newer,
        Err(_) => VaultState::Foreign,
    };
    Err(Error::new(Kind::Storage { state }))
}

fn is_newer(bytes: &[u8]) -> bool {
    let parsed = serde_json::from_slice::<serde_json::Value>(bytes).ok();
    let version = parsed.and_then(|record| record.get("version")?.as_u64());
    version.is_some_and(|version| version > u64::from(VERSION))
}

fn encode(record: &Record) -> Result<Vec<u8>> {
    serde_json::to_vec(record)
        .map_err(|error| Error::because(Kind::Storage { state: VaultState::Foreign }, error))
}

pub(super) fn state_of(error: &Error) -> VaultState {
    match error.kind() {
        Kind::Storage { state } => *state,
        _ => VaultState::Foreign,
    }
}

/// Nothing of it counts any more.
pub(super) fn is_replaceable(error: &Error) -> bool {
    matches!(state_of(error), VaultState::Foreign | VaultState::WentBack)
}
