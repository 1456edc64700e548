//! The link in a mail, with its parts.

use regex_lite::Regex;

use crate::mailbox::Letter;

/// A URL with an account's uid and a one-time token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub url: String,
    pub uid: String,
    pub token: String,
}

impl Link {
    /// The first one in the plain text, if there is one.
    pub fn of(letter: &Letter) -> Option<Link> {
        let pattern = r"\S+://\S+(?:/|\?uid=)([\w-]+)(?:/|&token=)([0-9a-z]{6}-[0-9a-f]{32})\s";
        let found = Regex::new(pattern).expect("a pattern").captures(&letter.text)?;
        let value = |number: usize| Some(found.get(number)?.as_str().trim_end().to_owned());
        Some(Link { url: value(0)?, uid: value(1)?, token: value(2)? })
    }
}
