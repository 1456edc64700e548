//! Issuing, refreshing, verifying and ending the token pair of a sign-in, and authenticating an
//! access credential of any form. The form shows which kind of credential it is. A JWT without a
//! session id of this server is handled by [`crate::auth::sign_in::replaced_server`].

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::auth::domain::Auth;
use crate::auth::policy::{Policy, TokenForm};
use crate::auth::requester::SignedIn;
use crate::auth::sessions::reused::end_reused_session;
use crate::auth::sessions::session::{
    OpenedSession, Pair, RefreshedSession, active_account, end_live_session, live_session,
    mask_account_state, token_use, try_refresh_token, unended_session, use_refresh_token,
};
use crate::auth::sign_in::replaced_server::end_foreign;
use crate::auth::tokens::checked::{CheckedToken, TokenHash, token_hash};
use crate::auth::tokens::opaque::{is_api_token, is_opaque_token};
use crate::auth::tokens::session_id::generation_in_id;
use crate::auth::tokens::signing::access_token::{AccessSubject, Header, ReadToken};
use crate::auth::tokens::simple_jwt::{
    AccountClaim, Claims, NewToken, RefreshToken, Tokens, derived_claims, sign_in_claims,
};
use crate::auth::tokens::token_id::{TokenId, TokenType};
use crate::config::UserIdForm;
use crate::error::{Error, Result, TokenFault};
use crate::request_record;
use crate::store::accounts::Account;
use crate::store::events::Ending;
use crate::store::revocations::{Reason, Subject};
use crate::store::sessions::TokenUse;
use crate::store::{Repeat, Tx, accounts, sessions};

/// The result of a refresh; `refresh` is `None` if the policy does not rotate refresh tokens.
pub struct RefreshedTokens {
    pub access: String,
    pub refresh: Option<String>,
}

/// The result of a refresh with a token of this server.
enum OwnRefresh {
    Refreshed(RefreshedSession),
    /// The token was reused, so the session has been ended.
    Reused,
}

impl Auth {
    /// Signs the tokens of a new session, in the form of the policy. `account` is its account, if it
    /// was read already.
    pub(in crate::auth) async fn pair(
        &self,
        policy: &Policy,
        opened: OpenedSession,
        account: Option<Account>,
    ) -> Result<Pair> {
        let OpenedSession { session, account_id, at, .. } = opened;
        match policy.form {
            TokenForm::UserName => {
                let account = match account {
                    Some(account) => Some(account),
                    None => accounts::account(&mut self.store.read().await?, account_id).await?,
                };
                let account = account.ok_or(Error::AccountNotFound)?;
                self.user_name_pair(policy, session, account, at).await
            }
            TokenForm::SimpleJwt | TokenForm::ApiToken | TokenForm::PublicKey => {
                let first = RefreshedSession {
                    session,
                    account_id,
                    generation: 0,
                    place_known_until: None,
                };
                self.simple_jwt_pair(policy, &first, account, at).await
            }
        }
    }

    async fn simple_jwt_pair(
        &self,
        policy: &Policy,
        first: &RefreshedSession,
        account: Option<Account>,
        now: i64,
    ) -> Result<Pair> {
        let mut claims = sign_in_claims();
        self.write_foreign_id(policy, first.account_id, &mut claims).await?;
        self.write_claims(policy, first.account_id, account, &mut claims).await?;
        Ok(Pair {
            refresh: self.sign(policy, TokenType::Refresh, first, claims.clone(), now)?,
            access: self.sign(policy, TokenType::Access, first, claims, now)?,
        })
    }

    /// Writes the claim that names the account, if that is a foreign id; a number is written when
    /// the token is signed.
    async fn write_foreign_id(
        &self,
        policy: &Policy,
        account_id: i64,
        claims: &mut Map<String, Value>,
    ) -> Result<()> {
        if policy.user_id == UserIdForm::Foreign {
            let foreign_id = self.foreign_id(account_id).await?;
            claims.insert("user_id".to_owned(), foreign_id.into());
        }
        Ok(())
    }

