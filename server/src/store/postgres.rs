//! Connections to Postgres. Every wait has a time limit on our side; after it the connection is
//! dropped: its socket is closed at once and its place in the pool becomes free. (sqlx's own pool
//! pings before and after each use, and waits without a limit when a connection is returned.)

use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool::managed::{self, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult};
use futures_util::future::{BoxFuture, try_join_all};
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use sqlx::postgres::{
    PgArguments, PgConnectOptions, PgDatabaseError, PgQueryResult, PgRow, PgSeverity, PgStatement,
    PgTypeInfo,
};
use sqlx::{Connection, Either, Execute, Executor, PgConnection, Postgres, SqlStr};
use tokio::time::{Instant, sleep, timeout};

use super::{Connections, Repeat};

const CONNECTIONS: usize = 16;
/// How long to wait for a connection, idle or new.
pub(super) const ACQUIRE_LIMIT: Duration = Duration::from_secs(5);
/// A database that is starting refuses connections: how long to retry, and how often.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);
const CONNECT_PAUSE: Duration = Duration::from_millis(100);
/// The server cancels a statement after this many milliseconds.
const SERVER_STATEMENT_LIMIT: &str = "5000";
/// Our own limit, if the network no longer carries the server's answer.
const STATEMENT_LIMIT: Duration = Duration::from_secs(6);
/// The server ends an idle transaction, and its locks, after this many milliseconds: its client may
/// be gone.
const SERVER_TRANSACTION_LIMIT: &str = "10000";
/// How the server detects a client that is gone: seconds of silence, seconds between probes, number
/// of probes.
const SERVER_KEEPALIVES: [&str; 3] = ["30", "10", "3"];
/// Firewalls drop connections that are idle for longer.
const IDLE_LIMIT: Duration = Duration::from_secs(240);
const AGE_LIMIT: Duration = Duration::from_secs(1800);
/// More than there are different statements: each is prepared once per connection.
const PREPARED_STATEMENTS: usize = 512;

type Step = Either<PgQueryResult, PgRow>;

/// The connections to one database; clones share them.
#[derive(Clone)]
pub struct Pool {
    idle: managed::Pool<Manager>,
    round_trips: Arc<AtomicU64>,
}

struct Manager(PgConnectOptions);

impl managed::Manager for Manager {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        let due = Instant::now() + CONNECT_PATIENCE;
        loop {
            match PgConnection::connect_with(&self.0).await {
                Err(error) if may_become_reachable(&error) && Instant::now() < due => {
                    sleep(CONNECT_PAUSE).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn recycle(&self, _: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        match metrics.last_used() < IDLE_LIMIT && metrics.age() < AGE_LIMIT {
            true => Ok(()),
            false => Err(RecycleError::message("too old")),
        }
    }
}

impl Pool {
    /// Connections are opened on demand.
    pub(super) fn new(options: &PgConnectOptions) -> sqlx::Result<Self> {
        let [idle, interval, count] = SERVER_KEEPALIVES;
        let options = options.clone().statement_cache_capacity(PREPARED_STATEMENTS).options([
            ("statement_timeout", SERVER_STATEMENT_LIMIT),
            ("idle_in_transaction_session_timeout", SERVER_TRANSACTION_LIMIT),
            // To compile a plan takes a second, and no statement here runs so long.
            ("jit", "off"),
            ("tcp_keepalives_idle", idle),
            ("tcp_keepalives_interval", interval),
            ("tcp_keepalives_count", count),
        ]);
        // Statements look up few rows. With the default, which is that of a disk that turns, small tables
        // are read as a whole. The URL may name another value.
        let names_it = options.get_options().is_some_and(|all| all.contains("random_page_cost"));
        let options = match names_it {
            true => options,
            false => options.options([("random_page_cost", "1.1")]),
        };
        // The connection that was used last is the one that most probably still works.
        let idle = managed::Pool::builder(Manager(options))
            .max_size(CONNECTIONS)
            .queue_mode(QueueMode::Lifo)
            .build();
        let idle = idle.map_err(|error| sqlx::Error::Configuration(error.into()))?;
        Ok(Pool { idle, round_trips: Arc::default() })
    }

    /// An idle connection of the pool, or a new one.
    pub async fn acquire(&self) -> sqlx::Result<Lease> {
        let object = self.object().await?;
        Ok(Lease { object: Some(object), pool: self.clone(), state: State::Free, may_repeat: true })
    }

    async fn object(&self) -> sqlx::Result<Object<Manager>> {
        let object = timeout(ACQUIRE_LIMIT, self.idle.get()).await;
        object.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => sqlx::Error::PoolClosed,
            _ => sqlx::Error::PoolTimedOut,
        })
    }

    pub(super) fn connections(&self) -> Connections {
        let managed::Status { size, available, waiting, .. } = self.idle.status();
        Connections { open: size, idle: available, waiting }
    }

    /// How often a statement was sent and awaited.
    pub(super) fn round_trips(&self) -> u64 {
        self.round_trips.load(Ordering::Relaxed)
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.idle.manager().0
    }

    /// Drops the idle connections after one was found dead: the server was restarted or the network
    /// has forgotten them all.
    fn drop_idle(&self) {
        drop(self.idle.retain(|_, _| false));
    }

    /// Closes idle connections; a connection in use is closed when it is returned.
    pub(super) async fn close(&self) {
        let idle = self.idle.retain(|_, _| false).removed;
        self.idle.close();
        // A connection whose close fails is closed anyway.
        drop(limited(try_join_all(idle.into_iter().map(Connection::close))).await);
    }
}

/// One connection for as long as its holder needs it. It returns to the pool only if the server has
/// answered everything and no transaction is open; otherwise it is closed.
pub struct Lease {
    /// `None` only after the connection has failed.
    object: Option<Object<Manager>>,
    pool: Pool,
    state: State,
    /// Whether a statement outside a transaction may be sent again on another connection.
    may_repeat: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No transaction: each statement commits by itself.
    Free,
    InTransaction,
    /// A statement of the transaction has failed: the server accepts only a rollback.
    Aborted,
    /// The server has not answered the last statement.
    Unanswered,
}

impl Lease {
    /// Begins a transaction. Nothing has been sent before, so it may begin on another connection.
    pub(super) async fn begin(&mut self) -> sqlx::Result<()> {
        self.run(Statement::simple("begin")).await?;
        self.state = State::InTransaction;
        Ok(())
    }

