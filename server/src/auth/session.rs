//! Sessions and their tokens: a pair at sign-in, refreshing, ending, verifying, and who is signed in.
//! A token that names no session of ours is left to [`super::foreign`].

use serde_json::{Map, Value};

use super::foreign::end_foreign;
use super::token::{self, AccountClaim, Claims, NONCES, SESSION_IDS, TokenId, TokenType};
use super::{Auth, Policy, random};
use crate::error::{Error, Fault, Result, TokenFault};
use crate::store::Tx;
use crate::store::accounts::{self, Account};
use crate::store::revocations::{self, Reason, Revocation, Subject};
use crate::store::sessions::{self, Session};

/// A sign-in at most this many seconds old may change identifiers without the password.
const RECENT: i64 = 300;

/// The tokens of a new session; no `Debug`, so that they reach no log.
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

/// What a refresh answers; a new refresh token only where the policy rotates.
pub struct Renewed {
    pub access: String,
    pub refresh: Option<String>,
}

/// Whoever sent a good access token.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn {
    pub account_id: i64,
    /// Absent for a token of a replaced server.
    pub session: Option<i64>,
}

/// A refresh token after its checks that need no database.
pub(super) struct RefreshToken {
    pub claims: Claims,
    pub jti: String,
    pub expires_at: i64,
    /// None: a foreign token.
    pub id: Option<TokenId>,
}

/// Where the tokens of a refresh belong: session and, when rotating, the generation of the next
/// refresh token.
pub(super) struct Advanced {
    pub session: i64,
    pub generation: i64,
}

impl Auth {
    pub(super) fn sign_pair(
        &self,
        policy: &Policy,
        id: i64,
        account_id: i64,
        now: i64,
    ) -> Result<Pair> {
        let claims = token::claims_of(account_id);
        Ok(Pair {
            refresh: self.sign_refresh(policy, id, 0, claims.clone(), now)?,
            access: self.sign_access(policy, id, claims, now)?,
        })
    }

    /// Makes new tokens of a refresh token, under the rules of `policy`.
    pub async fn refresh(&self, policy: &Policy, token: &str) -> Result<Renewed> {
        let now = self.clock.now();
        let refresh = self.read_refresh(policy, token, now)?;
        let claims = refresh.claims.whole()?;
        let advanced = match refresh.id {
            Some(id) => self.advance_own(policy, id, now).await?,
            None => self.advance_foreign(policy, refresh, now).await?,
        };
        let access = self.sign_access(policy, advanced.session, token::derived(&claims), now)?;
        let next = || self.sign_refresh(policy, advanced.session, advanced.generation, claims, now);
        let refresh = policy.rotating.then(next).transpose()?;
        Ok(Renewed { access, refresh })
    }

