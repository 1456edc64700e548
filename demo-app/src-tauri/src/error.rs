//! Why a command of the demo failed: one English sentence, in the form of the plugin's errors.

use std::fmt;

use serde::Serialize;

/// Why a command failed.
#[derive(Clone, Debug, Serialize)]
pub struct DemoError {
    kind: &'static str,
    detail: String,
    /// What the user did wrong; the page has a text for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
}

pub type Result<T> = std::result::Result<T, DemoError>;

impl DemoError {
    pub fn new(detail: impl fmt::Display) -> Self {
        DemoError { kind: "usage", detail: detail.to_string(), code: None }
    }

    /// A mistake of the user, for which the page has a text.
    pub fn of_user(code: &'static str, detail: impl fmt::Display) -> Self {
        DemoError { code: Some(code), ..DemoError::new(detail) }
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
