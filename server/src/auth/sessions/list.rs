//! Where somebody is signed in, by whatever API, as the owner of the account sees and ends it.

use crate::auth::domain::Auth;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::cut_off::{first_honoured, foreign_not_before};
use crate::auth::sessions::reauthentication::Proof;
use crate::auth::sessions::session::{end_known, end_sessions};
use crate::auth::tokens::session_id::{name_of_session, session_of_name};
use crate::error::{Error, Result, TokenFault};
use crate::store::sessions::{self, Session};
use crate::store::{Tx, accounts, meta};

/// Accounts that are changed in one write.
const AT_ONCE: i64 = 5_000;

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
        self.store.write(move |tx| Box::pin(async move { end_known(tx, id, now).await })).await
    }
}

impl Auth {
    /// Ends one session of the account; false when it has none of this name. One's own needs no proof.
    pub async fn end_session(&self, proof: &Proof, name: &str) -> Result<bool> {
        let (proof, now) = (proof.clone(), self.clock.now());
        let Some(id) = session_of_name(name) else { return Ok(false) };
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = sessions::session(tx, id).await?;
                    let is_own = session.is_some_and(|session| {
                        session.account_id == proof.who.account_id && session.is_live(now)
                    });
                    if !is_own {
                        return Ok(false);
                    }
                    if proof.who.session == Some(id) {
                        return end_known(tx, id, now).await.map(|()| true);
                    }
                    proof.require(tx, now).await?;
                    match end_known(tx, id, now).await {
                        // Somebody was quicker: it is that session which is over, not the asking one.
                        Err(Error::Token(TokenFault::Spent)) => Ok(false),
                        ended => ended.map(|()| true),
                    }
                })
            })
            .await
    }

    /// Ends every session of the account but that of the credential; tokens of a replaced server end
    /// too, because none is known from another.
    pub async fn end_other_sessions(&self, proof: &Proof) -> Result<()> {
        let (proof, now) = (proof.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.require(tx, now).await?;
                    let who = proof.who;
                    end_sessions(tx, who.account_id, who.session, now).await
                })
            })
            .await
    }

    /// Ends everything that has been issued so far, to everybody and by every API: what a restored
    /// backup asks for. Answers how many sessions that were. Until the last of their access tokens is
    /// over, every one that comes is looked up. New accounts get numbers that no token can know.
    pub async fn end_all_that_was_issued(&self) -> Result<i64> {
        let now = self.clock.now();
        self.restored(None).await?;
        // Accounts may be imported later whose tokens were issued before.
        self.store.write(move |tx| Box::pin(raise_first_honoured(tx, now))).await?;
        let (mut ended, mut after) = (0, 0);
        while let Some((last, sessions)) =
            self.store.write(move |tx| Box::pin(end_some(tx, after, now))).await?
        {
            ended += sessions;
            after = last;
        }
        Ok(ended)
    }
}

async fn raise_first_honoured(tx: &mut Tx, now: i64) -> Result<()> {
    let at = foreign_not_before(now).max(first_honoured(tx).await?);
    meta::set(tx, meta::FOREIGN_NOT_BEFORE, at.to_string()).await
}

/// Ends sessions and foreign tokens of some accounts with ids above `after`; answers the last id and
/// how many sessions those were, or `None` when no account is left. In pieces: a statement about
/// all might run into a time limit.
async fn end_some(tx: &mut Tx, after: i64, now: i64) -> Result<Option<(i64, i64)>> {
    let Some(last) = accounts::last_of_page(tx, after, AT_ONCE).await? else { return Ok(None) };
    let ended = sessions::count_of_accounts(tx, after + 1, last, i64::MAX).await?;
    accounts::end_sessions_of_range(tx, after + 1, last, foreign_not_before(now)).await?;
    Ok(Some((last, ended)))
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
