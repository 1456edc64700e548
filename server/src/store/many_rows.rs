//! Statements that store many rows at once: a million statements take minutes.

use std::sync::OnceLock;

use sqlx::AssertSqlSafe;

use super::engine_text::EngineText;
use super::{Handle, Tx};

/// How many rows one statement stores if there are as many. SQLite takes 32 766 values, Postgres 65 535.
const ROWS: usize = 50;

/// The rows of each statement, in their order. There are statements for two numbers of rows only, so
/// that they stay prepared.
pub fn for_statements<T>(mut rows: Vec<T>) -> Vec<Vec<T>> {
    let rest = rows.split_off(rows.len() / ROWS * ROWS);
    let mut statements = Vec::new();
    while !rows.is_empty() {
        let others = rows.split_off(ROWS);
        statements.push(std::mem::replace(&mut rows, others));
    }
    statements.extend(rest.into_iter().map(|row| vec![row]));
    statements
}

/// The statement with as many rows of so many values in the place of `{rows}`.
pub fn with_rows(tx: &Tx, statement: &str, rows: usize, columns: usize) -> AssertSqlSafe<String> {
    AssertSqlSafe(match tx.handle {
        Handle::Sqlite(_) => for_sqlite(statement, rows, columns),
        Handle::Postgres(_) => for_postgres(statement, rows, columns),
    })
}

/// The most rows of a [`PaddedStatement`].
pub const MOST_ROWS: usize = 64;
/// How many sizes it has: 1, 2, 4, and so on.
const SIZES: usize = MOST_ROWS.ilog2() as usize + 1;

/// A statement for few rows, up to [`MOST_ROWS`], that is asked often. Rows without values fill it up
/// to a power of two, so that few different ones stay prepared; each is written once.
pub struct PaddedStatement {
    /// With `{rows}` in the place of the rows.
    statement: EngineText,
    columns: usize,
    sqlite: [OnceLock<String>; SIZES],
    postgres: [OnceLock<String>; SIZES],
}

impl PaddedStatement {
    pub const fn new(statement: EngineText, columns: usize) -> Self {
        PaddedStatement {
            statement,
            columns,
            sqlite: [const { OnceLock::new() }; SIZES],
            postgres: [const { OnceLock::new() }; SIZES],
        }
    }

    /// The statement for at least so many rows, and how many it has.
    pub fn for_rows(&'static self, tx: &Tx, count: usize) -> (&'static str, usize) {
        self.text(count, matches!(tx.handle, Handle::Sqlite(_)))
    }

    fn text(&'static self, count: usize, is_sqlite: bool) -> (&'static str, usize) {
        debug_assert!(count <= MOST_ROWS, "{count} rows");
        let size = (count.next_power_of_two().ilog2() as usize).min(SIZES - 1);
        let rows = 1 << size;
        let EngineText { sqlite, postgres } = self.statement;
        let text = match is_sqlite {
            true => self.sqlite[size].get_or_init(|| for_sqlite(sqlite, rows, self.columns)),
            false => self.postgres[size].get_or_init(|| for_postgres(postgres, rows, self.columns)),
        };
        (text, rows)
    }
}

fn for_sqlite(statement: &str, rows: usize, columns: usize) -> String {
    // For each numbered value that is bound, SQLite searches all of them.
    filled(statement, rows, columns, |_| "?".to_owned())
}

fn for_postgres(statement: &str, rows: usize, columns: usize) -> String {
    filled(statement, rows, columns, |place| format!("${place}"))
}

fn filled(
    statement: &str,
    rows: usize,
    columns: usize,
    placeholder: impl Fn(usize) -> String,
) -> String {
    let row = |row: usize| {
        let values = (1..=columns).map(|column| placeholder(row * columns + column));
        format!("({})", values.collect::<Vec<_>>().join(", "))
    };
    let rows = (0..rows).map(row).collect::<Vec<_>>().join(", ");
    statement.replace("{rows}", &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_order_in_statements_of_two_sizes() {
        for count in [0, 1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 2] {
            let statements = for_statements((0..count).collect());
            assert!(statements.iter().all(|rows| matches!(rows.len(), 1 | ROWS)));
            assert_eq!(statements.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn padded_statement_has_a_power_of_two_of_rows() {
        static STATEMENT: PaddedStatement =
            PaddedStatement::new(EngineText { sqlite: "{rows}", postgres: "{rows}" }, 1);
        for (count, rows) in [(0, 1), (1, 1), (2, 2), (3, 4), (33, 64), (MOST_ROWS, MOST_ROWS)] {
            let (text, given) = STATEMENT.text(count, true);
            assert_eq!((given, text.matches('?').count()), (rows, rows));
            let (text, given) = STATEMENT.text(count, false);
            assert_eq!((given, text.matches('$').count()), (rows, rows));
        }
    }

    #[test]
    fn each_row_has_its_values() {
        let statement = filled("values {rows}", 2, 3, |place| format!("${place}"));
        assert_eq!(statement, "values ($1, $2, $3), ($4, $5, $6)");
    }
}
