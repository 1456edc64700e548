//! Opens the database: finds it from the settings, configures connections, checks and migrates the
//! schema, and takes the lock that prevents a second server on the same SQLite file.

use std::fmt;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, PgConnection, SqlSafeStr, SqliteConnection};
use tokio::time::{Instant, sleep, timeout};

use super::group_commit::Writer;
use super::postgres::{self, ACQUIRE_LIMIT, may_become_reachable};
use super::sqlite::{self, Commands};
use super::{Database, Handle, Store, Tx};
use crate::error::words_of;
use crate::owner_only;

/// The number of a migration, its name, and its text.
type Known = (i64, &'static str, &'static str);

const SQLITE_MIGRATIONS: &[Known] =
    &[(1, "initial", include_str!("../../migrations/sqlite/0001_initial.sql"))];
const POSTGRES_MIGRATIONS: &[Known] =
    &[(1, "initial", include_str!("../../migrations/postgres/0001_initial.sql"))];

static SQLITE: LazyLock<Migrator> = LazyLock::new(|| migrator(SQLITE_MIGRATIONS));
static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| migrator(POSTGRES_MIGRATIONS));

const SQLITE_FILE: &str = "propusk.sqlite3";
/// How long to wait for another process that migrates, and the interval between checks.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);
const MIGRATION_PAUSE: Duration = Duration::from_millis(50);
/// The time limit of one migration; a large database takes long.
const MIGRATION_LIMIT: Duration = Duration::from_secs(3600);
const SQLITE_READERS: usize = 4;
/// Another process (the command line) may hold SQLite's write lock for a short time.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("database_url must begin with sqlite:// or postgres://")]
    UnknownEngine,
    #[error(
        "the database was written by a newer version of Propusk (schema {0} is unknown here); it was not changed: start that version"
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
    /// Without the URL, which may contain a password.
    #[error("database_url cannot be read as a URL of its engine")]
    Url,
    #[error("database: {}", words_of(.0))]
    Database(#[from] sqlx::Error),
    #[error("the database {name} cannot be reached: {}", words_of(.error))]
    Unreachable { name: String, error: sqlx::Error },
    #[error(
        "there is no database of Propusk at {0}, and nothing was done; is this the right directory? \
         propusk serve and propusk migrate make one"
    )]
    Absent(String),
    #[error("the schema of {0} is older: run propusk migrate first")]
    OlderSchema(String),
    #[error(
        "the schema of {0} is that of an unreleased version of Propusk, which has changed since; it \
         cannot be brought up to date and was not changed: start that version, or begin with a new \
         database or a backup of a released version"
    )]
    ChangedSchema(String),
}

impl StoreError {
    /// Whether the database may become reachable soon.
    pub fn is_transient(&self) -> bool {
        matches!(self, StoreError::Unreachable { .. })
    }
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

/// A serving process holds it until it ends; the system releases it if the process dies.
#[derive(Debug)]
pub struct ServingLock(#[expect(dead_code, reason = "the open files are the lock")] Vec<File>);

/// Locks the data directory and the SQLite file for this server, through whatever path or link the
/// file is reached.
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
        locks.push(lock(&sibling(&file, "-serving"))?);
    }
    Ok(ServingLock(locks))
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let io = |error| StoreError::DataDir { path: path.to_owned(), error };
    let file = owner_only::options().create(true).open(path).map_err(io)?;
    owner_only::restrict(&file);
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(io(error)),
    }
}

/// Creates the data directory if it is missing, readable by its owner only.
pub fn create_data_dir(data_dir: &Path) -> Result<(), StoreError> {
    owner_only::create_folder(data_dir)
        .map_err(|error| StoreError::DataDir { path: data_dir.to_owned(), error })
}

/// The state of a database's schema, as this binary sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// There is no Propusk schema.
    Absent,
    Older,
    Current,
    /// It has another form of a migration than this binary: the form of an unreleased version.
    Changed,
    /// It has this migration, which this binary does not know.
    Newer(i64),
}

/// An applied migration: version, checksum, success.
type Applied = (i64, Vec<u8>, bool);

