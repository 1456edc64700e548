//! The durable data: one set of statements for SQLite and Postgres. Reads take a connection of the
//! pool; writes are whole transactions, on SQLite many of them with one commit (see
//! `group_commit`). A write is answered only after its commit. `connect` opens databases,
//! `postgres` manages connections.

pub mod account_attributes;
mod account_names;
pub mod accounts;
pub mod adopted;
mod announcements;
pub mod api_numbers;
pub mod batches;
mod connect;
pub mod effects;
mod engine_text;
mod event_names;
pub mod events;
mod group_commit;
pub mod identifiers;
pub mod identities;
pub mod known_places;
pub mod limit_counts;
mod many_rows;
pub mod meta;
pub mod oauth_clients;
pub mod one_time_tokens;
pub mod outbox;
pub mod pending_identities;
pub mod pending_sign_ins;
mod postgres;
pub mod refresh_batches;
pub mod revocations;
pub mod sessions;
pub mod signing_keys;
pub mod spent_tokens;
mod sqlite;
pub mod webhooks;

use std::future::Future;
use std::pin::Pin;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::oneshot;

use crate::error::{Error, Fault, Result};
use crate::request_record::Cause;
pub use announcements::Announcements;
pub use connect::{Schema, ServingLock, StoreError, connect, create_data_dir, lock_for_serving};
use effects::{AfterCommit, Effects};
use group_commit::Writer;

/// Runs one statement on the engine of the transaction.
macro_rules! on {
    ($tx:expr, $db:ident => $query:expr) => {
        match $tx.engine() {
            $crate::store::Engine::Sqlite($db) => $query,
            $crate::store::Engine::Postgres($db) => $query,
        }
    };
}
pub(crate) use on;

/// Reads a struct from the columns that have the names of its fields, or other names, or from all
/// that another struct reads; after `;` the fields of another struct become its own. On both engines.
/// A derive macro would do the same; with it, both drivers and SQLite are compiled a second time, for
/// the compiler.
macro_rules! from_row {
    ($name:ident {
        $($field:ident $(= $from:tt)?),+ $(; $part:ident { $($own:ident),+ $(,)? })? $(,)?
    }) => {
        $crate::store::from_row!(sqlx::sqlite::SqliteRow =>
            $name { $($field $(= $from)?),+ $(; $part { $($own),+ })? });
        $crate::store::from_row!(sqlx::postgres::PgRow =>
            $name { $($field $(= $from)?),+ $(; $part { $($own),+ })? });
    };
    ($row:ty => $name:ident {
        $($field:ident $(= $from:tt)?),+ $(; $part:ident { $($own:ident),+ })?
    }) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                $(let $part { $($own),+ } = sqlx::FromRow::from_row(row)?;)?
                Ok($name {
                    $($field: $crate::store::from_row!(row, $field $(= $from)?),)+
                    $($($own),+)?
                })
            }
        }
    };
    ($from:ident, $field:ident) => {
        sqlx::Row::try_get($from, stringify!($field))?
    };
    ($from:ident, $field:ident = $column:literal) => {
        sqlx::Row::try_get($from, $column)?
    };
    ($from:ident, $field:ident = $whole:ident) => {
        <$whole as sqlx::FromRow<_>>::from_row($from)?
    };
}
pub(crate) use from_row;

/// A boxed future, as writes need it.
pub type BoxFuture<'t, T> = Pin<Box<dyn Future<Output = T> + Send + 't>>;

/// The statements of any write. Boxed, so that what runs them is compiled once and not for each of a
/// hundred writes.
type Work = Box<dyn for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<()>> + Send>;

/// The database that the settings name.
#[derive(Clone)]
pub enum Database {
    Sqlite(SqliteConnectOptions),
    Postgres(PgConnectOptions),
}

/// The database; clones share it.
#[derive(Clone)]
pub enum Store {
    Sqlite { readers: sqlite::Pool, writer: Writer },
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

/// What a write consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Any number of statements, stored together.
    Transaction,
    /// One statement, which needs no transaction around it.
    Statement(Repeat),
}

/// Whether a statement may be sent again if its connection is lost before the answer: it may have
/// been stored already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The second time changes nothing, or is recognised.
    Harmless,
    Never,
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
    Sqlite(sqlite::Lease),
    Postgres(postgres::Lease),
}

