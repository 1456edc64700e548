//! Renewal of the session, in three steps: check the session and take the lease, with the vault
//! locked; send the request, with nothing locked (`renewal_call`); store the result, with the vault
//! locked again.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument;

use super::decide::{
    MemorySession, Outcome, SessionState, is_same_renewal, merged_state, outcome_of,
};
use super::last_seen::UnwrittenEnd;
use super::lease::{Lease, Turn};
use super::locked_vault::{LockedVault, is_not_ours, state_of};
use super::offline::CLOCK_TOLERANCE;
use super::record::{Record, StoredState};
use super::renewal_purpose::RenewalPurpose;
use super::session_core::{Memory, SessionCore};
use super::single_flight::Flight;
use super::status::{Phase, StatusChange};
use super::stored_session::Session;
use super::vault_sync::change_of;
use super::verdict::Verdict;
use crate::dialects::Tokens;
use crate::error::{Error, ErrorKind, Result, SignOutReason};

/// How long to wait for another process that is renewing.
const OTHER_PROCESS_WAIT: Duration = Duration::from_secs(3);
/// How often to check whether the other process is done.
const POLL_PERIOD: Duration = Duration::from_millis(50);
/// The delay before a failed write is retried.
const WRITE_RETRY_DELAY: Duration = Duration::from_secs(5);
/// How many times another process may be first during one renewal.
const MAX_ROUNDS: usize = 5;

/// The result of the first step.
enum RenewalStep {
    /// The token in memory is usable.
    Done,
    /// Another process is renewing.
    Wait,
    /// Send this renewal.
    Send(Box<RenewalRequest>),
}

/// A renewal to send.
struct RenewalRequest {
    session: Session,
    /// How long another process may still receive an answer to the same renewal.
    other_process_limit: Duration,
    /// The lease of that process, which the lease of this renewal has replaced.
    other_lease: Option<Lease>,
}

impl SessionCore {
    /// Joins the running renewal, or starts one.
    pub(super) fn start_renewal(
        self: &Arc<Self>,
        purpose: RenewalPurpose,
    ) -> Flight<RenewalPurpose> {
        let core = Arc::clone(self);
        self.renewing.join(purpose.clone(), || {
            let span = tracing::info_span!("renewal", dialect = ?core.dialect);
            let work_guard = core.work.begin();
            async move {
                let outcome = core.run_renewal(purpose).await;
                if !core.is_saved().await {
                    core.retry_write_later();
                }
                drop(work_guard);
                outcome
            }
            .instrument(span)
        })
    }

