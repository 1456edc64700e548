//! Keeps the state in memory and the record in the vault equal: reading, changing, saving, and
//! waiting until all of it is done.

use std::sync::Arc;
use std::time::Duration;

use propusk_wire::Secret;

use super::decide::{SessionState, merged_state};
use super::locked_vault::{LockedVault, state_of};
use super::record::{Record, StoredState};
use super::renewal_purpose::RenewalPurpose;
use super::session_core::{Memory, SessionCore, is_changed, joined};
use super::status::{Status, StatusChange};
use crate::account::Profile;
use crate::error::{ErrorKind, Result, SignOutReason};
use crate::vault::VAULT_TIMEOUT;
use crate::vault_state::VaultState;

impl SessionCore {
    pub async fn vault_state(&self) -> VaultState {
        let state = tokio::time::timeout(VAULT_TIMEOUT, self.vault.state()).await;
        let state = state.unwrap_or(VaultState::Locked);
        match self.vault_record().await {
            Ok(_) => state,
            Err(error) => state_of(&error),
        }
    }

    /// Whether a user is signed in, without waiting for the network.
    pub async fn status(self: &Arc<Self>) -> Result<Status> {
        self.ensure_loaded().await?;
        Ok(self.status.borrow().clone())
    }

    /// The account as it was last fetched, without a request.
    pub async fn profile(self: &Arc<Self>) -> Result<Option<Profile>> {
        self.ensure_loaded().await?;
        match self.cached_token() {
            Some(token) => Ok(token.profile.clone()),
            None => Err(self.signed_out_error()),
        }
    }

    /// Stores the profile, if this sign-in is still the current one.
    pub async fn store_profile(
        self: &Arc<Self>,
        sign_in_id: Secret,
        profile: Profile,
    ) -> Result<()> {
        self.change(move |record| {
            if let StoredState::SignedIn(session) = &mut record.held
                && session.sign_in_id == sign_in_id
            {
                session.profile = Some(profile);
            }
        })
        .await
    }