    /// Writes the claims of the operator's choice.
    async fn write_claims(
        &self,
        policy: &Policy,
        account_id: i64,
        account: Option<Account>,
        claims: &mut Map<String, Value>,
    ) -> Result<()> {
        if policy.claims.is_empty() {
            return Ok(());
        }
        let account = match account {
            Some(account) => Some(account),
            None => accounts::account(&mut self.store.read().await?, account_id).await?,
        };
        let account = self.shown_at(policy, account.ok_or(Error::AccountNotFound)?).await?;
        let attributes = match policy.claims.iter().any(|claim| claim.value.is_attribute()) {
            true => self.attributes(account_id).await?,
            false => Map::new(),
        };
        for claim in policy.claims {
            claims.insert(claim.name.to_owned(), claim.value.of(policy, &account, &attributes));
        }
        Ok(())
    }

    /// Writes the claims that a refresh does not copy. An account that is not there is left to the
    /// refresh, which refuses it.
    async fn renew_claims(
        &self,
        policy: &Policy,
        account: AccountClaim,
        claims: &mut Map<String, Value>,
    ) -> Result<()> {
        let AccountClaim::Id(id) = account else { return Ok(()) };
        if !policy.fresh_claims && policy.user_id != UserIdForm::Foreign {
            return Ok(());
        }
        let account = accounts::account(&mut self.store.read().await?, id).await?;
        let Some(account) = account else { return Ok(()) };
        self.write_foreign_id(policy, id, claims).await?;
        match policy.fresh_claims {
            true => self.write_claims(policy, id, Some(account), claims).await,
            false => Ok(()),
        }
    }

    /// Exchanges a refresh token for new tokens.
    pub async fn refresh_jwt(
        &self,
        policy: &Policy,
        token: &str,
        from: IpAddr,
    ) -> Result<RefreshedTokens> {
        let now = self.clock.now();
        let refresh = self.read_refresh(policy, token, now).await?;
        let mut claims = refresh.claims.whole()?;
        // Before the token is spent: a claim that could not be read afterwards would cost the session.
        self.renew_claims(policy, refresh.claims.account, &mut claims).await?;
        let network = self.places.network(from);
        let refreshed = match refresh.id {
            Some(id) => self.refresh_own(policy, id, network, now).await,
            None => self.refresh_foreign(policy, refresh, network, now).await,
        };
        let refreshed = refreshed.map_err(|error| self.adopting.doubt(error))?;
        let (known, ends) = (refreshed.place_known_until, now + policy.refresh_seconds);
        self.renew_place(refreshed.account_id, known, from, ends).await;
        let access_claims = derived_claims(&claims);
        let access = self.sign(policy, TokenType::Access, &refreshed, access_claims, now)?;
        let next = || self.sign(policy, TokenType::Refresh, &refreshed, claims, now);
        let refresh = policy.rotating.then(next).transpose()?;
        Ok(RefreshedTokens { access, refresh })
    }

