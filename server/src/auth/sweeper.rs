//! The sweeper: deletes what is over, a day late, and only while the wall clock can be believed. A
//! clock that jumps ahead must not delete what is alive, so after a jump the sweeper pauses until
//! the clock has run evenly for a day, and no mail is given up as too old.

use crate::auth::clock_watch::{DAY, Watched};
use crate::auth::delivery::DEAD_FOR;
use crate::auth::domain::Auth;
use crate::auth::mailing::one_time_token::{Purpose, RETURN_LIFETIME};
use crate::error::Result;
use crate::store::{
    accounts, identifiers, known_places, limit_counts, meta, one_time_tokens, outbox,
    pending_sign_ins, revocations, sessions, signing_keys, spent_tokens,
};

/// How long an address stays taken that nobody has confirmed, in seconds.
const NEVER_ACTIVATED_FOR: i64 = 30 * DAY;
/// Rows that the sweeper deletes in one write.
const SWEPT_AT_ONCE: i64 = 5_000;
/// The latest believed time at which a sweeper was seen to run, in `meta`.
const SEEN_AT: &str = "swept_at";
/// How often that is written, in seconds.
const SEEN_EVERY: i64 = 3_600;

impl Auth {
    /// Deletes what has been over for a day from the database and from memory.
    pub async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        if !self.clock_is_believed(now).await? {
            return Ok(());
        }
        self.revoked.forget_before(now - DAY);
        self.limits.forget_before(now);
        // In pieces: a backlog must neither hold up other writes nor run into a time limit.
        while self.delete_some(now).await? > 0 {}
        Ok(())
    }

    /// Whether what is over at `now`, which is the time of this moment, may be taken for over.
    pub(in crate::auth) fn is_clock_right(&self, now: i64) -> bool {
        self.look_at_clocks(now).is_believed()
    }

    fn look_at_clocks(&self, now: i64) -> Watched {
        let monotonic = self.clock.monotonic();
        self.clock_watch.update(|watched| watched.look(now, monotonic))
    }

    async fn clock_is_believed(&self, now: i64) -> Result<bool> {
        let mut watched = self.look_at_clocks(now);
        if watched.seen_at.is_none() {
            let stored = self.note_time(now, false).await?;
            watched = self.clock_watch.update(|watched| watched.compare_with_stored(stored));
        }
        // A time that is not believed must not vouch for itself after a restart.
        let is_due = watched.seen_at.is_none_or(|seen_at| (now - seen_at).abs() >= SEEN_EVERY);
        if watched.is_believed() && is_due {
            let seen_at = self.note_time(now, true).await?;
            watched = self.clock_watch.update(|watched| watched.with_stored(seen_at));
        }
        Ok(watched.is_believed())
    }

    /// Stores the time of this run, or with `replace` false only where none is stored, and answers
    /// what is stored now.
    async fn note_time(&self, now: i64, replace: bool) -> Result<i64> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if replace {
                        meta::set(tx, SEEN_AT, now.to_string()).await?;
                    }
                    let stored = meta::get_or_insert(tx, SEEN_AT, now.to_string()).await?;
                    // What is not a number was not written here; the clock is not believed then.
                    Ok(stored.parse().unwrap_or(0))
                })
            })
            .await
    }

    async fn delete_some(&self, now: i64) -> Result<u64> {
        let over = now - DAY;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let sessions = sessions::delete_expired(tx, over, SWEPT_AT_ONCE).await?
                        + sessions::delete_orphans(tx, over, SWEPT_AT_ONCE).await?;
                    let tokens = spent_tokens::delete_expired(tx, over, SWEPT_AT_ONCE).await?;
                    let revocations = revocations::delete_over(tx, over, SWEPT_AT_ONCE).await?;
                    let links =
                        one_time_tokens::delete_expired(tx, now - DEAD_FOR, SWEPT_AT_ONCE).await?;
                    let (left, returns) = (over - RETURN_LIFETIME, Purpose::EmailReturn.as_str());
                    let addresses =
                        identifiers::delete_left_before(tx, left, returns, now, SWEPT_AT_ONCE)
                            .await?;
                    let mails = outbox::delete_dead(tx, now - DEAD_FOR, SWEPT_AT_ONCE).await?;
                    let before = now - NEVER_ACTIVATED_FOR;
                    let accounts =
                        accounts::delete_never_activated(tx, before, SWEPT_AT_ONCE).await?;
                    let sign_ins =
                        pending_sign_ins::delete_expired(tx, over, SWEPT_AT_ONCE).await?;
                    // A window that is over decides nothing.
                    let counts = limit_counts::delete_ended(tx, now, SWEPT_AT_ONCE).await?;
                    let places = known_places::delete_forgotten(tx, over, SWEPT_AT_ONCE).await?;
                    signing_keys::delete_ended(tx, now - DEAD_FOR).await?;
                    let rest = addresses + accounts + sign_ins + counts + places;
                    Ok(sessions + tokens + revocations + links + mails + rest)
                })
            })
            .await
    }
}
