//! The tokens that were adopted from the app before, by their hashes.

use serde::{Deserialize, Serialize};

/// More are not remembered; the oldest are let go.
const MAX_COUNT: usize = 64;

/// The adopted tokens, the oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct AdoptedTokens(Vec<Adopted>);

/// Tokens that were taken over once.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Adopted {
    /// SHA-256 in base64url.
    hash: String,
    /// How long they could live, by the server's clock; for ever where nobody says.
    until: Option<i64>,
}

impl AdoptedTokens {
    pub fn contains(&self, hash: &str) -> bool {
        self.0.iter().any(|adopted| adopted.hash == hash)
    }

    pub fn add(&mut self, hash: String, until: Option<i64>, now: i64) {
        self.0.retain(|adopted| adopted.until.is_none_or(|until| now < until));
        self.0.push(Adopted { hash, until });
        let surplus = self.0.len().saturating_sub(MAX_COUNT);
        self.0.drain(..surplus);
    }
}
