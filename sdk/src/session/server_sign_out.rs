//! Ends sessions at the server after a sign-out. If the server cannot be reached, the vault keeps
//! the sign-out as pending. It is sent again when a server answers, when the network changes, or at
//! the next start.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use propusk_wire::Secret;

use super::pending_sign_outs::SignOutRetry;
use super::session_core::SessionCore;
use super::stored_session::Session;
use super::verdict::Verdict;
use crate::dialects::Refusal;
use crate::error::Result;
use crate::http::Failure;

/// How long to wait for the server.
pub(super) const SIGN_OUT_TIMEOUT: Duration = Duration::from_secs(5);

/// When the server is informed of the end of a session.
#[derive(Clone, Copy)]
pub(super) enum EndWhen {
    Always,
    /// Only while the vault contains the pending sign-out when the request is sent. Another process
    /// may have signed in again meanwhile, and djoser returns the same token again.
    Pending,
}

impl SessionCore {
    /// Informs the server of all pending sign-outs and removes those that it has confirmed. Returns
    /// whether none is left.
    pub(super) async fn send_pending_sign_outs(self: &Arc<Self>) -> Result<bool> {
        self.wait_for_running_renewal().await;
        let record = self.vault_record().await?;
        for owed in record.pending_sign_outs.iter().filter(|owed| self.is_ours(owed.session())) {
            self.send_pending_sign_out(&owed.session().sign_in_id).await?;
        }
        let record = self.vault_record().await?;
        let owes = record.pending_sign_outs.iter().any(|owed| self.is_ours(owed.session()));
        if !owes {
            *self.sign_out_retry() = SignOutRetry::default();
        }
        Ok(!owes)
    }

    /// Informs the server of one sign-out, if it is still pending.
    async fn send_pending_sign_out(self: &Arc<Self>, sign_in_id: &Secret) -> Result<()> {
        let _one_at_a_time = self.sign_out_lock.lock().await;
        // The last attempt may still get new tokens; its refresh token may be spent.
        drop(self.sign_out_renewal_lock.lock().await);
        let record = self.vault_record().await?;
        let owed =
            record.pending_sign_outs.iter().find(|owed| owed.session().sign_in_id == *sign_in_id);
        let Some(owed) = owed else { return Ok(()) };
        let heard = match owed.is_old(self.transport.device_now()) {
            true => Some(owed.session().generation),
            false => self.end_at_server_in_time(owed.session(), EndWhen::Pending).await,
        };
        let Some(heard) = heard else { return Ok(()) };
        let is_heard = move |owed: &Session, sign_in_id: &Secret| {
            owed.sign_in_id == *sign_in_id && owed.generation <= heard
        };
        let sign_in_id = sign_in_id.clone();
        self.change(move |record| {
            record.pending_sign_outs.retain(|owed| !is_heard(owed.session(), &sign_in_id))
        })
        .await
    }

    /// A running renewal may bring newer tokens for a sign-out; its result is in the vault.
    pub(super) async fn wait_for_running_renewal(&self) {
        if let Some(renewal) = self.renewing.running() {
            let _ = renewal.outcome().await;
        }
    }

    /// As [`end_at_server`](Self::end_at_server), with a timeout.
    pub(super) async fn end_at_server_in_time(
        self: &Arc<Self>,
        session: &Session,
        when: EndWhen,
    ) -> Option<u64> {
        tokio::time::timeout(SIGN_OUT_TIMEOUT, self.end_at_server(session, when))
            .await
            .unwrap_or_default()
    }

    /// Sets whether sign-outs are pending, and allows an attempt at once.
    pub(super) fn set_pending_sign_outs(&self, is_owed: bool) {
        let at = is_owed.then(|| self.transport.device_now());
        *self.sign_out_retry() = SignOutRetry { at, failures: 0 };
    }

    pub(super) fn has_pending_sign_outs(&self) -> bool {
        self.sign_out_retry().at.is_some()
    }

    /// Starts informing the server in the background, if an attempt is due.
    pub(super) fn send_pending_sign_outs_if_due(self: &Arc<Self>) {
        // This runs after every answer of a server, so it must be cheap.
        if !self.has_pending_sign_outs() {
            return;
        }
        let now = self.transport.device_now();
        if !self.sign_out_retry().start_if_due(now) {
            return;
        }
        let (core, work_guard) = (Arc::clone(self), self.work.begin());
        tokio::spawn(async move {
            if let Err(error) = core.send_pending_sign_outs().await {
                tracing::info!(%error, "the server will be informed of a sign-out later");
            }
            drop(work_guard);
        });
    }

