//! Counts that survive a restart and are shared between servers: a failure is stored before it is
//! answered, and what the database answers is taken in. A server that has not heard of another
//! one's failures learns of them with its own next one.

use std::net::IpAddr;

use crate::auth::Auth;
use crate::auth::limits::network::Network;
use crate::auth::limits::{Attempt, Counter};
use crate::auth::password::Origin;
use crate::error::Result;
use crate::store::limit_counts;

impl Auth {
    /// Loads what was counted before the start.
    pub(in crate::auth) async fn load_counts(&self) -> Result<()> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let stored = limit_counts::open_counts(&mut tx, now).await?;
        self.limits.learn(&stored, now);
        Ok(())
    }

    /// Settles an attempt by what came of it.
    pub(in crate::auth) async fn settle<T>(&self, attempt: Attempt<'_>, outcome: &Result<T>) {
        self.store_counts(attempt.settle(outcome)).await;
    }

    /// Counts a request for a mail.
    pub(in crate::auth) async fn count_question(&self, from: IpAddr) -> Result<()> {
        let asked = self.limits.count_question(from, self.clock.now())?;
        self.store_counts(asked.fail()).await;
        Ok(())
    }

    /// Whose password is to be hashed, as the queue of hashes sees it.
    pub(in crate::auth) fn origin(&self, from: IpAddr, is_known: bool) -> Origin {
        match self.limits.are_enabled() {
            true => Origin::client(Network::of(from), is_known),
            false => Origin::SERVER,
        }
    }

    /// A count that cannot be stored counts in memory: the answer does not depend on it.
    pub(in crate::auth) async fn store_counts(&self, counters: Vec<Counter>) {
        if counters.is_empty() {
            return;
        }
        let now = self.clock.now();
        let stored = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let mut stored = Vec::new();
                    for counter in &counters {
                        stored.push(counter.store(tx, now).await?);
                    }
                    Ok(stored)
                })
            })
            .await;
        match stored {
            Ok(stored) => self.limits.learn(&stored, now),
            Err(error) => tracing::warn!(%error, "a failed attempt could not be stored"),
        }
    }
}