fn migrator(known: &[Known]) -> Migrator {
    let migrations = known.iter().map(|&(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.collect())
}

fn schema_of(known: &Migrator, applied: &[Applied]) -> Schema {
    let find = |version| known.iter().find(|migration| migration.version == version);
    if let Some((version, ..)) = applied.iter().find(|(version, ..)| find(*version).is_none()) {
        return Schema::Newer(*version);
    }
    let is_changed = |(version, checksum, _): &Applied| {
        find(*version).is_some_and(|known| *known.checksum != **checksum)
    };
    if applied.iter().any(is_changed) {
        return Schema::Changed;
    }
    let is_applied = |(_, _, success): &Applied| *success;
    match applied.len() {
        0 => Schema::Absent,
        count if count == known.iter().count() && applied.iter().all(is_applied) => Schema::Current,
        _ => Schema::Older,
    }
}

const APPLIED: &str = "select version, checksum, success from _sqlx_migrations order by version";

impl Database {
    /// The database at `url`; `None`: a SQLite file in the data directory.
    pub fn of(url: Option<&str>, data_dir: &Path) -> Result<Self, StoreError> {
        match url {
            None => {
                let file = SqliteConnectOptions::new().filename(data_dir.join(SQLITE_FILE));
                Ok(Database::Sqlite(file))
            }
            Some(url) if url.starts_with("sqlite://") => Ok(Database::Sqlite(sqlite_options(url)?)),
            Some(url) if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
                Ok(Database::Postgres(url.parse().map_err(|_| StoreError::Url)?))
            }
            Some(_) => Err(StoreError::UnknownEngine),
        }
    }

    /// Opens it for serving: creates it if there is none, and brings its schema up to date. A
    /// schema of a newer or an unreleased binary is refused and not changed.
    pub async fn open_or_create(&self) -> Result<Store, StoreError> {
        match self.schema().await? {
            Schema::Current => {}
            Schema::Newer(version) => return Err(StoreError::NewerSchema(version)),
            Schema::Changed => return Err(StoreError::ChangedSchema(self.to_string())),
            Schema::Absent | Schema::Older => self.migrate().await?,
        }
        self.store().await
    }

    /// Its files, if it is a SQLite database.
    pub fn files(&self) -> Vec<PathBuf> {
        match self {
            Database::Sqlite(options) => {
                ["", "-wal", "-shm"].map(|ending| sibling(options.get_filename(), ending)).into()
            }
            Database::Postgres(_) => Vec::new(),
        }
    }

    /// Opens it to read its content, with any schema; the caller must close it.
    pub async fn open_for_reading(&self) -> Result<Tx, StoreError> {
        let handle = match self {
            Database::Sqlite(options) => {
                let options = looking(options).pragma("query_only", "on");
                let pool = sqlite::Pool::new(options, 1, &Commands::default())?;
                Handle::Sqlite(pool.acquire().await?)
            }
            Database::Postgres(options) => {
                Handle::Postgres(self.connected(postgres::Pool::new(options)?.acquire()).await?)
            }
        };
        Ok(Tx::new(handle))
    }

    /// Refuses a place where the data directory or the SQLite file cannot be created.
    pub fn check_place(&self, data_dir: &Path) -> Result<(), StoreError> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let data_dir = absolute(data_dir);
        // The start creates missing folders.
        if let Some(folder) = data_dir.ancestors().find(|folder| folder.exists()) {
            check_folder(folder)?;
        }
        let Database::Sqlite(options) = self else { return Ok(()) };
        let file = absolute(options.get_filename());
        match file.parent().filter(|folder| !data_dir.starts_with(folder)) {
            Some(folder) => check_folder(folder),
            None => Ok(()),
        }
    }

    /// Opens it without a migration; an older schema is refused.
    pub async fn open(&self) -> Result<Store, StoreError> {
        match self.schema().await? {
            Schema::Current => self.store().await,
            Schema::Newer(version) => Err(StoreError::NewerSchema(version)),
            Schema::Older => Err(StoreError::OlderSchema(self.to_string())),
            Schema::Changed => Err(StoreError::ChangedSchema(self.to_string())),
            Schema::Absent => Err(StoreError::Absent(self.to_string())),
        }
    }

    /// Reads the state of the schema and changes nothing.
    pub async fn schema(&self) -> Result<Schema, StoreError> {
        match self {
            Database::Sqlite(options) => sqlite_schema(options).await,
            Database::Postgres(options) => {
                let mut connection = self.connected(PgConnection::connect_with(options)).await?;
                let schema = self.connected(postgres_schema(&mut connection)).await?;
                // The answer is already known, so a failed close does not matter.
                drop(timeout(ACQUIRE_LIMIT, connection.close()).await);
                Ok(schema)
            }
        }
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        match self {
            Database::Sqlite(options) => migrate_sqlite(options).await,
            Database::Postgres(options) => {
                // Without the time limits of requests: a migration may take longer.
                let mut connection = self.connected(PgConnection::connect_with(options)).await?;
                let migrated = timeout(MIGRATION_LIMIT, POSTGRES.run(&mut connection)).await;
                migrated.map_err(|_| sqlx::Error::PoolTimedOut)??;
                drop(timeout(ACQUIRE_LIMIT, connection.close()).await);
                Ok(())
            }
        }
    }

    async fn store(&self) -> Result<Store, StoreError> {
        match self {
            Database::Sqlite(options) => sqlite_store(options).await,
            Database::Postgres(options) => Ok(Store::Postgres(postgres::Pool::new(options)?)),
        }
    }

    async fn connected<T>(
        &self,
        work: impl Future<Output = sqlx::Result<T>>,
    ) -> Result<T, StoreError> {
        let outcome = timeout(ACQUIRE_LIMIT, work).await;
        match outcome.unwrap_or(Err(sqlx::Error::PoolTimedOut)) {
            Err(error) if may_become_reachable(&error) => {
                Err(StoreError::Unreachable { name: self.to_string(), error })
            }
            outcome => Ok(outcome?),
        }
    }
}

