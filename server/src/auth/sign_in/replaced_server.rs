//! Foreign tokens: those of the server that this one replaced, signed with the same key but without
//! a token id of this server. They are accepted only for an account that was imported with the
//! number, or the address, in the token. Access tokens are accepted until they expire; a refresh
//! follows the rules of the API that receives it. While an adoption is open, an account that is not
//! here may still come.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::auth::adopting::Adopting;
use crate::auth::domain::Auth;
use crate::auth::policy::Policy;
use crate::auth::sessions::session::{
    RefreshedSession, insert_new, make_room, mask_account_state, token_use, use_refresh_token,
};
use crate::auth::tokens::session_id::{generation_in_id, new_session_id};
use crate::auth::tokens::simple_jwt::{AccountClaim, Claims, RefreshToken};
use crate::auth::tokens::token_id::SESSION_IDS;
use crate::error::{Error, Result, TokenFault};
use crate::identifier::{Identifier, Kind};
use crate::store::accounts::{self, Account};
use crate::store::events::{Ending, SignedInBy};
use crate::store::revocations::{self, Reason, Subject};
use crate::store::sessions::{self, Session, TokenUse};
use crate::store::{Tx, identifiers, spent_tokens};

/// What identifies a foreign refresh token, and when it expires.
pub struct ForeignRefresh {
    pub id: String,
    pub expires_at: i64,
}

impl Auth {
    /// Refreshes with a foreign token; the first refresh opens a session.
    pub(in crate::auth) async fn refresh_foreign(
        &self,
        policy: &Policy,
        refresh: RefreshToken,
        network: String,
        now: i64,
    ) -> Result<RefreshedSession> {
        let account_id = match refresh.claims.account {
            AccountClaim::Id(id) => id,
            AccountClaim::Absent => return Err(TokenFault::Malformed.into()),
            AccountClaim::Unknown => return Err(self.adopting.unless_open(TokenFault::Malformed)),
        };
        let (policy, adopting) = (*policy, Arc::clone(&self.adopting));
        let new_id = new_session_id()?;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // Lock, so that a concurrent change of the password commits before or after
                    // this.
                    accounts::lock_account(tx, account_id).await?;
                    let Some(account) = accounts::account(tx, account_id).await? else {
                        let fault = TokenFault::Malformed;
                        return Err(adopting.unknown_account(tx, account_id, fault).await?);
                    };
                    check_accepted(&refresh.claims, &account)?;
                    if policy.spends() {
                        rotate_foreign(tx, &policy, &refresh, account_id, new_id, now).await
                    } else {
                        let refresh =
                            ForeignRefresh { id: refresh.jti, expires_at: refresh.expires_at };
                        adopt_foreign(tx, &policy, &refresh, account_id, network, now).await
                    }
                })
            })
            .await
    }

    /// The active account of a foreign token; `None` if no account ever had this id.
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
        check_accepted(claims, &account).map_err(|error| self.adopting.doubt(error))?;
        Ok(Some(account))
    }

    /// Fails if a foreign token is not valid. A token of an account that was never imported is
    /// valid if its signature is.
    pub(in crate::auth) async fn verify_foreign(
        &self,
        policy: &Policy,
        claims: &Claims,
    ) -> Result<()> {
        match self.foreign_account(claims).await {
            Ok(_) | Err(Error::Token(TokenFault::NoAccount)) => {}
            Err(error) => return Err(mask_account_state(error)),
        }
        let (jti, _) = claims.id_and_expiry()?;
        self.check_not_ended_there(policy, jti).await?;
        let mut tx = self.store.read().await?;
        check_not_spent(&mut tx, &policy.foreign_token(jti), claims.account).await
    }

    /// Fails if the replaced server has ended a token under the API's own key. An import file says
    /// the `jti` alone, and not which key has signed it.
    pub(in crate::auth) async fn check_not_ended_there(
        &self,
        policy: &Policy,
        jti: &str,
    ) -> Result<()> {
        if !policy.own_key {
            return Ok(());
        }
        let mut tx = self.store.read().await?;
        match spent_tokens::is_spent(&mut tx, spent_key(jti)).await? {
            true => Err(TokenFault::Spent.into()),
            false => Ok(()),
        }
    }
}

