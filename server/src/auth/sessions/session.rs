//! Sessions in the store: opening, finding, advancing and ending them, and what of them is in a
//! credential.

use crate::auth::policy::Policy;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::cut_off::foreign_not_before;
use crate::auth::tokens::session_id::generation_in_id;
use crate::auth::tokens::token_id::TokenId;
use crate::error::{ClientFault, Error, Fault, Result, TokenFault};
use crate::store::accounts::{self, Account};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::sessions::{self, Session, Surplus};
use crate::store::{Tx, oauth_clients};

/// A sign-in at most this many seconds old may change identifiers without the password.
const RECENT: i64 = 300;

/// The tokens of a new session; no `Debug`, so that they reach no log.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

/// What is stored of a new session beside its times; what opens it, as hashes.
#[derive(Clone, Default)]
pub(in crate::auth) struct Kept {
    pub key_hash: Option<String>,
    pub refresh_hash: Option<String>,
    pub client_id: Option<String>,
    pub device_name: Option<String>,
    pub refresh_secret: Option<String>,
}

/// A session that has just begun.
#[derive(Clone, Copy)]
pub(in crate::auth) struct Opened {
    pub session: i64,
    pub account_id: i64,
    pub at: i64,
    pub by: By,
}

/// What a session was opened by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::auth) enum By {
    /// Its owner, a moment ago.
    Owner,
    /// A provider's token, which may be old and have passed through many hands: it does not count as a
    /// sign-in of now.
    Token,
}

/// Where the tokens of a refresh belong: session, the session's account and, when rotating, the
/// generation of the next refresh token.
pub(in crate::auth) struct Advanced {
    pub session: i64,
    pub account_id: i64,
    pub generation: i64,
}

/// Refuses unless the credential's session is alive and began a moment ago. One that a faster clock
/// says will begin later is no younger for that.
pub(in crate::auth) async fn require_recent_sign_in(
    tx: &mut Tx,
    who: &SignedIn,
    now: i64,
) -> Result<()> {
    let session = who.session.filter(|_| !who.in_url && !who.of_client);
    let Some(id) = session else { return Err(Error::ReauthenticationRequired) };
    match sessions::session(tx, id).await? {
        Some(Session { signed_in_at: Some(at), has_ended: false, .. })
            if (now - at).abs() <= RECENT =>
        {
            Ok(())
        }
        _ => Err(Error::ReauthenticationRequired),
    }
}

/// Stores a new session of the account, which other writes are kept from changing; its tokens are
/// signed after the commit.
pub(in crate::auth) async fn open_session(
    tx: &mut Tx,
    policy: &Policy,
    opened: Opened,
    kept: Kept,
) -> Result<()> {
    let Opened { session: id, account_id, at: now, by } = opened;
    if let Some(client_id) = kept.client_id.clone() {
        // It may have been removed since it showed its secret.
        oauth_clients::oauth_client(tx, client_id).await?.ok_or(ClientFault::Unknown)?;
    }
    let absolute_expires_at = policy.absolute_seconds.map(|seconds| now + seconds);
    let Lives { access_expires_at, expires_at } = Lives::from(policy, absolute_expires_at, now);
    let session = Session {
        id,
        account_id,
        policy: policy.name.to_owned(),
        key_hash: kept.key_hash,
        refresh_hash: kept.refresh_hash,
        client_id: kept.client_id,
        device_name: kept.device_name,
        generation: 0,
        refresh_secret: kept.refresh_secret,
        attempt_hash: None,
        created_at: now,
        signed_in_at: (by == By::Owner).then_some(now),
        last_used_at: now,
        access_expires_at,
        expires_at,
        absolute_expires_at,
        has_ended: false,
    };
    insert_new(tx, policy, &session).await
}

/// Until when a session lives from one use of its refresh token on.
#[derive(Clone, Copy)]
pub(in crate::auth) struct Lives {
    pub access_expires_at: i64,
    pub expires_at: i64,
}

impl Lives {
    /// No token outlives `absolute`.
    pub fn from(policy: &Policy, absolute: Option<i64>, now: i64) -> Self {
        let end = absolute.unwrap_or(i64::MAX);
        Lives {
            access_expires_at: end.min(now + policy.access_seconds),
            expires_at: end.min(now + policy.refresh_seconds),
        }
    }
}

/// Stores a session under a random id, which of 2^60 is nobody else's.
pub(in crate::auth) async fn insert_new(
    tx: &mut Tx,
    policy: &Policy,
    session: &Session,
) -> Result<()> {
    match sessions::insert_session(tx, session).await? {
        Some(generation) => make_room(tx, policy, session, generation).await,
        None => Err(Error::Internal(Fault::SessionIdTaken)),
    }
}

/// Sessions that end at once to make room; where far too many are alive, each sign-in ends some.
const ENDED_AT_ONCE: i64 = 50;

