//! The live sessions of an account, of every API: listing and ending them.

use crate::auth::domain::Auth;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::cut_off::{foreign_not_before, global_cut_off};
use crate::auth::sessions::reauthentication::Reauthentication;
use crate::auth::sessions::session::{end_live_session, end_sessions};
use crate::auth::tokens::session_id::{name_of_session, session_of_name};
use crate::error::{Error, Result, TokenFault};
use crate::store::events::{self, Ending, Event};
use crate::store::sessions::{self, SessionRow};
use crate::store::{Tx, accounts, meta};

/// How many accounts one write changes.
const AT_ONCE: i64 = 5_000;

/// A session as owners and operators see it.
#[derive(Clone, Debug)]
pub struct ListedSession {
    pub id: String,
    pub device_name: Option<String>,
    /// The name of the policy that opened it.
    pub api: String,
    /// The id of the OAuth client that the session belongs to.
    pub client: Option<String>,
    /// What the client's access token allows; `None`: everything.
    pub scope: Option<String>,
    pub created_at: i64,
    /// When the owner signed in; `None` if this server did not see that.
    pub signed_in_at: Option<i64>,
    pub last_used_at: i64,
    pub access_expires_at: i64,
    pub expires_at: i64,
    /// When it ends even if it is used.
    pub absolute_expires_at: Option<i64>,
    /// `None` also if it ended with all others of its account.
    pub ended_at: Option<i64>,
    pub has_ended: bool,
    /// Whether the request comes from this session.
    pub is_current: bool,
}

impl Auth {
    /// All live sessions of the account, the last used first.
    pub async fn live_sessions(&self, who: &SignedIn) -> Result<Vec<ListedSession>> {
        let mut tx = self.store.read().await?;
        let found = sessions::live_sessions(&mut tx, who.account_id, self.clock.now()).await?;
        Ok(found.into_iter().map(|session| ListedSession::of(session, who.session)).collect())
    }

    /// Ends the session of the credential, of any API.
    pub async fn end_current_session(&self, who: &SignedIn) -> Result<()> {
        let id = who.session.ok_or(TokenFault::Malformed)?;
        let now = self.clock.now();
        self.store.write(move |tx| Box::pin(end_live_session(tx, id, Ending::SignedOut, now))).await
    }
}

impl Auth {
    /// Ends one session of the account; false if the account has no live session with this name.
    /// The current session ends without re-authentication.
    pub async fn end_one_session(&self, proof: &Reauthentication, name: &str) -> Result<bool> {
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
                        return end_live_session(tx, id, Ending::SignedOut, now)
                            .await
                            .map(|()| true);
                    }
                    proof.verify(tx, now).await?;
                    match end_live_session(tx, id, Ending::SignedOutElsewhere, now).await {
                        // A concurrent request has ended the session. `Spent` would mean that the
                        // current session has ended.
                        Err(Error::Token(TokenFault::Spent)) => Ok(false),
                        ended => ended.map(|()| true),
                    }
                })
            })
            .await
    }

    /// Ends all sessions of the account except the current one. Tokens of a replaced server are
    /// refused too, even one that sent this request: the server cannot link them to sessions.
    pub async fn end_other_sessions(&self, proof: &Reauthentication) -> Result<()> {
        let (proof, now) = (proof.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    proof.verify(tx, now).await?;
                    let who = proof.who;
                    let why = Ending::SignedOutElsewhere;
                    end_sessions(tx, who.account_id, who.session, why, now).await
                })
            })
            .await
    }

    /// Revokes all credentials of all accounts and APIs, as is necessary after a backup is
    /// restored. Returns the number of ended sessions. Until the last of their access tokens
    /// expires, each access token is checked in the database. New accounts get numbers that no old
    /// token contains.
    pub async fn end_everything(&self) -> Result<i64> {
        let now = self.clock.now();
        self.skip_numbers(Event::AllSessionsEnded).await?;
        // An account may be imported later, and have tokens that were issued before this call.
        self.store.write(move |tx| Box::pin(raise_global_cut_off(tx, now))).await?;
        let (mut ended, mut after) = (0, 0);
        while let Some((last, sessions)) =
            self.store.write(move |tx| Box::pin(end_page(tx, after, now))).await?
        {
            ended += sessions;
            after = last;
        }
        Ok(ended)
    }
}

async fn raise_global_cut_off(tx: &mut Tx, now: i64) -> Result<()> {
    let at = foreign_not_before(now).max(global_cut_off(tx).await?);
    meta::set(tx, meta::FOREIGN_NOT_BEFORE, at.to_string()).await
}

/// Ends the sessions and foreign tokens of one page of accounts with ids above `after`. Returns the
/// last id and the number of ended sessions; `None` if no account is left. One statement for all
/// accounts could exceed the time limit of the database.
async fn end_page(tx: &mut Tx, after: i64, now: i64) -> Result<Option<(i64, i64)>> {
    let Some(last) = accounts::last_of_page(tx, after, AT_ONCE).await? else { return Ok(None) };
    let ended = sessions::count_of_accounts(tx, after + 1, last, i64::MAX).await?;
    events::insert_ends_of_range(tx, after + 1, last, now).await?;
    accounts::end_sessions_of_range(tx, after + 1, last, foreign_not_before(now)).await?;
    Ok(Some((last, ended)))
}

impl ListedSession {
    pub(in crate::auth) fn of(row: SessionRow, current: Option<i64>) -> Self {
        ListedSession {
            id: name_of_session(row.id),
            device_name: row.device_name,
            api: row.policy,
            client: row.client_id,
            scope: row.scope,
            created_at: row.created_at,
            signed_in_at: row.signed_in_at,
            last_used_at: row.last_used_at,
            access_expires_at: row.access_expires_at,
            expires_at: row.expires_at,
            absolute_expires_at: row.absolute_expires_at,
            ended_at: row.ended_at,
            has_ended: row.has_ended,
            is_current: current == Some(row.id),
        }
    }
}
