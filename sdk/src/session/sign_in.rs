//! Signing in. The vault is checked before a password is sent, and the sign-in succeeds only when
//! the session is stored. The previous session is ended, also at the server.

use std::sync::Arc;

use propusk_wire::Secret;
use tokio::time::timeout;
use tracing::Instrument;

use super::attempt_id::random_text;
use super::decide::{MemorySession, SessionState};
use super::locked_vault::is_replaceable;
use super::record::StoredState;
use super::server_sign_out::{EndWhen, SIGN_OUT_TIMEOUT};
use super::session_core::{SessionCore, joined};
use super::status::StatusChange;
use super::stored_session::{NewSession, Session};
use crate::dialects::{Call, Dialect, Tokens};
use crate::error::Result;
use crate::pending_sign_in::Outcome;

impl SessionCore {
    /// Opens a session with the tokens that the call returns. `finishes` is the state of the
    /// browser sign-in that this completes.
    pub async fn open_session(
        self: &Arc<Self>,
        call: Call<Tokens>,
        finishes: Option<Secret>,
    ) -> Result<()> {
        let (core, work_guard) = (Arc::clone(self), self.work.begin());
        let span = tracing::info_span!("sign-in", dialect = ?self.dialect);
        let sign_in_lock = async move {
            let _work_guard = work_guard;
            let _one_at_a_time = core.sign_in_lock.lock().await;
            core.check_vault().await?;
            // djoser returns the same token again: a sign-out that is being sent could end the new
            // session.
            let sign_out_lock = match core.dialect {
                Dialect::DjoserToken => {
                    timeout(2 * SIGN_OUT_TIMEOUT, core.sign_out_lock.lock()).await.ok()
                }
                _ => None,
            };
            let tokens = core.transport.send(call).await?;
            core.backoff().reset();
            let session = core.new_session(tokens)?;
            let kept = core.store_new_session(session, finishes).await;
            drop(sign_out_lock);
            kept
        };
        joined(tokio::spawn(sign_in_lock.instrument(span))).await
    }

    /// A vault that cannot be read cannot be written either.
    async fn check_vault(self: &Arc<Self>) -> Result<()> {
        let mut memory = self.memory.lock().await;
        let looked = match memory.state {
            // The previous user is shown until then.
            SessionState::Unknown => self.read_vault(&mut memory, StatusChange::Initial).await,
            _ => self.vault_record().await.map(|_| ()),
        };
        looked.or_else(|error| if is_replaceable(&error) { Ok(()) } else { Err(error) })
    }

    fn new_session(&self, tokens: Tokens) -> Result<Box<Session>> {
        let new = NewSession {
            dialect: self.dialect,
            sign_in_id: random_text()?,
            attempt_key: random_text()?,
        };
        let mut session = Session::open(new, tokens, self.transport.moment().offset);
        session.origin = Some(self.transport.origin());
        session.rotates = self.rotates_refresh_tokens;
        Ok(Box::new(session))
    }

    async fn store_new_session(
        self: &Arc<Self>,
        session: Box<Session>,
        finishes: Option<Secret>,
    ) -> Result<()> {
        let mut memory = self.memory.lock().await;
        let before = memory.state.session().cloned().map(Box::new);
        let kept = async {
            let locked = self.lock_vault().await?;
            let mut record = locked.record(&memory.state)?;
            let now = self.transport.device_now();
            let stored = record.session().cloned().map(Box::new);
            for over in [stored, before.clone()].into_iter().flatten() {
                record.pending_sign_outs.add(over, now);
            }
            record.held = StoredState::SignedIn(session.clone());
            record.lease = None;
            if let Some(state) = &finishes {
                record.journal.finish(state, Outcome::Completed);
            }
            let is_owed = !record.pending_sign_outs.is_empty();
            self.write(&locked, record).await.map(|()| is_owed)
        };
        match kept.await {
            Ok(is_owed) => {
                memory.state = SessionState::SignedIn(MemorySession { session, is_saved: true });
                self.publish(&memory.state, StatusChange::SignedIn);
                self.set_pending_sign_outs(is_owed);
                self.send_pending_sign_outs_if_due();
                Ok(())
            }
            Err(error) => {
                self.end_unstored_session(session, before);
                Err(error)
            }
        }
    }

    /// Ends a session that could not be stored, in the background.
    fn end_unstored_session(self: &Arc<Self>, session: Box<Session>, before: Option<Box<Session>>) {
        if before.is_some_and(|before| before.credential == session.credential) {
            return;
        }
        let core = Arc::clone(self);
        let work_guard = self.work.begin();
        tokio::spawn(async move {
            let _one_at_a_time = core.sign_out_lock.lock().await;
            // Some servers issue the same token again.
            if core.cached_token().is_none_or(|held| held.credential != session.credential) {
                core.end_at_server_in_time(&session, EndWhen::Always).await;
            }
            drop(work_guard);
        });
    }
}
