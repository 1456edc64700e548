//! The sweeper deletes expired rows, a day late, and only while the wall clock is trusted. A clock
//! that jumps ahead must not delete rows that are in use: after a jump the sweeper pauses until the
//! clock has run for a day without a jump, and no mail is dropped as too old.

use crate::auth::clock_watch::{ClockState, DAY};
use crate::auth::delivery::DEAD_FOR;
use crate::auth::domain::Auth;
use crate::auth::mailing::one_time_token::{Purpose, RETURN_LIFETIME};
use crate::error::Result;
use crate::store::{
    Repeat, Tx, accounts, events, identifiers, known_places, limit_counts, meta, one_time_tokens,
    outbox, pending_identities, pending_sign_ins, revocations, sessions, signing_keys,
    spent_tokens, webhooks,
};

/// How long an account that was never activated keeps its address, in seconds.
const NEVER_ACTIVATED_FOR: i64 = 30 * DAY;
/// How many rows of a table are deleted in one transaction.
const BATCH: i64 = 5_000;
/// The same of accounts, each of which may need a webhook.
const ACCOUNTS: i64 = 500;
/// How many live sessions are put off in one statement.
const SESSIONS: i64 = 500;
/// The latest trusted time at which a sweeper ran, in `meta`.
const SEEN_AT: &str = "swept_at";
/// How often it is written, in seconds.
const SEEN_EVERY: i64 = 3_600;

impl Auth {
    /// Deletes what expired more than a day ago, in the database and in memory.
    pub async fn sweep(&self) -> Result<()> {
        let now = self.clock.now();
        if !self.check_clock(now).await? {
            return Ok(());
        }
        self.revoked.forget_before(now - DAY);
        self.limits.forget_before(now);
        // In batches: a backlog must not block other writes or exceed a time limit.
        loop {
            let put_off = self.put_off_used_sessions(now).await?;
            if self.delete_batch(now).await? == 0 && put_off == 0 {
                return Ok(());
            }
        }
    }

    /// Whether the clock's reading `now`, just taken, may be used to decide what is expired.
    pub(in crate::auth) fn is_clock_trusted(&self, now: i64) -> bool {
        self.read_clocks(now).is_trusted()
    }

    fn read_clocks(&self, now: i64) -> ClockState {
        let monotonic = self.clock.monotonic();
        self.clock_watch.update(|state| state.observe(now, monotonic))
    }

    async fn check_clock(&self, now: i64) -> Result<bool> {
        let mut state = self.read_clocks(now);
        if state.seen_at.is_none() {
            let stored = self.note_time(now, false).await?;
            state = self.clock_watch.update(|state| state.compare_with_stored(stored));
        }
        // A time that is not trusted must not be stored, or it would be trusted after a restart.
        let is_due = state.seen_at.is_none_or(|seen_at| (now - seen_at).abs() >= SEEN_EVERY);
        if state.is_trusted() && is_due {
            let seen_at = self.note_time(now, true).await?;
            state = self.clock_watch.update(|state| state.with_stored(seen_at));
        }
        Ok(state.is_trusted())
    }

    /// Stores the time of this run, without `replace` only if none is stored yet. Answers the
    /// stored time.
    async fn note_time(&self, now: i64, replace: bool) -> Result<i64> {
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    if replace {
                        meta::set(tx, SEEN_AT, now.to_string()).await?;
                    }
                    let stored = meta::get_or_insert(tx, SEEN_AT, now.to_string()).await?;
                    // Not written by us if it is no number; with 0 the clock is not trusted.
                    Ok(stored.parse().unwrap_or(0))
                })
            })
            .await
    }

    /// Puts off the sessions that have been used since they became due; returns how many.
    async fn put_off_used_sessions(&self, now: i64) -> Result<u64> {
        let mut all = 0;
        loop {
            let put_off = self.store.write_one(Repeat::Harmless, move |tx| {
                Box::pin(sessions::put_off_used(tx, now - DAY, SESSIONS))
            });
            match put_off.await? {
                0 => return Ok(all),
                put_off => all += put_off,
            }
        }
    }

    async fn delete_batch(&self, now: i64) -> Result<u64> {
        let over = now - DAY;
        let kept_from = now - self.keep_days * DAY;
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let sessions = sessions::delete_expired(tx, over, BATCH).await?
                        + sessions::delete_orphans(tx, over, BATCH).await?;
                    let tokens = spent_tokens::delete_expired(tx, over, BATCH).await?;
                    let revocations = revocations::delete_over(tx, over, BATCH).await?;
                    let links = one_time_tokens::delete_expired(tx, now - DEAD_FOR, BATCH).await?;
                    let (left, returns) = (over - RETURN_LIFETIME, Purpose::EmailReturn.as_str());
                    let addresses =
                        identifiers::delete_left_before(tx, left, returns, now, BATCH).await?;
                    let mails = outbox::delete_dead(tx, now - DEAD_FOR, BATCH).await?;
                    let accounts = delete_never_activated(tx, now).await?;
                    let webhooks = webhooks::delete_before(tx, now - DEAD_FOR, BATCH).await?;
                    let sign_ins = pending_sign_ins::delete_expired(tx, over, BATCH).await?
                        + pending_identities::delete_expired(tx, over, BATCH).await?;
                    // A window that has ended has no effect any more.
                    let counts = limit_counts::delete_ended(tx, now, BATCH).await?;
                    let places = known_places::delete_forgotten(tx, over, BATCH).await?;
                    let events = events::delete_before(tx, kept_from, BATCH).await?
                        + events::delete_orphans(tx, over, BATCH).await?;
                    signing_keys::delete_ended(tx, now - DEAD_FOR).await?;
                    let rest =
                        addresses + accounts + webhooks + sign_ins + counts + places + events;
                    Ok(sessions + tokens + revocations + links + mails + rest)
                })
            })
            .await
    }
}

/// Deletes a batch of the events of accounts that were never activated or, if none is left, of the
/// accounts; returns how many rows.
async fn delete_never_activated(tx: &mut Tx, now: i64) -> Result<u64> {
    let before = now - NEVER_ACTIVATED_FOR;
    match events::delete_of_never_activated(tx, before, BATCH).await? {
        0 => {
            let deleted = accounts::delete_never_activated(tx, before, ACCOUNTS, now).await?;
            Ok(u64::try_from(deleted).unwrap_or(u64::MAX))
        }
        deleted => Ok(deleted),
    }
}
