//! Signing out: over when it stands in the vault, whether or not there is a network. The server is told
//! afterwards, and what it could not be told is owed.

use std::sync::Arc;

use propusk_wire::Secret;
use tracing::Instrument;

use super::decide::SessionState;
use super::last_seen::UnwrittenEnd;
use super::locked_vault::state_of;
use super::record::StoredState;
use super::server_sign_out::SIGN_OUT_TIMEOUT;
use super::session_core::{Memory, SessionCore, joined};
use super::single_flight::flight_result;
use super::status::StatusChange;
use super::stored_session::Session;
use crate::error::{Result, SignOutReason};
use crate::vault_state::VaultState;

/// What is left to do of a sign-out.
struct LocalSignOut {
    /// What was signed in.
    session: Option<Box<Session>>,
    /// Whether the vault holds what the server has to be told, and not only that nobody is signed in.
    written: Result<bool>,
}

/// Whether the server knows of a sign-out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignOut {
    /// It has ended the session.
    Confirmed,
    /// It could not be reached within 5 s: the vault remembers to tell it at the next chance.
    Pending,
    /// Its API has no sign-out, or it could not be reached and the vault had no room to remember it: the
    /// tokens are forgotten here, and end there when they expire.
    LocalOnly,
}

impl SessionCore {
    /// Ends the session; of this sign-in alone, if one is named.
    pub async fn sign_out(self: &Arc<Self>, only: Option<Secret>) -> Result<SignOut> {
        let (core, work_guard) = (Arc::clone(self), self.work.begin());
        let span = tracing::info_span!("sign-out", dialect = ?self.dialect);
        let leaving = async move {
            let _work_guard = work_guard;
            let left = core.sign_out_locally(only).await?;
            let current = core.sign_out_at_server(&left).await;
            left.written.map(|_| current)
        };
        joined(tokio::spawn(leaving.instrument(span))).await
    }

    /// From here on nobody is signed in.
    async fn sign_out_locally(self: &Arc<Self>, only: Option<Secret>) -> Result<LocalSignOut> {
        let mut memory = self.memory.lock().await;
        let locked = self.lock_vault().await;
        let held = locked.as_ref().map_err(state_of).and_then(|locked| locked.held());
        // It is not ours to end.
        if let Err(VaultState::NewerVersion | VaultState::OtherServer) = held {
            return Err(locked.map_or_else(|error| error, |locked| locked.problem()));
        }
        let session = match held {
            Ok(StoredState::SignedIn(theirs)) => Some(newest(&memory, theirs)),
            // The file was removed, or another process has given up what is in memory.
            Ok(StoredState::SignedOut(
                SignOutReason::NeverSignedIn | SignOutReason::AnswerLost,
            ))
            | Err(_) => memory.state.session().cloned().map(Box::new),
            Ok(StoredState::SignedOut(_)) => None,
        };
        let sign_in_id = session.as_ref().map(|session| session.sign_in_id.clone());
        if only.is_some() && sign_in_id != only {
            return Ok(LocalSignOut { session: None, written: Ok(true) });
        }
        let written = async {
            let locked = locked?;
            let mut record = locked.record(&memory.state)?;
            record.held = StoredState::SignedOut(SignOutReason::SignedOut);
            record.lease = None;
            if let Some(session) = session.clone() {
                record.pending_sign_outs.add(session, self.transport.device_now());
            }
            self.set_pending_sign_outs(!record.pending_sign_outs.is_empty());
            self.write_end(&locked, record).await
        };
        let written = written.await;
        if let (Err(_), Some(session)) = (&written, session.clone()) {
            self.set_unwritten_end(Some(UnwrittenEnd {
                session,
                reason: SignOutReason::SignedOut,
            }));
            self.retry_write_later();
        }
        memory.state = SessionState::SignedOut(SignOutReason::SignedOut);
        self.publish(&memory.state, StatusChange::SignedOut);
        Ok(LocalSignOut { session, written })
    }

    /// Tells the server, for which a renewal that is under way may bring newer tokens.
    async fn sign_out_at_server(self: &Arc<Self>, left: &LocalSignOut) -> SignOut {
        let Some(session) = &left.session else {
            return if self.has_pending_sign_outs() {
                SignOut::Pending
            } else {
                SignOut::Confirmed
            };
        };
        if !session.dialect.supports(crate::account::Operation::SignOut) {
            return SignOut::LocalOnly;
        }
        let sign_out_lock = async {
            if let Some(renewal) = self.renewing.running() {
                // Whatever came of it is in the vault.
                let _ = flight_result(renewal).await;
            }
            match left.written {
                Ok(true) => matches!(self.send_pending_sign_outs().await, Ok(true)),
                _ => self.end_at_server(session).await.is_some(),
            }
        };
        match tokio::time::timeout(SIGN_OUT_TIMEOUT, sign_out_lock).await {
            Ok(true) => SignOut::Confirmed,
            _ if matches!(left.written, Ok(true)) => {
                if !self.has_pending_sign_outs() {
                    self.set_pending_sign_outs(true);
                }
                SignOut::Pending
            }
            _ => SignOut::LocalOnly,
        }
    }
}

/// Of one sign-in the later renewal.
fn newest(memory: &Memory, theirs: Box<Session>) -> Box<Session> {
    match memory.state.session() {
        Some(ours)
            if ours.sign_in_id == theirs.sign_in_id && ours.generation > theirs.generation =>
        {
            Box::new(ours.clone())
        }
        _ => theirs,
    }
}
