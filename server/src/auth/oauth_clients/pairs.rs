//! Token pairs of OAuth clients: a client exchanges a provider's token (or, if allowed, a name and
//! a password) for two opaque tokens of one session. A refresh replaces both.

use std::net::IpAddr;
use std::sync::Arc;

use crate::auth::adopting::Adopting;
use crate::auth::domain::Auth;
use crate::auth::federation::sign_in_or_register::{ProviderSignIn, SignInMode};
use crate::auth::policy::Policy;
use crate::auth::requester::SignedIn;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::session::{SessionExtras, active_account, end_live_session};
use crate::auth::tokens::opaque::random_token;
use crate::error::{ClientFault, Error, ProviderFault, Result, TokenFault};
use crate::request_record;
use crate::store::adopted::PAIR;
use crate::store::events::{Ending, SignedInBy};
pub use crate::store::oauth_clients::OAuthClient;
use crate::store::sessions::{self, NewPair, Session};
use crate::store::{Repeat, Tx, accounts, oauth_clients};

/// The number of sessions that one write ends or deletes.
pub const BATCH: i64 = 5_000;

/// Two opaque tokens of one session; no `Debug`.
pub struct OpaquePair {
    pub access: String,
    pub refresh: String,
    /// In seconds.
    pub expires_in: i64,
}

impl OpaquePair {
    fn new(policy: &Policy) -> Result<Self> {
        let (access, refresh) = (random_token()?, random_token()?);
        Ok(OpaquePair { access, refresh, expires_in: policy.access_seconds })
    }

    fn session_values(&self, client: &OAuthClient) -> SessionExtras {
        SessionExtras {
            key_hash: Some(hash(&self.access)),
            refresh_hash: Some(hash(&self.refresh)),
            client_id: Some(client.id.clone()),
            ..SessionExtras::default()
        }
    }
}

impl Auth {
    /// A pair for the user of a provider's access token; `provider` is `None` if the client's name
    /// for it is unknown.
    pub async fn convert_token(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        provider: Option<&str>,
        token: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        let provider = self.provider(provider.ok_or(Error::Provider(ProviderFault::Unknown))?)?;
        self.within_limit(self.limits.count_sign_in(from, self.clock.now()))?;
        let profile = self.count_refusals(from, self.profile_of_token(provider, token)).await?;
        let pair = OpaquePair::new(policy)?;
        let (mode, extras) = (SignInMode::Either, pair.session_values(client));
        let sign_in = ProviderSignIn {
            policy: *policy,
            mode,
            makes_accounts: self.registering_at_django().is_none(),
            extras,
            by: SignedInBy::ProviderToken,
            from,
            noticed: None,
            adopting: Arc::clone(&self.adopting),
        };
        self.sign_in_or_register(sign_in, &profile).await?;
        Ok(pair)
    }

    /// A pair for a name and a password, if the client is allowed to use them.
    pub async fn sign_in_oauth(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        who: &str,
        password: &str,
        scope: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        if !client.allows_password {
            return Err(ClientFault::Grant.into());
        }
        let pair = OpaquePair::new(policy)?;
        let signed_in =
            self.open_by_password(policy, who, password, from, pair.session_values(client)).await?;
        let (id, scope) = (signed_in.opened.session, scope.to_owned());
        let recording = self
            .store
            .write_one(Repeat::Harmless, move |tx| Box::pin(sessions::update_scope(tx, id, scope)));
        recording.await?;
        Ok(pair)
    }

    /// Replaces both tokens of a session and spends its refresh token.
    pub async fn refresh_oauth(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        refresh: &str,
        scope: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        let work = self.try_refresh_oauth(policy, client, refresh, scope, from);
        self.limited(from, work).await
    }

    /// Checks that [`Auth::refresh_oauth`] would accept the token, without spending it.
    pub async fn check_refresh(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        refresh: &str,
        from: IpAddr,
    ) -> Result<()> {
        let look = async {
            let (mut tx, now) = (self.store.read().await?, self.clock.now());
            let name = policy.name;
            let session =
                session_for(&mut tx, &self.adopting, hash(refresh), name, &client.id).await?;
            match session.is_live(now) {
                true => Ok(()),
                false => Err(TokenFault::Spent.into()),
            }
        };
        self.limited(from, look).await
    }

