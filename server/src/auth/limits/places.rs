//! Known places of an account: networks from which its owner signed in, refreshed a session or
//! followed a mailed link. They are stored, so that they survive a restart and all servers know
//! them. They are not cached: a server with a stale entry would not store a place again that
//! another server has deleted.

use std::net::IpAddr;

use crate::auth::limits::network_key::Network;
use crate::auth::secrets::digest::DigestKey;
use crate::error::Result;
use crate::store::accounts::{self, Account, Credentials};
use crate::store::{Tx, known_places};

/// How long a place is known after its last use, in seconds.
const KNOWN_FOR: i64 = 90 * 24 * 3600;
/// The precision of stored times, in seconds: a place in constant use is written once a day.
const EXACTNESS: i64 = 24 * 3600;

/// Computes the stored form of networks; no `Debug`.
pub struct Places {
    key: DigestKey,
}

impl Places {
    pub fn new(key: DigestKey) -> Self {
        Places { key }
    }

    /// The network as it is stored: a keyed digest.
    pub fn network(&self, from: IpAddr) -> String {
        self.key.text("place", &Network::of(from).to_bytes())
    }
}

/// When a place is forgotten at which a session is opened or refreshed now.
pub fn known_until(session_ends: i64, now: i64) -> i64 {
    session_ends.max(now + KNOWN_FOR)
}

/// Whether the stored time of a place is precise enough, so that it need not be written again.
pub fn is_recorded(stored: Option<i64>, until: i64) -> bool {
    stored.is_some_and(|stored| until - stored <= EXACTNESS)
}

/// The account, if its owner has signed in before, but never from this network; to be called before
/// the sign-in is stored. `network` is `None` if its API sends no notices of new networks.
pub async fn owner_at_new_network(
    tx: &mut Tx,
    account_id: i64,
    network: Option<String>,
    now: i64,
) -> Result<Option<Account>> {
    let Some(network) = network else { return Ok(None) };
    let known = known_places::known_until(tx, account_id, network).await?;
    if known.is_some_and(|until| until > now) {
        return Ok(None);
    }
    let account = accounts::account(tx, account_id).await?;
    Ok(account.filter(|account| account.last_sign_in_at.is_some()))
}

/// Whether the credentials were looked up for a known place.
pub fn is_at_known_place(found: Option<&Credentials>, now: i64) -> bool {
    found.and_then(|found| found.known_until).is_some_and(|until| until > now)
}
