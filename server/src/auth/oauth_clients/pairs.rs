//! OAuth client applications, which exchange a provider's token (or, where allowed, a name and a
//! password) for a pair of ours: two opaque tokens of one session. A refresh replaces both.

use std::net::IpAddr;

use subtle::ConstantTimeEq;

use crate::auth::federation::account::{Door, Entry};
use crate::auth::mailing::one_time_token::hash;
use crate::auth::sessions::session::{By, Kept, SignedIn, active_account, end_known};
use crate::auth::{Auth, Policy, random};
use crate::error::{ClientFault, Error, ProviderFault, Result, TokenFault};
pub use crate::store::oauth_clients::OAuthClient;
use crate::store::sessions::{self, NewPair, Session};
use crate::store::{Tx, accounts, oauth_clients};

const TOKEN_LENGTH: usize = 30;
/// Sessions that are ended or deleted in one write.
const AT_ONCE: i64 = 5_000;
/// A secret that is shorter could be guessed from its hash.
pub const MIN_CLIENT_SECRET: usize = 16;

/// The client of a session that no application opened: our own apps, by any API. No application may
/// call itself so.
pub const OWN_APPS: &str = "propusk";

/// Two opaque tokens of one session; no `Debug`.
pub struct OpaquePair {
    pub access: String,
    pub refresh: String,
    /// In seconds.
    pub expires_in: i64,
}

/// How a client names itself.
#[derive(Clone, Copy)]
pub struct ClientName<'c> {
    pub id: &'c str,
    pub secret: Option<&'c str>,
}

/// A client to be; no `Debug`.
pub struct NewClient {
    pub id: String,
    pub name: String,
    pub secret: Option<String>,
    pub is_public: bool,
    pub allows_password: bool,
    /// It may ask what access credentials say, and nothing else.
    pub introspects: bool,
}

impl OpaquePair {
    fn new(policy: &Policy) -> Result<Self> {
        let (access, refresh) = (random_token()?, random_token()?);
        Ok(OpaquePair { access, refresh, expires_in: policy.access_seconds })
    }

    fn stored(&self, client: &OAuthClient) -> Kept {
        Kept {
            key_hash: Some(hash(&self.access)),
            refresh_hash: Some(hash(&self.refresh)),
            client_id: Some(client.id.clone()),
            ..Kept::default()
        }
    }
}

