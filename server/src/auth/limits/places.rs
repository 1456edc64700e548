//! Places where an account's owner is known: networks from which a sign-in succeeded or a session
//! was renewed, or where a mailed link was followed. They are stored, so that they survive a restart
//! and all servers know them. Memory keeps none: a server that had one in mind that another server
//! has deleted would not store it again.

use std::net::IpAddr;

use crate::auth::limits::network::Network;
use crate::auth::secrets::digest::DigestKey;
use crate::error::Result;
use crate::store::accounts::{self, Account, Credentials};
use crate::store::{Tx, known_places};

/// How long a place is known after its last use, in seconds.
const KNOWN_FOR: i64 = 90 * 24 * 3600;
/// How exactly the last use is stored, in seconds: a place in daily use is written once a day.
const EXACTNESS: i64 = 24 * 3600;

/// Names networks as the database knows them; no `Debug`.
pub(in crate::auth) struct Places {
    key: DigestKey,
}

impl Places {
    pub fn new(key: DigestKey) -> Self {
        Places { key }
    }

    /// The network as the database stores it.
    pub fn network(&self, from: IpAddr) -> String {
        self.key.text("place", &Network::of(from).to_bytes())
    }
}

/// Until when a place is known where a session is opened or renewed.
pub(in crate::auth) fn known_until(session_ends: i64, now: i64) -> i64 {
    session_ends.max(now + KNOWN_FOR)
}

/// Whether what is stored of a place says so already.
pub(in crate::auth) fn says(stored: Option<i64>, until: i64) -> bool {
    stored.is_some_and(|stored| until - stored <= EXACTNESS)
}

/// The account whose owner has signed in before, but not at this network; asked before the sign-in is
/// stored. `None` for the network: its API sends no such notice.
pub(in crate::auth) async fn owner_at_new_network(
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

/// Whether the account's owner is known where the credentials are asked for.
pub(in crate::auth) fn is_at_known_place(found: Option<&Credentials>, now: i64) -> bool {
    found.and_then(|found| found.known_until).is_some_and(|until| until > now)
}
