//! The earliest issue time at which tokens of a replaced server are accepted.

use crate::error::Result;
use crate::store::{Tx, meta};

/// The earliest accepted issue time after the sessions of an account end or its password changes at
/// `now`. Tokens count whole seconds: a token issued in the second `now` may be older than the
/// change.
pub fn foreign_not_before(now: i64) -> i64 {
    now + 1
}

/// The earliest accepted issue time for all accounts; 0 if there is no limit.
pub async fn global_cut_off(tx: &mut Tx) -> Result<i64> {
    let at = meta::get(tx, meta::FOREIGN_NOT_BEFORE).await?;
    Ok(at.and_then(|at| at.parse().ok()).unwrap_or(0))
}