    /// Ends the session of a refresh token, which revokes all its tokens.
    pub async fn end_jwt_session(&self, policy: &Policy, token: &str) -> Result<()> {
        let now = self.clock.now();
        let refresh = self.read_refresh(policy, token, now).await?;
        let policy_name = policy.name;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    match refresh.id {
                        Some(id) => end_own_session(tx, id, policy_name, now).await,
                        None => end_foreign(tx, refresh, now).await,
                    }
                })
            })
            .await
    }

    /// Fails if a token that was sent to this API is not valid: a JWT of either type, or any other
    /// access credential. An access token of this server is usually checked without the database; the
    /// rest is in boxes, because the future of every request would have room for it otherwise.
    pub async fn verify(&self, policy: &Policy, token: &str) -> Result<()> {
        let now = self.clock.now();
        if let Some(claims) = self.claims_by_own_key(policy, token, now)? {
            return Box::pin(self.verify_claims(policy, claims, now)).await;
        }
        let hash = token_hash(token);
        if let Some(AccessSubject { account_id, session }) = self.known_subject(&hash, now).await? {
            let checked = self.check_own_access(session, AccountClaim::Id(account_id)).await;
            return checked.map(|_| ()).map_err(mask_account_state);
        }
        Box::pin(self.verify_unknown(policy, token, hash, now)).await
    }

    /// [`Auth::verify`] for a token that is not remembered.
    async fn verify_unknown(
        &self,
        policy: &Policy,
        token: &str,
        hash: TokenHash,
        now: i64,
    ) -> Result<()> {
        let claims = match self.tokens.read(token, now) {
            Ok(claims) if !claims.is_user_name_token => claims,
            Ok(_) | Err(TokenFault::Malformed) => {
                let who = self.signed_in_at(policy, token, None).await;
                return who.map(drop).map_err(mask_account_state);
            }
            Err(fault) => return Err(fault.into()),
        };
        if policy.own_key && claims.id.is_none() {
            return Err(TokenFault::Malformed.into());
        }
        self.remember(hash, &claims);
        self.verify_claims(policy, claims, now).await
    }

    async fn verify_claims(&self, policy: &Policy, claims: Claims, now: i64) -> Result<()> {
        let is_spendable = policy.spends() && claims.is(TokenType::Refresh);
        self.verify_use(policy, claims, now).await.map_err(|error| match error {
            Error::Token(TokenFault::Spent) if is_spendable => TokenFault::Blacklisted.into(),
            other => other,
        })
    }

    async fn verify_use(&self, policy: &Policy, claims: Claims, now: i64) -> Result<()> {
        check_meant_for(policy, &claims)?;
        claims.id_and_expiry()?;
        let claims = &self.with_account(Some(policy), claims).await?;
        match self.own_id(claims, now)? {
            None => self.verify_foreign(policy, claims).await,
            Some(id) if claims.is(TokenType::Refresh) => {
                self.check_number_in(claims).await?;
                let mut tx = self.store.read().await?;
                let session = live_session(&mut tx, id, None, now).await?;
                let account = active_account(&mut tx, session.account_id).await;
                let account = account.map_err(|error| self.adopting.doubt(error));
                account.map(drop).map_err(mask_account_state)
            }
            Some(id) => {
                let checked = self.check_own_access(id.session, claims.account).await;
                checked.map(|_| ()).map_err(mask_account_state)
            }
        }
    }

    /// Finds the account of a token that names it by a foreign id. In a token of a replaced server, a
    /// text is one if the API has such ids, or if it is no number.
    async fn with_account(&self, policy: Option<&Policy>, mut claims: Claims) -> Result<Claims> {
        let has_such_ids = policy.is_some_and(|policy| policy.user_id == UserIdForm::Foreign);
        let is_number = claims.id.is_none() && claims.account != AccountClaim::Unknown;
        let Some(foreign_id) = claims.foreign_id.take().filter(|_| has_such_ids || !is_number)
        else {
            return Ok(claims);
        };
        let mut tx = self.store.read().await?;
        let account = match claims.id {
            // An account that was imported again has the id, and not the sessions of the first.
            Some(id) => accounts::account_of_foreign_id_in(&mut tx, foreign_id, id.session).await?,
            None => accounts::account_of_foreign_id(&mut tx, foreign_id).await?,
        };
        claims.account = account.map_or(AccountClaim::Unknown, AccountClaim::Id);
        Ok(claims)
    }

    /// The claims of a token under the API's own key. `None`: it has none, or another key has signed
    /// the token. Others may have the key, so a token with the id of another API is refused.
    fn claims_by_own_key(&self, policy: &Policy, token: &str, now: i64) -> Result<Option<Claims>> {
        let Some(tokens) = self.own_tokens.get(policy.name) else { return Ok(None) };
        match tokens.read(token, now) {
            Ok(claims) if claims.id.is_some_and(|id| id.policy != policy.code) => {
                Err(TokenFault::Malformed.into())
            }
            Ok(claims) => Ok(Some(claims)),
            Err(TokenFault::Malformed) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Authenticates an access credential that was sent to this API, as [`Auth::signed_in`] does; also
    /// one under the API's own key. Where there is one, the tokens of a replaced server have to be
    /// signed with it.
    pub async fn signed_in_at(
        &self,
        policy: &Policy,
        credential: &str,
        from: Option<IpAddr>,
    ) -> Result<SignedIn> {
        let now = self.clock.now();
        if let Some(claims) = self.claims_by_own_key(policy, credential, now)? {
            return self.signed_in_by_claims(Some(policy), claims, now).await;
        }
        match self.authenticate(Some(policy), credential, from).await? {
            who if policy.own_key && who.session.is_none() => Err(TokenFault::Malformed.into()),
            who => Ok(who),
        }
    }

    /// Authenticates an access credential of any form. `from` is the address of its owner; `None`
    /// if the request may come from another server that received the credential.
    pub async fn signed_in(&self, credential: &str, from: Option<IpAddr>) -> Result<SignedIn> {
        self.authenticate(None, credential, from).await
    }

    /// `policy` is that of the API that was called, if it decides how a token is read.
    async fn authenticate(
        &self,
        policy: Option<&Policy>,
        credential: &str,
        from: Option<IpAddr>,
    ) -> Result<SignedIn> {
        if is_api_token(credential) || is_opaque_token(credential) {
            return self.signed_in_by_api_token(credential, from).await;
        }
        let (now, hash) = (self.clock.now(), token_hash(credential));
        if let Some(AccessSubject { account_id, session }) = self.known_subject(&hash, now).await? {
            self.check_own_access(session, AccountClaim::Id(account_id)).await?;
            return Ok(SignedIn::of_session(account_id, session));
        }
        if let Some(header) = Header::of(credential) {
            return self.signed_in_by_public_key(&header, credential, hash).await;
        }
        let claims = match self.tokens.read(credential, now) {
            Ok(claims) if !claims.is_user_name_token => claims,
            Ok(_) | Err(TokenFault::Malformed) => {
                return self.signed_in_by_user_name(credential).await;
            }
            Err(fault) => return Err(fault.into()),
        };
        self.remember(hash, &claims);
        self.signed_in_by_claims(policy, claims, now).await
    }

    async fn signed_in_by_claims(
        &self,
        policy: Option<&Policy>,
        claims: Claims,
        now: i64,
    ) -> Result<SignedIn> {
        policy.map_or(Ok(()), |policy| check_meant_for(policy, &claims))?;
        claims.id_and_expiry()?;
        claims.expect(TokenType::Access)?;
        let claims = &self.with_account(policy, claims).await?;
        match self.own_id(claims, now)? {
            Some(id) => {
                let account_id = self.check_own_access(id.session, claims.account).await?;
                Ok(SignedIn::of_session(account_id, id.session))
            }
            None => {
                let account = self.foreign_account(claims).await?;
                let unknown = || self.adopting.unless_open(Error::AccountNotFound);
                let account_id = account.ok_or_else(unknown)?.id;
                request_record::note_session(account_id, None);
                Ok(SignedIn { account_id, session: None, in_url: false, of_client: false })
            }
        }
    }

    /// Authenticates a token with an asymmetric signature, if a configured API issues such tokens.
    async fn signed_in_by_public_key(
        &self,
        header: &Header,
        token: &str,
        hash: TokenHash,
    ) -> Result<SignedIn> {
        let is_served = self.policies.iter().any(|policy| policy.form == TokenForm::PublicKey);
        if !is_served {
            return Err(TokenFault::Malformed.into());
        }
        let checked = self.read_access_token(header, token).await?;
        self.checked.insert(hash, checked);
        let AccessSubject { account_id, session } = checked.read.subject;
        self.check_own_access(session, AccountClaim::Id(account_id)).await?;
        Ok(SignedIn::of_session(account_id, session))
    }

    /// The subject of an access token that was found right before, if it has not expired and its key
    /// verifies at this moment; `None`: the token has to be read.
    async fn known_subject(&self, hash: &TokenHash, now: i64) -> Result<Option<AccessSubject>> {
        let Some(CheckedToken { read, key }) = self.checked.find(hash) else { return Ok(None) };
        if let Some(key) = key {
            if !self.revoked.is_current(now) {
                Box::pin(self.load_signing_keys()).await?;
            }
            if !self.signing.verifies(key, now) {
                return Ok(None);
            }
        }
        Ok(read.at(now).ok())
    }

    /// Remembers an access token of this server, which its secret has signed, for as long as
    /// [`Auth::own_id`] accepts it: at any API, so what an API's own key has signed is not remembered.
    /// Nor is a token that names its account by a foreign id: the database says whose that is.
    fn remember(&self, hash: TokenHash, claims: &Claims) {
        let is_lasting = claims.is(TokenType::Access) && claims.foreign_id.is_none();
        let (Some(id), AccountClaim::Id(account_id)) = (claims.id, claims.account) else { return };
        let Some(expires_at) = self.own_expiry(claims).filter(|_| is_lasting) else { return };
        let subject = AccessSubject { account_id, session: id.session };
        self.checked
            .insert(hash, CheckedToken { read: ReadToken { subject, expires_at }, key: None });
    }

    /// Until when an access token of this server is accepted, which may be earlier than its `exp`:
    /// see [`Auth::own_id`].
    fn own_expiry(&self, claims: &Claims) -> Option<i64> {
        let id = claims.id?;
        let policy = self.policies.iter().find(|policy| policy.code == id.policy)?;
        Some(claims.expires_at?.min(claims.issued_at? + policy.access_seconds))
    }

    /// The same for a token that the server's secret has signed; `None` for any other.
    pub(in crate::auth) fn expiry_of_own(&self, token: &str) -> Option<i64> {
        self.own_expiry(&self.tokens.read(token, self.clock.now()).ok()?)
    }

    /// Signs a token for the present state of a session.
    fn sign(
        &self,
        policy: &Policy,
        kind: TokenType,
        of: &RefreshedSession,
        mut claims: Map<String, Value>,
        now: i64,
    ) -> Result<String> {
        let (generation, seconds) = match kind {
            TokenType::Access => (0, policy.access_seconds),
            TokenType::Refresh => (generation_in_id(of.generation), policy.refresh_seconds),
        };
        // In the library's order.
        for (name, value) in [("aud", policy.audience), ("iss", policy.issuer)] {
            if let Some(value) = value {
                claims.insert(name.to_owned(), value.into());
            }
        }
        let grant = NewToken {
            kind,
            id: TokenId { session: of.session, policy: policy.code, generation },
            account_id: of.account_id,
            user_id: policy.user_id,
            now,
            expires_at: now + seconds,
        };
        self.tokens_of(policy).sign(grant, claims)
    }

    /// Signs and reads the tokens of an API.
    fn tokens_of(&self, policy: &Policy) -> &Tokens {
        self.own_tokens.get(policy.name).unwrap_or(&self.tokens)
    }

    async fn read_refresh(&self, policy: &Policy, token: &str, now: i64) -> Result<RefreshToken> {
        let claims = self.tokens_of(policy).read(token, now)?;
        check_meant_for(policy, &claims)?;
        let (jti, expires_at) = claims.id_and_expiry()?;
        let jti = policy.foreign_token(jti);
        claims.expect(TokenType::Refresh)?;
        let claims = self.with_account(Some(policy), claims).await?;
        let id = self.own_id(&claims, now)?;
        if id.is_some_and(|id| id.policy != policy.code) {
            // Another API may not rotate: there, a spent token would work again.
            return Err(TokenFault::Malformed.into());
        }
        match id {
            Some(_) => self.check_number_in(&claims).await?,
            None => self.check_not_ended_there(policy, claims.id_and_expiry()?.0).await?,
        }
        Ok(RefreshToken { claims, jti, expires_at, id })
    }

    /// The id of a token of this server; `None` for a token of a replaced server, if those are
    /// accepted. Other servers may have the signing key, so the lifetime of an access token is
    /// checked by its policy and not only by its `exp`.
    fn own_id(&self, claims: &Claims, now: i64) -> Result<Option<TokenId>> {
        let Some(id) = claims.id else {
            return if self.accept_foreign { Ok(None) } else { Err(TokenFault::Malformed.into()) };
        };
        let policy = self.policies.iter().find(|policy| policy.code == id.policy);
        let life = policy.ok_or(TokenFault::Malformed)?.access_seconds;
        if claims.is(TokenType::Access) && claims.issued_at.is_none_or(|at| at + life <= now) {
            return Err(TokenFault::Expired.into());
        }
        Ok(Some(id))
    }

    async fn refresh_own(
        &self,
        policy: &Policy,
        id: TokenId,
        network: String,
        now: i64,
    ) -> Result<RefreshedSession> {
        let used = token_use(policy, id.session, id.generation, network, now);
        if let Some(refreshed) = self.refresh_at_once(policy, used.clone()).await? {
            return Ok(refreshed);
        }
        // The transaction finds out why not.
        let (policy, outbox) = (*policy, self.outbox.clone());
        let refreshed = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    if policy.strict && policy.spends() && is_reused(tx, id, policy.name).await? {
                        let session = unended_session(tx, id.session).await?;
                        return end_reused_session(tx, &outbox, &session, now)
                            .await
                            .map(|()| OwnRefresh::Reused);
                    }
                    let session = live_session(tx, id, Some(policy.name), now).await?;
                    active_account(tx, session.account_id).await?;
                    policy.check_refresh_time(session.access_expires_at, now)?;
                    use_refresh_token(tx, used).await.map(OwnRefresh::Refreshed)
                })
            })
            .await?;
        match refreshed {
            OwnRefresh::Refreshed(refreshed) => Ok(refreshed),
            OwnRefresh::Reused => Err(TokenFault::Spent.into()),
        }
    }

    /// Refreshes in one statement; `None`: refused, for whatever reason.
    pub(in crate::auth) async fn refresh_at_once(
        &self,
        policy: &Policy,
        used: TokenUse,
    ) -> Result<Option<RefreshedSession>> {
        let repeat = match policy.spends() {
            false => Repeat::Harmless,
            true => {
                // Sent twice, it would look like a copied token, so it is not repeated after a lost
                // connection. The read finds out whether the connections still work, so that this
                // seldom matters.
                let mut tx = self.store.read().await?;
                let session = sessions::session(&mut tx, used.id).await?;
                if session.is_none_or(|session| !session.is_live(used.at)) {
                    return Ok(None);
                }
                Repeat::Never
            }
        };
        self.store.write_one(repeat, move |tx| Box::pin(try_refresh_token(tx, used))).await
    }

    /// [`Auth::check_number`] for a refresh token of this server.
    async fn check_number_in(&self, claims: &Claims) -> Result<()> {
        match claims.account {
            AccountClaim::Id(id) => self.check_number(id).await.map_err(mask_account_state),
            AccountClaim::Absent | AccountClaim::Unknown => Ok(()),
        }
    }

    /// Checks the session and account of an access token of this server: in memory, or in the
    /// database if not all revocations are known in memory.
    async fn check_own_access(&self, session: i64, account: AccountClaim) -> Result<i64> {
        let account_id = match account {
            AccountClaim::Id(id) => id,
            // The foreign id of an account that was deleted.
            AccountClaim::Unknown => return Err(Error::AccountNotFound),
            AccountClaim::Absent => return Err(TokenFault::NoAccount.into()),
        };
        request_record::note_session(account_id, Some(session));
        self.check_number(account_id).await?;
        let [of_account, of_session, of_sessions, of_all] = self.revoked.reasons([
            Subject::Account(account_id),
            Subject::Session(session),
            Subject::SessionsOf(account_id),
            Subject::Everybody,
        ]);
        match of_account {
            Some(Reason::Deleted) => return Err(Error::AccountNotFound),
            Some(_) => return Err(self.adopting.unless_open(Error::AccountInactive)),
            None => {}
        }
        if of_session.is_some() {
            return Err(TokenFault::Spent.into());
        }
        // Of several sessions that were ended together, the database knows which.
        let is_doubtful = of_sessions.is_some() || of_all.is_some();
        if is_doubtful || !self.revoked.is_current(self.clock.now()) {
            Box::pin(self.check_stored_access(session, account_id)).await?;
        }
        Ok(account_id)
    }

    /// The same in the database.
    async fn check_stored_access(&self, session: i64, account_id: i64) -> Result<()> {
        let mut tx = self.store.read().await?;
        if !accounts::is_active(&mut tx, account_id).await?.ok_or(Error::AccountNotFound)? {
            return Err(self.adopting.unless_open(Error::AccountInactive));
        }
        match unended_session(&mut tx, session).await?.account_id == account_id {
            true => Ok(()),
            false => Err(TokenFault::Malformed.into()),
        }
    }
}

/// Fails if a token of a replaced server is for another audience than the API's, or of another
/// issuer.
fn check_meant_for(policy: &Policy, claims: &Claims) -> Result<()> {
    match claims.is_meant_for(policy.audience, policy.issuer) {
        true => Ok(()),
        false => Err(TokenFault::Malformed.into()),
    }
}

/// Whether the refresh token was used before and its session has not ended.
async fn is_reused(tx: &mut Tx, id: TokenId, policy: &str) -> Result<bool> {
    let session = sessions::session(tx, id.session).await?;
    Ok(session.is_some_and(|session| {
        !session.has_ended
            && session.policy == policy
            && generation_in_id(session.generation) != id.generation
    }))
}

async fn end_own_session(tx: &mut Tx, id: TokenId, policy: &str, now: i64) -> Result<()> {
    let session = live_session(tx, id, Some(policy), now).await?;
    end_live_session(tx, session.id, Ending::SignedOut, now).await
}
