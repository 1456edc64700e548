//! What has happened, as it is kept and shown. Use cases note events in their transaction
//! (`store/events.rs`); here are the counts of refused attempts, the retention, and
//! the lists.

use std::time::Duration;

use crate::auth::domain::Auth;
use crate::auth::refused::RefusalCount;
use crate::auth::tokens::session_id::name_of_session;
use crate::error::Result;
use crate::request_record::Cause;
use crate::store::events::{self, StoredEvent};
pub use crate::store::events::{EVENT_NAMES, EVENT_REASONS, Refusal, Span};

/// How often counts of refused attempts are stored, and how many at once: 96 rows in a minute.
const STORE_EVERY: Duration = Duration::from_secs(10);
const STORED_AT_ONCE: usize = 16;
/// How many are stored at once when the server stops.
const STORED_AT_STOP: usize = 100;
const HOUR: i64 = 3_600;

/// An event as operators and owners see it.
#[derive(Clone, Debug)]
pub struct ListedEvent {
    pub id: i64,
    /// For refused attempts: the start of their hour.
    pub at: i64,
    pub event: String,
    pub reason: Option<String>,
    pub account_id: Option<i64>,
    pub session_id: Option<String>,
    /// The id of an OAuth client.
    pub client: Option<String>,
    pub dialect: Option<String>,
    pub address: Option<String>,
    /// The operating system's user who ran a command.
    pub operator: Option<String>,
    pub detail: Option<String>,
    pub count: i64,
}

impl From<StoredEvent> for ListedEvent {
    fn from(stored: StoredEvent) -> Self {
        ListedEvent {
            id: stored.id,
            at: stored.at,
            event: stored.event,
            reason: stored.reason,
            account_id: stored.account_id,
            session_id: stored.session_id.map(name_of_session),
            client: stored.client_id,
            dialect: stored.dialect,
            address: stored.address,
            operator: stored.operator,
            detail: stored.detail,
            count: stored.count,
        }
    }
}

impl Auth {
    /// Counts a refused attempt; `account_id` is `None` if its name belongs to no account, and the
    /// work is the same.
    pub(in crate::auth) fn count_refused(&self, account_id: Option<i64>, refusal: Refusal) {
        self.refused.count(account_id, refusal, &Cause::current(), self.clock.now());
    }

    /// All refused attempts since the start of the server.
    pub fn refusal_counts(&self) -> Vec<RefusalCount> {
        self.refused.totals()
    }

    /// How many refused attempts are missing in the stored counts.
    pub fn dropped_refusals(&self) -> u64 {
        self.refused.dropped()
    }

    /// Stores counts of refused attempts from time to time; never returns.
    pub async fn store_refused_attempts(&self) {
        loop {
            tokio::time::sleep(STORE_EVERY).await;
            self.store_some_refused().await;
        }
    }

    /// Stores the highest counts of refused attempts.
    pub async fn store_some_refused(&self) {
        self.store_refused(STORED_AT_ONCE).await;
    }

    /// Stores all counts when the server stops; the caller limits the time.
    pub async fn store_last_refused(&self) {
        while self.store_refused(STORED_AT_STOP).await {}
    }

    /// False if there is nothing more to store, or if that fails.
    async fn store_refused(&self, limit: usize) -> bool {
        let mut taken = self.refused.take(limit);
        if taken.is_empty() {
            return false;
        }
        // One order for all servers, so that they do not wait for each other in a circle.
        taken.sort_by_key(|one| (one.account_id, one.hour, one.refusal, one.address));
        let counts = taken.clone();
        let stored = self.store.write(move |tx| {
            Box::pin(async move {
                for count in counts {
                    events::add_refused(tx, count).await?;
                }
                Ok(())
            })
        });
        match stored.await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "counts of refused attempts could not be stored");
                // The outcome may be unknown: rather counted twice than not at all.
                self.refused.put_back(taken);
                false
            }
        }
    }

    /// Up to `limit` events of an account with ids below `before`, the newest first.
    pub async fn events_of(
        &self,
        account_id: i64,
        before: i64,
        limit: i64,
    ) -> Result<Vec<ListedEvent>> {
        let mut tx = self.store.read().await?;
        Ok(listed(events::events_of(&mut tx, account_id, before, limit).await?))
    }

    /// Up to `limit` events of all accounts.
    pub async fn events_in(&self, span: Span, limit: i64) -> Result<Vec<ListedEvent>> {
        let mut tx = self.store.read().await?;
        Ok(listed(events::events_in(&mut tx, span, limit).await?))
    }

    /// The counts of refused attempts that may still grow: those of this hour, and of the hour
    /// before until they are stored.
    pub async fn open_counts(&self, limit: i64) -> Result<Vec<ListedEvent>> {
        self.events_in(Span::CountsSince(self.clock.now() - 2 * HOUR), limit).await
    }
}

fn listed(stored: Vec<StoredEvent>) -> Vec<ListedEvent> {
    stored.into_iter().map(ListedEvent::from).collect()
}
