//! What commands print: lists and results on standard output, the database's name with both.

use std::io::Write;
use std::sync::OnceLock;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Outcome, database};
use crate::auth::HEARD_WITHIN;
use crate::readable::{disturbs_a_line, is_invisible};

/// Whether `--json` is given.
static JSON: OnceLock<bool> = OnceLock::new();

/// Makes commands print JSON: one value on each line.
pub fn set_json(is_json: bool) {
    JSON.get_or_init(|| is_json);
}

pub fn is_json() -> bool {
    JSON.get().copied().unwrap_or_default()
}

/// An instant in UTC, as `--joined` and `--since` take it.
pub fn date(seconds: i64) -> String {
    let Ok(instant) = OffsetDateTime::from_unix_timestamp(seconds) else {
        return seconds.to_string();
    };
    let (year, month, day) = (instant.year(), u8::from(instant.month()), instant.day());
    let (hour, minute, second) = instant.to_hms();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A text that others have chosen, with characters escaped that control a terminal or cannot be
/// seen.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match disturbs_a_line(c) || is_invisible(c) {
            true => plain.extend(c.escape_unicode()),
            false => plain.push(c),
        }
    }
    plain
}

/// Prints a value on one line. Characters that control a terminal are escaped, also those that JSON
/// allows.
pub fn say_json(value: &Value) -> Outcome {
    let text = value.to_string();
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match disturbs_a_line(c) {
            true => line.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => line.push(c),
        }
    }
    say(&line)
}

/// Prints the result when all running servers have seen the change.
pub async fn say_when_heard(line: &str) -> Outcome {
    tokio::time::sleep(HEARD_WITHIN).await;
    done(line)
}

/// The same for a result that is a value.
pub async fn say_json_when_heard(value: &Value) -> Outcome {
    tokio::time::sleep(HEARD_WITHIN).await;
    say_json(value)
}

/// Prints the result and the database it applies to: the operator may be in another directory than
/// they think.
pub fn done(line: &str) -> Outcome {
    match database::name() {
        database if is_json() => say_json(&json!({"database": database, "result": line})),
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
