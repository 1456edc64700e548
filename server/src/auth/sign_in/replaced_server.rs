//! Tokens of a replaced server: signed with the same key, but with no id of ours. They are honoured only
//! for an account that was imported under the number, or with the address, that the token names. Access is
//! honoured until it expires, refreshing follows the rules of the API it is brought to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::auth::domain::Auth;
use crate::auth::policy::Policy;
use crate::auth::sessions::session::{Advanced, advance, hidden, insert_new, make_room};
use crate::auth::tokens::session_id::new_session_id;
use crate::auth::tokens::simple_jwt::{AccountClaim, Claims, RefreshToken};
use crate::auth::tokens::token_id::SESSION_IDS;
use crate::error::{Error, Result, TokenFault};
use crate::identifier::{Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::sessions::{self, Session};
use crate::store::{Tx, identifiers, spent_tokens};

/// What tells a foreign refresh token from others, and when it expires.
pub(in crate::auth) struct ForeignRefresh {
    pub id: String,
    pub expires_at: i64,
}

impl Auth {
    /// The first refresh of a foreign token opens a session for what comes of it.
    pub(in crate::auth) async fn advance_foreign(
        &self,
        policy: &Policy,
        refresh: RefreshToken,
        now: i64,
    ) -> Result<Advanced> {
        let AccountClaim::Id(account_id) = refresh.claims.account else {
            return Err(TokenFault::Malformed.into());
        };
        let policy = *policy;
        let new_id = new_session_id()?;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // A change of password must come wholly before or wholly after this.
                    accounts::lock_account(tx, account_id).await?;
                    let account = accounts::account(tx, account_id).await?;
                    let account = account.ok_or(TokenFault::Malformed)?;
                    check_honoured(&refresh.claims, &account)?;
                    if policy.rotating {
                        rotate_foreign(tx, &policy, &refresh, account_id, new_id, now).await
                    } else {
                        let refresh =
                            ForeignRefresh { id: refresh.jti, expires_at: refresh.expires_at };
                        adopt_foreign(tx, &policy, &refresh, account_id, now).await
                    }
                })
            })
            .await
    }

    /// The active account that a foreign token names; `None` when there never was one of this id.
    pub(in crate::auth) async fn foreign_account(
        &self,
        claims: &Claims,
    ) -> Result<Option<Account>> {
        let account_id = match claims.account {
            AccountClaim::Absent => return Err(TokenFault::NoAccount.into()),
            AccountClaim::Unknown => return Ok(None),
            AccountClaim::Id(id) => id,
        };
        let mut tx = self.store.read().await?;
        let Some(account) = accounts::account(&mut tx, account_id).await? else {
            if accounts::is_number_of_ours(&mut tx, account_id).await? {
                return Err(TokenFault::Malformed.into());
            }
            let deleted = revocations::was_deleted(&mut tx, account_id).await?;
            return if deleted { Err(Error::AccountNotFound) } else { Ok(None) };
        };
        check_honoured(claims, &account)?;
        Ok(Some(account))
    }

    /// An account that was never here says nothing against a well-signed token.
    pub(in crate::auth) async fn verify_foreign(&self, claims: &Claims) -> Result<()> {
        match self.foreign_account(claims).await {
            Ok(_) | Err(Error::Token(TokenFault::NoAccount)) => {}
            Err(error) => return Err(hidden(error)),
        }
        let (jti, _) = claims.id_and_expiry()?;
        let mut tx = self.store.read().await?;
        refuse_over(&mut tx, jti, claims.account).await
    }
}

/// Spends a refresh token and ends the session that came of it here, if one did.
pub(in crate::auth) async fn end_foreign(
    tx: &mut Tx,
    refresh: RefreshToken,
    now: i64,
) -> Result<()> {
    if let AccountClaim::Id(account_id) = refresh.claims.account {
        // A refresh must come wholly before or wholly after this.
        accounts::lock_account(tx, account_id).await?;
        if let Some(account) = accounts::account(tx, account_id).await? {
            check_imported(&refresh.claims, &account)?;
        }
    }
    if !spent_tokens::spend_token(tx, spent_key(&refresh.jti), refresh.expires_at).await? {
        return Err(TokenFault::Spent.into());
    }
    if let AccountClaim::Id(account_id) = refresh.claims.account {
        accounts::refuse_undated(tx, account_id).await?;
    }
    let adopted = adopted_id(&refresh.jti);
    let is_its = |session: &Session| refresh.claims.account == AccountClaim::Id(session.account_id);
    if !sessions::session(tx, adopted).await?.is_some_and(|session| is_its(&session))
        || !sessions::end_session(tx, adopted, now).await?
    {
        return Ok(());
    }
    let subject = Subject::Session(adopted);
    revocations::insert_revocation(tx, subject, Reason::Ended, now).await
}

