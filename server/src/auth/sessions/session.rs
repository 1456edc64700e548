//! Stored sessions: opening, finding, refreshing and ending them.

use crate::auth::policy::Policy;
use crate::auth::requester::SignedIn;
use crate::auth::sessions::cut_off::foreign_not_before;
use crate::auth::tokens::session_id::generation_in_id;
use crate::auth::tokens::token_id::{GENERATIONS, TokenId};
use crate::error::{ClientFault, Error, Fault, Result, TokenFault};
use crate::request_record;
use crate::store::accounts::{self, Account};
use crate::store::events::{Ending, Event, NewEvent, SignedInBy};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::sessions::{self, Session, Surplus, TokenUse, UsedSession};
use crate::store::{Tx, oauth_clients};

/// How many seconds after a sign-in the session may make sensitive changes without the password.
const RECENT_SECONDS: i64 = 300;

/// The tokens of a new session. Has no `Debug`, so that no token gets into a log.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

/// The optional columns of a new session: hashes of its opaque tokens, client and device.
#[derive(Clone, Default)]
pub struct SessionExtras {
    pub key_hash: Option<String>,
    pub refresh_hash: Option<String>,
    pub client_id: Option<String>,
    pub device_name: Option<String>,
    pub refresh_secret: Option<String>,
}

/// A session that has just been opened.
#[derive(Clone, Copy)]
pub struct OpenedSession {
    pub session: i64,
    pub account_id: i64,
    pub at: i64,
    pub by: SignedInBy,
}

/// Whether a session that was opened like this counts as a recent sign-in of its owner. A token may
/// be old, and others may have seen it.
fn is_by_owner(by: SignedInBy) -> bool {
    match by {
        SignedInBy::Password | SignedInBy::Provider | SignedInBy::Registration => true,
        SignedInBy::ProviderToken | SignedInBy::ReplacedServer => false,
    }
}

/// A session after a refresh. `generation` is that of the next refresh token, if the policy rotates
/// refresh tokens.
pub struct RefreshedSession {
    pub session: i64,
    pub account_id: i64,
    pub generation: i64,
    /// Until when the client's network is known for the account.
    pub place_known_until: Option<i64>,
}

/// Fails unless the session of the credential is live and its sign-in is recent. A time in the
/// future, from the clock of another node, is not recent either if it is too far from `now`.
pub async fn check_recent_sign_in(tx: &mut Tx, who: &SignedIn, now: i64) -> Result<()> {
    if who.is_lent() {
        return Err(Error::CredentialNotAllowed);
    }
    let Some(id) = who.session else { return Err(Error::ReauthenticationRequired) };
    match sessions::session(tx, id).await? {
        Some(Session { signed_in_at: Some(at), has_ended: false, .. })
            if (now - at).abs() <= RECENT_SECONDS =>
        {
            Ok(())
        }
        _ => Err(Error::ReauthenticationRequired),
    }
}

/// Stores a new session. The caller holds the lock of the account, and signs the tokens after the
/// commit.
pub async fn open_session(
    tx: &mut Tx,
    policy: &Policy,
    opened: OpenedSession,
    extras: SessionExtras,
) -> Result<()> {
    let OpenedSession { session: id, account_id, at: now, by } = opened;
    if let Some(client_id) = extras.client_id.clone() {
        // The client may have been removed since it authenticated.
        oauth_clients::oauth_client(tx, client_id).await?.ok_or(ClientFault::Unknown)?;
    }
    let absolute_expires_at = policy.absolute_seconds.map(|seconds| now + seconds);
    let Expiries { access_expires_at, expires_at } =
        Expiries::from(policy, absolute_expires_at, now);
    let session = Session {
        id,
        account_id,
        policy: policy.name.to_owned(),
        key_hash: extras.key_hash,
        refresh_hash: extras.refresh_hash,
        client_id: extras.client_id,
        device_name: extras.device_name,
        generation: 0,
        refresh_secret: extras.refresh_secret,
        attempt_hash: None,
        created_at: now,
        signed_in_at: is_by_owner(by).then_some(now),
        last_used_at: now,
        access_expires_at,
        expires_at,
        absolute_expires_at,
        has_ended: false,
    };
    insert_new(tx, policy, &session, by).await
}

/// When the tokens that a refresh issues expire.
#[derive(Clone, Copy)]
pub struct Expiries {
    pub access_expires_at: i64,
    pub expires_at: i64,
}

impl Expiries {
    /// No token expires after `absolute`.
    pub fn from(policy: &Policy, absolute: Option<i64>, now: i64) -> Self {
        let end = absolute.unwrap_or(i64::MAX);
        Expiries {
            access_expires_at: end.min(now + policy.access_seconds),
            expires_at: end.min(now + policy.refresh_seconds),
        }
    }
}

/// Stores a session under a random id. Of 2^60 ids, a collision means a fault.
pub async fn insert_new(
    tx: &mut Tx,
    policy: &Policy,
    session: &Session,
    by: SignedInBy,
) -> Result<()> {
    match sessions::insert_session(tx, session, by).await? {
        Some(generation) => make_room(tx, policy, session, generation).await,
        None => Err(Error::Internal(Fault::SessionIdTaken)),
    }
}

