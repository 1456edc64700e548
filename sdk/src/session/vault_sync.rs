//! VS

use std::sync::Arc;
use std::time::Duration;

use propusk_wire::Secret;

use super::decide::{State, merged};
use super::locked_vault::{Desk, LOCK_PATIENCE, state_of};
use super::record::{Held, Record};
use super::renewal_purpose::Want;
use super::session_core::{Core, Memory, is_changed, joined};
use super::single_flight::landed;
use super::status::{Change, Status};
use crate::account::Profile;
use crate::error::{Kind, Result, SignOutReason};
use crate::vault_state::VaultState;

impl Core {
    pub async fn vault_state(&self) -> VaultState {
        let state = tokio::time::timeout(LOCK_PATIENCE, self.vault.state()).await;
        let state = state.unwrap_or(VaultState::Locked);
        match self.vault_record().await {
            Ok(_) => state,
            Err(error) => state_of(&error),
        }
    }

    /// Whether somebody is signed in: no network is waited for.
    pub async fn status(self: &Arc<Self>) -> Result<Status> {
        self.known().await?;
        Ok(self.status.borrow().clone())
    }

    /// The account as it was last seen; needs no network.
    pub async fn profile(self: &Arc<Self>) -> Result<Option<Profile>> {
        self.known().await?;
        match self.held() {
            Some(at_hand) => Ok(at_hand.profile.clone()),
            None => Err(self.nobody()),
        }
    }

    /// Keeps what the server has just told whoever has this sign-in of the account, to be shown without
    /// network. Meanwhile somebody else may have signed in.
    pub async fn note_profile(self: &Arc<Self>, lineage: Secret, profile: Profile) -> Result<()> {
        self.change(move |record| {
            if let Held::SignedIn(session) = &mut record.held
                && session.lineage == lineage
            {
                session.profile = Some(profile);
            }
        })
        .await
    }