/// The engine behind a [`Tx`]; only `on!` looks at it.
pub(crate) enum Engine<'t> {
    Sqlite(&'t mut sqlite::Lease),
    Postgres(&'t mut postgres::Lease),
}

impl Tx {
    fn new(handle: Handle) -> Self {
        Tx { handle, effects: Effects::default(), cause: Cause::default() }
    }

    pub(crate) fn engine(&mut self) -> Engine<'_> {
        match &mut self.handle {
            Handle::Sqlite(lease) => Engine::Sqlite(lease),
            Handle::Postgres(lease) => Engine::Postgres(lease),
        }
    }
}

impl Tx {
    /// Closes the connection, and with it the files that SQLite keeps only while there is one.
    pub async fn close(self) {
        if let Handle::Sqlite(lease) = self.handle {
            lease.close().await;
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
        self.write_then(Extent::Transaction, work, None).await
    }

    /// The same for a work of this extent, and carries out the effects before it answers.
    async fn write_then<T, F>(
        &self,
        extent: Extent,
        work: F,
        after_commit: Option<AfterCommit>,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        let (value, mut returned) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            Box::pin(async move {
                // The caller may have stopped waiting; the write is valid.
                drop(value.send(work(tx).await?));
                Ok(())
            })
        });
        self.run(extent, work, after_commit).await?;
        returned.try_recv().map_err(|_| Error::Internal(Fault::WriterGone))
    }

    async fn run(
        &self,
        extent: Extent,
        work: Work,
        after_commit: Option<AfterCommit>,
    ) -> Result<()> {
        match self {
            Store::Sqlite { writer, .. } => writer.write(extent, work, after_commit).await,
            Store::Postgres(pool) => {
                let (pool, cause) = (pool.clone(), Cause::current());
                let write = tokio::spawn(async move {
                    write_on_postgres(&pool, extent, work, cause, after_commit).await
                });
                write.await.map_err(|_| Error::Internal(Fault::WriterGone))?
            }
        }
    }

    /// How many commands the database was given: on SQLite to the threads of its connections, on
    /// Postgres round trips.
    pub fn commands(&self) -> u64 {
        match self {
            Store::Sqlite { readers, .. } => readers.commands().count(),
            Store::Postgres(pool) => pool.round_trips(),
        }
    }

    /// The connections of the pool, and what waits for one.
    pub fn connections(&self) -> Connections {
        match self {
            Store::Sqlite { readers, writer } => {
                Connections { waiting: writer.waiting(), ..readers.connections() }
            }
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
            Store::Sqlite { readers, .. } => Database::Sqlite(readers.options().clone()),
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

/// Runs `work` as a part of what causes it, and then stores the events and webhooks that it has
/// noted.
async fn run_with_events(tx: &mut Tx, work: Work) -> Result<()> {
    tx.effects.dialect = tx.cause.dialect();
    tx.cause.clone().during(work(tx)).await?;
    events::insert_noted(tx).await?;
    webhooks::insert_noted(tx).await
}

async fn write_on_postgres(
    pool: &postgres::Pool,
    extent: Extent,
    work: Work,
    cause: Cause,
    after_commit: Option<AfterCommit>,
) -> Result<()> {
    let mut lease = pool.acquire().await?;
    match extent {
        Extent::Transaction => lease.begin().await?,
        Extent::Statement(repeat) => lease.write_one(repeat),
    }
    let mut tx = Tx { cause, ..Tx::new(Handle::Postgres(lease)) };
    let outcome = run_with_events(&mut tx, work).await;
    let effects = tx.effects;
    let Handle::Postgres(mut lease) = tx.handle else { return Err(Fault::WriterGone.into()) };
    match (&outcome, extent) {
        (Ok(_), Extent::Transaction) => lease.commit().await?,
        // A connection whose rollback fails is closed, which ends the transaction too.
        (Err(_), Extent::Transaction) => drop(lease.roll_back().await),
        (_, Extent::Statement(_)) => {}
    }
    drop(lease);
    if outcome.is_ok() {
        carry_out(effects, after_commit).await;
    }
    outcome
}
