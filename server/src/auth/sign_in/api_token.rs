//! API tokens: 40 hex digits, stored as SHA-256. Each has its own session, which expires when the
//! token has not been used for a long time.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::auth::domain::Auth;
use crate::auth::limits::places::known_until;
use crate::auth::policy::{Policy, TokenForm};
use crate::auth::requester::SignedIn;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::session::end_live_session;
use crate::auth::tokens::opaque::access_expiry;
use crate::donor::Wanted;
use crate::error::{Error, Result, TokenFault};
use crate::request_record;
use crate::store::adopted::API_TOKEN;
use crate::store::events::Ending;
use crate::store::sessions::{self, Session};
use crate::store::{accounts, known_places};

/// How often the use of a token is stored at most, so that not every request writes.
const STORED_EVERY: i64 = 24 * 3_600;
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

impl Auth {
    /// The owner of this API token or opaque access token; `from` as with [`Auth::signed_in`]. One
    /// that another system may know is looked up there, if that is configured.
    pub(in crate::auth) async fn signed_in_by_api_token(
        &self,
        key: &str,
        from: Option<IpAddr>,
    ) -> Result<SignedIn> {
        let found = self.owner_of_api_token(key, from).await;
        let (Err(Error::AdoptionOpen { .. }), Some(address)) = (&found, from) else {
            return found;
        };
        match self.look_up_there(Wanted::Token(key.to_owned()), address).await {
            true => self.owner_of_api_token(key, from).await,
            false => found,
        }
    }

    async fn owner_of_api_token(&self, key: &str, from: Option<IpAddr>) -> Result<SignedIn> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let hash = hash(key);
        let Some(session) = sessions::session_by_key(&mut tx, hash.clone()).await? else {
            let unknown =
                self.adopting.unknown_token(&mut tx, API_TOKEN, hash, TokenFault::Malformed);
            return Err(unknown.await?);
        };
        request_record::note_session(session.account_id, Some(session.id));
        if session.has_ended || access_expiry(&session) <= now {
            return Err(TokenFault::Malformed.into());
        }
        let serves =
            |policy: &&Policy| policy.name == session.policy && policy.form == TokenForm::ApiToken;
        let policy = *self.policies.iter().find(serves).ok_or(TokenFault::Malformed)?;
        if !accounts::is_active(&mut tx, session.account_id).await?.ok_or(Error::AccountNotFound)? {
            return Err(self.adopting.unless_open(Error::AccountInactive));
        }
        drop(tx);
        if session.refresh_hash.is_none() && now - session.last_used_at >= STORED_EVERY {
            self.store_use(&session, from, now, now + policy.refresh_seconds).await;
        }
        let of_client = session.client_id.is_some();
        Ok(SignedIn { of_client, ..SignedIn::of_session(session.account_id, session.id) })
    }

    /// Stores the use of a token, and the network as a known place, as a refresh does. The request
    /// succeeds even if the write fails or is slow, so a read-only database does not lock users
    /// out.
    async fn store_use(&self, session: &Session, from: Option<IpAddr>, now: i64, until: i64) {
        let (id, account_id) = (session.id, session.account_id);
        let network = from.map(|from| self.places.network(from));
        let write = self.store.write(move |tx| {
            Box::pin(async move {
                if let Some(network) = network {
                    let known_until = known_until(until, now);
                    known_places::note_place(tx, account_id, network, known_until).await?;
                }
                sessions::update_lifetime(tx, id, now, until).await
            })
        });
        match timeout(STORE_TIMEOUT, write).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "cannot store the use of an API token"),
            // The write continues in the background.
            Err(_) => tracing::warn!("the use of an API token is not stored yet"),
        }
    }

    /// Ends the session of an API token; fails if another policy issued the credential.
    pub async fn end_api_token_session(&self, policy: &Policy, who: &SignedIn) -> Result<()> {
        let id = who.session.ok_or(TokenFault::Malformed)?;
        let (name, now) = (policy.name, self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = sessions::session(tx, id).await?.ok_or(TokenFault::Malformed)?;
                    if session.policy != name {
                        return Err(TokenFault::Malformed.into());
                    }
                    end_live_session(tx, id, Ending::SignedOut, now).await
                })
            })
            .await
    }
}
