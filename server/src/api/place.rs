//! Where an API is served and how it reads a request there. Its document says so, or the settings.

use std::collections::BTreeMap;

/// What an API does at one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Its name in the settings.
    pub name: &'static str,
    /// Its path in the document; empty if the document does not have it.
    pub path: &'static str,
}

/// The place of one API.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The path of each operation that is served, by its name. It is served with and without a
    /// final slash; answers show it as it is here.
    pub paths: BTreeMap<&'static str, String>,
    /// The words before a token in the `Authorization` header; the first is in challenges.
    pub header_words: Vec<String>,
    /// The field of the name in a sign-in.
    pub sign_in_field: &'static str,
}

impl Place {
    /// The path of an operation, if it is served.
    pub fn path(&self, operation: &str) -> Option<&str> {
        self.paths.get(operation).map(String::as_str)
    }
}