    /// Changes what is stored, alone among tasks and processes.
    pub async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Record) -> T + Send + 'static,
    ) -> Result<T> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        joined(tokio::spawn(async move {
            let _busy = busy;
            let mut memory = core.memory.lock().await;
            let desk = core.alone().await?;
            let mut record = desk.record(&memory.state)?;
            let changed = change(&mut record);
            let held = record.held.clone();
            if !core.owes() && record.owed.iter().any(|owed| core.is_ours(owed.session())) {
                core.note_owed(true);
            }
            core.write(&desk, record).await?;
            core.take_in(&mut memory, held);
            Ok(changed)
        }))
        .await
    }

    /// Removes what is stored, whatever it is and whoever has issued it. The server hears nothing.
    pub async fn forget_everything(self: &Arc<Self>) -> Result<()> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        joined(tokio::spawn(async move {
            let _busy = busy;
            let mut memory = core.memory.lock().await;
            core.alone().await?.forget_whatever_it_is().await?;
            core.forget_seen();
            core.note_owed(false);
            memory.state = State::SignedOut(SignOutReason::SignedOut);
            core.publish(&memory.state, Change::SignedOut);
            Ok(())
        }))
        .await
    }

    /// Waits until nothing is under way: renewals, sign-outs that the server has to hear of, a session
    /// that could not be written. Whether all of it is done.
    pub async fn settled(self: &Arc<Self>, limit: Duration) -> bool {
        let settling = async {
            self.work.done().await;
            if self.owes()
                && let Err(error) = self.tell_owed().await
            {
                tracing::info!(%error, "the server is told of a sign-out later");
            }
            if !self.is_saved().await {
                self.save().await;
            }
            self.work.done().await;
            !self.owes() && self.is_saved().await
        };
        tokio::time::timeout(limit, settling).await.unwrap_or(false)
    }

    /// Whether the vault holds what is in memory.
    pub(super) async fn is_saved(&self) -> bool {
        let is_saved = match &self.memory.lock().await.state {
            State::SignedIn(kept) => kept.is_saved,
            State::SignedOut(_) | State::Unknown => true,
        };
        is_saved && !self.has_unwritten_end()
    }

    /// Writes what could not be written before; whether it could now, [`is_saved`](Self::is_saved) tells.
    pub(super) async fn save(self: &Arc<Self>) {
        let saved = match self.has_unwritten_end() {
            true => self.change(|_| ()).await,
            false => landed(self.renewal(Want::Saving)).await,
        };
        if let Err(error) = saved {
            tracing::debug!(%error, "the vault cannot be written yet");
        }
    }

    /// Looks into the vault unless somebody is known to be signed in; one look for everybody who asks.
    pub(super) async fn known(self: &Arc<Self>) -> Result<()> {
        if self.status.borrow().is_signed_in() {
            return Ok(());
        }
        let core = Arc::clone(self);
        landed(self.loading.join(|| async move {
            let mut memory = core.memory.lock().await;
            match memory.state {
                State::Unknown => core.look(&mut memory, Change::Started).await,
                State::SignedIn(_) => Ok(()),
                State::SignedOut(_) => {
                    if let Err(error) = core.look(&mut memory, Change::OtherProcess).await {
                        tracing::debug!(%error, "whether another process has signed in is not known");
                    }
                    Ok(())
                }
            }
        }))
        .await
    }

    /// What the vault holds now, by a look that waits for no lock.
    pub(super) async fn look(self: &Arc<Self>, memory: &mut Memory, change: Change) -> Result<()> {
        let read = self.vault_record().await;
        let held = read.as_ref().map(|record| record.held.clone()).map_err(state_of);
        let before = memory.state.clone();
        let state = match merged(before.clone(), held) {
            Ok(state) => state,
            Err(state) => return Err(read.err().unwrap_or(Kind::Storage { state }.into())),
        };
        let has_changed = is_changed(&before, &state);
        self.learn_clock(&before, &state);
        memory.state = state;
        if has_changed {
            self.publish(&memory.state, change_of(&memory.state, change));
        }
        if matches!(&memory.state, State::SignedIn(kept) if !kept.is_saved) {
            self.write_again();
        }
        if read.is_ok_and(|record| record.owed.iter().any(|owed| self.is_ours(owed.session()))) {
            if !self.owes() {
                self.note_owed(true);
            }
            self.tell_at_a_chance();
        }
        Ok(())
    }

    /// What another process has learnt of the server's clock when it last renewed.
    pub(super) fn learn_clock(&self, before: &State, now: &State) {
        if let Some(session) = now.session().filter(|_| is_changed(before, now)) {
            self.transport.set_offset(session.clock_offset);
        }
    }

    /// What a change or another process has left in the vault.
    pub(super) fn take_in(&self, memory: &mut Memory, held: Held) {
        let before = memory.state.clone();
        let Ok(state) = merged(before.clone(), Ok(held)) else { return };
        self.learn_clock(&before, &state);
        memory.state = state;
        let change = match (&before, is_changed(&before, &memory.state)) {
            (State::Unknown, _) => Change::Started,
            (_, true) => Change::OtherProcess,
            (_, false) => Change::Profile,
        };
        self.publish(&memory.state, change);
    }

    /// The same with the vault locked.
    pub(super) fn merge(&self, memory: &mut Memory, desk: &Desk) -> Result<()> {
        let before = memory.state.clone();
        memory.state = merged(before.clone(), desk.held()).map_err(|_| desk.problem())?;
        self.learn_clock(&before, &memory.state);
        if is_changed(&before, &memory.state) {
            self.publish(&memory.state, change_of(&memory.state, Change::OtherProcess));
        }
        Ok(())
    }
}

/// What is lost has been ended by nobody's wish.
pub(super) fn change_of(state: &State, change: Change) -> Change {
    match state {
        State::SignedOut(SignOutReason::VaultLost) => Change::Ended,
        _ => change,
    }
}
