//! Opaque keys: 40 hex digits that open a session of their own, stored as SHA-256. A key has no time to
//! expire at but is forgotten when it has not been used for long.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

use crate::auth::domain::Auth;
use crate::auth::limits::places::known_until;
use crate::auth::policy::{Policy, TokenForm};
use crate::auth::requester::SignedIn;
use crate::auth::secrets::random::hash;
use crate::auth::sessions::session::end_known;
use crate::auth::tokens::opaque::access_expiry;
use crate::error::{Error, Result, TokenFault};
use crate::store::sessions::{self, Session};
use crate::store::{accounts, known_places};

/// Uses closer together than this are noted as one, so that not every request writes.
const NOTED_EVERY: i64 = 24 * 3_600;
const NOTED_WITHIN: Duration = Duration::from_secs(1);

impl Auth {
    /// Who sends this key; `from`: where its owner is, as with [`Auth::signed_in`].
    pub(in crate::auth) async fn signed_in_by_key(
        &self,
        key: &str,
        from: Option<IpAddr>,
    ) -> Result<SignedIn> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let session = sessions::session_by_key(&mut tx, hash(key)).await?;
        let session = session
            .filter(|session| !session.has_ended && now < access_expiry(session))
            .ok_or(TokenFault::Malformed)?;
        let serves =
            |policy: &&Policy| policy.name == session.policy && policy.form == TokenForm::ApiToken;
        let policy = *self.policies.iter().find(serves).ok_or(TokenFault::Malformed)?;
        if !accounts::is_active(&mut tx, session.account_id).await?.ok_or(Error::AccountNotFound)? {
            return Err(Error::AccountInactive);
        }
        drop(tx);
        if session.refresh_hash.is_none() && now - session.last_used_at >= NOTED_EVERY {
            self.note_use(&session, from, now, now + policy.refresh_seconds).await;
        }
        let of_client = session.client_id.is_some();
        Ok(SignedIn { of_client, ..SignedIn::by(session.account_id, session.id) })
    }

    /// A database that only reads must keep nobody out: it is waited for a moment, and what it says
    /// decides nothing. A key is renewed by being used, so its place is known as that of a refresh is.
    async fn note_use(&self, session: &Session, from: Option<IpAddr>, now: i64, until: i64) {
        let (id, account_id) = (session.id, session.account_id);
        let network = from.map(|from| self.places.network(from));
        let noting = self.store.write(move |tx| {
            Box::pin(async move {
                if let Some(network) = network {
                    let known_until = known_until(until, now);
                    known_places::note_place(tx, account_id, network, known_until).await?;
                }
                sessions::update_lifetime(tx, id, now, until).await
            })
        });
        match timeout(NOTED_WITHIN, noting).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the use of a key could not be noted"),
            // The write goes on to its end by itself.
            Err(_) => tracing::warn!("the use of a key is not noted yet"),
        }
    }

    /// Ends the session of a credential of this policy; another's is not honoured.
    pub async fn sign_out_session(&self, policy: &Policy, who: &SignedIn) -> Result<()> {
        let id = who.session.ok_or(TokenFault::Malformed)?;
        let (name, now) = (policy.name, self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let session = sessions::session(tx, id).await?.ok_or(TokenFault::Malformed)?;
                    if session.policy != name {
                        return Err(TokenFault::Malformed.into());
                    }
                    end_known(tx, id, now).await
                })
            })
            .await
    }
}
