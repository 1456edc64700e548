//! Credentials of every form: the pair of a sign-in, refreshing it, ending it, verifying a token, and who
//! sends an access credential. What is ours is told by its form; a JWT that names no session of ours is
//! left to [`super::foreign`].

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::application::is_opaque_token;
use super::foreign::end_foreign;
use super::key::is_key;
use super::renewal::end_reused;
use super::session::{
    Advanced, Opened, Pair, RefreshToken, SignedIn, active_account, advance, end_known, hidden,
    live_session, nonce_of, unended_session,
};
use super::signing::{Access, Header};
use super::token::{self, AccountClaim, NONCES, TokenId, TokenType};
use super::{Auth, Policy, TokenForm, random};
use crate::error::{Error, Result, TokenFault};
use crate::store::accounts;
use crate::store::revocations::{Reason, Revocation, Subject};
use crate::store::{Tx, sessions};

/// What a refresh answers; a new refresh token only where the policy rotates.
pub struct Renewed {
    pub access: String,
    pub refresh: Option<String>,
}

/// What came of a refresh token that is ours.
enum Refreshed {
    Advanced(Advanced),
    /// It had been used before, and its session is over.
    Ended(Revocation),
}

impl Auth {
    /// The tokens of a new session, in the policy's form.
    pub(super) async fn pair(&self, policy: &Policy, opened: Opened) -> Result<Pair> {
        let Opened { session, account_id, at, .. } = opened;
        match policy.form {
            TokenForm::UserName => {
                let mut tx = self.store.read().await?;
                let account = accounts::account(&mut tx, account_id).await?;
                let account = account.ok_or(Error::AccountNotFound)?;
                self.named_pair(policy, session, &account, at)
            }
            TokenForm::SimpleJwt | TokenForm::Key | TokenForm::PublicKey => {
                self.simple_jwt_pair(policy, session, account_id, at)
            }
        }
    }

    fn simple_jwt_pair(&self, policy: &Policy, id: i64, account_id: i64, now: i64) -> Result<Pair> {
        let claims = token::claims_of(account_id);
        Ok(Pair {
            refresh: self.sign_refresh(policy, id, 0, claims.clone(), now)?,
            access: self.sign_access(policy, id, claims, now)?,
        })
    }

    /// Makes new tokens of a refresh token, under the rules of `policy`.
    pub async fn refresh(&self, policy: &Policy, token: &str, from: IpAddr) -> Result<Renewed> {
        let now = self.clock.now();
        let refresh = self.read_refresh(policy, token, now)?;
        let claims = refresh.claims.whole()?;
        let advanced = match refresh.id {
            Some(id) => self.advance_own(policy, id, now).await?,
            None => self.advance_foreign(policy, refresh, now).await?,
        };
        self.revoked.apply(&advanced.ended);
        self.note_place(advanced.account_id, from, now + policy.refresh_seconds).await;
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
            Some(id) => {
                self.check_own(id.session, claims.account).await.map(|_| ()).map_err(hidden)
            }
        }
    }

    /// Who sends this access credential, of whatever form.
    pub async fn signed_in(&self, credential: &str) -> Result<SignedIn> {
        if is_key(credential) || is_opaque_token(credential) {
            return self.signed_in_by_key(credential).await;
        }
        if let Some(header) = Header::of(credential) {
            return self.signed_in_by_public_key(&header, credential).await;
        }
        if self.user_names.verify(credential).is_some() {
            return self.signed_in_by_name(credential).await;
        }
        let claims = self.tokens.read(credential, self.clock.now())?;
        let (jti, _) = claims.id_and_expiry()?;
        claims.expect(TokenType::Access)?;
        match self.own_id(jti)? {
            Some(id) => {
                let account_id = self.check_own(id.session, claims.account).await?;
                Ok(SignedIn::by(account_id, id.session))
            }
            None => {
                let account = self.foreign_account(&claims).await?.ok_or(Error::AccountNotFound)?;
                let account_id = account.id;
                Ok(SignedIn { account_id, session: None, in_url: false, of_client: false })
            }
        }
    }

    /// Who sends this token, which anybody could check, so long as an API is served that gives such.
    async fn signed_in_by_public_key(&self, header: &Header, token: &str) -> Result<SignedIn> {
        let is_served = self.policies.iter().any(|policy| policy.form == TokenForm::PublicKey);
        if !is_served {
            return Err(TokenFault::Malformed.into());
        }
        let Access { account_id, session } = self.read_access_token(header, token).await?;
        self.check_own(session, AccountClaim::Id(account_id)).await?;
        Ok(SignedIn::by(account_id, session))
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
        let (policy, post) = (*policy, self.post.clone());
        let refreshed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if policy.strict && policy.rotating && is_reused(tx, id, policy.name).await? {
                        let session = unended_session(tx, id.session).await?;
                        return end_reused(tx, &post, &session, now).await.map(Refreshed::Ended);
                    }
                    let session = live_session(tx, id, Some(policy.name)).await?;
                    active_account(tx, session.account_id).await?;
                    policy.check_refresh_time(session.access_expires_at, now)?;
                    advance(tx, &policy, &session, now).await.map(Refreshed::Advanced)
                })
            })
            .await?;
        match refreshed {
            Refreshed::Advanced(advanced) => Ok(advanced),
            Refreshed::Ended(revocation) => {
                self.revoked.apply(&[revocation]);
                self.mail_queued.notify_one();
                Err(TokenFault::Spent.into())
            }
        }
    }

    /// Checks an own access token's session and account in memory, or in the database while memory
    /// cannot be trusted.
    async fn check_own(&self, session: i64, account: AccountClaim) -> Result<i64> {
        let AccountClaim::Id(account_id) = account else {
            return Err(TokenFault::NoAccount.into());
        };
        match self.revoked.reason(Subject::Account(account_id)) {
            Some(Reason::Deleted) => return Err(Error::AccountNotFound),
            Some(_) => return Err(Error::AccountInactive),
            None => {}
        }
        if self.revoked.reason(Subject::Session(session)).is_some() {
            return Err(TokenFault::Spent.into());
        }
        let sessions_ended = self.revoked.reason(Subject::SessionsOf(account_id)).is_some();
        if sessions_ended || !self.revoked.knows_all(self.clock.now()) {
            let mut tx = self.store.read().await?;
            if !accounts::is_active(&mut tx, account_id).await?.ok_or(Error::AccountNotFound)? {
                return Err(Error::AccountInactive);
            }
            if unended_session(&mut tx, session).await?.account_id != account_id {
                return Err(TokenFault::Malformed.into());
            }
        }
        Ok(account_id)
    }
}

/// Whether the refresh token was used before while its session goes on.
async fn is_reused(tx: &mut Tx, id: TokenId, policy: &str) -> Result<bool> {
    let session = sessions::session(tx, id.session).await?;
    Ok(session.is_some_and(|session| {
        !session.has_ended && session.policy == policy && nonce_of(session.generation) != id.nonce
    }))
}

async fn end_own(tx: &mut Tx, id: TokenId, policy: &str, now: i64) -> Result<Revocation> {
    let session = live_session(tx, id, Some(policy)).await?;
    end_known(tx, session.id, now).await
}