    fn sign_out_retry(&self) -> MutexGuard<'_, SignOutRetry> {
        self.sign_out_retry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a session at the server. Returns the number of the renewal up to which the end is
    /// confirmed; `None` if it is not confirmed. Some APIs accept only a valid access token, so the
    /// session may have to be renewed first.
    pub(super) async fn end_at_server(
        self: &Arc<Self>,
        session: &Session,
        when: EndWhen,
    ) -> Option<u64> {
        let generation = session.generation;
        match self.send_sign_out(session, when).await {
            Err(Failure::Refused(Refusal::Unauthorized)) if session.refresh.is_some() => {}
            outcome => return is_confirmed(outcome).then_some(generation),
        }
        match self.renew_to_sign_out(session).await? {
            Ok(renewed) => {
                is_confirmed(self.send_sign_out(&renewed, when).await).then_some(renewed.generation)
            }
            Err(verdict) => verdict.end().map(|_| generation),
        }
    }

    /// Renews a session that is to be ended. The request may spend the refresh token, so the new
    /// tokens are stored even if the caller stops waiting. `None` if nothing could be sent.
    async fn renew_to_sign_out(
        self: &Arc<Self>,
        session: &Session,
    ) -> Option<std::result::Result<Session, Verdict>> {
        let call = self.refresh_call(session).ok()?;
        let renewal_lock = Arc::clone(&self.sign_out_renewal_lock).lock_owned().await;
        let (core, session, work_guard) = (Arc::clone(self), session.clone(), self.work.begin());
        let renewing = tokio::spawn(async move {
            let _guards = (renewal_lock, work_guard);
            match core.transport.send(call).await {
                Ok(tokens) => {
                    let renewed = session.renewed(tokens, core.transport.moment().offset);
                    core.remember_renewed(renewed.clone()).await;
                    Ok(renewed)
                }
                Err(failure) => Err(Verdict::from(failure)),
            }
        });
        renewing.await.ok()
    }

    /// Stores the renewed tokens, so that the session can still be ended if this attempt fails.
    async fn remember_renewed(self: &Arc<Self>, renewed: Session) {
        let now = self.transport.device_now();
        let owed =
            self.change(move |record| record.pending_sign_outs.add(Box::new(renewed), now)).await;
        if let Err(error) = owed {
            tracing::info!(%error, "a sign-out may be lost");
        }
    }

    async fn send_sign_out(
        self: &Arc<Self>,
        session: &Session,
        when: EndWhen,
    ) -> std::result::Result<bool, Failure> {
        let refresh = session.refresh.as_ref();
        let call = session.dialect.wire().sign_out(&session.credential, refresh, &self.app);
        let Ok(call) = call else { return Ok(false) };
        let sent = match when {
            EndWhen::Always => self.transport.send(call).await,
            EndWhen::Pending => {
                // The process may be suspended for hours between reading the vault and sending.
                let (core, sign_in_id) = (Arc::clone(self), session.sign_in_id.clone());
                let is_pending = move || {
                    let (core, sign_in_id) = (Arc::clone(&core), sign_in_id.clone());
                    async move { core.is_sign_out_pending(&sign_in_id).await }
                };
                self.transport.send_if(call, is_pending).await
            }
        };
        sent.map(|()| true)
    }

    /// Whether the vault contains this sign-out. One that cannot be read is sent later.
    async fn is_sign_out_pending(&self, sign_in_id: &Secret) -> bool {
        self.vault_record().await.is_ok_and(|record| {
            record.pending_sign_outs.iter().any(|owed| owed.session().sign_in_id == *sign_in_id)
        })
    }
}

fn is_confirmed(current: std::result::Result<bool, Failure>) -> bool {
    match current {
        Ok(current) => current,
        Err(failure) => {
            let verdict = Verdict::from(failure);
            let had_ended_before = verdict.end().is_some();
            if !had_ended_before {
                tracing::info!(?verdict, "the server was not informed of a sign-out");
            }
            had_ended_before
        }
    }
}