/// Spends a foreign refresh token, and ends the session that it opened, if any.
pub async fn end_foreign(tx: &mut Tx, refresh: RefreshToken, now: i64) -> Result<()> {
    if let AccountClaim::Id(account_id) = refresh.claims.account {
        // Lock, so that a concurrent refresh commits before or after this.
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
    let adopted = adopted_session_id(&refresh.jti);
    let belongs_to_account =
        |session: &Session| refresh.claims.account == AccountClaim::Id(session.account_id);
    if !sessions::session(tx, adopted).await?.is_some_and(|session| belongs_to_account(&session))
        || !sessions::end_session(tx, adopted, Ending::SignedOut, now).await?
    {
        return Ok(());
    }
    let subject = Subject::Session(adopted);
    revocations::insert_revocation(tx, subject, Reason::Ended, now).await
}

/// Spends a refresh token that the replaced server has ended, and ends the session that it opened
/// here, if any; false if it was spent already.
pub async fn spend_ended_there(tx: &mut Tx, jti: &str, expires_at: i64, now: i64) -> Result<bool> {
    if !spent_tokens::spend_token(tx, spent_key(jti), expires_at).await? {
        return Ok(false);
    }
    let adopted = adopted_session_id(jti);
    if sessions::end_session(tx, adopted, Ending::SignedOut, now).await? {
        revocations::insert_revocation(tx, Subject::Session(adopted), Reason::Ended, now).await?;
    }
    Ok(true)
}

/// The active account that was imported with exactly this address and still has it. A token with a
/// user name has no issue time, so it is refused after any change of the account's credentials.
pub async fn account_imported_as(
    tx: &mut Tx,
    adopting: &Adopting,
    user_name: &str,
) -> Result<Account> {
    let address = Identifier::parse_as(user_name, &[Kind::Email, Kind::Phone]);
    let key = address.ok_or(TokenFault::Malformed)?.key().to_owned();
    let holder = identifiers::account_imported_as(tx, key, user_name.to_owned()).await?;
    let holder = holder.ok_or_else(|| adopting.unless_open(TokenFault::Malformed))?;
    let account = accounts::account(tx, holder).await?;
    let account = account.ok_or(TokenFault::Malformed)?;
    match (account.imported, account.undated_refused, account.is_active) {
        (false, ..) => Err(TokenFault::Malformed.into()),
        (true, true, _) => Err(TokenFault::Spent.into()),
        (true, false, false) => Err(adopting.unless_open(Error::AccountInactive)),
        (true, false, true) => Ok(account),
    }
}

/// Fails if the account does not accept the foreign token.
fn check_accepted(claims: &Claims, account: &Account) -> Result<()> {
    check_imported(claims, account)?;
    if !account.is_active {
        return Err(Error::AccountInactive);
    }
    // A password change or the end of all sessions refuses foreign tokens by their issue time. The
    // end of one session does not: the other tokens belong to other devices.
    if claims.issued_at.unwrap_or(0) < account.foreign_not_before {
        return Err(TokenFault::Spent.into());
    }
    Ok(())
}

/// Fails if the foreign token cannot belong to this account: the account got its number here, or
/// the token is older than the account in the replaced server.
fn check_imported(claims: &Claims, account: &Account) -> Result<()> {
    let issued_at = claims.issued_at.unwrap_or(0);
    let is_older = account.joined_at.is_some_and(|joined_at| issued_at < joined_at);
    match account.imported && !is_older {
        true => Ok(()),
        false => Err(TokenFault::Malformed.into()),
    }
}

/// Fails if the token is spent, or its session has ended.
async fn check_not_spent(tx: &mut Tx, jti: &str, account: AccountClaim) -> Result<()> {
    let adopted = sessions::session(tx, adopted_session_id(jti)).await?;
    let belongs_to_account = |session: &Session| account == AccountClaim::Id(session.account_id);
    let has_ended = adopted.filter(belongs_to_account).is_some_and(|session| session.has_ended);
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
) -> Result<RefreshedSession> {
    check_not_spent(tx, &refresh.jti, refresh.claims.account).await?;
    let issued_at = refresh.claims.issued_at.unwrap_or(0);
    policy.check_refresh_time(issued_at + policy.access_seconds, now)?;
    if !spent_tokens::spend_token(tx, spent_key(&refresh.jti), refresh.expires_at).await? {
        return Err(TokenFault::Spent.into());
    }
    let session = adopted_session(policy, id, account_id, now, now + policy.refresh_seconds);
    insert_new(tx, policy, &session, SignedInBy::ReplacedServer).await?;
    Ok(first_refresh(&session))
}

/// Opens the session of a reusable foreign token, or uses the session that it has opened. The
/// session id is derived from the token.
pub async fn adopt_foreign(
    tx: &mut Tx,
    policy: &Policy,
    refresh: &ForeignRefresh,
    account_id: i64,
    network: String,
    now: i64,
) -> Result<RefreshedSession> {
    if spent_tokens::is_spent(tx, spent_key(&refresh.id)).await? {
        return Err(TokenFault::Spent.into());
    }
    // A rotation answers a token that lives longer than the one it came from.
    let expires_at =
        if policy.rotating { now + policy.refresh_seconds } else { refresh.expires_at };
    let id = adopted_session_id(&refresh.id);
    let session = adopted_session(policy, id, account_id, now, expires_at);
    if let Some(generation) =
        sessions::insert_session(tx, &session, SignedInBy::ReplacedServer).await?
    {
        make_room(tx, policy, &session, generation).await?;
        return Ok(first_refresh(&session));
    }
    let session = sessions::session(tx, session.id).await?.ok_or(TokenFault::Spent)?;
    if session.account_id != account_id {
        return Err(TokenFault::Malformed.into());
    }
    if !session.is_live(now) {
        return Err(TokenFault::Spent.into());
    }
    if policy.rotating && session.policy != policy.name {
        // The answer has a refresh token, which is good at the API of its session alone.
        let own = adopted_session(policy, new_session_id()?, account_id, now, expires_at);
        insert_new(tx, policy, &own, SignedInBy::ReplacedServer).await?;
        return Ok(first_refresh(&own));
    }
    // Any API may have opened the session.
    let generation = generation_in_id(session.generation);
    let used = token_use(policy, session.id, generation, network, now);
    use_refresh_token(tx, TokenUse { policy: session.policy, ..used }).await
}

/// The refresh that has opened this session. Its network is recorded in any case.
fn first_refresh(session: &Session) -> RefreshedSession {
    RefreshedSession {
        session: session.id,
        account_id: session.account_id,
        generation: 0,
        place_known_until: None,
    }
}

fn adopted_session(
    policy: &Policy,
    id: i64,
    account_id: i64,
    now: i64,
    expires_at: i64,
) -> Session {
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

fn adopted_session_id(jti: &str) -> i64 {
    let digest = Sha256::new_with_prefix("propusk adopted session").chain_update(jti).finalize();
    let id = digest.iter().take(8).fold(0_u64, |id, byte| id << 8 | u64::from(*byte));
    (id % SESSION_IDS).cast_signed()
}

/// The key of a `jti` in `spent_tokens`: a hash, because a `jti` may have any length.
pub fn spent_key(jti: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(jti))
}
