//! JWTs that contain the user's name, with the claims `user_name`, `header` (with the token id as
//! `uuid`), `exp` and `mode`. They have their own signing key, or share that of a replaced server
//! if so configured. The session gives the account; the name must still belong to it.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::adopting::Adopting;
use crate::auth::domain::Auth;
use crate::auth::policy::{Policy, TokenForm};
use crate::auth::requester::SignedIn;
use crate::auth::sessions::session::{
    Pair, RefreshedSession, active_account, live_session, mask_account_state, token_use,
    unended_session, use_refresh_token,
};
use crate::auth::sign_in::replaced_server::{ForeignRefresh, account_imported_as, adopt_foreign};
use crate::auth::tokens::token_id::{
    TokenBinding, TokenId, TokenSubject, TokenType, hyphenated, without_hyphens,
};
use crate::error::{Error, Result, TokenFault};
use crate::identifier::{Identifier, Kind, account_of_stand_in, stand_in};
use crate::store::accounts::{self, Account};
use crate::store::sessions::TokenUse;
use crate::store::{Tx, identifiers};

/// A new access token and the user name in it.
pub struct UserNameToken {
    pub access: String,
    pub user_name: String,
}

/// The claims, in the order of the encoded token.
#[derive(Deserialize, Serialize)]
struct Claims {
    user_name: String,
    header: Header,
    exp: i64,
    mode: String,
    /// Never written: only tokens of other forms have this claim.
    #[serde(default, skip_serializing)]
    token_type: Option<Value>,
}

#[derive(Deserialize, Serialize)]
struct Header {
    alg: String,
    typ: String,
    uuid: String,
}

/// A token with a valid signature, mode and expiry.
struct Checked {
    /// `None` if a replaced server issued the token.
    id: Option<TokenId>,
    uuid: String,
    user_name: String,
    expires_at: i64,
}

impl Auth {
    /// Signs the tokens of a new session.
    pub(in crate::auth) async fn user_name_pair(
        &self,
        policy: &Policy,
        session: i64,
        account: Account,
        now: i64,
    ) -> Result<Pair> {
        let user_name = match self.shares_user_names {
            true => name_in_shared_tokens(&mut self.store.read().await?, &account).await?,
            false => account.user_name(),
        };
        let sign = |mode, seconds| {
            self.sign_user_name_token(policy, session, &user_name, mode, now + seconds)
        };
        Ok(Pair {
            access: sign(TokenType::Access, policy.access_seconds)?,
            refresh: sign(TokenType::Refresh, policy.refresh_seconds)?,
        })
    }

    /// Exchanges a refresh token for a new access token; the refresh token stays valid.
    pub async fn refresh_user_name(
        &self,
        policy: &Policy,
        refresh: &str,
        from: IpAddr,
    ) -> Result<UserNameToken> {
        let now = self.clock.now();
        let checked = self.read_user_name_token(refresh, TokenType::Refresh, now)?;
        self.check_number_in_name(checked.id, &checked.user_name)
            .await
            .map_err(mask_account_state)?;
        let (user_name, network) = (checked.user_name.clone(), self.places.network(from));
        let refreshed = match checked.id {
            Some(id) => self.refresh_own_name(policy, id, &user_name, network, now).await,
            None => {
                let (policy, adopting) = (*policy, Arc::clone(&self.adopting));
                let refreshing = self.store.write(move |tx| {
                    Box::pin(refresh_foreign_session(tx, adopting, policy, checked, network, now))
                });
                refreshing.await
            }
        };
        let refreshed = refreshed.map_err(|error| self.adopting.doubt(error))?;
        let (known, ends) = (refreshed.place_known_until, now + policy.refresh_seconds);
        self.renew_place(refreshed.account_id, known, from, ends).await;
        let expires_at = now + policy.access_seconds;
        let (session, kind) = (refreshed.session, TokenType::Access);
        let access = self.sign_user_name_token(policy, session, &user_name, kind, expires_at)?;
        Ok(UserNameToken { access, user_name })
    }

