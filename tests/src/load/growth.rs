//! What one operation needs with a thousand accounts and sessions, and with a million: it should be
//! the same, or grow with the logarithm. The rows are written into the database directly, and the
//! measured accounts are a few of their own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};

use super::Result;
use super::description::{Description, Operation};
use super::figures::Figures;
use super::own_server::OwnServer;
use super::run::Plan;
use super::target::Target;
use super::workloads::{Population, Workload, database_cpu_of, measure, p99_of, server_cpu_of};

/// The file of the server in its data directory.
const SQLITE_FILE: &str = "propusk.sqlite3";
/// Rows of one statement: the server's own writes wait no longer than for this many.
const BATCH: u64 = 10_000;
/// Numbers are given downwards from here: SQLite continues above the highest one, Postgres begins at 1.
const ABOVE_ACCOUNTS: u64 = 100_000_000;
const FIRST_SESSION: u64 = 1_000_000_000_000;
const LISTED: u64 = 1_000;
/// The descriptions of our APIs, and what is measured of each.
const MEASURED: [(&str, &[Operation]); 2] = [
    ("propusk", &[Operation::SignIn, Operation::Refresh, Operation::Me]),
    ("propusk_djoser", &[Operation::Verify]),
];

const MEMORY: &str = "memory, MiB";
const SIZE: &str = "database, MiB";
const LIST: &str = "`user list`, µs for a row";

/// Fills a server to each of these numbers of accounts, in ascending order, and measures it. Returns
/// the figures with the names of rows and columns.
pub async fn run(plan: &Plan, numbers: &[u64]) -> Result<(Figures, Vec<String>, Vec<String>)> {
    let (mut figures, mut rows) = (Figures::default(), Vec::new());
    for (engine, postgres) in [("SQLite", None), ("Postgres", plan.postgres.as_deref())] {
        if engine == "Postgres" && postgres.is_none() {
            continue;
        }
        let server = OwnServer::start(&plan.server, &plan.directory, postgres).await?;
        let mut filled = 0;
        for &number in numbers {
            eprintln!("{engine}: {number} accounts");
            fill(&server, filled, number).await?;
            filled = filled.max(number);
            let row = format!("{number}, {engine}");
            look(plan, &server, number, &row, &mut figures).await?;
            rows.push(row);
        }
        server.stop().await?;
    }
    let mut columns = Vec::new();
    for operation in MEASURED.iter().flat_map(|(_, operations)| *operations) {
        let name = operation.name();
        columns.extend([server_cpu_of(name), database_cpu_of(name), p99_of(name)]);
    }
    columns.extend([LIST, MEMORY, SIZE].map(str::to_owned));
    Ok((figures, rows, columns))
}

async fn look(
    plan: &Plan,
    server: &OwnServer,
    number: u64,
    row: &str,
    figures: &mut Figures,
) -> Result<()> {
    for (name, operations) in MEASURED {
        let (description, processes) = (Description::read(name)?, server.processes.clone());
        let target = Target::open(row.to_owned(), description, &server.base, processes).await?;
        let population = Population::create(&Arc::new(target)).await?;
        for operation in operations {
            measure(&population, Workload::One(*operation), plan.length, figures).await?;
        }
    }
    figures.add(row, LIST, listed(plan, server, number).await?.as_secs_f64() * 1e6);
    if let Some((now, _)) = server.processes.memory() {
        figures.add(row, MEMORY, now);
    }
    figures.add(row, SIZE, size(server).await? / 1_048_576.0);
    Ok(())
}

/// The time of one row: that of a page in the middle, less that of the start of the command.
async fn listed(plan: &Plan, server: &OwnServer, number: u64) -> Result<Duration> {
    let after = ABOVE_ACCOUNTS.saturating_sub(number / 2).to_string();
    let page = LISTED.min(number / 2).max(2);
    let mut took = Vec::new();
    for limit in ["1".to_owned(), page.to_string()] {
        let arguments = ["user", "list", "--after", after.as_str(), "--limit", limit.as_str()];
        took.push(server.time_command(&plan.server, &arguments).await?);
    }
    let rows = u32::try_from(page - 1)?;
    Ok(took[1].saturating_sub(took[0]) / rows)
}

/// Adds accounts, identifiers and sessions until there are `until` of each.
async fn fill(server: &OwnServer, from: u64, until: u64) -> Result<()> {
    let mut first = from;
    while first < until {
        let last = until.min(first + BATCH);
        for statement in statements(first + 1, last) {
            execute(server, statement).await?;
        }
        first = last;
    }
    match server.database_url() {
        // As its own task would do a minute later.
        Some(_) => execute(server, "analyze".to_owned()).await,
        None => Ok(()),
    }
}

/// In the SQL of both engines.
fn statements(first: u64, last: u64) -> [String; 3] {
    let numbers = format!(
        "with recursive n(i) as (
             select cast({first} as bigint) union all select i + 1 from n where i < {last})"
    );
    let accounts = format!(
        "insert into accounts (id, is_active, awaits_activation, is_superuser, created_at, imported,
                               foreign_not_before, undated_refused, password_proved,
                               session_generation)
         {numbers}
         select {ABOVE_ACCOUNTS} - i, true, false, false, 1790000000, false, 0, false, false, 0 from n"
    );
    let identifiers = format!(
        "insert into identifiers (key, account_id, kind, shown, created_at)
         {numbers}
         select 'grown' || i || '@example.com', {ABOVE_ACCOUNTS} - i, 'email',
                'grown' || i || '@example.com', 1790000000 from n"
    );
    let sessions = format!(
        "insert into sessions (id, account_id, account_generation, policy, generation, created_at,
                               signed_in_at, last_used_at, access_expires_at, tokens_end_at,
                               expires_at, sweep_at)
         {numbers}
         select {FIRST_SESSION} + i, {ABOVE_ACCOUNTS} - i, 0, 'native', 0, 1790000000, 1790000000,
                1790000000, 4000000000, 4000000000, 4000000000, 4000000000 from n"
    );
    [accounts, identifiers, sessions]
}

async fn execute(server: &OwnServer, statement: String) -> Result<()> {
    let statement = AssertSqlSafe(statement);
    match server.database_url() {
        Some(url) => {
            let mut connection = PgConnection::connect(url).await?;
            connection.execute(statement).await?;
            connection.close().await?;
        }
        None => {
            let mut connection = sqlite(server.data()).await?;
            connection.execute(statement).await?;
            connection.close().await?;
        }
    }
    Ok(())
}

/// The bytes of the database.
async fn size(server: &OwnServer) -> Result<f64> {
    let bytes: i64 = match server.database_url() {
        Some(url) => {
            let mut connection = PgConnection::connect(url).await?;
            let size = sqlx::query_scalar("select pg_database_size(current_database())");
            size.fetch_one(&mut connection).await?
        }
        None => {
            let mut connection = sqlite(server.data()).await?;
            let pages = "select page_count * page_size from pragma_page_count, pragma_page_size";
            sqlx::query_scalar(pages).fetch_one(&mut connection).await?
        }
    };
    Ok(bytes as f64)
}

async fn sqlite(data: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(data.join(SQLITE_FILE));
    Ok(SqliteConnection::connect_with(&options).await?)
}
