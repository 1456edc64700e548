//! Statements that store many rows at once: a million statements take minutes.

use sqlx::AssertSqlSafe;

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

/// With how many rows a statement of `count` rows is sent, so that few different ones stay prepared:
/// rows without values fill it up.
pub fn padded(count: usize) -> usize {
    count.next_power_of_two()
}

/// The statement with as many rows of so many values in the place of `{rows}`.
pub fn with_rows(tx: &Tx, statement: &str, rows: usize, columns: usize) -> AssertSqlSafe<String> {
    AssertSqlSafe(match tx.handle {
        // For each numbered value that is bound, SQLite searches all of them.
        Handle::Sqlite(_) => filled(statement, rows, columns, |_| "?".to_owned()),
        Handle::Postgres(_) => filled(statement, rows, columns, |place| format!("${place}")),
    })
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
    fn each_row_has_its_values() {
        let statement = filled("values {rows}", 2, 3, |place| format!("${place}"));
        assert_eq!(statement, "values ($1, $2, $3), ($4, $5, $6)");
    }
}
