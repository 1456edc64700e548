//! Why the database of a Django is not read. No text has a value of the database in it, and none
//! has the password of its URL.

use crate::error::words_of;

/// A refused database, with its address.
#[derive(Debug, thiserror::Error)]
#[error("{donor}: {problem}")]
pub struct DonorError {
    donor: String,
    problem: Problem,
}

impl DonorError {
    pub(super) fn of(donor: &str, problem: Problem) -> Self {
        DonorError { donor: donor.to_owned(), problem }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("it must be sqlite:///path/to/file or postgres://user@host/database")]
    Url,
    #[error("there is no such file")]
    Absent,
    #[error("it cannot be opened: {}", words(.0))]
    Unopened(sqlx::Error),
    #[error("it does not answer within {0} seconds")]
    Silent(u64),
    #[error("{}", words(.0))]
    Database(#[from] sqlx::Error),
    #[error("it is no database of a Django: this user sees no table django_content_type")]
    NoDjango,
    #[error("it is a database of Propusk, and not of a Django")]
    Propusk,
    #[error("this user has no right to read {column} of {table}: grant select on {table}")]
    NoRight { table: String, column: String },
    #[error("it is half migrated, or has a model of its own that export.py reads: {0} is missing")]
    HalfMigrated(String),
    #[error("no table of users was found: set adopt.user_table")]
    NoUsers,
    #[error("several tables could be that of the users: set adopt.user_table to one of {0}")]
    SeveralUsers(String),
    #[error("adopt.user_table: {0} is no table with the columns of a user model and a primary key")]
    NotUsers(String),
    #[error("the table {0} has no column username, email or phone: set adopt.username_field")]
    NoLogin(String),
    #[error("adopt.{setting}: the table {table} has no column {column}")]
    NoColumn { setting: String, table: String, column: String },
    #[error("{column} of {table} has a value that cannot be read")]
    Value { table: String, column: String },
    #[error("a temporary file in the data directory: {0}")]
    File(#[from] std::io::Error),
}

/// What the database says, unless that has a value in it, as what Postgres says of data has.
fn words(error: &sqlx::Error) -> String {
    let code = match error {
        sqlx::Error::Database(error) => error.code(),
        _ => None,
    };
    match code.filter(|code| code.len() == 5 && code.starts_with("22")) {
        Some(code) => format!("it cannot read a value ({code})"),
        None => words_of(error),
    }
}
