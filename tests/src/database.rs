//! A database for each test: a SQLite file in the server's data directory, or, if
//! `TEST_DATABASE_URL` names a Postgres server, a new database there that is dropped at the end.

use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use propusk_server::store;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::OnceCell;
use url::Url;

/// The SQLite file of a server in its data directory.
const SQLITE_FILE: &str = "propusk.sqlite3";

const TABLES: &str = include_str!("../../server/migrations/postgres/0001_initial.sql");

/// The database that [`Database::with_tables`] copies.
static TEMPLATE: OnceCell<String> = OnceCell::const_new();

/// Exists as long as its test.
pub struct Database(Option<Postgres>);

struct Postgres {
    server: Url,
    name: String,
    url: String,
}

impl Database {
    pub async fn fresh() -> Self {
        match server() {
            Some(server) => Database::copied("template0", server).await,
            None => Database(None),
        }
    }

    /// On Postgres with the tables of a server, which then need not be made for each test.
    pub async fn with_tables() -> Self {
        let Some(server) = server() else { return Database(None) };
        let template = TEMPLATE.get_or_init(|| template(&server)).await;
        Database::copied(template, server).await
    }

    async fn copied(template: &str, server: Url) -> Self {
        let name = format!("t_{:016x}", getrandom::u64().expect("random numbers"));
        execute(&server, format!("create database {name} template {template}")).await;
        let mut url = server.clone();
        url.set_path(&name);
        Database(Some(Postgres { server, name, url: url.into() }))
    }

    /// `None`: the server's default, a SQLite file.
    pub fn url(&self) -> Option<&str> {
        self.0.as_ref().map(|postgres| postgres.url.as_str())
    }

    /// Executes `statement` directly, without the server whose data directory this is.
    pub async fn execute(&self, data: &Path, statement: &'static str) {
        match self.url() {
            Some(url) => {
                let mut connection = PgConnection::connect(url).await.expect("a connection");
                connection.execute(statement).await.expect("a statement");
            }
            None => {
                let options = SqliteConnectOptions::new().filename(data.join(SQLITE_FILE));
                let mut connection =
                    SqliteConnection::connect_with(&options).await.expect("a connection");
                connection.execute(statement).await.expect("a statement");
            }
        }
    }

    /// Everything in every table of a Postgres database, as text.
    pub async fn dump(&self) -> Option<String> {
        let mut connection = PgConnection::connect(self.url()?).await.expect("a connection");
        let tables: Vec<String> =
            sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
                .fetch_all(&mut connection)
                .await
                .expect("the names of the tables");
        let mut dump = String::new();
        for table in tables {
            let rows = format!("select t::text from {table} t");
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows))
                .fetch_all(&mut connection)
                .await
                .expect("the rows of a table");
            dump += &format!("{table}\n{}\n", rows.join("\n"));
        }
        Some(dump)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Some(Postgres { server, name, .. }) = self.0.take() else { return };
        // On a separate thread, because a runtime cannot be entered from within another.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let drop_it = execute(&server, format!("drop database if exists {name} with (force)"));
            runtime.expect("a runtime").block_on(drop_it);
        });
        if dropped.join().is_err() {
            eprintln!("a test database could not be dropped");
        }
    }
}

fn server() -> Option<Url> {
    let server = env::var("TEST_DATABASE_URL").ok()?;
    Some(Url::parse(&server).expect("TEST_DATABASE_URL is a URL"))
}

/// The name of a database with these tables, which is made once for all tests on this server.
async fn template(server: &Url) -> String {
    let mut hasher = DefaultHasher::new();
    TABLES.hash(&mut hasher);
    let name = format!("propusk_tests_{:016x}", hasher.finish());
    if !is_there(server, &name).await {
        let made = Database::copied("template0", server.clone()).await;
        let folder = tempfile::tempdir().expect("a directory");
        store::connect(made.url(), folder.path()).await.expect("a database").close().await;
        let from = made.0.as_ref().map(|postgres| postgres.name.as_str()).unwrap_or_default();
        let mut connection = connection(server).await;
        let renamed =
            connection.execute(AssertSqlSafe(format!("alter database {from} rename to {name}")));
        // Another process may have been quicker.
        assert!(renamed.await.is_ok() || is_there(server, &name).await, "no database to copy");
    }
    name
}

async fn is_there(server: &Url, name: &str) -> bool {
    let sql = "select exists (select 1 from pg_database where datname = $1)";
    let found = sqlx::query_scalar(sql).bind(name).fetch_one(&mut connection(server).await).await;
    found.expect("the names of the databases")
}

async fn connection(server: &Url) -> PgConnection {
    PgConnection::connect(server.as_str()).await.expect("the Postgres of TEST_DATABASE_URL")
}

async fn execute(server: &Url, statement: String) {
    let done = connection(server).await.execute(AssertSqlSafe(statement)).await;
    done.expect("a database of the test's own");
}
