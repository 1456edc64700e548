//! What commands print: lists and results on standard output, the database's name with both.

use std::io::Write;
use std::time::{Duration, UNIX_EPOCH};

use propusk_server::auth::HEARD_WITHIN;

use super::{Outcome, database};

pub fn date(seconds: i64) -> String {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    httpdate::fmt_http_date(UNIX_EPOCH + since)
}

/// Prints the result when all running servers have seen the change.
pub async fn say_when_heard(line: &str) -> Outcome {
    tokio::time::sleep(HEARD_WITHIN).await;
    done(line)
}

/// Prints the result and the database it applies to: the operator may be in another directory than
/// they think.
pub fn done(line: &str) -> Outcome {
    match database::name() {
        Some(database) => say(&format!("on {database}: {line}")),
        None => say(line),
    }
}

/// Names the database before a list. On standard error: scripts read the list.
pub fn name_database() {
    if let Some(database) = database::name() {
        eprintln!("on {database}");
    }
}

/// Writes a line; a closed pipe is an error like any other, not a panic.
pub fn say(line: &str) -> Outcome {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
