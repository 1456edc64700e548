//! One connection to the database of a Django, which can only read, and sees one state of it.

use std::future::Future;
use std::time::Duration;

use futures_util::stream::TryStreamExt as _;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
    SqliteConnection,
};
use tokio::time::timeout;

use super::problem::Problem;
use crate::store::Database;

/// How long the database may take to answer at all.
const OPEN_LIMIT: Duration = Duration::from_secs(30);
/// How long the next row may take: the first one of a large table waits until all are sorted.
const ROW_LIMIT: Duration = Duration::from_secs(600);
/// Postgres ends the work on its side too, if this process has died or does not wait any more.
const BEGIN_WHOLE: &str = "begin isolation level repeatable read read only; \
     set local statement_timeout = '2h'; \
     set local idle_in_transaction_session_timeout = '10min'; \
     set local standard_conforming_strings = on; \
     set local time zone 'UTC'";
const BEGIN_ACCOUNT: &str = "begin isolation level repeatable read read only; \
     set local statement_timeout = '3s'; \
     set local idle_in_transaction_session_timeout = '3s'; \
     set local standard_conforming_strings = on; \
     set local time zone 'UTC'";

/// What is read. A request waits for one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Whole,
    Account,
}

impl Extent {
    /// How long another process may hold the lock of a SQLite file.
    fn busy_timeout(self) -> Duration {
        match self {
            Extent::Whole => Duration::from_secs(20),
            Extent::Account => Duration::from_secs(2),
        }
    }

