//! What can be wrong with an import file.

use super::record::SourceId;

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("line {line}: {flaw}")]
    Line { line: u64, flaw: Flaw },
    #[error("line {line} cannot be read: {problem}")]
    Unreadable { line: u64, problem: std::io::Error },
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("longer than {most} bytes")]
    TooLong { most: usize },
    #[error("not JSON, from character {column} on")]
    NotJson { column: usize },
    #[error("not a JSON object")]
    NotObject,
    #[error("`kind` is of no kind that this version reads")]
    UnknownKind,
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{member}` must be {wanted}")]
    Wrong { member: &'static str, wanted: &'static str },
    #[error("{0} is not a member of this kind of line")]
    UnknownMember(String),
    #[error("needs `{0}` or `{1}`, and not both")]
    OneOf(&'static str, &'static str),
    #[error("needs `{0}` or `{1}`")]
    AnyOf(&'static str, &'static str),
    #[error("the first line must be of the kind `start`, and no other line")]
    Start,
    #[error("the file ends without its closing line: it is not complete")]
    NoEnd,
    #[error("nothing may follow the closing line")]
    AfterEnd,
    #[error("the closing line counts {stated} lines of the kind `{kind}`, the file has {counted}")]
    Counts { kind: &'static str, stated: u64, counted: u64 },
    #[error("account {0} has an earlier line")]
    SecondAccount(SourceId),
    #[error("no earlier line has the account {0}")]
    NoAccount(SourceId),
    #[error("a client application with this id has an earlier line")]
    SecondClient,
    #[error("no earlier line has the client application in `client`")]
    NoClient,
}