    /// Changes the record while the vault is locked.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Record) -> T + Send + 'static,
    ) -> Result<T> {
        let (core, work_guard) = (Arc::clone(self), self.work.begin());
        joined(tokio::spawn(async move {
            let _work_guard = work_guard;
            let mut memory = core.memory.lock().await;
            let locked = core.lock_vault().await?;
            let mut record = locked.record(&memory.state)?;
            let changed = change(&mut record);
            let held = record.held.clone();
            if !core.has_pending_sign_outs()
                && record.pending_sign_outs.iter().any(|owed| core.is_ours(owed.session()))
            {
                core.set_pending_sign_outs(true);
            }
            core.write(&locked, record).await?;
            core.apply_stored(&mut memory, held);
            Ok(changed)
        }))
        .await
    }

    /// Removes the record, in whatever state it is. The server is not informed.
    pub async fn forget_everything(self: &Arc<Self>) -> Result<()> {
        let (core, work_guard) = (Arc::clone(self), self.work.begin());
        joined(tokio::spawn(async move {
            let _work_guard = work_guard;
            let mut memory = core.memory.lock().await;
            core.lock_vault().await?.remove_any_version().await?;
            core.forget_seen();
            core.set_pending_sign_outs(false);
            memory.state = SessionState::SignedOut(SignOutReason::SignedOut);
            core.publish(&memory.state, StatusChange::SignedOut);
            Ok(())
        }))
        .await
    }

    /// Waits until all background work is done: renewals, pending sign-outs, and writes that
    /// failed. Returns whether all of it is done.
    pub async fn finish_pending_work(self: &Arc<Self>, limit: Duration) -> bool {
        let settling = async {
            self.work.wait_until_idle().await;
            if self.has_pending_sign_outs()
                && let Err(error) = self.send_pending_sign_outs().await
            {
                tracing::info!(%error, "the server will be informed of a sign-out later");
            }
            if !self.is_saved().await {
                self.save().await;
            }
            self.work.wait_until_idle().await;
            !self.has_pending_sign_outs() && self.is_saved().await
        };
        tokio::time::timeout(limit, settling).await.unwrap_or(false)
    }

    /// Whether the vault contains what is in memory.
    pub(super) async fn is_saved(&self) -> bool {
        let is_saved = match &self.memory.lock().await.state {
            SessionState::SignedIn(kept) => kept.is_saved,
            SessionState::SignedOut(_) | SessionState::Unknown => true,
        };
        is_saved && !self.has_unwritten_end()
    }

    /// Retries a failed write. [`is_saved`](Self::is_saved) returns whether it succeeded.
    pub(super) async fn save(self: &Arc<Self>) {
        let saved = match self.has_unwritten_end() {
            true => self.change(|_| ()).await,
            false => self.start_renewal(RenewalPurpose::Save).outcome().await,
        };
        if let Err(error) = saved {
            tracing::debug!(%error, "the vault cannot be written yet");
        }
    }

    /// Reads the vault, unless a user is known to be signed in. All callers share one read.
    pub(super) async fn ensure_loaded(self: &Arc<Self>) -> Result<()> {
        if self.status.borrow().is_signed_in() {
            return Ok(());
        }
        let core = Arc::clone(self);
        let loading = self.loading.join((), || async move {
            let mut memory = core.memory.lock().await;
            match memory.state {
                SessionState::Unknown => core.read_vault(&mut memory, StatusChange::Initial).await,
                SessionState::SignedIn(_) => Ok(()),
                SessionState::SignedOut(_) => {
                    if let Err(error) =
                        core.read_vault(&mut memory, StatusChange::OtherProcess).await
                    {
                        tracing::debug!(%error, "the vault could not be read again");
                    }
                    Ok(())
                }
            }
        });
        loading.outcome().await
    }

    /// Reads the vault without a lock and updates the state.
    pub(super) async fn read_vault(
        self: &Arc<Self>,
        memory: &mut Memory,
        change: StatusChange,
    ) -> Result<()> {
        let read = self.vault_record().await;
        let held = read.as_ref().map(|record| record.held.clone()).map_err(state_of);
        let before = memory.state.clone();
        let state = match merged_state(before.clone(), held) {
            Ok(state) => state,
            Err(state) => return Err(read.err().unwrap_or(ErrorKind::Storage { state }.into())),
        };
        let has_changed = is_changed(&before, &state);
        self.learn_clock(&before, &state);
        memory.state = state;
        if has_changed {
            self.publish(&memory.state, change_of(&memory.state, change));
        }
        if matches!(&memory.state, SessionState::SignedIn(kept) if !kept.is_saved) {
            self.retry_write_later();
        }
        if read.is_ok_and(|record| {
            record.pending_sign_outs.iter().any(|owed| self.is_ours(owed.session()))
        }) {
            if !self.has_pending_sign_outs() {
                self.set_pending_sign_outs(true);
            }
            self.send_pending_sign_outs_if_due();
        }
        Ok(())
    }

    /// Takes over the server's clock that another process learned with its last renewal.
    pub(super) fn learn_clock(&self, before: &SessionState, now: &SessionState) {
        if let Some(session) = now.session().filter(|_| is_changed(before, now)) {
            self.transport.set_offset(session.clock_offset);
        }
    }

    /// Updates the state after the record was changed.
    pub(super) fn apply_stored(&self, memory: &mut Memory, held: StoredState) {
        let before = memory.state.clone();
        let Ok(state) = merged_state(before.clone(), Ok(held)) else { return };
        self.learn_clock(&before, &state);
        memory.state = state;
        let change = match (&before, is_changed(&before, &memory.state)) {
            (SessionState::Unknown, _) => StatusChange::Initial,
            (_, true) => StatusChange::OtherProcess,
            (_, false) => StatusChange::ProfileUpdated,
        };
        self.publish(&memory.state, change);
    }

    /// Updates the state from the locked vault.
    pub(super) fn merge(&self, memory: &mut Memory, locked: &LockedVault) -> Result<()> {
        let before = memory.state.clone();
        memory.state = merged_state(before.clone(), locked.held()).map_err(|_| locked.problem())?;
        self.learn_clock(&before, &memory.state);
        if is_changed(&before, &memory.state) {
            self.publish(&memory.state, change_of(&memory.state, StatusChange::OtherProcess));
        }
        Ok(())
    }
}

/// A lost vault ends the session, whatever caused the read.
pub(super) fn change_of(state: &SessionState, change: StatusChange) -> StatusChange {
    match state {
        SessionState::SignedOut(SignOutReason::VaultLost) => StatusChange::SessionEnded,
        _ => change,
    }
}
