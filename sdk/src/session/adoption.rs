//! Taking over what an app has kept until now, so that nobody has to sign in again. The vault remembers
//! what was taken over: the same tokens again are of a session that the SDK has had, and may have ended.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::decide::{Kept, State, merged};
use super::record::Opening;
use super::{Change, Core, Record, Session, Want, is_changed, joined, random_text};
use crate::dialects::Tokens;
use crate::error::{Error, Kind, Result};

/// More are not remembered; the oldest are let go.
const MOST: usize = 64;

/// What came of handing over tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Adoption {
    /// They are on the disk now, and somebody is signed in by them.
    Taken,
    /// These tokens were taken over before; nothing has changed, also where that session has ended.
    Known,
}

/// Tokens that were taken over once.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Adopted {
    /// SHA-256 in base64url.
    hash: String,
    /// How long they could live, by the server's clock; for ever where nobody says.
    until: Option<i64>,
}

impl Record {
    fn has_adopted(&self, hash: &str) -> bool {
        self.adopted.iter().any(|adopted| adopted.hash == hash)
    }

    fn note_adopted(&mut self, hash: String, until: Option<i64>, now: i64) {
        self.adopted.retain(|adopted| adopted.until.is_none_or(|until| now < until));
        self.adopted.push(Adopted { hash, until });
        let surplus = self.adopted.len().saturating_sub(MOST);
        self.adopted.drain(..surplus);
    }
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
        if record.has_adopted(&hash) {
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
        record.note_adopted(hash, until, at.server);
        record.lease = None;
        let state = State::SignedIn(Kept { session, is_saved: true });
        record.held = state.held();
        self.write(&desk, record).await?;
        memory.state = state;
        self.publish(&memory.state, Change::Adopted);
        Ok(Adoption::Taken)
    }
}
