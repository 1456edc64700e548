//! What an operator does with the binary: a data directory and a database in which to run it, and
//! commands.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::database::Database;
use crate::http::Client;
use crate::process::{self, Finished, Following, Process};
use crate::user::{me, verify};
use propusk_server::store::{self, Store};
use serde_json::Value;
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::time::{Instant, interval};

/// The time within which a running server must notice what the command line did.
pub const SOON: Duration = Duration::from_secs(3);
/// The time that Docker waits before it kills.
pub const STOP: Duration = Duration::from_secs(10);
/// No secret from the environment: the server generates one, or reads it from a file.
pub const NO_SECRET: (&str, &str) = ("PROPUSK_TOKENS__SECRET", "");

/// The error of a server whose secret is not that of its database.
pub const ANOTHER_SECRET: &str = "tokens.secret is not the secret that this database is used with";
pub const WITHOUT_NATIVE: (&str, &str) = ("PROPUSK_DIALECTS__NATIVE__ENABLED", "false");

/// The data directory and the database of one test, in which servers and commands run.
pub struct Operator {
    pub data: TempDir,
    pub database: Database,
}

impl Operator {
    pub async fn new() -> Self {
        let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
        // Set whatever the umask is: the server warns of a directory that others can read.
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(data.path(), mode).expect("a mode");
        Operator { data, database }
    }

    pub fn path(&self) -> &Path {
        self.data.path()
    }

    pub async fn start(&self, settings: &[(&str, &str)]) -> Process {
        Process::start(self.path(), self.database.url(), settings).await
    }

    pub async fn run(
        &self,
        settings: &[(&str, &str)],
        arguments: &[&str],
        input: &str,
    ) -> Finished {
        process::run(self.path(), self.database.url(), settings, arguments, input).await
    }

    /// A command that prints lines until it is stopped.
    pub async fn follow(&self, text: &str, arguments: &[&str]) -> Following {
        Following::start(text, self.path(), self.database.url(), arguments).await
    }

    /// `propusk user …`, which succeeds.
    pub async fn user(&self, arguments: &[&str]) -> String {
        self.user_with(arguments, "").await
    }

    /// The same with input. A missing database is created first, as by `propusk migrate`.
    pub async fn user_with(&self, arguments: &[&str], input: &str) -> String {
        self.store().await.close().await;
        let Finished { status, stdout, stderr } =
            self.run(&[], &[&["user"], arguments].concat(), input).await;
        assert!(status.success(), "{arguments:?}: {stderr}");
        let on = format!("on {}", self.name());
        assert!(stdout.starts_with(&on) || stderr.contains(&on), "{stdout}{stderr}");
        self.unnamed(&stdout)
    }

    /// The output of a command without the name of the database in front.
    pub fn unnamed(&self, stdout: &str) -> String {
        stdout.replace(&format!("on {}: ", self.name()), "")
    }

    /// The name of the database in the output of commands.
    pub fn name(&self) -> String {
        let database = store::Database::of(self.database.url(), self.path());
        database.expect("a database").to_string()
    }

    /// The error message of a command that fails; it prints nothing else.
    pub async fn refused(&self, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        let Finished { status, stdout, stderr } = self.run(settings, arguments, "").await;
        assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{arguments:?}");
        stderr
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file");
    }

    /// The same database, without the server.
    pub async fn store(&self) -> Store {
        store::connect(self.database.url(), self.path()).await.expect("the database")
    }
}

/// Executes a statement of both SQL dialects, and returns how many rows it changed.
pub async fn execute(store: &Store, statement: String) -> u64 {
    let statement = AssertSqlSafe(statement);
    let done = match store {
        Store::Sqlite { readers, .. } => {
            let mut connection = readers.acquire().await.expect("a connection");
            sqlx::query(statement).execute(&mut connection).await.map(|done| done.rows_affected())
        }
        Store::Postgres(pool) => {
            let mut connection = pool.acquire().await.expect("a connection");
            sqlx::query(statement).execute(&mut connection).await.map(|done| done.rows_affected())
        }
    };
    done.expect("a statement of the test's own")
}

/// The only column of a query, which may differ between the engines.
pub async fn column(store: &Store, sqlite: &'static str, postgres: &'static str) -> Vec<String> {
    let rows = match store {
        Store::Sqlite { readers, .. } => {
            let mut connection = readers.acquire().await.expect("a connection");
            sqlx::query_scalar(sqlite).fetch_all(&mut connection).await
        }
        Store::Postgres(pool) => {
            let mut connection = pool.acquire().await.expect("a connection");
            sqlx::query_scalar(postgres).fetch_all(&mut connection).await
        }
    };
    rows.expect("a query of the test's own")
}

/// Repeats the check until it succeeds; panics after [`SOON`].
pub async fn soon<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let began = Instant::now();
    let mut ticks = interval(Duration::from_millis(20));
    while !is_so().await {
        assert!(began.elapsed() < SOON, "{what}: not after {SOON:?}");
        ticks.tick().await;
    }
}

pub async fn soon_me_is(client: &Client, access: &str, status: u16, code: &Value) {
    let what = format!("{status} {code}");
    soon(&what, || async {
        let answer = me(client, access).await;
        answer.status == status && answer.json()["code"] == *code
    })
    .await;
}

/// Waits for the answer to a token check, which does not read the account's row.
pub async fn soon_verified_is(client: &Client, token: &str, status: u16) {
    soon(&format!("verified {status}"), || async { verify(client, token).await.status == status })
        .await;
}
