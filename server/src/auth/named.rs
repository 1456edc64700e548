//! Tokens that name their user: claims `user_name`, `header` (with the token's id as `uuid`), `exp` and
//! `mode`, nothing else, under a key of their own. The account is that of the session; the name must
//! still belong to it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::jwt::Hs256;
use super::session::{Advanced, Pair, active_account, advance, live_session};
use super::token::{NONCES, TokenId, TokenType};
use super::{Auth, Policy, SignedIn, TokenForm, random};
use crate::error::{Error, Result, TokenFault};
use crate::identifier::{Identifier, Kind, account_of_stand_in};
use crate::store::accounts::{self, Account};
use crate::store::{Tx, identifiers};

/// A new access token and the name in it.
pub struct Named {
    pub access: String,
    pub user_name: String,
}

/// The claims, in the order in which they are written.
#[derive(Deserialize, Serialize)]
struct Claims {
    user_name: String,
    header: Header,
    exp: i64,
    mode: String,
    /// Never written: a token that has it is of another form.
    #[serde(default, skip_serializing)]
    token_type: Option<Value>,
}

#[derive(Deserialize, Serialize)]
struct Header {
    alg: String,
    typ: String,
    uuid: String,
}

/// A token whose signature, mode and time are right.
struct Checked {
    id: TokenId,
    user_name: String,
}

impl Auth {
    /// A pair of an account's new session.
    pub(super) fn named_pair(
        &self,
        policy: &Policy,
        session: i64,
        account: &Account,
        now: i64,
    ) -> Result<Pair> {
        let user_name = account.user_name();
        let sign =
            |mode, seconds| self.sign_named(policy, session, &user_name, mode, now + seconds);
        Ok(Pair {
            access: sign(TokenType::Access, policy.access_seconds)?,
            refresh: sign(TokenType::Refresh, policy.refresh_seconds)?,
        })
    }

    /// Makes a new access token of a refresh token, which stays as it is.
    pub async fn renew_named(&self, policy: &Policy, refresh: &str, from: IpAddr) -> Result<Named> {
        let now = self.clock.now();
        let Checked { id, user_name } = read(&self.user_names, refresh, TokenType::Refresh, now)?;
        let (policy, name) = (*policy, user_name.clone());
        let session = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let session = live_session(tx, id, Some(policy.name)).await?;
                    active_account(tx, session.account_id).await?;
                    require_name(tx, &name, session.account_id).await?;
                    advance(tx, &policy, &session, now).await
                })
            })
            .await?;
        let Advanced { session, account_id, .. } = session;
        self.note_place(account_id, from, now + policy.refresh_seconds).await;
        let expires_at = now + policy.access_seconds;
        let access =
            self.sign_named(&policy, session, &user_name, TokenType::Access, expires_at)?;
        Ok(Named { access, user_name })
    }

    /// Whether an access token of this form is good.
    pub async fn verify_named(&self, policy: &Policy, access: &str) -> Result<()> {
        let checked = read(&self.user_names, access, TokenType::Access, self.clock.now())?;
        match checked.id.policy == policy.code {
            true => self.who_is_named(checked).await.map(drop),
            false => Err(TokenFault::Malformed.into()),
        }
    }

    /// Who sends this access token.
    pub(super) async fn signed_in_by_name(&self, access: &str) -> Result<SignedIn> {
        let checked = read(&self.user_names, access, TokenType::Access, self.clock.now())?;
        self.who_is_named(checked).await
    }

    async fn who_is_named(&self, checked: Checked) -> Result<SignedIn> {
        let Checked { id, user_name } = checked;
        let serves =
            |policy: &Policy| policy.code == id.policy && policy.form == TokenForm::UserName;
        if !self.policies.iter().any(serves) {
            return Err(TokenFault::Malformed.into());
        }
        let mut tx = self.store.read().await?;
        let session = super::session::unended_session(&mut tx, id.session).await?;
        if !accounts::is_active(&mut tx, session.account_id).await?.ok_or(Error::AccountNotFound)? {
            return Err(Error::AccountInactive);
        }
        require_name(&mut tx, &user_name, session.account_id).await?;
        Ok(SignedIn::by(session.account_id, session.id))
    }

    fn sign_named(
        &self,
        policy: &Policy,
        session: i64,
        user_name: &str,
        mode: TokenType,
        expires_at: i64,
    ) -> Result<String> {
        let nonce = match mode {
            TokenType::Access => u32::from_le_bytes(random()?) % NONCES,
            // The generation, of which there is only one here.
            TokenType::Refresh => 0,
        };
        let id = TokenId { session, policy: policy.code, nonce };
        let claims = Claims {
            user_name: user_name.to_owned(),
            header: Header { alg: "HS256".into(), typ: "JWT".into(), uuid: id.hyphenated() },
            exp: expires_at,
            mode: mode_name(mode).to_owned(),
            token_type: None,
        };
        Ok(self.user_names.sign(&serde_json::to_vec(&claims)?))
    }
}

fn mode_name(mode: TokenType) -> &'static str {
    match mode {
        TokenType::Access => "access_token",
        TokenType::Refresh => "refresh_token",
    }
}

fn read(
    key: &Hs256,
    token: &str,
    mode: TokenType,
    now: i64,
) -> std::result::Result<Checked, TokenFault> {
    let payload = key.verify(token).ok_or(TokenFault::Malformed)?;
    let claims: Claims = serde_json::from_slice(&payload).map_err(|_| TokenFault::Malformed)?;
    if claims.token_type.is_some() {
        return Err(TokenFault::Malformed);
    }
    if claims.exp <= now {
        return Err(TokenFault::Expired);
    }
    if claims.mode != mode_name(mode) {
        return Err(TokenFault::WrongType);
    }
    let id = TokenId::parse_hyphenated(&claims.header.uuid).ok_or(TokenFault::Malformed)?;
    Ok(Checked { id, user_name: claims.user_name })
}

/// Refuses a name that the account no longer has.
async fn require_name(tx: &mut Tx, user_name: &str, account_id: i64) -> Result<()> {
    if account_of_stand_in(user_name) == Some(account_id) {
        return Ok(());
    }
    let kinds = [Kind::Email, Kind::Phone, Kind::Username];
    let name = Identifier::parse_as(user_name, &kinds).ok_or(TokenFault::Malformed)?;
    match identifiers::account_by_key(tx, name.key().to_owned()).await? {
        Some(holder) if holder == account_id => Ok(()),
        _ => Err(TokenFault::Malformed.into()),
    }
}
