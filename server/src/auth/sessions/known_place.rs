//! Recording the networks where the owner of an account signs in.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::limits::places::{is_recorded, known_until};
use crate::auth::policy::Policy;
use crate::error::{Error, Result};
use crate::store::known_places;

impl Auth {
    /// The network of a sign-in, if the policy mails the owner about a new network.
    pub(in crate::auth) fn noticed_network(&self, policy: &Policy, from: IpAddr) -> Option<String> {
        policy.new_network_notice.unwrap_or_default().then(|| self.places.network(from))
    }

    /// Records that the account's owner used a credential in this network. The network is known
    /// until some time after the end of the session.
    pub(in crate::auth) async fn note_place(
        &self,
        account_id: i64,
        from: IpAddr,
        session_ends: i64,
    ) {
        match self.place_known_until(account_id, from).await {
            Ok(known) => self.renew_place(account_id, known, from, session_ends).await,
            Err(error) => warn_of(&error),
        }
    }

    /// The same for a network that was known until `known` when the credential was looked up.
    pub(in crate::auth) async fn renew_place(
        &self,
        account_id: i64,
        known: Option<i64>,
        from: IpAddr,
        session_ends: i64,
    ) {
        let until = known_until(session_ends, self.clock.now());
        if is_recorded(known, until) {
            return;
        }
        let network = self.places.network(from);
        let stored = self.store.write(move |tx| {
            Box::pin(async move { known_places::note_place(tx, account_id, network, until).await })
        });
        if let Err(error) = stored.await {
            warn_of(&error);
        }
    }

    async fn place_known_until(&self, account_id: i64, from: IpAddr) -> Result<Option<i64>> {
        let mut tx = self.store.read().await?;
        known_places::known_until(&mut tx, account_id, self.places.network(from)).await
    }
}

fn warn_of(error: &Error) {
    tracing::warn!(%error, "the network of a sign-in could not be stored");
}