    /// Ends the session of a refresh token: neither it nor its access tokens work any longer.
    pub async fn sign_out(&self, policy: &Policy, token: &str) -> Result<()> {
        let now = self.clock.now();
        let refresh = self.read_refresh(policy, token, now)?;
        let policy_name = policy.name;
        let ended = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    match refresh.id {
                        Some(id) => end_own(tx, id, policy_name, now).await.map(Some),
                        None => end_foreign(tx, refresh, now).await,
                    }
                })
            })
            .await?;
        self.revoked.apply(ended.as_slice());
        Ok(())
    }

    /// Whether a token of any type is good. An access token of ours is checked without the database.
    pub async fn verify(&self, token: &str) -> Result<()> {
        let now = self.clock.now();
        let claims = self.tokens.read(token, now)?;
        let (jti, _) = claims.id_and_expiry()?;
        match self.own_id(jti)? {
            None => self.verify_foreign(&claims).await,
            Some(id) if claims.is(TokenType::Refresh) => {
                let mut tx = self.store.read().await?;
                let session = live_session(&mut tx, id, None).await?;
                active_account(&mut tx, session.account_id).await.map_err(hidden)?;
                Ok(())
            }
            Some(id) => self.check_own(id, claims.account).await.map(|_| ()).map_err(hidden),
        }
    }

    /// Who sends this access token.
    pub async fn signed_in(&self, token: &str) -> Result<SignedIn> {
        let claims = self.tokens.read(token, self.clock.now())?;
        let (jti, _) = claims.id_and_expiry()?;
        claims.expect(TokenType::Access)?;
        match self.own_id(jti)? {
            Some(id) => {
                let account_id = self.check_own(id, claims.account).await?;
                Ok(SignedIn { account_id, session: Some(id.session) })
            }
            None => {
                let account = self.foreign_account(&claims).await?.ok_or(Error::AccountNotFound)?;
                Ok(SignedIn { account_id: account.id, session: None })
            }
        }
    }

    fn sign_access(
        &self,
        policy: &Policy,
        session: i64,
        claims: Map<String, Value>,
        now: i64,
    ) -> Result<String> {
        let nonce = u32::from_le_bytes(random()?) % NONCES;
        let id = TokenId { session, policy: policy.code, nonce };
        self.tokens.sign(TokenType::Access, id, claims, now, now + policy.access_seconds)
    }

    fn sign_refresh(
        &self,
        policy: &Policy,
        session: i64,
        generation: i64,
        claims: Map<String, Value>,
        now: i64,
    ) -> Result<String> {
        let id = TokenId { session, policy: policy.code, nonce: nonce_of(generation) };
        self.tokens.sign(TokenType::Refresh, id, claims, now, now + policy.refresh_seconds)
    }

    fn read_refresh(&self, policy: &Policy, token: &str, now: i64) -> Result<RefreshToken> {
        let claims = self.tokens.read(token, now)?;
        let (jti, expires_at) = claims.id_and_expiry()?;
        let jti = jti.to_owned();
        claims.expect(TokenType::Refresh)?;
        let id = self.own_id(&jti)?;
        if id.is_some_and(|id| id.policy != policy.code) {
            // Single use could be laundered through another API.
            return Err(TokenFault::Malformed.into());
        }
        Ok(RefreshToken { claims, jti, expires_at, id })
    }

    /// The session behind a `jti`; `None` for a foreign token, where those are honoured.
    fn own_id(&self, jti: &str) -> Result<Option<TokenId>> {
        match TokenId::parse(jti) {
            Some(id) if self.policies.iter().any(|policy| policy.code == id.policy) => Ok(Some(id)),
            None if self.accept_foreign => Ok(None),
            _ => Err(TokenFault::Malformed.into()),
        }
    }

    async fn advance_own(&self, policy: &Policy, id: TokenId, now: i64) -> Result<Advanced> {
        let policy = *policy;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = live_session(tx, id, Some(policy.name)).await?;
                    active_account(tx, session.account_id).await?;
                    if policy.rotating && !policy.early_refresh && now < session.access_expires_at {
                        return Err(TokenFault::TooEarly.into());
                    }
                    advance(tx, &policy, &session, now).await
                })
            })
            .await
    }

    /// Checks an own access token's session and account in memory, or in the database while memory
    /// cannot be trusted.
    async fn check_own(&self, id: TokenId, account: AccountClaim) -> Result<i64> {
        let AccountClaim::Id(account_id) = account else {
            return Err(TokenFault::NoAccount.into());
        };
        match self.revoked.reason(Subject::Account(account_id)) {
            Some(Reason::Deleted) => return Err(Error::AccountNotFound),
            Some(_) => return Err(Error::AccountInactive),
            None => {}
        }
        if self.revoked.reason(Subject::Session(id.session)).is_some() {
            return Err(TokenFault::Spent.into());
        }
        if !self.revoked.is_current(self.clock.now()) {
            let mut tx = self.store.read().await?;
            if !accounts::is_active(&mut tx, account_id).await?.ok_or(Error::AccountNotFound)? {
                return Err(Error::AccountInactive);
            }
            let session = sessions::session(&mut tx, id.session).await?;
            if session.is_none_or(|session| session.ended_at.is_some()) {
                return Err(TokenFault::Spent.into());
            }
        }
        Ok(account_id)
    }
}

/// Refuses unless the credential's session is alive and began a moment ago.
pub(super) async fn require_recent_sign_in(tx: &mut Tx, who: &SignedIn, now: i64) -> Result<()> {
    let Some(id) = who.session else { return Err(Error::ReauthenticationRequired) };
    match sessions::session(tx, id).await? {
        Some(Session { signed_in_at: Some(at), ended_at: None, .. }) if now - at <= RECENT => {
            Ok(())
        }
        _ => Err(Error::ReauthenticationRequired),
    }
}