    async fn refresh_own_name(
        &self,
        policy: &Policy,
        id: TokenId,
        user_name: &str,
        network: String,
        now: i64,
    ) -> Result<RefreshedSession> {
        let name = parse_name(user_name);
        let used = TokenUse {
            // An empty text is the name of no account.
            name: Some(name.map_or_else(String::new, |name| name.key().to_owned())),
            named_account: account_of_stand_in(user_name),
            ..token_use(policy, id.session, id.generation, network, now)
        };
        if let Some(refreshed) = self.refresh_at_once(policy, used.clone()).await? {
            return Ok(refreshed);
        }
        // The transaction finds out why not.
        let (policy_name, user_name) = (policy.name, user_name.to_owned());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = live_session(tx, id, Some(policy_name), now).await?;
                    active_account(tx, session.account_id).await?;
                    check_name(tx, &user_name, session.account_id).await?;
                    use_refresh_token(tx, used).await
                })
            })
            .await
    }

    /// Authenticates an access token with a user name.
    pub(in crate::auth) async fn signed_in_by_user_name(&self, access: &str) -> Result<SignedIn> {
        let Checked { id, user_name, .. } =
            self.read_user_name_token(access, TokenType::Access, self.clock.now())?;
        let serves = |policy: &Policy| {
            policy.form == TokenForm::UserName && id.is_none_or(|id| id.policy == policy.code)
        };
        if !self.policies.iter().any(serves) {
            return Err(TokenFault::Malformed.into());
        }
        self.check_number_in_name(id, &user_name).await?;
        let mut tx = self.store.read().await?;
        let Some(id) = id else {
            let account_id = account_imported_as(&mut tx, &self.adopting, &user_name).await?.id;
            return Ok(SignedIn { account_id, session: None, in_url: false, of_client: false });
        };
        let session = unended_session(&mut tx, id.session).await?;
        if !accounts::is_active(&mut tx, session.account_id).await?.ok_or(Error::AccountNotFound)? {
            return Err(self.adopting.unless_open(Error::AccountInactive));
        }
        check_name(&mut tx, &user_name, session.account_id).await?;
        Ok(SignedIn::of_session(session.account_id, session.id))
    }

    /// [`Auth::check_number`] for the account number in the user name of a token of this server.
    async fn check_number_in_name(&self, id: Option<TokenId>, user_name: &str) -> Result<()> {
        match account_of_stand_in(user_name).filter(|_| id.is_some()) {
            Some(number) => self.check_number(number).await,
            None => Ok(()),
        }
    }

    /// Checks signature, mode and expiry. A token without an id of this server is accepted only if
    /// tokens of a replaced server are.
    fn read_user_name_token(
        &self,
        token: &str,
        mode: TokenType,
        now: i64,
    ) -> std::result::Result<Checked, TokenFault> {
        let payload = self.user_names.verify(token).ok_or(TokenFault::Malformed)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenFault::Malformed)?;
        if claims.token_type.is_some() {
            return Err(TokenFault::Malformed);
        }
        let Claims { user_name, header: Header { uuid, .. }, exp: expires_at, .. } = claims;
        if expires_at <= now {
            return Err(TokenFault::Expired);
        }
        if claims.mode != mode_name(mode) {
            return Err(TokenFault::WrongType);
        }
        let bound = bound_claims(mode, &user_name, expires_at);
        let id = without_hyphens(&uuid).and_then(|id| self.token_ids.read(&id, bound));
        if id.is_none() && !self.shares_user_names {
            return Err(TokenFault::Malformed);
        }
        Ok(Checked { id, uuid, user_name, expires_at })
    }

    fn sign_user_name_token(
        &self,
        policy: &Policy,
        session: i64,
        user_name: &str,
        mode: TokenType,
        expires_at: i64,
    ) -> Result<String> {
        // These refresh tokens do not rotate.
        let id = TokenId { session, policy: policy.code, generation: 0 };
        let uuid = hyphenated(&self.token_ids.write(id, bound_claims(mode, user_name, expires_at)));
        let claims = Claims {
            user_name: user_name.to_owned(),
            header: Header { alg: "HS256".into(), typ: "JWT".into(), uuid },
            exp: expires_at,
            mode: mode_name(mode).to_owned(),
            token_type: None,
        };
        Ok(self.user_names.sign(&serde_json::to_vec(&claims)?))
    }
}

/// The user name in tokens that other services with the same key accept: the imported or the
/// verified address. An unverified address could be that of another user, so it is not used.
async fn name_in_shared_tokens(tx: &mut Tx, account: &Account) -> Result<String> {
    if let Some(imported) = identifiers::imported_address(tx, account.id).await? {
        return Ok(imported);
    }
    let proved = account.email.clone().filter(|_| account.is_email_proved());
    Ok(proved.unwrap_or_else(|| stand_in(account.id)))
}

fn mode_name(mode: TokenType) -> &'static str {
    match mode {
        TokenType::Access => "access_token",
        TokenType::Refresh => "refresh_token",
    }
}

/// The claims that the token id is bound to; these tokens have no issue time.
fn bound_claims(kind: TokenType, user_name: &str, expires_at: i64) -> TokenBinding<'_> {
    TokenBinding { kind, time: Some(expires_at), subject: TokenSubject::UserName(user_name) }
}

/// Refreshes with a token of a replaced server. It opens one session, whose id is derived from
/// `uuid`.
async fn refresh_foreign_session(
    tx: &mut Tx,
    adopting: Arc<Adopting>,
    policy: Policy,
    checked: Checked,
    network: String,
    now: i64,
) -> Result<RefreshedSession> {
    let account_id = account_imported_as(tx, &adopting, &checked.user_name).await?.id;
    // Lock, so that a concurrent change of the account commits before or after this.
    accounts::lock_account(tx, account_id).await?;
    let account_id = account_imported_as(tx, &adopting, &checked.user_name).await?.id;
    let Checked { uuid, expires_at, .. } = checked;
    let refresh = ForeignRefresh { id: format!("uuid {uuid}"), expires_at };
    adopt_foreign(tx, &policy, &refresh, account_id, network, now).await
}

/// Fails if the account no longer has this name.
async fn check_name(tx: &mut Tx, user_name: &str, account_id: i64) -> Result<()> {
    if account_of_stand_in(user_name) == Some(account_id) {
        return Ok(());
    }
    let name = parse_name(user_name).ok_or(TokenFault::Malformed)?;
    match identifiers::account_by_key(tx, name.key().to_owned()).await? {
        Some(holder) if holder == account_id => Ok(()),
        _ => Err(TokenFault::Malformed.into()),
    }
}

fn parse_name(user_name: &str) -> Option<Identifier> {
    Identifier::parse_as(user_name, &[Kind::Email, Kind::Phone, Kind::Username])
}
