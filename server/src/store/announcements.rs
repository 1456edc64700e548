//! Being told of new revocations: Postgres does so at once; SQLite, and Postgres while the listening
//! connection is away, only lets time pass.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{Instant, timeout, timeout_at};

use super::Store;
use super::postgres::ACQUIRE_LIMIT;

/// A connection that has been silent for so long is asked whether it still lives.
const SILENCE: Duration = Duration::from_secs(30);

/// A place to wait at.
pub struct Announcements {
    store: Store,
    listener: Option<PgListener>,
    heard_at: Instant,
}

impl Store {
    pub fn announcements(&self) -> Announcements {
        Announcements { store: self.clone(), listener: None, heard_at: Instant::now() }
    }
}

impl Announcements {
    /// Returns when something new is announced, and after this time in any case.
    pub async fn next_within(&mut self, time: Duration) {
        let due = Instant::now() + time;
        if self.listener.is_none() || self.is_silent(due).await {
            self.listener = timeout_at(due, self.listen()).await.ok().flatten();
            self.heard_at = Instant::now();
        }
        if let Some(listener) = &mut self.listener {
            match timeout_at(due, listener.recv()).await {
                // One look serves everything that has been announced by now.
                Ok(Ok(_)) => {
                    while let Ok(Ok(_)) = timeout(Duration::ZERO, listener.recv()).await {}
                    self.heard_at = Instant::now();
                    return;
                }
                Err(_) => return,
                Ok(Err(_)) => self.listener = None,
            }
        }
        tokio::time::sleep_until(due).await;
    }

    /// Whether the connection has died without a word: nothing would ever be heard on it.
    async fn is_silent(&mut self, due: Instant) -> bool {
        let Some(listener) = &mut self.listener else { return true };
        if self.heard_at.elapsed() < SILENCE {
            return false;
        }
        self.heard_at = Instant::now();
        !matches!(timeout_at(due, listener.execute("select 1")).await, Ok(Ok(_)))
    }

    /// Without a listener the caller reads on its own time, so a failure only costs promptness.
    async fn listen(&self) -> Option<PgListener> {
        let Store::Postgres(pool) = &self.store else { return None };
        // Only sqlx's own pool can give a listening connection.
        let own = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ACQUIRE_LIMIT)
            .connect_lazy_with(pool.options().clone());
        let mut listener = PgListener::connect_with(&own).await.ok()?;
        listener.listen("propusk_revocations").await.ok()?;
        Some(listener)
    }
}
