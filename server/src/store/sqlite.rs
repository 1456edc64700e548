//! Connections to SQLite. Each has a thread of its own, and each command costs two switches between
//! threads, so the commands are counted. A statement is always run to its end, even if only its
//! first row is wanted: outside a transaction its commit comes last, and so does the failure of the
//! commit. Every wait has a time limit.

use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleResult};
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo,
};
use sqlx::{Connection, Either, Execute, Executor, SqlStr, Sqlite, SqliteConnection};
use tokio::time::timeout;

use super::Connections;
use super::postgres::ACQUIRE_LIMIT;

/// Longer than SQLite waits for a lock: a disk that hangs must not block requests for ever.
const DISK_LIMIT: Duration = Duration::from_secs(10);

/// A connection that has not been used for so long is closed: each keeps pages of the file in memory.
const UNUSED: Duration = Duration::from_secs(30);

type Step = Either<SqliteQueryResult, SqliteRow>;

/// How many commands the threads of the connections were given; clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Commands(Arc<AtomicU64>);

impl Commands {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Connections to one database; clones share them.
#[derive(Clone)]
pub struct Pool {
    idle: managed::Pool<Manager>,
    commands: Commands,
}

struct Manager(SqliteConnectOptions);

impl managed::Manager for Manager {
    type Type = SqliteConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<SqliteConnection> {
        SqliteConnection::connect_with(&self.0).await
    }

    /// A connection has no peer that it could lose.
    async fn recycle(&self, _: &mut SqliteConnection, _: &Metrics) -> RecycleResult<sqlx::Error> {
        Ok(())
    }
}

impl Pool {
    /// Connections are opened on demand, up to `size`.
    pub(super) fn new(
        options: SqliteConnectOptions,
        size: usize,
        commands: &Commands,
    ) -> sqlx::Result<Self> {
        // The connection that was used last has warm caches.
        let idle = managed::Pool::builder(Manager(options))
            .max_size(size)
            .queue_mode(QueueMode::Lifo)
            .build()
            .map_err(|error| sqlx::Error::Configuration(error.into()))?;
        Ok(Pool { idle, commands: commands.clone() })
    }

    /// An idle connection of the pool, or a new one.
    pub async fn acquire(&self) -> sqlx::Result<Lease> {
        let object = timeout(ACQUIRE_LIMIT, self.idle.get()).await;
        let object =
            object.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|error| match error {
                PoolError::Backend(error) => error,
                PoolError::Closed => sqlx::Error::PoolClosed,
                _ => sqlx::Error::PoolTimedOut,
            })?;
        self.close_unused(UNUSED);
        let commands = self.commands.clone();
        Ok(Lease { object: Some(object), commands, is_answered: true, is_limited: true })
    }

    /// Closes idle connections that have not been used for so long.
    fn close_unused(&self, unused: Duration) {
        drop(self.idle.retain(|_, metrics| metrics.last_used() < unused));
    }

    /// A connection that does not belong to the pool.
    pub(super) async fn separate(&self) -> sqlx::Result<Lease> {
        Pool::new(self.options().clone(), 1, &self.commands)?.acquire().await
    }

    pub(super) fn connections(&self) -> Connections {
        let managed::Status { size, available, waiting, .. } = self.idle.status();
        Connections { open: size, idle: available, waiting }
    }

    pub(super) fn commands(&self) -> &Commands {
        &self.commands
    }

    pub(super) fn options(&self) -> &SqliteConnectOptions {
        &self.idle.manager().0
    }

    /// Closes idle connections; a connection in use is closed when it is returned.
    pub(super) async fn close(&self) {
        let idle = self.idle.retain(|_, _| false).removed;
        self.idle.close();
        // A connection whose close fails is closed anyway.
        drop(within_disk_limit(try_join_all(idle.into_iter().map(Connection::close))).await);
    }
}

/// One connection for as long as its holder needs it. It returns to the pool only if it has answered
/// everything.
pub struct Lease {
    /// `None` only while it is closed.
    object: Option<Object<Manager>>,
    commands: Commands,
    is_answered: bool,
    /// Whether statements have a time limit.
    is_limited: bool,
}

impl Lease {
    /// For the writer: if it gave up, it would not know what was stored. Its callers have a limit.
    pub(super) fn without_limit(mut self) -> Self {
        self.is_limited = false;
        self
    }

    /// Closes the connection instead of returning it.
    pub(super) async fn close(mut self) {
        if let Some(object) = self.object.take() {
            // A connection whose close fails is closed anyway.
            drop(within_disk_limit(Object::take(object).close()).await);
        }
    }

    /// Runs a statement to its end.
    async fn run<'q>(&mut self, query: impl Execute<'q, Sqlite> + 'q) -> sqlx::Result<Vec<Step>> {
        let is_limited = self.is_limited;
        let running = self.connection()?.fetch_many(query).try_collect();
        let outcome = match is_limited {
            true => within_disk_limit(running).await,
            false => running.await,
        };
        self.is_answered = !matches!(&outcome, Err(error) if is_no_answer(error));
        outcome
    }

    /// For one command.
    fn connection(&mut self) -> sqlx::Result<&mut SqliteConnection> {
        self.commands.0.fetch_add(1, Ordering::Relaxed);
        self.is_answered = false;
        let gone = || sqlx::Error::Io(ErrorKind::NotConnected.into());
        Ok(self.object.as_mut().ok_or_else(gone)?)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(object), false) = (self.object.take(), self.is_answered) {
            drop(Object::take(object));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("is_answered", &self.is_answered).finish_non_exhaustive()
    }
}

/// Lets sqlx's queries run on the connection.
impl<'c> Executor<'c> for &'c mut Lease {
    type Database = Sqlite;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        let each = |steps: Vec<Step>| stream::iter(steps.into_iter().map(Ok));
        stream::once(self.run(query)).map_ok(each).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, sqlx::Result<Option<SqliteRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Sqlite>,
    {
        Box::pin(async move {
            let steps = self.run(query).await?;
            Ok(steps.into_iter().find_map(Either::right))
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [SqliteTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<SqliteStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let prepared =
                within_disk_limit(self.connection()?.prepare_with(sql, parameters)).await;
            self.is_answered = prepared.is_ok();
            prepared
        })
    }
}

async fn within_disk_limit<T>(statement: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let no_answer = |_| std::io::Error::new(ErrorKind::TimedOut, "the disk does not answer");
    timeout(DISK_LIMIT, statement).await.map_err(no_answer)?
}

/// Whether the connection may still be at work, or its thread has ended.
fn is_no_answer(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::WorkerCrashed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[tokio::test]
    async fn connections_without_use_are_closed_but_for_one() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file.sqlite3");
        let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
        let pool = Pool::new(options, 4, &Commands::default()).expect("a pool");
        let both = (pool.acquire().await.expect("one"), pool.acquire().await.expect("another"));
        drop(both);
        let in_use = pool.acquire().await.expect("one of them");
        pool.close_unused(UNUSED);
        assert_eq!(pool.connections().open, 2);
        pool.close_unused(Duration::ZERO);
        assert_eq!(pool.connections().open, 1);
        drop(in_use);
    }

    #[tokio::test(start_paused = true)]
    async fn statement_on_a_disk_that_hangs_times_out() {
        let hanging = std::future::pending::<sqlx::Result<()>>();
        let given_up = within_disk_limit(hanging).await.map_err(Error::from);
        assert!(matches!(given_up, Err(Error::Busy { .. })));
    }
}