/// Keeps the account within the policy's number of sessions, of which `new` was just opened.
pub(in crate::auth) async fn make_room(
    tx: &mut Tx,
    policy: &Policy,
    new: &Session,
    generation: i64,
) -> Result<()> {
    let (account_id, name) = (new.account_id, policy.name.to_owned());
    let counted_up_to = policy.max_sessions + ENDED_AT_ONCE;
    let open =
        sessions::count_unended(tx, account_id, name.clone(), generation, counted_up_to).await?;
    if open <= policy.max_sessions {
        return Ok(());
    }
    let count = open - policy.max_sessions;
    let surplus = Surplus { account_id, policy: name, generation, keep: new.id, count };
    for id in sessions::end_surplus(tx, surplus, new.created_at).await? {
        let (subject, at) = (Subject::Session(id), new.created_at);
        revocations::insert_revocation(tx, subject, Reason::Ended, at).await?;
    }
    Ok(())
}

/// Ends all sessions of an account but `keep`, however many there are, by one step of its session
/// generation, and refuses the tokens that a replaced server has given it. Their access tokens are looked up in the database until the last of them is over.
pub(in crate::auth) async fn end_sessions(
    tx: &mut Tx,
    account_id: i64,
    keep: Option<i64>,
    now: i64,
) -> Result<()> {
    accounts::refuse_foreign_before(tx, account_id, foreign_not_before(now)).await?;
    let Some(generation) = accounts::next_session_generation(tx, account_id).await? else {
        return Ok(());
    };
    if let Some(keep) = keep {
        sessions::move_along(tx, keep, account_id, generation).await?;
    }
    let subject = Subject::SessionsOf(account_id);
    revocations::insert_revocation(tx, subject, Reason::Ended, now).await
}

/// The session of a refresh token that has neither ended nor been rotated past it.
pub(in crate::auth) async fn live_session(
    tx: &mut Tx,
    id: TokenId,
    policy: Option<&str>,
    now: i64,
) -> Result<Session> {
    let session = sessions::session(tx, id.session).await?.ok_or(TokenFault::Malformed)?;
    if policy.is_some_and(|name| name != session.policy) {
        return Err(TokenFault::Malformed.into());
    }
    // A token's own `exp` may be later: others may have the key that signs it.
    if !session.is_live(now) || generation_in_id(session.generation) != id.generation {
        return Err(TokenFault::Spent.into());
    }
    Ok(session)
}

/// The session of an access token that is checked in the database.
pub(in crate::auth) async fn unended_session(tx: &mut Tx, id: i64) -> Result<Session> {
    let session = sessions::session(tx, id).await?;
    Ok(session.filter(|session| !session.has_ended).ok_or(TokenFault::Spent)?)
}

pub(in crate::auth) async fn active_account(tx: &mut Tx, id: i64) -> Result<Account> {
    match accounts::account(tx, id).await? {
        Some(account) if account.is_active => Ok(account),
        Some(_) => Err(Error::AccountInactive),
        None => Err(TokenFault::Malformed.into()),
    }
}

/// Spends the token, or only notes its use, by one conditional update.
pub(in crate::auth) async fn advance(
    tx: &mut Tx,
    policy: &Policy,
    session: &Session,
    now: i64,
) -> Result<Advanced> {
    let access_expires_at = now + policy.access_seconds;
    let Session { id, account_id, generation, .. } = *session;
    if policy.rotating {
        let expires_at = now + policy.refresh_seconds;
        let won =
            sessions::spend_generation(tx, id, generation, now, access_expires_at, expires_at);
        return match won.await? {
            true => {
                let generation = generation + 1;
                Ok(Advanced { session: id, account_id, generation })
            }
            false => Err(TokenFault::Spent.into()),
        };
    }
    match sessions::update_used(tx, id, now, access_expires_at).await? {
        true => Ok(Advanced { session: id, account_id, generation }),
        false => Err(TokenFault::Spent.into()),
    }
}

/// Ends a session that was found alive, and writes what outstanding access tokens must hear of.
pub(in crate::auth) async fn end_known(tx: &mut Tx, id: i64, now: i64) -> Result<()> {
    // The account's row before the session's, as everywhere: no two writes block each other.
    accounts::refuse_undated_of_session(tx, id).await?;
    if !sessions::end_session(tx, id, now).await? {
        return Err(TokenFault::Spent.into());
    }
    revocations::insert_revocation(tx, Subject::Session(id), Reason::Ended, now).await
}

/// Token checks tell nobody that an account is suspended or gone.
pub(in crate::auth) fn hidden(error: Error) -> Error {
    match error {
        Error::AccountInactive | Error::AccountNotFound => TokenFault::Malformed.into(),
        other => other,
    }
}
