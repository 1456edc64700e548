//! The durable data: one set of statements for SQLite and Postgres. Reads take a connection of the
//! pool; writes are whole transactions, on SQLite many of them with one commit (see
//! `group_commit`). A write is answered only after its commit. `connect` opens databases,
//! `postgres` manages connections.

pub mod accounts;
mod announcements;
mod connect;
pub mod effects;
mod event_names;
pub mod events;
mod group_commit;
pub mod identifiers;
pub mod identities;
pub mod known_places;
pub mod limit_counts;
pub mod meta;
pub mod oauth_clients;
pub mod one_time_tokens;
pub mod outbox;
pub mod pending_sign_ins;
mod postgres;
pub mod revocations;
pub mod sessions;
pub mod signing_keys;
pub mod spent_tokens;

use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Sqlite, SqliteConnection, SqlitePool};
use tokio::time::timeout;

use crate::error::{Error, Fault, Result};
use crate::request_record::Cause;
pub use connect::{Schema, ServingLock, StoreError, connect, create_data_dir, lock_for_serving};
use effects::{AfterCommit, Effects};
use group_commit::Writer;

/// Runs one statement on the engine of the transaction.
macro_rules! on {
    ($tx:expr, $db:ident => $query:expr) => {
        match $tx.engine() {
            $crate::store::Engine::Sqlite($db) => {
                $crate::store::within_disk_limit(async { $query }).await
            }
            $crate::store::Engine::Postgres($db) => $query,
        }
    };
}
pub(crate) use on;

/// Reads a struct from the columns that have the names of its fields, on both engines. A derive macro
/// would do the same; with it, both drivers and SQLite are compiled a second time, for the compiler.
macro_rules! from_row {
    ($name:ident { $($column:ident),+ $(,)? }) => {
        $crate::store::from_row!(sqlx::sqlite::SqliteRow => $name { $($column),+ });
        $crate::store::from_row!(sqlx::postgres::PgRow => $name { $($column),+ });
    };
    ($row:ty => $name:ident { $($column:ident),+ }) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok($name { $($column: row.try_get(stringify!($column))?),+ })
            }
        }
    };
}
pub(crate) use from_row;

/// Longer than SQLite waits for a lock: a disk that hangs must not block requests for ever.
const DISK_LIMIT: Duration = Duration::from_secs(10);

/// Postgres connections have their own limit.
pub(crate) async fn within_disk_limit<T>(
    statement: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    let no_answer = |_| std::io::Error::new(ErrorKind::TimedOut, "the disk does not answer");
    timeout(DISK_LIMIT, statement).await.map_err(no_answer)?
}

/// A boxed future, as writes need it.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// The database that the settings name.
#[derive(Clone)]
pub enum Database {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// The database; clones share it.
#[derive(Clone)]
pub enum Store {
    Sqlite { readers: SqlitePool, writer: Writer },
    Postgres(postgres::Pool),
}

/// The connections to the database at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Connections {
    /// On SQLite those that read; one more writes.
    pub open: usize,
    pub idle: usize,
    /// What waits for a connection, on SQLite writes.
    pub waiting: usize,
}

/// A connection to run statements on, inside a write or for reading.
pub struct Tx {
    handle: Handle,
    /// What this write has stored that others must learn of.
    effects: Effects,
    /// The cause of this write, stored with its events.
    cause: Cause,
}

enum Handle {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(postgres::Lease),
}

/// The engine behind a [`Tx`]; only `on!` looks at it.
pub(crate) enum Engine<'t> {
    Sqlite(&'t mut SqliteConnection),
    Postgres(&'t mut postgres::Lease),
}

impl Tx {
    fn new(handle: Handle) -> Self {
        Tx { handle, effects: Effects::default(), cause: Cause::default() }
    }

    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match &mut self.handle {
            Handle::Sqlite(connection) => Engine::Sqlite(connection),
            Handle::Postgres(lease) => Engine::Postgres(lease),
        }
    }
}

impl Tx {
    /// Closes the connection, and with it the files that SQLite keeps only while there is one.
    pub async fn close(self) {
        if let Handle::Sqlite(connection) = self.handle {
            // It was only read, so nothing can be lost.
            drop(connection.close().await);
        }
    }
}

