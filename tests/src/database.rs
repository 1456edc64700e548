//! A database for each test: a SQLite file in the server's data directory, or, if
//! `TEST_DATABASE_URL` names a Postgres server, a new database there that is dropped at the end.

use std::env;
use std::path::Path;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use url::Url;

/// The SQLite file of a server in its data directory.
const SQLITE_FILE: &str = "propusk.sqlite3";

/// Exists as long as its test.
pub struct Database(Option<Postgres>);

struct Postgres {
    server: Url,
    name: String,
    url: String,
}

impl Database {
    pub async fn fresh() -> Self {
        let Ok(server) = env::var("TEST_DATABASE_URL") else { return Database(None) };
        let server = Url::parse(&server).expect("TEST_DATABASE_URL is a URL");
        let name = format!("t_{:016x}", getrandom::u64().expect("random numbers"));
        execute(&server, format!("create database {name} template template0")).await;
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

async fn execute(server: &Url, statement: String) {
    let mut connection =
        PgConnection::connect(server.as_str()).await.expect("the Postgres of TEST_DATABASE_URL");
    connection.execute(AssertSqlSafe(statement)).await.expect("a database of the test's own");
}
