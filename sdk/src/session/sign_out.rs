//! Signing out. The session has ended once that is stored, with or without a network. Then the
//! server is informed; if it cannot be reached, the sign-out stays pending.

use std::sync::Arc;

use propusk_wire::Secret;
use tracing::Instrument;

use super::decide::SessionState;
use super::last_seen::UnwrittenEnd;
use super::locked_vault::state_of;
use super::record::StoredState;
use super::server_sign_out::{EndWhen, SIGN_OUT_TIMEOUT};
use super::session_core::{Memory, SessionCore, joined};
use super::status::StatusChange;
use super::stored_session::Session;
use crate::error::{Result, SignOutReason};
use crate::vault_state::VaultState;

/// The state after the local part of a sign-out.
struct LocalSignOut {
    /// The session that was ended.
    session: Option<Box<Session>>,
    /// Whether the vault contains the pending sign-out. `false`: only the record was removed.
    written: Result<bool>,
}

/// Whether the server knows of a sign-out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignOut {
    /// The server has ended the session.
    Confirmed,
    /// The server could not be reached within 5 s. The vault keeps the sign-out and sends it later.
    Pending,
    /// The API has no sign-out, or the server could not be reached and the vault could not store
    /// the sign-out. The tokens are deleted on this device and stay valid at the server until they
    /// expire.
    LocalOnly,
}

impl SessionCore {
    /// Ends the session. `only` limits it to this sign-in.
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

    /// The local part: after it, the user is signed out.
    async fn sign_out_locally(self: &Arc<Self>, only: Option<Secret>) -> Result<LocalSignOut> {
        let mut memory = self.memory.lock().await;
        let locked = self.lock_vault().await;
        let held = locked.as_ref().map_err(state_of).and_then(|locked| locked.held());
        // A record of a newer version or another server is not changed.
        if let Err(VaultState::NewerVersion | VaultState::OtherServer) = held {
            return Err(locked.map_or_else(|error| error, |locked| locked.problem()));
        }
        let session = match held {
            Ok(StoredState::SignedIn(theirs)) => Some(newest(&memory, theirs)),
            // The file was removed, or another process gave up the session that is in memory.
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
        if let (Err(error), None, SessionState::Unknown) = (&written, &session, &memory.state) {
            // Nothing is known and nothing was changed: the user may still be signed in.
            return Err(error.clone());
        }
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

    /// The part at the server.
    async fn sign_out_at_server(self: &Arc<Self>, left: &LocalSignOut) -> SignOut {
        let Some(session) = &left.session else {
            return self.send_earlier_sign_outs().await;
        };
        if !session.dialect.supports(crate::account::Operation::SignOut) {
            return SignOut::LocalOnly;
        }
        let informing = async {
            match left.written {
                Ok(true) => matches!(self.send_pending_sign_outs().await, Ok(true)),
                _ => {
                    self.wait_for_running_renewal().await;
                    self.end_at_server(session, EndWhen::Always).await.is_some()
                }
            }
        };
        match tokio::time::timeout(SIGN_OUT_TIMEOUT, informing).await {
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

    /// No user was signed in, but earlier sign-outs may be pending.
    async fn send_earlier_sign_outs(self: &Arc<Self>) -> SignOut {
        if !self.has_pending_sign_outs() {
            return SignOut::Confirmed;
        }
        match tokio::time::timeout(SIGN_OUT_TIMEOUT, self.send_pending_sign_outs()).await {
            Ok(Ok(true)) => SignOut::Confirmed,
            _ => SignOut::Pending,
        }
    }
}

/// For the same sign-in the later renewal.
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
