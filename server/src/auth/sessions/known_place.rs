//! Recording the networks where the owner of an account signs in.

use std::net::IpAddr;

use crate::auth::domain::Auth;
use crate::auth::limits::places::{is_recorded, known_until};
use crate::auth::policy::Policy;
use crate::error::Result;
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
        let until = known_until(session_ends, self.clock.now());
        let network = self.places.network(from);
        if let Err(error) = self.store_place(account_id, network, until).await {
            tracing::warn!(%error, "the network of a sign-in could not be stored");
        }
    }

    async fn store_place(&self, account_id: i64, network: String, until: i64) -> Result<()> {
        let mut tx = self.store.read().await?;
        let known = known_places::known_until(&mut tx, account_id, network.clone()).await?;
        drop(tx);
        if is_recorded(known, until) {
            return Ok(());
        }
        self.store
            .write(move |tx| {
                Box::pin(
                    async move { known_places::note_place(tx, account_id, network, until).await },
                )
            })
            .await
    }
}
