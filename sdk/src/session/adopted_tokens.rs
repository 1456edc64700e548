//! The tokens that were adopted from the app before, by their hashes.

use serde::{Deserialize, Serialize};

use crate::unknown_members::UnknownMembers;

/// The list keeps this many entries; the oldest are dropped first.
const MAX_COUNT: usize = 64;

/// The adopted tokens, the oldest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub(crate) struct AdoptedTokens(Vec<Adopted>);

/// The fingerprint of adopted tokens.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Adopted {
    /// SHA-256 in base64url.
    hash: String,
    /// When the tokens expire, by the server's clock. `None` if it is unknown: the entry stays.
    until: Option<i64>,
    #[serde(flatten)]
    unknown: UnknownMembers,
}

impl AdoptedTokens {
    pub fn contains(&self, hash: &str) -> bool {
        self.0.iter().any(|adopted| adopted.hash == hash)
    }

    pub fn add(&mut self, hash: String, until: Option<i64>, now: i64) {
        self.0.retain(|adopted| adopted.until.is_none_or(|until| now < until));
        self.0.push(Adopted { hash, until, unknown: UnknownMembers::default() });
        let surplus = self.0.len().saturating_sub(MAX_COUNT);
        self.0.drain(..surplus);
    }
}
