//! Our server as it is shipped: the binary with its default settings but for limits, on an empty
//! database. Also the bare route, which is started in the same way.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::Request;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use url::Url;

use super::target::random_text;
use super::usage::{self, Processes};
use super::{Result, bare_http};
use crate::http::Client;

const PATIENCE: Duration = Duration::from_secs(60);
/// A list of many accounts takes a while.
const COMMAND_PATIENCE: Duration = Duration::from_secs(600);
/// How often the output of a server that starts is read.
const LOOK: Duration = Duration::from_millis(1);

/// A running server; killed when dropped.
pub struct OwnServer {
    pub base: String,
    /// From the start of the process to its first answer.
    pub started_in: Duration,
    /// The same on an empty database, whose tables it has made, if this is not that start.
    pub first_started_in: Option<Duration>,
    pub processes: Processes,
    child: Child,
    database: Option<PostgresDatabase>,
    data: TempDir,
}

impl OwnServer {
    /// Starts the binary with its data below `directory`, in SQLite or in a new database of this
    /// Postgres.
    pub async fn start(binary: &Path, directory: &Path, postgres: Option<&str>) -> Result<Self> {
        let database = match postgres {
            Some(url) => Some(PostgresDatabase::create(url).await?),
            None => None,
        };
        let data = tempfile::tempdir_in(directory)?;
        let command = command(binary, data.path(), database.as_ref());
        OwnServer::spawn(command, data, database).await
    }

    /// Kills the process, and starts it again with its data, as after a crash.
    pub async fn restarted(mut self, binary: &Path) -> Result<Self> {
        self.child.kill().await?;
        let OwnServer { data, database, started_in, .. } = self;
        let command = command(binary, data.path(), database.as_ref());
        let restarted = OwnServer::spawn(command, data, database).await?;
        Ok(OwnServer { first_started_in: Some(started_in), ..restarted })
    }

    /// Starts this program again as the bare route.
    pub async fn start_bare(directory: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-http");
        OwnServer::spawn(command, tempfile::tempdir_in(directory)?, None).await
    }

    async fn spawn(
        mut command: Command,
        data: TempDir,
        database: Option<PostgresDatabase>,
    ) -> Result<Self> {
        // A file instead of a pipe: nothing here takes time for reading it.
        let log = data.path().join("output");
        let output = File::create(&log)?;
        command
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true);
        let program = PathBuf::from(command.as_std().get_program());
        let began = Instant::now();
        let mut child =
            command.spawn().map_err(|error| format!("{}: {error}", program.display()))?;
        let base = base(&mut child, &log).await?;
        let client = Client::new(base.clone());
        while client.send(Request::get("/healthz").body(Full::default())?).await.is_err() {
            if began.elapsed() > PATIENCE {
                return Err(format!("{}: no answer", program.display()).into());
            }
            sleep(LOOK).await;
        }
        let started_in = began.elapsed();
        let processes = Processes {
            server: child.id(),
            database: database.as_ref().and_then(|database| database.process),
        };
        let first_started_in = None;
        Ok(OwnServer { base, started_in, first_started_in, processes, child, database, data })
    }

    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// The URL of its database; `None`: a SQLite file in its data directory.
    pub fn database_url(&self) -> Option<&str> {
        self.database.as_ref().map(|database| database.url.as_str())
    }

    /// How long a command of an operator takes while the server runs; its output is not read.
    pub async fn time_command(&self, binary: &Path, arguments: &[&str]) -> Result<Duration> {
        let mut command = command(binary, self.data.path(), self.database.as_ref());
        command
            .args(arguments)
            .current_dir(self.data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let began = Instant::now();
        let status = timeout(COMMAND_PATIENCE, command.status())
            .await
            .map_err(|_| format!("{arguments:?} does not end"))??;
        match status.success() {
            true => Ok(began.elapsed()),
            false => Err(format!("{arguments:?} has failed ({status})").into()),
        }
    }

    /// Ends the process, and deletes its database.
    pub async fn stop(mut self) -> Result<()> {
        self.child.kill().await?;
        match self.database.take() {
            Some(database) => database.delete().await,
            None => Ok(()),
        }
    }
}

/// The binary with its default settings but for limits.
fn command(binary: &Path, data: &Path, database: Option<&PostgresDatabase>) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("PROPUSK_LISTEN", "127.0.0.1:0")
        .env("PROPUSK_DATA_DIR", data)
        .env("PROPUSK_LIMITS__ENABLED", "false")
        .envs(database.map(|database| ("PROPUSK_DATABASE_URL", database.url.as_str())));
    command
}

/// Waits for the line with the address.
async fn base(child: &mut Child, log: &Path) -> Result<String> {
    let began = Instant::now();
    loop {
        let output = fs::read_to_string(log)?;
        let line = output.lines().find_map(|line| line.strip_prefix(bare_http::READY));
        // The last line may not be whole yet.
        if let Some(base) = line.filter(|_| output.ends_with('\n')) {
            return Ok(base.trim().to_owned());
        }
        if let Some(status) = child.try_wait()? {
            return Err(format!("the server has ended ({status}):\n{output}").into());
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("the server does not listen:\n{output}").into());
        }
        sleep(LOOK).await;
    }
}

/// A database of its own in a Postgres of this machine.
pub struct PostgresDatabase {
    pub url: String,
    /// The first process of the Postgres, if it runs on this machine.
    pub process: Option<u32>,
    server: String,
    name: String,
}

impl PostgresDatabase {
    pub async fn create(server: &str) -> Result<Self> {
        let mut url = Url::parse(server)?;
        let name = format!("load_{}", random_text()?);
        let mut connection = PgConnection::connect(server).await?;
        let create = format!("create database {name} template template0");
        connection.execute(AssertSqlSafe(create)).await?;
        let backend: i32 =
            sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        let is_here = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let process = u32::try_from(backend).ok().filter(|_| is_here).and_then(usage::parent);
        connection.close().await?;
        url.set_path(&name);
        Ok(PostgresDatabase { url: url.into(), process, server: server.to_owned(), name })
    }

    pub async fn delete(self) -> Result<()> {
        let mut connection = PgConnection::connect(&self.server).await?;
        let delete = format!("drop database if exists {} with (force)", self.name);
        connection.execute(AssertSqlSafe(delete)).await?;
        connection.close().await?;
        Ok(())
    }
}