    /// The next statement is a whole write.
    pub(super) fn write_one(&mut self, repeat: Repeat) {
        self.may_repeat = repeat == Repeat::Harmless;
    }

    /// Postgres answers the commit of a failed transaction like a success, and rolls back.
    pub(super) async fn commit(&mut self) -> sqlx::Result<()> {
        if self.state != State::InTransaction {
            return Err(sqlx::Error::Protocol("commit of a failed transaction".to_owned()));
        }
        self.run(Statement::simple("commit")).await?;
        self.state = State::Free;
        Ok(())
    }

    pub(super) async fn roll_back(&mut self) -> sqlx::Result<()> {
        self.run(Statement::simple("rollback")).await?;
        self.state = State::Free;
        Ok(())
    }

    /// Runs a statement to its end. Outside a transaction a statement is a read, or a write that says
    /// whether it may be repeated: on a dead connection it is retried once on another one.
    async fn run(&mut self, statement: Statement) -> sqlx::Result<Vec<Step>> {
        let may_repeat = self.state == State::Free && self.may_repeat;
        match self.attempt(statement.clone()).await {
            Err(error) if may_repeat && is_dead(&error) => {
                tracing::debug!(%error, "a connection to the database is replaced");
                self.object = Some(self.pool.object().await?);
                self.state = State::Free;
                self.attempt(statement).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(&mut self, statement: Statement) -> sqlx::Result<Vec<Step>> {
        let before = std::mem::replace(&mut self.state, State::Unanswered);
        let Some(connection) = self.object.as_mut() else { return Err(gone()) };
        self.pool.round_trips.fetch_add(1, Ordering::Relaxed);
        let outcome = limited(connection.fetch_many(statement).try_collect()).await;
        match &outcome {
            Ok(_) => self.state = before,
            Err(error) if is_an_answer(error) => {
                self.state = if before == State::Free { before } else { State::Aborted };
            }
            Err(_) => self.discard(),
        }
        outcome
    }

    /// For work without a retry; the connection is closed at the end.
    fn connection(&mut self) -> sqlx::Result<&mut PgConnection> {
        self.state = State::Unanswered;
        Ok(self.object.as_mut().ok_or_else(gone)?)
    }

    fn discard(&mut self) {
        if let Some(object) = self.object.take() {
            drop(Object::take(object));
        }
        self.pool.drop_idle();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let (Some(object), true) = (self.object.take(), self.state != State::Free) {
            drop(Object::take(object));
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Lets sqlx's queries run on the connection.
impl<'c> Executor<'c> for &'c mut Lease {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let steps = async move { self.run(Statement::of(query)?).await };
        let each = |steps: Vec<Step>| stream::iter(steps.into_iter().map(Ok));
        stream::once(steps).map_ok(each).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let steps = self.run(Statement::of(query)?).await?;
            Ok(steps.into_iter().find_map(Either::right))
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move { limited(self.connection()?.prepare_with(sql, parameters)).await })
    }
}

/// A statement with its arguments; a clone can be sent again for a retry.
#[derive(Clone)]
struct Statement {
    sql: SqlStr,
    arguments: Option<PgArguments>,
    is_persistent: bool,
}

impl Statement {
    fn simple(sql: &'static str) -> Self {
        Statement { sql: SqlStr::from_static(sql), arguments: None, is_persistent: false }
    }

    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> sqlx::Result<Self> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let is_persistent = query.persistent();
        Ok(Statement { sql: query.sql(), arguments, is_persistent })
    }
}

impl Execute<'static, Postgres> for Statement {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(
        &mut self,
    ) -> Result<Option<PgArguments>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.is_persistent
    }
}

async fn limited<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    let no_answer = |_| std::io::Error::new(ErrorKind::TimedOut, "the database does not answer");
    timeout(STATEMENT_LIMIT, work).await.map_err(no_answer)?
}

fn gone() -> sqlx::Error {
    sqlx::Error::Io(ErrorKind::NotConnected.into())
}

/// Whether the connection was dead before the statement was sent. A time limit does not count: a
/// retry would only wait as long again.
fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() != ErrorKind::TimedOut,
        sqlx::Error::Database(_) => !is_an_answer(error),
        _ => false,
    }
}

/// Whether the server has answered the statement and accepts further ones.
fn is_an_answer(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| !matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic))
}

/// Whether the database may become reachable soon: it is starting or stopping, has no free
/// connection, has not been created yet, or a proxy in front of it closes connections silently.
pub(super) fn may_become_reachable(error: &sqlx::Error) -> bool {
    const STATES: [&str; 6] = ["57P01", "57P02", "57P03", "53300", "3D000", "08006"];
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // sqlx's error when the connection ends while it asks for TLS.
        sqlx::Error::Protocol(text) => text.contains("response from SSLRequest: 0x00"),
        sqlx::Error::Database(error) => error.code().is_some_and(|code| STATES.contains(&&*code)),
        _ => false,
    }
}
