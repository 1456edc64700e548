//! News of changes that other processes make. Postgres announces revocations and changes of signing
//! keys at once, on a separate connection; while that is down, the caller polls more often. SQLite
//! tells whether anything was written by another connection.

use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::postgres::ACQUIRE_LIMIT;
use super::{Store, sqlite};

/// A connection that is silent for so long is probed.
const SILENCE: Duration = Duration::from_secs(30);

/// Waits for notifications.
pub struct Announcements {
    store: Store,
    listener: Option<PgListener>,
    /// A connection that is being opened; on a slow network that takes longer than one wait.
    connecting: Option<JoinHandle<Option<PgListener>>>,
    heard_at: Instant,
    /// The connection to SQLite that looks for commits of others. Versions that different connections
    /// have read cannot be compared.
    watching: Option<sqlite::Lease>,
    /// The version that it saw last, and the version up to which everything was read.
    seen: Option<i64>,
    read: Option<i64>,
}

impl Store {
    pub fn announcements(&self) -> Announcements {
        Announcements {
            store: self.clone(),
            listener: None,
            connecting: None,
            heard_at: Instant::now(),
            watching: None,
            seen: None,
            read: None,
        }
    }
}

impl Announcements {
    /// Returns when a change is announced, or after `while_listening`; where nothing is announced,
    /// after `poll`.
    pub async fn next_within(&mut self, poll: Duration, while_listening: Duration) {
        let began = Instant::now();
        let poll_due = began + poll;
        if self.is_silent(poll_due).await {
            self.listener = None;
        }
        let mut due = began + while_listening;
        if self.listener.is_none() {
            // What happened before it listens is not announced.
            due = poll_due;
            self.connect(due).await;
        }
        if self.hears(due).await {
            // One read by the caller covers all announcements so far.
            while self.hears(Instant::now()).await {}
            self.heard_at = Instant::now();
            return;
        }
        tokio::time::sleep_until(poll_due).await;
    }

    /// Whether anything may have been written since [`Announcements::note_read`]. Only SQLite can tell
    /// that nothing was.
    pub async fn may_have_changed(&mut self) -> bool {
        self.seen = self.version().await;
        self.seen.is_none() || self.seen != self.read
    }

    /// Everything that [`Announcements::may_have_changed`] saw last has been read.
    pub fn note_read(&mut self) {
        self.read = self.seen;
    }

    /// A number that changes with each commit of another connection to SQLite.
    async fn version(&mut self) -> Option<i64> {
        let Store::Sqlite { readers, .. } = &self.store else { return None };
        if self.watching.is_none() {
            self.watching = readers.separate().await.inspect_err(note_failure).ok();
            self.read = None;
        }
        let version = sqlx::query_scalar("pragma data_version").fetch_one(self.watching.as_mut()?);
        let version = version.await.inspect_err(note_failure).ok();
        if version.is_none() {
            self.watching = None;
        }
        version
    }

    /// Whether the connection has died silently, so that no announcement can arrive.
    async fn is_silent(&mut self, due: Instant) -> bool {
        let Some(listener) = &mut self.listener else { return false };
        if self.heard_at.elapsed() < SILENCE {
            return false;
        }
        self.heard_at = Instant::now();
        !matches!(timeout_at(due, listener.execute("select 1")).await, Ok(Ok(_)))
    }

    /// Takes the connection if it opens before `due`; otherwise opening continues.
    async fn connect(&mut self, due: Instant) {
        let Store::Postgres(pool) = &self.store else { return };
        let begin = || tokio::spawn(listen(pool.options().clone()));
        let connecting = self.connecting.get_or_insert_with(begin);
        if let Ok(made) = timeout_at(due, connecting).await {
            self.connecting = None;
            self.listener = made.ok().flatten();
            self.heard_at = Instant::now();
        }
    }

    /// Whether a change is announced before `due`. A lost connection is dropped.
    async fn hears(&mut self, due: Instant) -> bool {
        let Some(listener) = &mut self.listener else { return false };
        match timeout_at(due, listener.try_recv()).await {
            Ok(Ok(Some(_))) => true,
            Ok(_) => {
                self.listener = None;
                false
            }
            Err(_) => false,
        }
    }
}

impl Drop for Announcements {
    fn drop(&mut self) {
        if let Some(connecting) = &self.connecting {
            connecting.abort();
        }
    }
}

/// Without a version the caller reads everything, so a failure only costs time.
fn note_failure(error: &sqlx::Error) {
    tracing::debug!(%error, "the version of the database could not be read");
}

/// Without a listener the caller polls, so a failure only delays the news.
async fn listen(options: PgConnectOptions) -> Option<PgListener> {
    // Only sqlx's own pool provides a listening connection.
    let own = PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(ACQUIRE_LIMIT)
        .connect_lazy_with(options);
    let connected = async {
        let mut listener = PgListener::connect_with(&own).await.ok()?;
        // It would open another connection within one wait.
        listener.eager_reconnect(false);
        listener.listen("propusk_revocations").await.ok()?;
        Some(listener)
    };
    timeout(ACQUIRE_LIMIT, connected).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::super::postgres::Pool;
    use super::super::{connect, meta};
    use super::*;

    #[tokio::test]
    async fn commit_on_sqlite_is_seen_until_it_is_read_and_nothing_else_is() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let store = connect(None, dir.path()).await.expect("a new database");
        let mut announcements = store.announcements();
        assert!(announcements.may_have_changed().await, "nothing was read yet");
        announcements.note_read();
        assert!(!announcements.may_have_changed().await);
        let write = store.write(|tx| Box::pin(meta::set(tx, "name", "value".to_owned())));
        write.await.expect("a write");
        for _ in 0..2 {
            assert!(announcements.may_have_changed().await);
        }
        announcements.note_read();
        assert!(!announcements.may_have_changed().await);
    }

    #[tokio::test]
    async fn connection_that_opens_slowly_is_opened_once() {
        let database = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = database.local_addr().expect("its address").port();
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
        let store = Store::Postgres(Pool::new(&options).expect("a pool"));
        let mut announcements = store.announcements();
        for _ in 0..5 {
            let time = Duration::from_millis(20);
            announcements.next_within(time, time).await;
        }
        let _silent = timeout(ACQUIRE_LIMIT, database.accept()).await.expect("a connection");
        assert!(timeout(Duration::ZERO, database.accept()).await.is_err(), "another connection");
    }
}