/// The active account that was imported with exactly this address and still has it. A token that names
/// it does not say when it was issued, so any change of the account's credentials here refuses it.
pub(in crate::auth) async fn account_imported_as(tx: &mut Tx, user_name: &str) -> Result<Account> {
    let address = Identifier::parse_as(user_name, &[Kind::Email, Kind::Phone]);
    let key = address.ok_or(TokenFault::Malformed)?.key().to_owned();
    let holder = identifiers::account_imported_as(tx, key, user_name.to_owned()).await?;
    let account = accounts::account(tx, holder.ok_or(TokenFault::Malformed)?).await?;
    let account = account.ok_or(TokenFault::Malformed)?;
    match (account.imported, account.undated_refused, account.is_active) {
        (false, ..) => Err(TokenFault::Malformed.into()),
        (true, true, _) => Err(TokenFault::Spent.into()),
        (true, false, false) => Err(Error::AccountInactive),
        (true, false, true) => Ok(account),
    }
}

/// Refuses a foreign token that this account does not honour.
fn check_honoured(claims: &Claims, account: &Account) -> Result<()> {
    check_imported(claims, account)?;
    if !account.is_active {
        return Err(Error::AccountInactive);
    }
    // A password change or a sign-out of all sessions reaches foreign tokens by their time of issue.
    // That of one session does not: the others are on other devices, and stay signed in.
    if claims.issued_at.unwrap_or(0) < account.foreign_not_before {
        return Err(TokenFault::Spent.into());
    }
    Ok(())
}

/// Refuses a foreign token that cannot mean this account: the number was given to it here, or was
/// somebody else's in the other system when the token was issued.
fn check_imported(claims: &Claims, account: &Account) -> Result<()> {
    let issued_at = claims.issued_at.unwrap_or(0);
    let is_older = account.joined_at.is_some_and(|joined_at| issued_at < joined_at);
    match account.imported && !is_older {
        true => Ok(()),
        false => Err(TokenFault::Malformed.into()),
    }
}

/// Refuses a token that was spent here, or whose session has ended.
async fn refuse_over(tx: &mut Tx, jti: &str, account: AccountClaim) -> Result<()> {
    let adopted = sessions::session(tx, adopted_id(jti)).await?;
    let is_its = |session: &Session| account == AccountClaim::Id(session.account_id);
    let has_ended = adopted.filter(is_its).is_some_and(|session| session.has_ended);
    match has_ended || spent_tokens::is_spent(tx, spent_key(jti)).await? {
        true => Err(TokenFault::Spent.into()),
        false => Ok(()),
    }
}

async fn rotate_foreign(
    tx: &mut Tx,
    policy: &Policy,
    refresh: &RefreshToken,
    account_id: i64,
    id: i64,
    now: i64,
) -> Result<Advanced> {
    refuse_over(tx, &refresh.jti, refresh.claims.account).await?;
    let issued_at = refresh.claims.issued_at.unwrap_or(0);
    policy.check_refresh_time(issued_at + policy.access_seconds, now)?;
    if !spent_tokens::spend_token(tx, spent_key(&refresh.jti), refresh.expires_at).await? {
        return Err(TokenFault::Spent.into());
    }
    let session = adopted(policy, id, account_id, now, now + policy.refresh_seconds);
    insert_new(tx, policy, &session).await?;
    Ok(Advanced { session: id, account_id, generation: 0 })
}

/// A foreign token that may be used again has one session, found by the token itself.
pub(in crate::auth) async fn adopt_foreign(
    tx: &mut Tx,
    policy: &Policy,
    refresh: &ForeignRefresh,
    account_id: i64,
    now: i64,
) -> Result<Advanced> {
    if spent_tokens::is_spent(tx, spent_key(&refresh.id)).await? {
        return Err(TokenFault::Spent.into());
    }
    let session = adopted(policy, adopted_id(&refresh.id), account_id, now, refresh.expires_at);
    if let Some(generation) = sessions::insert_session(tx, &session).await? {
        make_room(tx, policy, &session, generation).await?;
        return Ok(Advanced { session: session.id, account_id, generation: 0 });
    }
    let session = sessions::session(tx, session.id).await?.ok_or(TokenFault::Spent)?;
    if session.account_id != account_id {
        return Err(TokenFault::Malformed.into());
    }
    if !session.is_live(now) {
        return Err(TokenFault::Spent.into());
    }
    advance(tx, policy, &session, now).await
}

fn adopted(policy: &Policy, id: i64, account_id: i64, now: i64, expires_at: i64) -> Session {
    Session {
        id,
        account_id,
        policy: policy.name.to_owned(),
        key_hash: None,
        refresh_hash: None,
        client_id: None,
        device_name: None,
        generation: 0,
        refresh_secret: None,
        attempt_hash: None,
        created_at: now,
        signed_in_at: None,
        last_used_at: now,
        access_expires_at: now + policy.access_seconds,
        expires_at,
        absolute_expires_at: None,
        has_ended: false,
    }
}

fn adopted_id(jti: &str) -> i64 {
    let digest = Sha256::new_with_prefix("propusk adopted session").chain_update(jti).finalize();
    let id = digest.iter().take(8).fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    (id % SESSION_IDS).cast_signed()
}

/// What stands in `spent_tokens` for a `jti`, which may be of any length.
fn spent_key(jti: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jti))
}
