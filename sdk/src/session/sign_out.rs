//! Signing out: over when it stands in the vault, whether or not there is a network. The server is told
//! afterwards, and what it could not be told is owed.

use std::sync::Arc;

use propusk_wire::Secret;
use tracing::Instrument;

use super::decide::State;
use super::last_seen::Over;
use super::locked_vault::state_of;
use super::record::Held;
use super::server_sign_out::LIMIT;
use super::session_core::{Core, Memory, joined};
use super::single_flight::landed;
use super::status::Change;
use super::stored_session::Session;
use crate::error::{Result, SignOutReason};
use crate::vault_state::VaultState;

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
    /// Its API has no sign-out, or it could neither be told nor written down.
    Never,
}

impl Core {
    /// Ends the session; of this sign-in alone, if one is named.
    pub async fn leave(self: &Arc<Self>, only: Option<Secret>) -> Result<Told> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        let span = tracing::info_span!("sign-out", dialect = ?self.dialect);
        let leaving = async move {
            let _busy = busy;
            let left = core.leave_here(only).await?;
            let told = core.leave_there(&left).await;
            left.written.map(|_| told)
        };
        joined(tokio::spawn(leaving.instrument(span))).await
    }

    /// From here on nobody is signed in.
    async fn leave_here(self: &Arc<Self>, only: Option<Secret>) -> Result<Left> {
        let mut memory = self.memory.lock().await;
        let desk = self.alone().await;
        let held = desk.as_ref().map_err(state_of).and_then(|desk| desk.held());
        // It is not ours to end.
        if let Err(VaultState::Newer | VaultState::OtherServer) = held {
            return Err(desk.map_or_else(|error| error, |desk| desk.problem()));
        }
        let session = match held {
            Ok(Held::SignedIn(theirs)) => Some(newest(&memory, theirs)),
            // The file was removed, or another process has given up what is in memory.
            Ok(Held::SignedOut(SignOutReason::NeverSignedIn | SignOutReason::AnswerLost))
            | Err(_) => memory.state.session().cloned().map(Box::new),
            Ok(Held::SignedOut(_)) => None,
        };
        let lineage = session.as_ref().map(|session| session.lineage.clone());
        if only.is_some() && lineage != only {
            return Ok(Left { session: None, written: Ok(true) });
        }
        let written = async {
            let desk = desk?;
            let mut record = desk.record(&memory.state)?;
            record.held = Held::SignedOut(SignOutReason::SignedOut);
            record.lease = None;
            if let Some(session) = session.clone() {
                record.owed.add(session, self.transport.device_now());
            }
            self.note_owed(!record.owed.is_empty());
            self.write_end(&desk, record).await
        };
        let written = written.await;
        if let (Err(_), Some(session)) = (&written, session.clone()) {
            self.note_over(Some(Over { session, reason: SignOutReason::SignedOut }));
            self.write_again();
        }
        memory.state = State::SignedOut(SignOutReason::SignedOut);
        self.publish(&memory.state, Change::SignedOut);
        Ok(Left { session, written })
    }

    /// Tells the server, for which a renewal that is under way may bring newer tokens.
    async fn leave_there(self: &Arc<Self>, left: &Left) -> Told {
        let Some(session) = &left.session else {
            return if self.owes() { Told::Owed } else { Told::Heard };
        };
        if !session.dialect.supports(crate::account::Operation::SignOut) {
            return Told::Never;
        }
        let telling = async {
            if let Some(renewal) = self.renewing.under_way() {
                // Whatever came of it is in the vault.
                let _ = landed(renewal).await;
            }
            match left.written {
                Ok(true) => matches!(self.tell_owed().await, Ok(true)),
                _ => self.tell(session).await.is_some(),
            }
        };
        match tokio::time::timeout(LIMIT, telling).await {
            Ok(true) => Told::Heard,
            _ if matches!(left.written, Ok(true)) => {
                if !self.owes() {
                    self.note_owed(true);
                }
                Told::Owed
            }
            _ => Told::Never,
        }
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
