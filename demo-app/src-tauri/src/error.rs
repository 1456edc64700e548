//! Why a command of the demo failed: one English sentence, in the form of the plugin's errors.

use std::fmt;

use serde::Serialize;

/// Why a command failed.
#[derive(Clone, Debug, Serialize)]
pub struct DemoError {
    kind: &'static str,
    detail: String,
}

pub type Result<T> = std::result::Result<T, DemoError>;

impl DemoError {
    pub fn new(detail: impl fmt::Display) -> Self {
        DemoError { kind: "usage", detail: detail.to_string() }
    }
}

impl fmt::Display for DemoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for DemoError {}

impl From<propusk::Error> for DemoError {
    fn from(error: propusk::Error) -> Self {
        DemoError::new(error)
    }
}
