//! Sign-outs that the server has not heard of yet. They lie in the vault beside what ended them, and
//! are told at the next chance: after a network has come back, or at the next start.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use propusk_wire::Secret;

use super::decide::Verdict;
use super::pending_sign_outs::Owing;
use super::renewal_call::verdict;
use super::session_core::Core;
use super::stored_session::Session;
use crate::dialects::Refusal;
use crate::error::{Error, Result};
use crate::http::Failure;

/// How long the server is waited for when it is told.
pub(super) const LIMIT: Duration = Duration::from_secs(5);
impl Core {
    /// Tells the server of all ends that it has not heard of; whether it has heard of all. What it has
    /// heard of is owed no longer.
    pub(super) async fn tell_owed(self: &Arc<Self>) -> Result<bool> {
        let record = self.vault_record().await?;
        for owed in record.owed.iter().filter(|owed| self.is_ours(owed.session())) {
            self.tell_one(&owed.session().lineage).await?;
        }
        let record = self.vault_record().await?;
        let owes = record.owed.iter().any(|owed| self.is_ours(owed.session()));
        if !owes {
            *self.owing() = Owing::default();
        }
        Ok(!owes)
    }

    /// Tells of one end, unless that is owed no longer.
    async fn tell_one(self: &Arc<Self>, lineage: &Secret) -> Result<()> {
        let _one_at_a_time = self.telling.lock().await;
        let record = self.vault_record().await?;
        let owed = record.owed.iter().find(|owed| owed.session().lineage == *lineage);
        let Some(owed) = owed else { return Ok(()) };
        let heard = match owed.is_old(self.transport.device_now()) {
            true => Some(owed.session().generation),
            false => self.tell_in_time(owed.session()).await,
        };
        let Some(heard) = heard else { return Ok(()) };
        let is_heard = move |owed: &Session, lineage: &Secret| {
            owed.lineage == *lineage && owed.generation <= heard
        };
        let lineage = lineage.clone();
        self.change(move |record| record.owed.retain(|owed| !is_heard(owed.session(), &lineage)))
            .await
    }

    /// The same as [`tell`](Self::tell), within a limit.
    pub(super) async fn tell_in_time(self: &Arc<Self>, session: &Session) -> Option<u64> {
        tokio::time::timeout(LIMIT, self.tell(session)).await.unwrap_or_default()
    }

    /// Whether there is something that the server has to be told, from now on.
    pub(super) fn note_owed(&self, is_owed: bool) {
        let at = is_owed.then(|| self.transport.device_now());
        *self.owing() = Owing { at, failures: 0 };
    }

    pub(super) fn owes(&self) -> bool {
        self.owing().at.is_some()
    }

    /// Tells the server what is owed, if it is time to; nobody waits for it.
    pub(super) fn tell_at_a_chance(self: &Arc<Self>) {
        // Every answer of a server comes by here.
        if !self.owes() {
            return;
        }
        let now = self.transport.device_now();
        if !self.owing().begins(now) {
            return;
        }
        let (core, busy) = (Arc::clone(self), self.work.begin());
        tokio::spawn(async move {
            if let Err(error) = core.tell_owed().await {
                tracing::info!(%error, "the server is told of a sign-out later");
            }
            drop(busy);
        });
    }

    fn owing(&self) -> MutexGuard<'_, Owing> {
        self.owing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the server that a session is over; up to which renewal of it the server has heard. Some APIs
    /// hear it from a good access token only.
    pub(super) async fn tell(self: &Arc<Self>, session: &Session) -> Option<u64> {
        let generation = session.generation;
        match self.tell_with(session).await {
            Err(Failure::Refused(Refusal::Unauthorized)) if session.refresh.is_some() => {}
            outcome => return has_heard(outcome).then_some(generation),
        }
        let call = self.refresh_call(session).ok()?;
        match self.transport.send(call).await.map_err(verdict) {
            Ok(tokens) => {
                let renewed = session.clone().renewed(tokens, self.transport.moment());
                self.owe_renewed(renewed.clone()).await;
                has_heard(self.tell_with(&renewed).await).then_some(renewed.generation)
            }
            Err(verdict) => {
                matches!(verdict, Verdict::Over(_) | Verdict::Spent).then_some(generation)
            }
        }
    }

    /// What was renewed to be told over is alive until the server has heard.
    async fn owe_renewed(self: &Arc<Self>, renewed: Session) {
        let now = self.transport.device_now();
        let owed = self.change(move |record| record.owed.add(Box::new(renewed), now)).await;
        if let Err(error) = owed {
            tracing::info!(%error, "a sign-out may be lost");
        }
    }

    async fn tell_with(&self, session: &Session) -> std::result::Result<bool, Failure> {
        let refresh = session.refresh.as_ref();
        let call = session.dialect.spelling().sign_out(&session.credential, refresh, &self.app);
        match call {
            Ok(call) => self.transport.send(call).await.map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

fn has_heard(told: std::result::Result<bool, Failure>) -> bool {
    match told {
        Ok(told) => told,
        // It was over before.
        Err(Failure::Refused(Refusal::SignedOut(_) | Refusal::Spent)) => true,
        Err(failure) => {
            let error = Error::from(failure);
            tracing::info!(%error, "the server has not been told of a sign-out");
            false
        }
    }
}
