//! Taking over what an app has kept until now, so that nobody has to sign in again. The vault remembers
//! what was taken over: the same tokens again are of a session that the SDK has had, and may have ended.

use std::sync::Arc;

use super::attempt_id::random_text;
use super::decide::{Kept, State, merged};
use super::renewal_purpose::Want;
use super::session_core::{Core, is_changed, joined};
use super::status::Change;
use super::stored_session::{Opening, Session};
use crate::dialects::Tokens;
use crate::error::{Error, Kind, Result};

/// What came of handing over tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Adoption {
    /// They are on the disk now, and somebody is signed in by them.
    Taken,
    /// These tokens were taken over before; nothing has changed, also where that session has ended.
    Known,
}

impl Core {
    /// Keeps these tokens as a session; `hash` tells them from others. The server is asked about them
    /// afterwards.
    pub async fn adopt(self: &Arc<Self>, tokens: Tokens, hash: String) -> Result<Adoption> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        let adoption = joined(tokio::spawn(async move {
            let _busy = busy;
            core.adopt_now(tokens, hash).await
        }))
        .await?;
        if adoption == Adoption::Taken {
            drop(self.renewal(Want::Verification));
        }
        Ok(adoption)
    }

    async fn adopt_now(self: &Arc<Self>, tokens: Tokens, hash: String) -> Result<Adoption> {
        let mut memory = self.memory.lock().await;
        let desk = self.alone().await?;
        let mut record = desk.record(&memory.state)?;
        if record.adopted.contains(&hash) {
            return Ok(Adoption::Known);
        }
        let held = desk.held();
        let state = merged(memory.state.clone(), held)
            .map_err(|state| Error::new(Kind::Storage { state }))?;
        if let State::SignedIn(_) = state {
            let has_changed = is_changed(&memory.state, &state);
            memory.state = state;
            if has_changed {
                self.publish(&memory.state, Change::OtherProcess);
            }
            return Err(Error::because(
                Kind::OtherSignIn,
                "somebody is signed in; sign out before tokens are handed over",
            ));
        }
        let at = self.transport.moment();
        let opening =
            Opening { dialect: self.dialect, lineage: random_text()?, attempt_key: random_text()? };
        let until = match (&tokens.refresh, tokens.refresh_lives, tokens.access_lives) {
            (Some(_), lives, _) | (None, _, lives) => lives.map(|lives| at.server + lives),
        };
        let origin = Some(self.transport.origin());
        let session = Box::new(Session { origin, ..Session::adopt(opening, tokens, at) });
        record.adopted.add(hash, until, at.server);
        record.lease = None;
        let state = State::SignedIn(Kept { session, is_saved: true });
        record.held = state.held();
        self.write(&desk, record).await?;
        memory.state = state;
        self.publish(&memory.state, Change::Adopted);
        Ok(Adoption::Taken)
    }
}
