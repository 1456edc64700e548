//! Where somebody is signed in, by whatever API, as the owner of the account sees and ends it.

use super::Auth;
use super::session::{SignedIn, end_known, name_of_session};
use crate::error::{Result, TokenFault};
use crate::store::sessions::{self, Session};

/// A session that goes on.
#[derive(Clone, Debug)]
pub struct LiveSession {
    pub id: String,
    pub device_name: Option<String>,
    /// The name of the policy that opened it.
    pub api: String,
    /// The id of the OAuth client that it was opened for.
    pub client: Option<String>,
    pub created_at: i64,
    pub last_used_at: i64,
    pub expires_at: i64,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl Auth {
    /// Every live session of the account, the last used first.
    pub async fn live_sessions(&self, who: &SignedIn) -> Result<Vec<LiveSession>> {
        let mut tx = self.store.read().await?;
        let found = sessions::live_sessions(&mut tx, who.account_id, self.clock.now()).await?;
        Ok(found.into_iter().map(|session| shown(session, who.session)).collect())
    }

    /// Ends the session of the credential, which API ever opened it.
    pub async fn end_own_session(&self, who: &SignedIn) -> Result<()> {
        let id = who.session.ok_or(TokenFault::Malformed)?;
        let now = self.clock.now();
        let ended = self
            .store
            .write(move |tx| Box::pin(async move { end_known(tx, id, now).await }))
            .await?;
        self.revoked.apply(&[ended]);
        Ok(())
    }
}

fn shown(session: Session, current: Option<i64>) -> LiveSession {
    LiveSession {
        id: name_of_session(session.id),
        device_name: session.device_name,
        api: session.policy,
        client: session.client_id,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
        is_current: current == Some(session.id),
    }
}