    async fn run_renewal(self: &Arc<Self>, purpose: RenewalPurpose) -> Result<()> {
        self.ensure_loaded().await?;
        let other_process_deadline = Instant::now() + OTHER_PROCESS_WAIT;
        for _ in 0..MAX_ROUNDS {
            let asked = loop {
                match self.prepare_renewal(&purpose, other_process_deadline).await? {
                    RenewalStep::Done => return Ok(()),
                    RenewalStep::Wait => sleep(POLL_PERIOD).await,
                    RenewalStep::Send(asked) => break asked,
                }
            };
            let other_lease = asked.other_lease.as_ref();
            let mut answer = self.ask(&asked.session, other_lease, &purpose).await;
            let clock_offset = self.transport.moment().offset;
            let is_unclear = matches!(&answer, Err(Verdict::Inconclusive(_) | Verdict::Spent));
            if is_unclear
                && purpose.sends_refresh_token(&asked.session)
                && self.is_taken_over(&asked.session, other_lease).await
            {
                self.publish_current_phase().await;
                continue;
            }
            let mut is_open = false;
            if answer.as_ref().is_err_and(|verdict| verdict.end().is_some())
                && let Some(left) = self.wait_for_other_process(&asked).await
            {
                answer = Err(Verdict::Inconclusive(renewed_by_other(left)));
                is_open = true;
            }
            let outcome = self.apply_answer(&asked.session, &purpose, answer, clock_offset).await;
            if is_open {
                self.restore_other_lease(*asked).await;
            }
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        Err(Error::explained(ErrorKind::Network, "other processes renewed the session each time"))
    }

    /// First step: checks the session and takes the lease.
    async fn prepare_renewal(
        self: &Arc<Self>,
        purpose: &RenewalPurpose,
        other_process_deadline: Instant,
    ) -> Result<RenewalStep> {
        let mut memory = self.memory.lock().await;
        let kept = memory.kept()?;
        if purpose.is_met_by(&kept, self.transport.moment().server) {
            return Ok(RenewalStep::Done);
        }
        let locked = match self.lock_vault().await {
            Ok(locked) => locked,
            Err(error) => return self.usable_token_or(&kept, purpose, error),
        };
        let was = kept.session.credential.token.clone();
        let kept = match self.merge(&mut memory, &locked) {
            Ok(()) => memory.kept()?,
            Err(error) => return self.usable_token_or(&kept, purpose, error),
        };
        // Another process has replaced the refused token.
        let is_another = kept.session.credential.token != was && purpose.rejects_current_token();
        let purpose = match is_another {
            // It is unknown whether the other token has expired as well.
            true if self.was_set_back(&locked) => &RenewalPurpose::ForceRenewal,
            true => &RenewalPurpose::UsableToken,
            false => purpose,
        };
        let kept = match self.ensure_saved(&mut memory, &locked, kept.clone()).await {
            Ok(saved) => saved,
            Err(error) => return self.usable_token_or(&kept, purpose, error),
        };
        if purpose.is_met_by(&kept, self.transport.moment().server) {
            return Ok(RenewalStep::Done);
        }
        if let Some(error) = self.backoff().current_error(self.transport.device_now()) {
            return self.usable_token_or(&kept, purpose, error);
        }
        match purpose.sends_refresh_token(&kept.session) {
            true => self.acquire_lease(&locked, kept, purpose, other_process_deadline).await,
            false => Ok(RenewalStep::send(*kept.session)),
        }
    }

    /// Whether this device's clock was set back since the last answer of the server.
    fn was_set_back(&self, locked: &LockedVault) -> bool {
        let latest = locked.found().map_or(0, |record| record.latest_server_time);
        self.transport.moment().server < latest.saturating_sub(CLOCK_TOLERANCE)
    }

    /// Writes a session that could not be written before.
    async fn ensure_saved(
        &self,
        memory: &mut Memory,
        locked: &LockedVault,
        kept: MemorySession,
    ) -> Result<MemorySession> {
        if kept.is_saved {
            return Ok(kept);
        }
        let saved = MemorySession { is_saved: true, ..kept };
        let state = SessionState::SignedIn(saved.clone());
        let record = Record { held: state.held(), ..locked.record(&state)? };
        self.write(locked, record).await?;
        memory.state = state;
        Ok(saved)
    }

    /// Writes the lease if it is this client's turn.
    async fn acquire_lease(
        self: &Arc<Self>,
        locked: &LockedVault,
        kept: MemorySession,
        purpose: &RenewalPurpose,
        other_process_deadline: Instant,
    ) -> Result<RenewalStep> {
        let now = self.transport.device_now();
        let lease = locked.found().and_then(|record| record.lease.as_ref());
        let may_wait = Instant::now() < other_process_deadline;
        let spends = kept.session.spends_refresh_token();
        let other_process_limit = match Turn::of(&self.holder, lease, now, may_wait, spends) {
            Turn::Renew(other_process_limit) => other_process_limit,
            Turn::Wait => return Ok(RenewalStep::Wait),
            Turn::Later(after) => {
                return self.usable_token_or(&kept, purpose, renewed_by_other(after));
            }
        };
        let other_lease = lease.filter(|lease| !lease.is_of(&self.holder)).cloned();
        let mut record = locked.record(&SessionState::SignedIn(kept.clone()))?;
        record.lease = Some(Lease::new(&self.holder, now, self.transport.timeout()));
        if let Err(error) = self.write(locked, record).await {
            tracing::info!(%error, "other processes are not informed of a renewal");
        }
        self.publish_phase(Phase::Refreshing);
        let session = *kept.session;
        Ok(RenewalStep::Send(Box::new(RenewalRequest {
            session,
            other_process_limit,
            other_lease,
        })))
    }

    /// Waits while another process that sent the same refresh token may still get an answer: that
    /// answer counts. After a few seconds, returns for how long it may still arrive.
    async fn wait_for_other_process(&self, asked: &RenewalRequest) -> Option<Duration> {
        let start = Instant::now();
        let until = start + asked.other_process_limit;
        let deadline = until.min(start + OTHER_PROCESS_WAIT);
        while Instant::now() < deadline {
            if !self.is_current(&asked.session).await.unwrap_or(true) {
                return None;
            }
            sleep_until(deadline.min(Instant::now() + POLL_PERIOD)).await;
        }
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Writes the lease of the other process again: it may still get the answer.
    async fn restore_other_lease(self: &Arc<Self>, asked: RenewalRequest) {
        let RenewalRequest { session, other_lease, .. } = asked;
        let restored = self.change(move |record| {
            let is_same = record.session().is_some_and(|held| is_same_renewal(&session, held));
            if is_same && record.lease.is_none() {
                record.lease = other_lease;
            }
        });
        if let Err(error) = restored.await {
            tracing::info!(%error, "other processes are not informed of a renewal");
        }
    }

    /// Whether the vault still contains the session that is being renewed.
    async fn is_current(&self, asked: &Session) -> Result<bool> {
        Ok(match self.vault_record().await?.held {
            StoredState::SignedIn(held) => is_same_renewal(asked, &held),
            StoredState::SignedOut(_) => false,
        })
    }

    /// Ends the phase of a renewal that another process has taken over.
    async fn publish_current_phase(&self) {
        let memory = self.memory.lock().await;
        if let SessionState::SignedIn(_) = memory.state {
            self.publish(&memory.state, StatusChange::Refreshed);
        }
    }

    /// Whether another process renews now, because the lease of this renewal had expired: its
    /// request would spend the same refresh token. `other_lease` is the one that this renewal has
    /// replaced itself.
    async fn is_taken_over(&self, asked: &Session, other_lease: Option<&Lease>) -> bool {
        let record = self.vault_record().await;
        record.is_ok_and(|record| self.has_other_lease(&record, asked, other_lease))
    }

    fn has_other_lease(
        &self,
        record: &Record,
        asked: &Session,
        other_lease: Option<&Lease>,
    ) -> bool {
        let lease = record.lease.as_ref().filter(|lease| !lease.is_of(&self.holder));
        asked.spends_refresh_token() && lease.is_some() && lease != other_lease
    }

    /// Whether the refresh token may be sent: the vault still contains the session, and no other
    /// process renews it now.
    pub(super) async fn may_send(
        &self,
        asked: &Session,
        other_lease: Option<&Lease>,
    ) -> Result<bool> {
        let record = self.vault_record().await?;
        let is_same = record.session().is_some_and(|held| is_same_renewal(asked, held));
        Ok(is_same && !self.has_other_lease(&record, asked, other_lease))
    }

    /// Last step: stores what follows from the answer. `None`: another process was first, and the
    /// renewal starts again.
    async fn apply_answer(
        self: &Arc<Self>,
        asked: &Session,
        purpose: &RenewalPurpose,
        answer: std::result::Result<Tokens, Verdict>,
        clock_offset: i64,
    ) -> Option<Result<()>> {
        let mut memory = self.memory.lock().await;
        let locked = self.lock_vault().await;
        let held = locked.as_ref().map_err(state_of).and_then(LockedVault::held);
        let state = merged_state(memory.state.clone(), held).unwrap_or(memory.state.clone());
        let lost = locked
            .as_ref()
            .ok()
            .and_then(LockedVault::found)
            .and_then(|record| record.lost_sign_in_id.clone());
        match outcome_of(asked, &state, lost.as_ref(), answer, clock_offset) {
            Outcome::Renewed(session) => {
                let state = SessionState::SignedIn(MemorySession { session, is_saved: false });
                self.store_outcome(&mut memory, locked, state, None).await;
                self.on_renewal_answer();
                self.publish(&memory.state, StatusChange::Refreshed);
                Some(Ok(()))
            }
            Outcome::Ended(reason) => {
                self.store_outcome(&mut memory, locked, SessionState::SignedOut(reason), None)
                    .await;
                self.on_renewal_answer();
                self.publish(&memory.state, StatusChange::SessionEnded);
                Some(Err(Error::signed_out(reason)))
            }
            Outcome::Superseded(over) => {
                let is_owed = over.is_some();
                self.store_outcome(&mut memory, locked, state, over).await;
                self.publish(&memory.state, change_of(&memory.state, StatusChange::OtherProcess));
                if is_owed {
                    self.set_pending_sign_outs(true);
                    self.send_pending_sign_outs_if_due();
                }
                None
            }
            Outcome::Unchanged(verdict) => {
                self.store_outcome(&mut memory, locked, state, None).await;
                Some(self.unchanged(&memory, purpose, verdict))
            }
        }
    }

    fn unchanged(
        self: &Arc<Self>,
        memory: &Memory,
        purpose: &RenewalPurpose,
        verdict: Verdict,
    ) -> Result<()> {
        let error = match verdict {
            Verdict::Inconclusive(error) => error,
            // This device's clock was ahead; the refresh token is not spent.
            Verdict::TooEarly => {
                self.publish(&memory.state, StatusChange::Refreshed);
                return Ok(());
            }
            Verdict::Ended(_) | Verdict::Spent => Error::new(ErrorKind::Protocol),
        };
        self.backoff().record_failure(&error, self.transport.device_now());
        match error.kind() {
            ErrorKind::Network => self.publish_phase(Phase::Offline),
            _ => self.publish(&memory.state, StatusChange::Refreshed),
        }
        self.usable_token_or(&memory.kept()?, purpose, error).map(|_| ())
    }

    /// Stores the state, releases the lease and adds a session that must be ended at the server.
    /// What cannot be written stays in memory.
    async fn store_outcome(
        self: &Arc<Self>,
        memory: &mut Memory,
        locked: Result<LockedVault>,
        state: SessionState,
        over: Option<Box<Session>>,
    ) {
        let before = memory.state.session().cloned().map(Box::new);
        let sign_in_id = before.as_ref().map(|session| session.sign_in_id.clone());
        let written = async {
            let locked = locked?;
            let mut record = locked.record(&state)?;
            if state == SessionState::SignedOut(SignOutReason::AnswerLost) {
                record.lost_sign_in_id = sign_in_id;
            }
            if is_to_be_written(&state, &record.held) {
                record.held = state.held();
            }
            record.lease = record.lease.filter(|lease| !lease.is_of(&self.holder));
            if let Some(over) = over {
                record.pending_sign_outs.add(over, self.transport.device_now());
            }
            self.write(&locked, record).await
        };
        let written = written.await;
        if let Err(error) = &written {
            tracing::warn!(%error, "the vault could not be written and will be written later");
        }
        memory.state = match state {
            SessionState::SignedIn(kept) => SessionState::SignedIn(MemorySession {
                is_saved: kept.is_saved || written.is_ok(),
                ..kept
            }),
            // The server's answer counts even if the vault cannot be written.
            SessionState::SignedOut(reason) => {
                if let (Err(error), Some(session)) = (&written, before)
                    && !is_not_ours(error)
                {
                    self.set_unwritten_end(Some(UnwrittenEnd { session, reason }));
                }
                SessionState::SignedOut(reason)
            }
            SessionState::Unknown => SessionState::Unknown,
        };
        if written.is_err() {
            self.retry_write_later();
        }
    }

    /// Resets the back-off, because the server can be reached, and sends pending sign-outs.
    fn on_renewal_answer(self: &Arc<Self>) {
        self.backoff().reset();
        self.send_pending_sign_outs_if_due();
    }

    /// Done if the current token is still usable, otherwise this error. It never signs out.
    fn usable_token_or(
        &self,
        kept: &MemorySession,
        purpose: &RenewalPurpose,
        error: Error,
    ) -> Result<RenewalStep> {
        let is_alive = kept.session.is_alive(self.transport.moment().server);
        let is_enough =
            !purpose.rejects_current_token() && !matches!(purpose, RenewalPurpose::Save);
        match is_alive && is_enough && !matches!(error.kind(), ErrorKind::SignedOut { .. }) {
            true => Ok(RenewalStep::Done),
            false => Err(error),
        }
    }

    /// Schedules another write. Only one is scheduled at a time.
    pub(super) fn retry_write_later(self: &Arc<Self>) {
        if self.is_write_retry_scheduled.swap(true, Ordering::SeqCst) {
            return;
        }
        let wait = WriteRetryGuard(Arc::downgrade(self));
        tokio::spawn(async move {
            sleep(WRITE_RETRY_DELAY).await;
            let core = wait.0.upgrade();
            drop(wait);
            let Some(core) = core else { return };
            core.save().await;
            if core.has_unwritten_end() {
                core.retry_write_later();
            }
        });
    }
}

fn renewed_by_other(after: Duration) -> Error {
    Error::explained(ErrorKind::RetryLater { after }, "another process is renewing the session")
}

impl RenewalStep {
    /// Sends a renewal that no other process has sent.
    fn send(session: Session) -> Self {
        let other_process_limit = Duration::ZERO;
        RenewalStep::Send(Box::new(RenewalRequest {
            session,
            other_process_limit,
            other_lease: None,
        }))
    }
}

impl Memory {
    /// The session in memory, or why there is none.
    fn kept(&self) -> Result<MemorySession> {
        match &self.state {
            SessionState::SignedIn(kept) => Ok(kept.clone()),
            SessionState::SignedOut(reason) => Err(Error::signed_out(*reason)),
            SessionState::Unknown => Err(Error::new(ErrorKind::Protocol)),
        }
    }
}

/// Whether the state must be written. An end that another process has stored is not overwritten.
fn is_to_be_written(state: &SessionState, stored: &StoredState) -> bool {
    match (state, stored) {
        (SessionState::SignedIn(kept), _) => !kept.is_saved,
        (SessionState::SignedOut(_), StoredState::SignedIn(_)) => true,
        _ => false,
    }
}

/// A scheduled write. Dropping it, also with the runtime, allows the next one.
struct WriteRetryGuard(Weak<SessionCore>);

impl Drop for WriteRetryGuard {
    fn drop(&mut self) {
        if let Some(core) = self.0.upgrade() {
            core.is_write_retry_scheduled.store(false, Ordering::SeqCst);
        }
    }
}