/// Its address without user and password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Database::Sqlite(options) => {
                let file = options.get_filename();
                let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
                write!(f, "sqlite://{}", file.display())
            }
            Database::Postgres(options) => {
                let database = options.get_database().unwrap_or(options.get_username());
                match options.get_socket() {
                    Some(socket) => write!(f, "postgres://{}/{database}", socket.display()),
                    None => {
                        let (host, port) = (options.get_host(), options.get_port());
                        write!(f, "postgres://{host}:{port}/{database}")
                    }
                }
            }
        }
    }
}

fn check_folder(path: &Path) -> Result<(), StoreError> {
    let found = std::fs::metadata(path).and_then(|found| match found.is_dir() {
        true => Ok(()),
        false => Err(std::io::ErrorKind::NotADirectory.into()),
    });
    found.map_err(|error| StoreError::DataDir { path: path.to_owned(), error })
}

/// Opens the database at `url` for serving, as [`Database::open_or_create`] does.
pub async fn connect(url: Option<&str>, data_dir: &Path) -> Result<Store, StoreError> {
    Database::of(url, data_dir)?.open_or_create().await
}

/// An in-memory database is refused: every connection would see its own.
fn sqlite_options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::UnknownEngine);
    }
    SqliteConnectOptions::from_str(url).map_err(|_| StoreError::Url)
}

/// A path next to the file; if `file` is a link, next to the file that it points to.
fn sibling(file: &Path, ending: &str) -> PathBuf {
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| in_real_folder(file));
    let mut path = file.into_os_string();
    path.push(ending);
    path.into()
}

/// For a file that does not exist yet.
fn in_real_folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match (folder.unwrap_or(Path::new(".")).canonicalize(), file.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => file.to_owned(),
    }
}

async fn postgres_schema(connection: &mut PgConnection) -> sqlx::Result<Schema> {
    let is_there: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
        .fetch_one(&mut *connection)
        .await?;
    let applied = match is_there {
        true => sqlx::query_as(APPLIED).fetch_all(connection).await?,
        false => Vec::new(),
    };
    Ok(schema_of(&POSTGRES, &applied))
}

