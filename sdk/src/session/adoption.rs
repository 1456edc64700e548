//! Adoption: takes over the tokens that an app kept before it used this SDK, so that its users stay
//! signed in. The vault remembers which tokens were adopted. The same tokens are not adopted again,
//! because their session may have ended in the meantime.

use std::sync::Arc;

use super::attempt_id::random_text;
use super::decide::{MemorySession, SessionState, merged_state};
use super::renewal_purpose::RenewalPurpose;
use super::session_core::{SessionCore, is_changed, joined};
use super::status::StatusChange;
use super::stored_session::{NewSession, Session};
use crate::clock::Moment;
use crate::dialects::Tokens;
use crate::error::{Error, ErrorKind, Result};

/// The result of [`Client::adopt`](crate::Client::adopt).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Adoption {
    /// The tokens are stored in the vault, and the user is signed in with them.
    Adopted,
    /// The same tokens were adopted before. Nothing has changed, even if their session has ended.
    AlreadyAdopted,
}

impl SessionCore {
    /// Stores the tokens as a session and then verifies them at the server in the background.
    /// `hash` identifies the tokens.
    pub async fn adopt(self: &Arc<Self>, tokens: Tokens, hash: String) -> Result<Adoption> {
        let (core, work_guard) = (Arc::clone(self), self.work.begin());
        let adoption = joined(tokio::spawn(async move {
            let _work_guard = work_guard;
            core.adopt_now(tokens, hash).await
        }))
        .await?;
        if adoption == Adoption::Adopted {
            drop(self.start_renewal(RenewalPurpose::Verify));
        }
        Ok(adoption)
    }

    async fn adopt_now(self: &Arc<Self>, tokens: Tokens, hash: String) -> Result<Adoption> {
        let mut memory = self.memory.lock().await;
        let locked = self.lock_vault().await?;
        let mut record = locked.record(&memory.state)?;
        if record.adopted.contains(&hash) {
            return Ok(Adoption::AlreadyAdopted);
        }
        let held = locked.held();
        let state = merged_state(memory.state.clone(), held)
            .map_err(|state| Error::new(ErrorKind::Storage { state }))?;
        if let SessionState::SignedIn(_) = state {
            let has_changed = is_changed(&memory.state, &state);
            memory.state = state;
            if has_changed {
                self.publish(&memory.state, StatusChange::OtherProcess);
            }
            return Err(Error::explained(
                ErrorKind::OtherSignIn,
                "a user is signed in; sign out before adopting tokens",
            ));
        }
        let Moment { server: now, offset } = self.transport.moment();
        let new = NewSession {
            dialect: self.dialect,
            sign_in_id: random_text()?,
            attempt_key: random_text()?,
        };
        let until = match (&tokens.refresh, tokens.refresh_lifetime, tokens.access_lifetime) {
            (Some(_), lives, _) | (None, _, lives) => lives.map(|lives| now + lives),
        };
        let (origin, rotates) = (Some(self.transport.origin()), self.rotates_refresh_tokens);
        let session = Box::new(Session { origin, rotates, ..Session::adopt(new, tokens, offset) });
        record.adopted.add(hash, until, now);
        record.lease = None;
        let state = SessionState::SignedIn(MemorySession { session, is_saved: true });
        record.held = state.held();
        self.write(&locked, record).await?;
        memory.state = state;
        self.publish(&memory.state, StatusChange::Adopted);
        Ok(Adoption::Adopted)
    }
}
