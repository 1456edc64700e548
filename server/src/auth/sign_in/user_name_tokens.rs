//! Tokens that name their user: claims `user_name`, `header` (with the token's id as `uuid`), `exp` and
//! `mode`, nothing else, under a key of their own or, where the settings say so, the one of the server that
//! is replaced. The account is that of the session; the name must still belong to it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::auth::domain::Auth;
use crate::auth::policy::{Policy, TokenForm};
use crate::auth::requester::SignedIn;
use crate::auth::sessions::session::{
    Advanced, Pair, active_account, advance, hidden, live_session,
};
use crate::auth::sign_in::replaced_server::{ForeignRefresh, account_imported_as, adopt_foreign};
use crate::auth::tokens::token_id::{
    TokenBinding, TokenId, TokenSubject, TokenType, hyphenated, without_hyphens,
};
use crate::error::{Error, Result, TokenFault};
use crate::identifier::{Identifier, Kind, account_of_stand_in, stand_in};
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
    /// None: another server issued it.
    id: Option<TokenId>,
    uuid: String,
    user_name: String,
    expires_at: i64,
}

impl Auth {
    /// A pair of an account's new session.
    pub(in crate::auth) async fn named_pair(
        &self,
        policy: &Policy,
        session: i64,
        account_id: i64,
        now: i64,
    ) -> Result<Pair> {
        let mut tx = self.store.read().await?;
        let account = accounts::account(&mut tx, account_id).await?;
        let account = account.ok_or(Error::AccountNotFound)?;
        let user_name = match self.shares_user_names {
            true => name_in_shared_tokens(&mut tx, &account).await?,
            false => account.user_name(),
        };
        drop(tx);
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
        let checked = self.read_named(refresh, TokenType::Refresh, now)?;
        self.check_number_of(checked.id, &checked.user_name).await.map_err(hidden)?;
        let (policy, user_name) = (*policy, checked.user_name.clone());
        let advanced = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    match checked.id {
                        Some(id) => advance_named(tx, &policy, id, &checked.user_name, now).await,
                        None => advance_foreign_named(tx, &policy, checked, now).await,
                    }
                })
            })
            .await?;
        self.note_place(advanced.account_id, from, now + policy.refresh_seconds).await;
        let expires_at = now + policy.access_seconds;
        let (session, kind) = (advanced.session, TokenType::Access);
        let access = self.sign_named(&policy, session, &user_name, kind, expires_at)?;
        Ok(Named { access, user_name })
    }

    /// Who sends this access token.
    pub(in crate::auth) async fn signed_in_by_name(&self, access: &str) -> Result<SignedIn> {
        let Checked { id, user_name, .. } =
            self.read_named(access, TokenType::Access, self.clock.now())?;
        let serves = |policy: &Policy| {
            policy.form == TokenForm::UserName && id.is_none_or(|id| id.policy == policy.code)
        };
        if !self.policies.iter().any(serves) {
            return Err(TokenFault::Malformed.into());
        }
        self.check_number_of(id, &user_name).await?;
        let mut tx = self.store.read().await?;
        let Some(id) = id else {
            let account_id = account_imported_as(&mut tx, &user_name).await?.id;
            return Ok(SignedIn { account_id, session: None, in_url: false, of_client: false });
        };
        let session = crate::auth::sessions::session::unended_session(&mut tx, id.session).await?;
        if !accounts::is_active(&mut tx, session.account_id).await?.ok_or(Error::AccountNotFound)? {
            return Err(Error::AccountInactive);
        }
        require_name(&mut tx, &user_name, session.account_id).await?;
        Ok(SignedIn::by(session.account_id, session.id))
    }

    /// The same as [`Auth::check_number`] for the number in the name of a token of ours.
    async fn check_number_of(&self, id: Option<TokenId>, user_name: &str) -> Result<()> {
        match account_of_stand_in(user_name).filter(|_| id.is_some()) {
            Some(number) => self.check_number(number).await,
            None => Ok(()),
        }
    }

    /// Checks signature, mode and time; a token that is not ours passes only where those of a replaced
    /// server are honoured.
    fn read_named(
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
        let binding = binding(mode, &user_name, expires_at);
        let id = without_hyphens(&uuid).and_then(|id| self.token_ids.read(&id, binding));
        if id.is_none() && !self.shares_user_names {
            return Err(TokenFault::Malformed);
        }
        Ok(Checked { id, uuid, user_name, expires_at })
    }

    fn sign_named(
        &self,
        policy: &Policy,
        session: i64,
        user_name: &str,
        mode: TokenType,
        expires_at: i64,
    ) -> Result<String> {
        // There is only one generation here.
        let id = TokenId { session, policy: policy.code, generation: 0 };
        let uuid = hyphenated(&self.token_ids.write(id, binding(mode, user_name, expires_at)));
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

/// What services that share the key may take for the name of one of their users: the address under
/// which the account was imported, or one that it has proved, and none that someone has only typed.
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

/// What binds the id of a token of this form, which does not say when it was issued.
fn binding(kind: TokenType, user_name: &str, expires_at: i64) -> TokenBinding<'_> {
    TokenBinding { kind, time: Some(expires_at), subject: TokenSubject::UserName(user_name) }
}

async fn advance_named(
    tx: &mut Tx,
    policy: &Policy,
    id: TokenId,
    user_name: &str,
    now: i64,
) -> Result<Advanced> {
    let session = live_session(tx, id, Some(policy.name), now).await?;
    active_account(tx, session.account_id).await?;
    require_name(tx, user_name, session.account_id).await?;
    advance(tx, policy, &session, now).await
}

/// The refresh token of a replaced server opens one session, which its `uuid` finds again.
async fn advance_foreign_named(
    tx: &mut Tx,
    policy: &Policy,
    checked: Checked,
    now: i64,
) -> Result<Advanced> {
    let account_id = account_imported_as(tx, &checked.user_name).await?.id;
    // A change of the account must come wholly before or wholly after this.
    accounts::lock_account(tx, account_id).await?;
    let account_id = account_imported_as(tx, &checked.user_name).await?.id;
    let Checked { uuid, expires_at, .. } = checked;
    let refresh = ForeignRefresh { id: format!("uuid {uuid}"), expires_at };
    adopt_foreign(tx, policy, &refresh, account_id, now).await
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