/// Stores a new session of the account; its tokens are signed after the commit.
pub(super) async fn open_session(
    tx: &mut Tx,
    policy: &Policy,
    id: i64,
    account_id: i64,
    now: i64,
) -> Result<()> {
    let session = Session {
        id,
        account_id,
        policy: policy.name.to_owned(),
        generation: 0,
        signed_in_at: Some(now),
        last_used_at: now,
        access_expires_at: now + policy.access_seconds,
        expires_at: now + policy.refresh_seconds,
        ended_at: None,
    };
    insert_new(tx, &session).await
}

/// A new random session id.
pub(super) fn new_session_id() -> Result<i64> {
    Ok((u64::from_le_bytes(random()?) % SESSION_IDS).cast_signed())
}

/// Stores a session under a random id, which of 2^60 is nobody else's.
pub(super) async fn insert_new(tx: &mut Tx, session: &Session) -> Result<()> {
    match sessions::insert_session(tx, session).await? {
        true => Ok(()),
        false => Err(Error::Internal(Fault::SessionIdTaken)),
    }
}

/// Ends sessions of an account and writes what outstanding access tokens must hear of.
pub(super) async fn end_sessions(
    tx: &mut Tx,
    account_id: i64,
    keep: Option<i64>,
    now: i64,
) -> Result<Vec<Revocation>> {
    let ended = revocations::insert_ended_sessions(tx, account_id, keep, now).await?;
    sessions::end_other_sessions(tx, account_id, keep, now).await?;
    Ok(ended)
}

/// Token checks tell nobody that an account is suspended or gone.
pub(super) fn hidden(error: Error) -> Error {
    match error {
        Error::AccountInactive | Error::AccountNotFound => TokenFault::Malformed.into(),
        other => other,
    }
}

fn nonce_of(generation: i64) -> u32 {
    u32::try_from(generation.rem_euclid(i64::from(NONCES))).unwrap_or_default()
}

/// The session of a refresh token that has neither ended nor been rotated past it.
async fn live_session(tx: &mut Tx, id: TokenId, policy: Option<&str>) -> Result<Session> {
    let session = sessions::session(tx, id.session).await?.ok_or(TokenFault::Malformed)?;
    if policy.is_some_and(|name| name != session.policy) {
        return Err(TokenFault::Malformed.into());
    }
    if session.ended_at.is_some() || nonce_of(session.generation) != id.nonce {
        return Err(TokenFault::Spent.into());
    }
    Ok(session)
}

pub(super) async fn active_account(tx: &mut Tx, id: i64) -> Result<Account> {
    match accounts::account(tx, id).await? {
        Some(account) if account.is_active => Ok(account),
        Some(_) => Err(Error::AccountInactive),
        None => Err(TokenFault::Malformed.into()),
    }
}

/// Spends the token, or only notes its use, by one conditional update.
pub(super) async fn advance(
    tx: &mut Tx,
    policy: &Policy,
    session: &Session,
    now: i64,
) -> Result<Advanced> {
    let access_expires_at = now + policy.access_seconds;
    let (id, generation) = (session.id, session.generation);
    if policy.rotating {
        let expires_at = now + policy.refresh_seconds;
        let won =
            sessions::spend_generation(tx, id, generation, now, access_expires_at, expires_at);
        return match won.await? {
            true => Ok(Advanced { session: id, generation: generation + 1 }),
            false => Err(TokenFault::Spent.into()),
        };
    }
    match sessions::update_used(tx, id, now, access_expires_at).await? {
        true => Ok(Advanced { session: id, generation }),
        false => Err(TokenFault::Spent.into()),
    }
}

async fn end_own(tx: &mut Tx, id: TokenId, policy: &str, now: i64) -> Result<Revocation> {
    let session = live_session(tx, id, Some(policy)).await?;
    if !sessions::end_session(tx, session.id, now).await? {
        return Err(TokenFault::Spent.into());
    }
    revocations::insert_revocation(tx, Subject::Session(session.id), Reason::Ended, now).await
}
