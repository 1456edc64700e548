//! From when on tokens of a replaced server are honoured.

use crate::error::Result;
use crate::store::{Tx, meta};

/// The time from which on a token of a replaced server must have been issued to be honoured after
/// `now`, when sessions end or the password changes. Tokens count whole seconds: one of this second may
/// have been issued before.
pub(in crate::auth) fn foreign_not_before(now: i64) -> i64 {
    now + 1
}

/// Before this moment no token of a replaced server is honoured, whosever it is; 0: all may be.
pub(in crate::auth) async fn first_honoured(tx: &mut Tx) -> Result<i64> {
    let at = meta::get(tx, meta::FOREIGN_NOT_BEFORE).await?;
    Ok(at.and_then(|at| at.parse().ok()).unwrap_or(0))
}