    async fn try_refresh_oauth(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        refresh: &str,
        scope: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        let (now, pair, scope) = (self.clock.now(), OpaquePair::new(policy)?, scope.to_owned());
        let (spent, client_id, policy_name) = (hash(refresh), client.id.clone(), policy.name);
        let adopting = Arc::clone(&self.adopting);
        let by = NewPair {
            key_hash: hash(&pair.access),
            refresh_hash: hash(&pair.refresh),
            access_expires_at: now + policy.access_seconds,
            expires_at: now + policy.refresh_seconds,
        };
        let account_id = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let found = session_for(tx, &adopting, spent.clone(), policy_name, &client_id);
                    let session = found.await?;
                    match sessions::spend_refresh(tx, spent, by, now).await? {
                        true => {
                            sessions::update_scope(tx, session.id, scope).await?;
                            Ok(session.account_id)
                        }
                        false => Err(TokenFault::Spent.into()),
                    }
                })
            })
            .await?;
        self.note_place(account_id, from, now + policy.refresh_seconds).await;
        Ok(pair)
    }

    /// Ends the session of an access or refresh token of this account and client. Other tokens are
    /// ignored, as RFC 7009 requires. An unknown one may still come while an adoption is open, and
    /// must not live on then.
    pub async fn revoke_token(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        who: &SignedIn,
        token: &str,
    ) -> Result<()> {
        let (hash, who, now, policy_name) = (hash(token), *who, self.clock.now(), policy.name);
        let (client_id, adopting) = (client.id.clone(), Arc::clone(&self.adopting));
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = match sessions::session_by_key(tx, hash.clone()).await? {
                        Some(session) => Some(session),
                        None => sessions::session_by_refresh(tx, hash).await?,
                    };
                    if session.is_none() {
                        adopting.check()?;
                    }
                    let session = session.filter(|session| {
                        is_of(session, policy_name, &client_id)
                            && session.account_id == who.account_id
                            && !session.has_ended
                    });
                    match session {
                        Some(session) => {
                            end_live_session(tx, session.id, Ending::SignedOut, now).await
                        }
                        None => Ok(()),
                    }
                })
            })
            .await
    }

    /// Ends the account's sessions of a client. A client may name only itself.
    pub async fn end_sessions_of_client(&self, who: &SignedIn, client_id: &str) -> Result<()> {
        if client_id.contains('\0') {
            return Err(ClientFault::Unknown.into());
        }
        let (id, now) = (client_id.to_owned(), self.clock.now());
        let mut tx = self.store.read().await?;
        oauth_clients::oauth_client(&mut tx, id.clone()).await?.ok_or(ClientFault::Unknown)?;
        if who.of_client && client_of(&mut tx, who).await?.as_ref() != Some(&id) {
            return Err(ClientFault::Unknown.into());
        }
        drop(tx);
        let account_id = who.account_id;
        // In batches, because there may be very many. Their tokens are looked up at every use, so
        // memory needs no revocations.
        loop {
            let id = id.clone();
            let ended = self.store.write(move |tx| {
                Box::pin(async move {
                    accounts::refuse_undated(tx, account_id).await?;
                    sessions::end_client_sessions(tx, account_id, id, now, BATCH).await
                })
            });
            if ended.await? == 0 {
                return Ok(());
            }
        }
    }
}

/// The client of the user's session.
async fn client_of(tx: &mut Tx, who: &SignedIn) -> Result<Option<String>> {
    let session = match who.session {
        Some(id) => sessions::session(tx, id).await?,
        None => None,
    };
    Ok(session.and_then(|session| session.client_id))
}

/// The session of a client's refresh token, even an ended one; its account is active.
async fn session_for(
    tx: &mut Tx,
    adopting: &Adopting,
    refresh_hash: String,
    policy: &str,
    client_id: &str,
) -> Result<Session> {
    let fault = TokenFault::Malformed;
    let Some(session) = sessions::session_by_refresh(tx, refresh_hash.clone()).await? else {
        return Err(adopting.unknown_token(tx, PAIR, refresh_hash, fault).await?);
    };
    if !is_of(&session, policy, client_id) {
        return Err(fault.into());
    }
    request_record::note_session(session.account_id, Some(session.id));
    let account = active_account(tx, session.account_id).await;
    account.map_err(|error| adopting.doubt(error))?;
    Ok(session)
}

/// Whether the session belongs to this policy and client.
fn is_of(session: &Session, policy: &str, client_id: &str) -> bool {
    session.policy == policy && session.client_id.as_deref() == Some(client_id)
}
