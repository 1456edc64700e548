//! Signing out: over when it stands in the vault, whether or not there is a network. The server is told
//! afterwards, and what it could not be told is owed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::Instrument;

use super::decide::State;
use super::flight::landed;
use super::owed::{AGAIN, LIMIT};
use super::record::Held;
use super::{Change, Core, Memory, NOTHING_OWED, Session, joined, state_of};
use crate::VaultState;
use crate::error::{Result, SignOutReason};

/// What is left to do of a sign-out.
struct Left {
    /// What was signed in.
    session: Option<Box<Session>>,
    /// Whether the vault holds what the server has to be told, and not only that nobody is signed in.
    written: Result<bool>,
}

/// What the server knows of a sign-out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Told {
    /// It has ended the session.
    Heard,
    /// It will be told at the next chance.
    Owed,
    /// Its API has no sign-out.
    Never,
}

impl Core {
    /// Ends the session.
    pub async fn leave(self: &Arc<Self>) -> Result<Told> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        let span = tracing::info_span!("sign-out", dialect = ?self.dialect);
        let leaving = async move {
            let _busy = busy;
            let left = core.leave_here().await?;
            let told = core.leave_there(&left).await;
            left.written.map(|_| told)
        };
        joined(tokio::spawn(leaving.instrument(span))).await
    }

    /// From here on nobody is signed in.
    async fn leave_here(self: &Arc<Self>) -> Result<Left> {
        let mut memory = self.memory.lock().await;
        let desk = self.alone().await;
        let held = desk.as_ref().map_err(state_of).and_then(|desk| desk.held());
        // It is not ours to end.
        if let Err(VaultState::Newer | VaultState::OtherServer) = held {
            return Err(desk.map_or_else(|error| error, |desk| desk.problem()));
        }
        let session = match held {
            Ok(Held::SignedIn(theirs)) => Some(newest(&memory, theirs)),
            Ok(Held::SignedOut(_)) => None,
            Err(_) => memory.state.session().cloned().map(Box::new),
        };
        let written = async {
            let desk = desk?;
            let mut record = desk.record(&memory.state)?;
            record.held = Held::SignedOut(SignOutReason::SignedOut);
            record.lease = None;
            if let Some(session) = session.clone() {
                record.owe(session, self.transport.device_now());
            }
            self.note_owed(!record.owed.is_empty());
            self.write_end(&desk, record).await
        };
        let written = written.await;
        memory.state = State::SignedOut(SignOutReason::SignedOut);
        self.publish(&memory.state, Change::SignedOut);
        Ok(Left { session, written })
    }

    /// Tells the server, for which a renewal that is under way may bring newer tokens.
    async fn leave_there(self: &Arc<Self>, left: &Left) -> Told {
        let Some(session) = &left.session else { return Told::Heard };
        if !session.dialect.supports(crate::Operation::SignOut) {
            return Told::Never;
        }
        let telling = async {
            if let Some(renewal) = self.renewing.under_way() {
                // Whatever came of it is in the vault.
                let _ = landed(renewal).await;
            }
            match left.written {
                Ok(true) => matches!(self.tell_owed().await, Ok(true)),
                _ => self.tell(session).await,
            }
        };
        match tokio::time::timeout(LIMIT, telling).await {
            Ok(true) => Told::Heard,
            _ => Told::Owed,
        }
    }

    /// Whether there is something that the server has to be told; what could not be told just now is
    /// told later.
    pub(super) fn note_owed(&self, is_owed: bool) {
        let at = if is_owed { self.transport.device_now() } else { NOTHING_OWED };
        self.tells_at.store(at, Ordering::Relaxed);
    }

    /// Tells the server what is owed, if it is time to; nobody waits for it.
    pub(super) fn tell_at_a_chance(self: &Arc<Self>) {
        let (now, at) = (self.transport.device_now(), self.tells_at.load(Ordering::Relaxed));
        // A clock that was set back makes nobody wait.
        if at == NOTHING_OWED || (now < at && at <= now.saturating_add(AGAIN)) {
            return;
        }
        self.tells_at.store(now.saturating_add(AGAIN), Ordering::Relaxed);
        let core = Arc::clone(self);
        let busy = self.work.begin();
        tokio::spawn(async move {
            if let Err(error) = core.tell_owed().await {
                tracing::info!(%error, "the server is told of a sign-out later");
            }
            drop(busy);
        });
    }
}

/// Of one sign-in the later renewal.
fn newest(memory: &Memory, theirs: Box<Session>) -> Box<Session> {
    match memory.state.session() {
        Some(ours) if ours.lineage == theirs.lineage && ours.generation > theirs.generation => {
            Box::new(ours.clone())
        }
        _ => theirs,
    }
}