impl Store {
    /// A connection for reading; it returns to the pool when dropped.
    pub async fn read(&self) -> Result<Tx> {
        Ok(Tx::new(match self {
            Store::Sqlite { readers, .. } => Handle::Sqlite(readers.acquire().await?),
            Store::Postgres(pool) => Handle::Postgres(pool.acquire().await?),
        }))
    }

    /// Runs `work` as one transaction and answers after its commit. `Err` rolls back; a refusal
    /// that must store something is therefore an `Ok` value. The write runs to its end even if the
    /// caller stops waiting.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write_then(work, None).await
    }

    /// The same, and carries out the effects before it answers.
    async fn write_then<T, F>(&self, work: F, after_commit: Option<AfterCommit>) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        match self {
            Store::Sqlite { writer, .. } => writer.write(work, after_commit).await,
            Store::Postgres(pool) => {
                let (pool, cause) = (pool.clone(), Cause::current());
                let write = tokio::spawn(async move {
                    write_on_postgres(&pool, work, cause, after_commit).await
                });
                write.await.map_err(|_| Error::Internal(Fault::WriterGone))?
            }
        }
    }

    /// The connections of the pool, and what waits for one.
    pub fn connections(&self) -> Connections {
        match self {
            Store::Sqlite { readers, writer } => Connections {
                open: readers.size() as usize,
                idle: readers.num_idle(),
                waiting: writer.waiting(),
            },
            Store::Postgres(pool) => pool.connections(),
        }
    }

    /// The engine, as settings name it.
    pub fn engine(&self) -> &'static str {
        match self {
            Store::Sqlite { .. } => "sqlite",
            Store::Postgres(_) => "postgres",
        }
    }

    /// Its address without user and password.
    pub fn name(&self) -> String {
        let database = match self {
            Store::Sqlite { readers, .. } => {
                Database::Sqlite(SqliteConnectOptions::clone(&readers.connect_options()))
            }
            Store::Postgres(pool) => Database::Postgres(pool.options().clone()),
        };
        database.to_string()
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        let mut tx = self.read().await?;
        on!(tx, db => sqlx::query("select 1").execute(db).await.map(|_| ()))?;
        Ok(())
    }

    /// Ends the writer after its queue is empty, and closes the connections.
    pub async fn close(&self) {
        match self {
            Store::Sqlite { readers, writer } => {
                writer.close().await;
                readers.close().await;
            }
            Store::Postgres(pool) => pool.close().await,
        }
    }
}

async fn carry_out(effects: Effects, after_commit: Option<AfterCommit>) {
    if let Some(after_commit) = after_commit.filter(|_| !effects.is_empty()) {
        after_commit(effects).await;
    }
}

/// Runs `work` as a part of what causes it, and then stores the events that it has noted.
async fn run_with_events<T, F>(tx: &mut Tx, work: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    tx.effects.dialect = tx.cause.dialect();
    let done = tx.cause.clone().during(work(tx)).await?;
    events::insert_noted(tx).await?;
    Ok(done)
}

async fn write_on_postgres<T, F>(
    pool: &postgres::Pool,
    work: F,
    cause: Cause,
    after_commit: Option<AfterCommit>,
) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    let mut lease = pool.acquire().await?;
    lease.begin().await?;
    let mut tx = Tx { cause, ..Tx::new(Handle::Postgres(lease)) };
    let outcome = run_with_events(&mut tx, work).await;
    let effects = tx.effects;
    let Handle::Postgres(mut lease) = tx.handle else { return Err(Fault::WriterGone.into()) };
    match &outcome {
        Ok(_) => {
            lease.commit().await?;
            drop(lease);
            carry_out(effects, after_commit).await;
        }
        // A connection whose rollback fails is closed, which ends the transaction too.
        Err(_) => drop(lease.roll_back().await),
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn statement_on_a_disk_that_hangs_times_out() {
        let hanging = std::future::pending::<sqlx::Result<()>>();
        let given_up = within_disk_limit(hanging).await.map_err(Error::from);
        assert!(matches!(given_up, Err(Error::Busy { .. })));
    }
}
