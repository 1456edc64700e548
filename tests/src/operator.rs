//! A place to run the binary in: a data directory, a database, and what an operator and a client do
//! there.

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crate::database::Database;
use crate::http::{Answer, Client};
use crate::process::{self, Finished, Process};
use propusk_server::store::{self, Store};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tempfile::TempDir;
use tokio::time::{Instant, interval};

pub const PASSWORD: &str = "correct horse battery";
pub const NEW_PASSWORD: &str = "another fair password";
/// How soon a running server hears of what the command line did.
pub const SOON: Duration = Duration::from_secs(3);
/// What Docker waits before it kills.
pub const STOP: Duration = Duration::from_secs(10);
/// No secret from the environment: the server makes one, or a file has it.
pub const NO_SECRET: (&str, &str) = ("PROPUSK_TOKENS__SECRET", "");

/// What a server says that has another secret than its database.
pub const ANOTHER_SECRET: &str = "tokens.secret is not the secret that this database is used with";
pub const WITHOUT_NATIVE: (&str, &str) = ("PROPUSK_DIALECTS__NATIVE__ENABLED", "false");

/// Where servers and commands of one test work: a directory and a database.
pub struct Place {
    pub data: TempDir,
    pub database: Database,
}

impl Place {
    pub async fn new() -> Self {
        let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
        // Whatever the umask: a directory that others can read is warned of.
        let mode = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(data.path(), mode).expect("a mode");
        Place { data, database }
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

    /// `propusk user …`, which succeeds.
    pub async fn user(&self, arguments: &[&str]) -> String {
        self.user_with(arguments, "").await
    }

    /// The same with input. Where there is no database yet, it is made first, as `propusk migrate`
    /// does.
    pub async fn user_with(&self, arguments: &[&str], input: &str) -> String {
        self.store().await.close().await;
        let Finished { status, stdout, stderr } =
            self.run(&[], &[&["user"], arguments].concat(), input).await;
        assert!(status.success(), "{arguments:?}: {stderr}");
        let on = format!("on {}", self.name());
        assert!(stdout.starts_with(&on) || stderr.contains(&on), "{stdout}{stderr}");
        self.unnamed(&stdout)
    }

    /// What a command has printed, without the name of the database before it.
    pub fn unnamed(&self, stdout: &str) -> String {
        stdout.replace(&format!("on {}: ", self.name()), "")
    }

    /// What commands call the database.
    pub fn name(&self) -> String {
        let database = store::Database::of(self.database.url(), self.path());
        database.expect("a database").to_string()
    }

    /// What a command that does not succeed says; it says nothing else.
    pub async fn refused(&self, settings: &[(&str, &str)], arguments: &[&str]) -> String {
        let Finished { status, stdout, stderr } = self.run(settings, arguments, "").await;
        assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{arguments:?}");
        stderr
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path().join(name), text).expect("a file");
    }

    /// The database by the side of the server.
    pub async fn store(&self) -> Store {
        store::connect(self.database.url(), self.path()).await.expect("the database")
    }
}

/// Runs a statement that both engines know, and answers how many rows it changed.
pub async fn execute(store: &Store, statement: String) -> u64 {
    let statement = AssertSqlSafe(statement);
    let done = match store {
        Store::Sqlite { readers, .. } => {
            sqlx::query(statement).execute(readers).await.map(|done| done.rows_affected())
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
        Store::Sqlite { readers, .. } => sqlx::query_scalar(sqlite).fetch_all(readers).await,
        Store::Postgres(pool) => {
            let mut connection = pool.acquire().await.expect("a connection");
            sqlx::query_scalar(postgres).fetch_all(&mut connection).await
        }
    };
    rows.expect("a query of the test's own")
}

pub async fn register(client: &Client, field: &str, name: &str) -> Answer {
    client.post("/api/auth/users/", &json!({field: name, "password": PASSWORD})).await
}

pub async fn sign_in(client: &Client, name: &str, password: &str) -> Answer {
    client.post("/api/auth/jwt/create/", &json!({"username": name, "password": password})).await
}

pub async fn refresh(client: &Client, token: &str) -> Answer {
    client.post("/api/auth/jwt/refresh/", &json!({"refresh": token})).await
}

pub async fn me(client: &Client, access: &str) -> Answer {
    client.get("/api/auth/users/me/", Some(&format!("Bearer {access}"))).await
}

/// A registered account, signed in: access and refresh token.
pub async fn signed_up(client: &Client, email: &str) -> (String, String) {
    assert_eq!(register(client, "email", email).await.status, 201);
    let pair = sign_in(client, email, PASSWORD).await;
    (pair.field("access"), pair.field("refresh"))
}

/// Asks until the answer is the wanted one, or for too long.
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

/// Whether a token is good, which no look at the account's row tells.
pub async fn soon_verified_is(client: &Client, token: &str, status: u16) {
    soon(&format!("verified {status}"), || async {
        let body = json!({"token": token});
        client.post("/api/auth/jwt/verify/", &body).await.status == status
    })
    .await;
}
