//! SQL for the database of a Django: names and values as they are written into statements. The same
//! form fits SQLite, Postgres and MySQL, after the statements of [`Engine::begin`].

use serde_json::Value;
use time::OffsetDateTime;

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    Mysql,
}

impl Engine {
    /// By the name that a Django or an operator has for it.
    pub fn named(name: &str) -> Option<Engine> {
        match name {
            "sqlite" => Some(Engine::Sqlite),
            "postgres" | "postgresql" => Some(Engine::Postgres),
            "mysql" => Some(Engine::Mysql),
            _ => None,
        }
    }

    /// Begins a transaction in which a backslash is a character, `"` begins a name, and times are in
    /// UTC.
    pub fn begin(self) -> &'static str {
        match self {
            Engine::Sqlite => "begin;\n",
            Engine::Postgres => {
                "begin;\n\
                 set local client_encoding = 'UTF8';\n\
                 set local standard_conforming_strings = on;\n\
                 set local time zone 'UTC';\n"
            }
            Engine::Mysql => {
                "set names utf8mb4;\n\
                 set session sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES';\n\
                 begin;\n"
            }
        }
    }
}

/// The name of a table or column.
pub fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `None` if it has a NUL character, which no engine reads.
pub fn text(text: &str) -> Option<String> {
    match text.contains('\0') {
        true => None,
        false => Some(format!("'{}'", text.replace('\'', "''"))),
    }
}

/// An instant in seconds since 1970, in UTC.
pub fn time(seconds: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    format!("'{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}'")
}

/// `None` for a list, an object, and a text with a NUL character.
pub fn value(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("null".to_owned()),
        Value::Bool(is_so) => Some(is_so.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(string) => text(string),
        Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_cannot_end_its_literal() {
        assert_eq!(text("it's").as_deref(), Some("'it''s'"));
        assert_eq!(text(r"\'; drop").as_deref(), Some(r"'\''; drop'"));
        assert_eq!(text("a\0b"), None);
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
    }

    #[test]
    fn value_is_one_that_all_engines_read() {
        let written = |of| value(&of).expect("a value");
        assert_eq!(written(json!(true)), "true");
        assert_eq!(written(json!(-3)), "-3");
        assert_eq!(written(json!("o'n")), "'o''n'");
        assert_eq!(written(json!(null)), "null");
        assert_eq!(value(&json!([1])), None);
        assert_eq!(time(1_614_827_167), "'2021-03-04 03:06:07'");
    }
}
