//! Opening the database: engine by URL, settings of the connections, migrations, and the lock that
//! keeps a second server away from the same SQLite file.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use sqlx::{Connection, PgConnection, SqlitePool};

use tokio::time::{Instant, sleep, timeout};

use super::Store;
use super::group_commit::Writer;

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

const SQLITE_FILE: &str = "propusk.sqlite3";
/// How long another process may take to migrate, and how often that is looked at.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);
const MIGRATION_PAUSE: Duration = Duration::from_millis(50);
const SQLITE_READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 16;
/// Another process (the command line) may hold SQLite's write lock for a moment.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const STATEMENT_TIMEOUT_MS: &str = "5000";

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database_url must begin with sqlite:// or postgres://")]
    UnknownEngine,
    #[error(
        "the database was written by a newer version of Propusk (schema {0} is unknown here); it was left untouched: start that version"
    )]
    NewerSchema(i64),
    #[error("another server is running on the same data ({} is locked)", .0.display())]
    Locked(PathBuf),
    #[error("another process is bringing the schema up to date ({} is locked)", .0.display())]
    Migrating(PathBuf),
    #[error("{}: {error}", path.display())]
    DataDir { path: PathBuf, error: std::io::Error },
    #[error("migration: {0}")]
    Migrate(MigrateError),
    /// Without the URL: it may hold a password.
    #[error("database_url cannot be read as a URL of its engine")]
    Url,
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => StoreError::NewerSchema(version),
            MigrateError::Execute(error) => StoreError::Database(error),
            other => StoreError::Migrate(other),
        }
    }
}

/// Held by a serving process for as long as it lives; the system frees it when the process dies.
#[derive(Debug)]
pub struct ServingLock(#[expect(dead_code, reason = "the open files are the lock")] Vec<File>);

/// Takes the data directory for this server alone, and the SQLite file, wherever it lies and however
/// it is reached.
pub fn lock_for_serving(url: Option<&str>, data_dir: &Path) -> Result<ServingLock, StoreError> {
    let mut locks = vec![lock(&data_dir.join("lock"))?];
    let file = match url {
        None => Some(data_dir.join(SQLITE_FILE)),
        Some(url) if url.starts_with("sqlite://") => {
            Some(sqlite_options(url)?.get_filename().to_owned())
        }
        Some(_) => None,
    };
    if let Some(file) = file {
        locks.push(lock(&beside(&file, "-serving"))?);
    }
    Ok(ServingLock(locks))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |error| StoreError::DataDir { path: path.to_owned(), error };
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Creates the data directory where it is missing, for its owner's eyes only.
pub fn create_data_dir(data_dir: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(data_dir)
        .map_err(|error| StoreError::DataDir { path: data_dir.to_owned(), error })
}

/// Opens the database at `url` (none: a SQLite file in the data directory) and brings its schema up
/// to date. A schema from a newer binary is refused and left as it is.
pub async fn connect(url: Option<&str>, data_dir: &Path) -> Result<Store, StoreError> {
    match url {
        None => sqlite(SqliteConnectOptions::new().filename(data_dir.join(SQLITE_FILE))).await,
        Some(url) if url.starts_with("sqlite://") => sqlite(sqlite_options(url)?).await,
        Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            postgres(url.parse().map_err(|_| StoreError::Url)?).await
        }
        Some(_) => Err(StoreError::UnknownEngine),
    }
}

/// A database in memory would be another one for each connection.
fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::UnknownEngine);
    }
    SqliteConnectOptions::from_str(url).map_err(|_| StoreError::Url)
}

/// A path beside the file itself, also where `file` is a link to it.
fn beside(file: &Path, ending: &str) -> PathBuf {
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| in_real_folder(file));
    let mut path = file.into_os_string();
    path.push(ending);
    path.into()
}

/// For a file that is not there yet.
fn in_real_folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match (folder.unwrap_or(Path::new(".")).canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}

/// Migrates while no other process does: SQLite has no lock for that of its own.
async fn migrate_sqlite(pool: &SqlitePool, file: &Path) -> Result<(), StoreError> {
    let path = beside(file, "-migrating");
    let due = Instant::now() + MIGRATION_PATIENCE;
    let _lock = loop {
        match lock(&path) {
            Err(StoreError::Locked(_)) if Instant::now() < due => sleep(MIGRATION_PAUSE).await,
            Err(StoreError::Locked(path)) => return Err(StoreError::Migrating(path)),
            locked => break locked?,
        }
    };
    Ok(SQLITE.run(pool).await?)
}

async fn sqlite(options: SqliteConnectOptions) -> Result<Store, StoreError> {
    let options = options
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write survives a power cut; with NORMAL it survives only the process.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    let writing = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    migrate_sqlite(&writing, options.get_filename()).await?;
    let writer = Writer::start(writing.acquire().await?);
    let readers = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await?;
    Ok(Store::Sqlite { readers, writer })
}

async fn postgres(options: PgConnectOptions) -> Result<Store, StoreError> {
    // A migration may take its time, a request may not.
    let connecting = timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options));
    let mut migrating = connecting.await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    POSTGRES.run(&mut migrating).await?;
    migrating.close().await?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options.options([("statement_timeout", STATEMENT_TIMEOUT_MS)]))
        .await?;
    Ok(Store::Postgres(pool))
}