    fn begin_on_postgres(self) -> &'static str {
        match self {
            Extent::Whole => BEGIN_WHOLE,
            Extent::Account => BEGIN_ACCOUNT,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

pub enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The columns of a row, each as a text, taken one by one.
pub struct Row(std::vec::IntoIter<Option<String>>);

impl Row {
    /// Of a JSON array of texts.
    fn parse(texts: String) -> Result<Row, Problem> {
        let texts: Vec<_> =
            serde_json::from_str(&texts).map_err(|error| sqlx::Error::Decode(error.into()))?;
        Ok(Row(texts.into_iter()))
    }

    pub fn take(&mut self) -> Option<String> {
        self.0.next().flatten()
    }
}

/// Gives each row of the query to `$work`.
macro_rules! each_row {
    ($engine:ty, $db:expr, $sql:expr, $values:expr, $work:expr) => {{
        let mut query = sqlx::query::<$engine>(AssertSqlSafe($sql));
        for value in $values {
            query = query.bind(value.clone());
        }
        let mut rows = query.fetch($db);
        while let Some(row) = in_time(ROW_LIMIT, rows.try_next()).await? {
            let texts = (0..row.len()).map(|at| row.try_get::<Option<String>, usize>(at));
            let texts = texts.collect::<sqlx::Result<Vec<_>>>()?;
            $work(Row(texts.into_iter()))?;
        }
        Ok(())
    }};
}

impl Connection {
    /// Opens the database for reading, and begins the transaction that all of it is read in.
    pub async fn open(database: &Database, extent: Extent) -> Result<Connection, Problem> {
        match in_time(OPEN_LIMIT, opened(database, extent)).await {
            Err(Problem::Database(error)) => Err(Problem::Unopened(error)),
            opened => opened,
        }
    }

    pub fn engine(&self) -> Engine {
        match self {
            Connection::Sqlite(_) => Engine::Sqlite,
            Connection::Postgres(_) => Engine::Postgres,
        }
    }

    /// Gives each row of `select columns rest` to `work` while it is read, so that none has to be kept.
    /// All columns must be texts.
    pub async fn each(
        &mut self,
        columns: &str,
        rest: &str,
        mut work: impl FnMut(Row) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        match self.engine() {
            Engine::Postgres => self.each_of(format!("select {columns} {rest}"), &[], work).await,
            // The driver copies each value of a row, which takes longer than to read one text.
            Engine::Sqlite => {
                let sql = format!("select json_array({columns}) {rest}");
                self.each_of(sql, &[], |mut row| work(Row::parse(row.take().unwrap_or_default())?))
                    .await
            }
        }
    }

    /// Gives each row of the query to `work`, with values for `$1`, `$2` and so on.
    async fn each_of(
        &mut self,
        sql: String,
        values: &[String],
        mut work: impl FnMut(Row) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        match self {
            Connection::Sqlite(db) => each_row!(sqlx::Sqlite, db, sql, values, work),
            Connection::Postgres(db) => each_row!(sqlx::Postgres, db, sql, values, work),
        }
    }

    /// All rows of a query that has few.
    pub async fn rows(&mut self, sql: String) -> Result<Vec<Row>, Problem> {
        let mut rows = Vec::new();
        self.each_of(sql, &[], |row| {
            rows.push(row);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The first column of a query with values that has few rows.
    pub async fn texts_of(
        &mut self,
        sql: String,
        values: &[String],
    ) -> Result<Vec<String>, Problem> {
        let mut texts = Vec::new();
        self.each_of(sql, values, |mut row| {
            texts.extend(row.take());
            Ok(())
        })
        .await?;
        Ok(texts)
    }

    /// The first column of a query that has few rows.
    pub async fn texts(&mut self, sql: String) -> Result<Vec<String>, Problem> {
        let rows = self.rows(sql).await?;
        Ok(rows.into_iter().filter_map(|mut row| row.take()).collect())
    }

    /// Everything is known already, so a failed close does not matter.
    pub async fn close(self) {
        match self {
            Connection::Sqlite(db) => drop(timeout(OPEN_LIMIT, db.close()).await),
            Connection::Postgres(db) => drop(timeout(OPEN_LIMIT, db.close()).await),
        }
    }
}

async fn opened(database: &Database, extent: Extent) -> sqlx::Result<Connection> {
    match database {
        Database::Sqlite(options) => {
            let options = options.clone().read_only(true).create_if_missing(false);
            let options = options.busy_timeout(extent.busy_timeout()).disable_statement_logging();
            let mut db = SqliteConnection::connect_with(&options).await?;
            db.execute("begin").await?;
            Ok(Connection::Sqlite(db))
        }
        Database::Postgres(options) => {
            let options = options.clone().disable_statement_logging();
            let mut db = PgConnection::connect_with(&options).await?;
            db.execute(extent.begin_on_postgres()).await?;
            Ok(Connection::Postgres(db))
        }
    }
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Problem> {
    match timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Problem::Silent(limit.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;

    use super::super::schema::Table;
    use super::*;

    #[tokio::test]
    async fn row_of_sqlite_has_its_texts_as_they_are() {
        let texts = ["", "a\"b\\c", "nul \0 and \u{1f}", "ﬁx\u{2028}🦀", "[null]"];
        let dir = tempfile::tempdir().expect("a temporary directory");
        let options = SqliteConnectOptions::new().filename(dir.path().join("db.sqlite3"));
        let mut db = SqliteConnection::connect_with(&options.clone().create_if_missing(true))
            .await
            .expect("a new database");
        db.execute("create table t (a, b); create view v as select json_array(1) as a")
            .await
            .expect("a table and a view");
        for text in texts {
            let insert = sqlx::query("insert into t values ($1, null)").bind(text);
            insert.execute(&mut db).await.expect("a row");
        }
        db.close().await.expect("it closes");
        let opened = Connection::open(&Database::Sqlite(options), Extent::Whole).await;
        let mut found = Vec::new();
        let mut connection = opened.expect("a database");
        let reading = connection.each(
            "cast(a as text), cast(b as text)",
            "from t order by rowid",
            |mut row| {
                found.push((row.take(), row.take(), row.take()));
                Ok(())
            },
        );
        reading.await.expect("texts");
        assert_eq!(found, texts.map(|text| (Some(text.to_owned()), None, None)));
        let view = Table::load(&mut connection, "v").await.expect("it is read").expect("a view");
        let (column, mut json) = (view.text("v", "a"), None);
        let reading = connection.each(&column, "from v", |mut row| {
            json = row.take();
            Ok(())
        });
        reading.await.expect("a text");
        assert_eq!(json.as_deref(), Some("[1]"));
    }
}
