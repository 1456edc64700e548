//! Being told of new revocations: Postgres does so at once; SQLite, and Postgres while the listening
//! connection is away, only lets time pass.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::time::{Instant, timeout, timeout_at};

use super::Store;

/// A place to wait at.
pub struct Announcements {
    store: Store,
    listener: Option<PgListener>,
}

impl Store {
    pub fn announcements(&self) -> Announcements {
        Announcements { store: self.clone(), listener: None }
    }
}

impl Announcements {
    /// Returns when something new is announced, and after this time in any case.
    pub async fn next_within(&mut self, time: Duration) {
        let due = Instant::now() + time;
        if self.listener.is_none() {
            self.listener = timeout_at(due, self.listen()).await.ok().flatten();
        }
        if let Some(listener) = &mut self.listener {
            match timeout_at(due, listener.recv()).await {
                // One look serves everything that has been announced by now.
                Ok(Ok(_)) => {
                    while let Ok(Ok(_)) = timeout(Duration::ZERO, listener.recv()).await {}
                    return;
                }
                Err(_) => return,
                Ok(Err(_)) => self.listener = None,
            }
        }
        tokio::time::sleep_until(due).await;
    }

    /// Without a listener the caller reads on its own time, so a failure only costs promptness.
    async fn listen(&self) -> Option<PgListener> {
        let Store::Postgres(pool) = &self.store else { return None };
        let mut listener = PgListener::connect_with(pool).await.ok()?;
        listener.listen("propusk_revocations").await.ok()?;
        Some(listener)
    }
}