/// Whether a credential has the form of an opaque access token.
pub(in crate::auth) fn is_opaque_token(credential: &str) -> bool {
    credential.len() == TOKEN_LENGTH && credential.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Letters and digits, each as likely as any other.
fn random_token() -> Result<String> {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut token = String::with_capacity(TOKEN_LENGTH);
    while token.len() < TOKEN_LENGTH {
        let bytes: [u8; TOKEN_LENGTH] = random()?;
        // 248 is the highest multiple of 62 that a byte can be below.
        let letters = bytes
            .into_iter()
            .filter(|byte| *byte < 248)
            .map(|byte| LETTERS[usize::from(byte % 62)]);
        token.extend(letters.take(TOKEN_LENGTH - token.len()).map(char::from));
    }
    Ok(token)
}

impl Auth {
    /// The client of this id, if it shows its secret; a public one need not.
    pub(in crate::auth) async fn authenticate_client(
        &self,
        name: ClientName<'_>,
    ) -> Result<OAuthClient> {
        if name.id.contains('\0') {
            // Postgres keeps no such text, nor looks for one.
            return Err(ClientFault::Unknown.into());
        }
        let mut tx = self.store.read().await?;
        let client = oauth_clients::oauth_client(&mut tx, name.id.to_owned()).await?;
        let client = client.ok_or(ClientFault::Unknown)?;
        let is_shown = match (&client.secret_hash, name.secret) {
            (Some(stored), Some(secret)) => {
                bool::from(hash(secret).as_bytes().ct_eq(stored.as_bytes()))
            }
            (None, Some(_)) => false,
            (_, None) => client.is_public,
        };
        if is_shown { Ok(client) } else { Err(ClientFault::Secret.into()) }
    }

    /// The same for an application that signs people in, with a limit on failures for each address.
    pub async fn authenticate_client_from(
        &self,
        name: ClientName<'_>,
        from: IpAddr,
    ) -> Result<OAuthClient> {
        let app = async {
            match self.authenticate_client(name).await? {
                client if client.introspects => Err(ClientFault::Unknown.into()),
                client => Ok(client),
            }
        };
        self.limited(from, app).await
    }

    /// A pair for whoever a provider's access token belongs to; `provider` none: the client asks
    /// for one that nobody knows.
    pub async fn convert_token(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        provider: Option<&str>,
        token: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        let provider = self.provider(provider.ok_or(Error::Provider(ProviderFault::Unknown))?)?;
        self.limits.count_sign_in(from, self.clock.now())?;
        let profile = self.counted(from, self.profile_of_token(provider, token)).await?;
        let pair = OpaquePair::new(policy)?;
        let (entry, kept) = (Entry::Either, pair.stored(client));
        let door = Door { policy: *policy, entry, kept, by: By::Token, from, noticed: None };
        self.enter(door, &profile).await?;
        Ok(pair)
    }

    /// A pair for whoever knows a password, where the client may ask for one.
    pub async fn sign_in_for_pair(
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
        let opened =
            self.open_by_password(policy, who, password, from, pair.stored(client)).await?;
        let (id, scope) = (opened.session, scope.to_owned());
        self.store.write(move |tx| Box::pin(sessions::update_scope(tx, id, scope))).await?;
        Ok(pair)
    }

    /// Replaces both tokens of a session, whose refresh token is spent by that.
    pub async fn refresh_pair(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        refresh: &str,
        scope: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        let work = self.try_refresh_pair(policy, client, refresh, scope, from);
        self.limited(from, work).await
    }

    /// Whether [`Auth::refresh_pair`] would take the token, which is not spent.
    pub async fn check_refresh(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        refresh: &str,
        from: IpAddr,
    ) -> Result<()> {
        let look = async {
            let (mut tx, now) = (self.store.read().await?, self.clock.now());
            let session = session_for(&mut tx, hash(refresh), policy.name, &client.id).await?;
            match session.is_live(now) {
                true => Ok(()),
                false => Err(TokenFault::Spent.into()),
            }
        };
        self.limited(from, look).await
    }

    async fn try_refresh_pair(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        refresh: &str,
        scope: &str,
        from: IpAddr,
    ) -> Result<OpaquePair> {
        let (now, pair, scope) = (self.clock.now(), OpaquePair::new(policy)?, scope.to_owned());
        let (spent, client_id, policy_name) = (hash(refresh), client.id.clone(), policy.name);
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
                    let session = session_for(tx, spent.clone(), policy_name, &client_id).await?;
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

    /// Ends the session of an access or refresh token of this account and client; any other word
    /// ends nothing.
    pub async fn revoke_token(
        &self,
        policy: &Policy,
        client: &OAuthClient,
        who: &SignedIn,
        token: &str,
    ) -> Result<()> {
        let (hash, who, now, policy_name) = (hash(token), *who, self.clock.now(), policy.name);
        let client_id = client.id.clone();
        let ended = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let session = match sessions::session_by_key(tx, hash.clone()).await? {
                        Some(session) => Some(session),
                        None => sessions::session_by_refresh(tx, hash).await?,
                    };
                    let session = session.filter(|session| {
                        is_of(session, policy_name, &client_id)
                            && session.account_id == who.account_id
                            && !session.has_ended
                    });
                    match session {
                        Some(session) => end_known(tx, session.id, now).await.map(Some),
                        None => Ok(None),
                    }
                })
            })
            .await?;
        self.revoked.apply(ended.as_slice());
        Ok(())
    }

    /// Ends the account's sessions that were opened for a client. A client knows of no other.
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
        // In pieces, because there may be very many. Their tokens are looked up at every use, so
        // memory need not hear of it.
        loop {
            let id = id.clone();
            let ended = self.store.write(move |tx| {
                Box::pin(async move {
                    accounts::refuse_undated(tx, account_id).await?;
                    sessions::end_client_sessions(tx, account_id, id, now, AT_ONCE).await
                })
            });
            if ended.await? == 0 {
                return Ok(());
            }
        }
    }

    /// A secret that nobody guesses.
    pub fn new_client_secret() -> Result<String> {
        Ok(format!("{}{}", random_token()?, random_token()?))
    }

    /// Registers a client; false when the id is there already.
    pub async fn create_client(&self, new: NewClient) -> Result<bool> {
        let client = OAuthClient {
            secret_hash: new.secret.as_deref().map(hash),
            id: new.id,
            name: new.name,
            is_public: new.is_public,
            allows_password: new.allows_password,
            introspects: new.introspects,
            created_at: self.clock.now(),
        };
        self.store.write(move |tx| Box::pin(oauth_clients::insert_oauth_client(tx, client))).await
    }

    /// All clients, by their ids.
    pub async fn clients(&self) -> Result<Vec<OAuthClient>> {
        let mut tx = self.store.read().await?;
        oauth_clients::oauth_clients(&mut tx).await
    }

    /// Removes a client with its sessions; false when there is none of this id. The sessions go first,
    /// in pieces, because there may be very many.
    pub async fn delete_client(&self, id: &str) -> Result<bool> {
        loop {
            let id = id.to_owned();
            let deleted = self.store.write(move |tx| Box::pin(delete_some_of_client(tx, id)));
            if let Some(was_there) = deleted.await? {
                return Ok(was_there);
            }
        }
    }
}

/// Deletes some sessions of a client or, where none is left, the client; `None` while there may be
/// more to do.
async fn delete_some_of_client(tx: &mut Tx, id: String) -> Result<Option<bool>> {
    match sessions::delete_client_sessions(tx, id.clone(), AT_ONCE).await? {
        0 => oauth_clients::delete_oauth_client(tx, id).await.map(Some),
        _ => Ok(None),
    }
}

/// The client whose session it is.
async fn client_of(tx: &mut Tx, who: &SignedIn) -> Result<Option<String>> {
    let session = match who.session {
        Some(id) => sessions::session(tx, id).await?,
        None => None,
    };
    Ok(session.and_then(|session| session.client_id))
}

/// The session that a client may refresh, whatever has become of it; its account is active.
async fn session_for(
    tx: &mut Tx,
    refresh_hash: String,
    policy: &str,
    client_id: &str,
) -> Result<Session> {
    let session = sessions::session_by_refresh(tx, refresh_hash).await?;
    let session = session.filter(|session| is_of(session, policy, client_id));
    let session = session.ok_or(TokenFault::Malformed)?;
    active_account(tx, session.account_id).await?;
    Ok(session)
}

/// Whether the session was opened under the policy for the client.
fn is_of(session: &Session, policy: &str, client_id: &str) -> bool {
    session.policy == policy && session.client_id.as_deref() == Some(client_id)
}