/// How many surplus sessions one sign-in ends; the following sign-ins end the rest.
const ENDED_AT_ONCE: i64 = 50;

/// Ends the least recently used sessions if `new` exceeds the policy's maximum for an account.
pub async fn make_room(tx: &mut Tx, policy: &Policy, new: &Session, generation: i64) -> Result<()> {
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

/// Ends all sessions of an account except `keep`, and refuses the tokens that a replaced server has
/// issued to it. One increment of the session generation ends them, so the cost does not depend on
/// their number. Their access tokens are checked in the database until the last one expires.
pub async fn end_sessions(
    tx: &mut Tx,
    account_id: i64,
    keep: Option<i64>,
    why: Ending,
    now: i64,
) -> Result<()> {
    accounts::refuse_foreign_before(tx, account_id, foreign_not_before(now)).await?;
    if sessions::has_live(tx, account_id, keep, now).await? {
        tx.note(NewEvent::of(account_id, Event::SessionsEnded(why), now).session(keep));
    }
    let Some(generation) = accounts::next_session_generation(tx, account_id).await? else {
        return Ok(());
    };
    if let Some(keep) = keep {
        sessions::move_along(tx, keep, account_id, generation).await?;
    }
    let subject = Subject::SessionsOf(account_id);
    revocations::insert_revocation(tx, subject, Reason::Ended, now).await
}

/// The session of a refresh token, if it is live and the token is the newest one.
pub async fn live_session(
    tx: &mut Tx,
    id: TokenId,
    policy: Option<&str>,
    now: i64,
) -> Result<Session> {
    let session = sessions::session(tx, id.session).await?.ok_or(TokenFault::Malformed)?;
    request_record::note_session(session.account_id, Some(session.id));
    if policy.is_some_and(|name| name != session.policy) {
        return Err(TokenFault::Malformed.into());
    }
    // Not by the `exp` of the token: other servers may have the signing key.
    if !session.is_live(now) || generation_in_id(session.generation) != id.generation {
        return Err(TokenFault::Spent.into());
    }
    Ok(session)
}

/// The session of an access token, if it has not ended.
pub async fn unended_session(tx: &mut Tx, id: i64) -> Result<Session> {
    let session = sessions::session(tx, id).await?.ok_or(TokenFault::Spent)?;
    request_record::note_session(session.account_id, Some(session.id));
    match session.has_ended {
        true => Err(TokenFault::Spent.into()),
        false => Ok(session),
    }
}

pub async fn active_account(tx: &mut Tx, id: i64) -> Result<Account> {
    match accounts::account(tx, id).await? {
        Some(account) if account.is_active => Ok(account),
        Some(_) => Err(Error::AccountInactive),
        None => Err(TokenFault::Malformed.into()),
    }
}

/// The use of a refresh token of this session and generation by a client in this network: it is spent
/// if the policy says so.
pub fn token_use(
    policy: &Policy,
    session: i64,
    generation: u32,
    network: String,
    now: i64,
) -> TokenUse {
    TokenUse {
        id: session,
        policy: policy.name.to_owned(),
        generation: generation.into(),
        generations: GENERATIONS.into(),
        name: None,
        named_account: None,
        step: policy.spends().into(),
        at: now,
        access_ends_by: policy.early_refresh_seconds.map_or(i64::MAX, |leeway| now + leeway),
        access_expires_at: now + policy.access_seconds,
        expires_at: policy.rotating.then_some(now + policy.refresh_seconds),
        network,
    }
}

/// Uses the refresh token. The update is conditional, so only one of several concurrent requests
/// that spend a token succeeds.
pub async fn use_refresh_token(tx: &mut Tx, used: TokenUse) -> Result<RefreshedSession> {
    try_refresh_token(tx, used).await?.ok_or_else(|| TokenFault::Spent.into())
}

/// The same as the first and only statement of a refresh; `None`: refused, for whatever reason.
pub async fn try_refresh_token(tx: &mut Tx, used: TokenUse) -> Result<Option<RefreshedSession>> {
    let session = used.id;
    let found = sessions::use_token(tx, used).await?;
    Ok(found.map(|UsedSession { account_id, generation, place_known_until }| {
        request_record::note_session(account_id, Some(session));
        RefreshedSession { session, account_id, generation, place_known_until }
    }))
}

/// Ends a live session and revokes its access tokens.
pub async fn end_live_session(tx: &mut Tx, id: i64, why: Ending, now: i64) -> Result<()> {
    // Lock the account before the session, as everywhere, to avoid a deadlock.
    accounts::refuse_undated_of_session(tx, id).await?;
    if !sessions::end_session(tx, id, why, now).await? {
        return Err(TokenFault::Spent.into());
    }
    revocations::insert_revocation(tx, Subject::Session(id), Reason::Ended, now).await
}

/// Replaces errors about the account, so that a token check does not reveal whether the account is
/// suspended or deleted. The log has the true reason.
pub fn mask_account_state(error: Error) -> Error {
    match error {
        Error::AccountInactive | Error::AccountNotFound => {
            error.note();
            TokenFault::Malformed.into()
        }
        other => other,
    }
}