/// An empty file counts as no database: a start that was killed early leaves one.
async fn sqlite_schema(options: &SqliteConnectOptions) -> Result<Schema, StoreError> {
    let file = options.get_filename();
    match std::fs::metadata(file) {
        Ok(file) if file.len() > 0 => {}
        Ok(_) => return Ok(Schema::Absent),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Schema::Absent),
        Err(error) => return Err(StoreError::DataDir { path: file.to_owned(), error }),
    }
    let mut connection = SqliteConnection::connect_with(&looking(options)).await?;
    let tables: i64 =
        sqlx::query_scalar("select count(*) from sqlite_master where name = '_sqlx_migrations'")
            .fetch_one(&mut connection)
            .await?;
    let applied = match tables {
        0 => Vec::new(),
        _ => sqlx::query_as(APPLIED).fetch_all(&mut connection).await?,
    };
    connection.close().await?;
    Ok(schema_of(&SQLITE, &applied))
}

/// Migrates under a file lock: SQLite has no lock of its own for migrations.
async fn migrate_sqlite(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let file = options.get_filename();
    let path = sibling(file, "-migrating");
    let due = Instant::now() + MIGRATION_PATIENCE;
    let _lock = loop {
        match lock(&path) {
            Err(StoreError::Locked(_)) if Instant::now() < due => sleep(MIGRATION_PAUSE).await,
            Err(StoreError::Locked(path)) => return Err(StoreError::Migrating(path)),
            locked => break locked?,
        }
    };
    // SQLite creates its other files with the mode of this one.
    let io = |error| StoreError::DataDir { path: file.to_owned(), error };
    let opened = owner_only::options().create(true).open(file).map_err(io)?;
    if opened.metadata().map_err(io)?.len() == 0 {
        owner_only::restrict(&opened);
    }
    drop(opened);
    let mut connection = SqliteConnection::connect_with(&settings(options)).await?;
    SQLITE.run(&mut connection).await?;
    Ok(connection.close().await?)
}

fn looking(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    options.clone().create_if_missing(false).busy_timeout(BUSY_TIMEOUT)
}

fn settings(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    looking(options)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write survives a power cut; with NORMAL it survives only the process.
        .synchronous(SqliteSynchronous::Full)
}

async fn sqlite_store(options: &SqliteConnectOptions) -> Result<Store, StoreError> {
    let (settings, commands) = (settings(options), Commands::default());
    let readers = sqlite::Pool::new(settings, SQLITE_READERS, &commands)?;
    let writer = Writer::start(readers.separate().await?);
    Ok(Store::Sqlite { readers, writer })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn applied() -> Vec<Applied> {
        SQLITE.iter().map(|known| (known.version, known.checksum.to_vec(), true)).collect()
    }

    #[test]
    fn schema_is_current_only_if_every_known_migration_is_applied_unchanged() {
        assert_eq!(schema_of(&SQLITE, &applied()), Schema::Current);
        assert_eq!(schema_of(&SQLITE, &[]), Schema::Absent);
        let mut changed = applied();
        changed[0].1.push(0);
        assert_eq!(schema_of(&SQLITE, &changed), Schema::Changed);
        let mut failed = applied();
        failed[0].2 = false;
        assert_eq!(schema_of(&SQLITE, &failed), Schema::Older);
        let mut newer = applied();
        newer.push((99_999_999_999_999, Vec::new(), true));
        assert_eq!(schema_of(&SQLITE, &newer), Schema::Newer(99_999_999_999_999));
    }

    #[test]
    fn database_name_contains_no_password() {
        let name = |url| Database::of(Some(url), Path::new("data")).expect("a URL").to_string();
        assert_eq!(
            name("postgres://anna:canary@db.example/propusk"),
            "postgres://db.example:5432/propusk"
        );
        assert_eq!(name("postgres://db:5433/p?password=canary"), "postgres://db:5433/p");
        assert_eq!(name("sqlite:///var/lib/propusk.sqlite3"), "sqlite:///var/lib/propusk.sqlite3");
    }

    #[test]
    fn every_migration_is_known() {
        for (engine, known) in [("sqlite", SQLITE_MIGRATIONS), ("postgres", POSTGRES_MIGRATIONS)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
            let files = std::fs::read_dir(folder).expect("migrations");
            let mut files: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
            files.sort();
            let known = known.iter().map(|(version, name, _)| format!("{version:04}_{name}.sql"));
            assert_eq!(files, known.map(OsString::from).collect::<Vec<_>>(), "{engine}");
        }
    }
}
