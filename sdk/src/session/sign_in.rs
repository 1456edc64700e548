//! Signing in: the vault is looked at before a password is sent, and the session counts once it lies on
//! the disk. The one before is over then, and the server is told so.

use std::sync::Arc;

use propusk_wire::Secret;
use tokio::time::timeout;
use tracing::Instrument;

use super::attempt_id::random_text;
use super::decide::{Kept, State};
use super::locked_vault::is_replaceable;
use super::record::Held;
use super::server_sign_out::LIMIT;
use super::session_core::{Core, joined};
use super::status::Change;
use super::stored_session::{Opening, Session};
use crate::dialects::{Call, Dialect, Tokens};
use crate::error::Result;
use crate::pending_sign_in::Outcome;

impl Core {
    /// Opens a session by what the call answers. `finishes` is the sign-in with a provider that has
    /// come to its end with it.
    pub async fn enter(
        self: &Arc<Self>,
        call: Call<Tokens>,
        finishes: Option<Secret>,
    ) -> Result<()> {
        let (core, busy) = (Arc::clone(self), self.work.begin());
        let span = tracing::info_span!("sign-in", dialect = ?self.dialect);
        let entering = async move {
            let _busy = busy;
            let _one_at_a_time = core.entering.lock().await;
            core.is_there().await?;
            // djoser gives a key again, which a telling under way may end.
            let telling = match core.dialect {
                Dialect::DjoserToken => timeout(2 * LIMIT, core.telling.lock()).await.ok(),
                _ => None,
            };
            let tokens = core.transport.send(call).await?;
            core.trouble().end();
            let session = core.opened(tokens)?;
            let kept = core.keep_opened(session, finishes).await;
            drop(telling);
            kept
        };
        joined(tokio::spawn(entering.instrument(span))).await
    }

    /// A vault that cannot be read cannot be written.
    async fn is_there(self: &Arc<Self>) -> Result<()> {
        let mut memory = self.memory.lock().await;
        let looked = match memory.state {
            // Who was signed in before is shown meanwhile.
            State::Unknown => self.look(&mut memory, Change::Started).await,
            _ => self.vault_record().await.map(|_| ()),
        };
        looked.or_else(|error| if is_replaceable(&error) { Ok(()) } else { Err(error) })
    }

    fn opened(&self, tokens: Tokens) -> Result<Box<Session>> {
        let opening =
            Opening { dialect: self.dialect, lineage: random_text()?, attempt_key: random_text()? };
        let mut session = Session::open(opening, tokens, self.transport.moment());
        session.origin = Some(self.transport.origin());
        Ok(Box::new(session))
    }

    async fn keep_opened(
        self: &Arc<Self>,
        session: Box<Session>,
        finishes: Option<Secret>,
    ) -> Result<()> {
        let mut memory = self.memory.lock().await;
        let before = memory.state.session().cloned().map(Box::new);
        let kept = async {
            let desk = self.alone().await?;
            let mut record = desk.record(&memory.state)?;
            let now = self.transport.device_now();
            let stored = record.session().cloned().map(Box::new);
            for over in [stored, before.clone()].into_iter().flatten() {
                record.owed.add(over, now);
            }
            record.held = Held::SignedIn(session.clone());
            record.lease = None;
            if let Some(state) = &finishes {
                record.journal.finish(state, Outcome::Completed);
            }
            let is_owed = !record.owed.is_empty();
            self.write(&desk, record).await.map(|()| is_owed)
        };
        match kept.await {
            Ok(is_owed) => {
                memory.state = State::SignedIn(Kept { session, is_saved: true });
                self.publish(&memory.state, Change::SignedIn);
                self.note_owed(is_owed);
                self.tell_at_a_chance();
                Ok(())
            }
            Err(error) => {
                self.abandon(session, before);
                Err(error)
            }
        }
    }

    /// Ends a session that could not be kept; nobody waits for it.
    fn abandon(self: &Arc<Self>, session: Box<Session>, before: Option<Box<Session>>) {
        if before.is_some_and(|before| before.credential == session.credential) {
            return;
        }
        let core = Arc::clone(self);
        let busy = self.work.begin();
        tokio::spawn(async move {
            let _one_at_a_time = core.telling.lock().await;
            // Some servers give the same token again.
            if core.held().is_none_or(|held| held.credential != session.credential) {
                core.tell_in_time(&session).await;
            }
            drop(busy);
        });
    }
}
