//! Access tokens of this server that were found right, by their SHA-256: what such a token says is
//! known again for the price of a hash, without allocating anything. Only what can never change is
//! remembered. The expiry, the state of the key, revocations and the account are looked at for each
//! request as before, so nothing is trusted for longer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::auth::tokens::signing::access_token::ReadToken;
use crate::auth::tokens::signing::keys::KeyNumber;

/// How many tokens a half has; both together take about a megabyte, because a table of 8 192 places has
/// room for this many.
const HALF: usize = 7_000;

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

pub fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token).into()
}

/// An access token with a right signature and right claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedToken {
    pub read: ReadToken,
    /// The published key that has signed it; `None`: the server's own secret, which stays the same
    /// while the server runs.
    pub key: Option<KeyNumber>,
}

/// The remembered tokens; one set per server.
#[derive(Default)]
pub struct CheckedTokens(Mutex<Halves>);

/// When the new half is full, it becomes the old one, and what was not used since then is forgotten.
#[derive(Default)]
struct Halves {
    new: HashMap<TokenHash, CheckedToken>,
    old: HashMap<TokenHash, CheckedToken>,
}

impl CheckedTokens {
    pub fn find(&self, hash: &TokenHash) -> Option<CheckedToken> {
        self.with(|halves| halves.find(hash))
    }

    pub fn insert(&self, hash: TokenHash, checked: CheckedToken) {
        self.with(|halves| halves.insert(hash, checked));
    }

    fn with<T>(&self, work: impl FnOnce(&mut Halves) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Halves {
    fn find(&mut self, hash: &TokenHash) -> Option<CheckedToken> {
        if let Some(known) = self.new.get(hash) {
            return Some(*known);
        }
        let known = self.old.remove(hash)?;
        self.insert(*hash, known);
        Some(known)
    }

    fn insert(&mut self, hash: TokenHash, checked: CheckedToken) {
        if self.new.len() >= HALF {
            // The memory of those that are forgotten is used again.
            std::mem::swap(&mut self.new, &mut self.old);
            self.new.clear();
        }
        self.new.insert(hash, checked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::tokens::signing::access_token::AccessSubject;

    const CHECKED: CheckedToken = CheckedToken {
        read: ReadToken { subject: AccessSubject { account_id: 7, session: 1 }, expires_at: 1_000 },
        key: None,
    };

    #[test]
    fn token_is_found_by_its_whole_text() {
        let tokens = CheckedTokens::default();
        tokens.insert(token_hash("a.b.c"), CHECKED);
        for _ in 0..2 {
            assert_eq!(tokens.find(&token_hash("a.b.c")), Some(CHECKED));
        }
        for other in ["", "a.b", "a.b.c.", "a.b.C"] {
            assert_eq!(tokens.find(&token_hash(other)), None, "{other}");
        }
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_used() {
        let tokens = CheckedTokens::default();
        tokens.insert(token_hash("used"), CHECKED);
        for number in 0..5 * HALF {
            tokens.insert(token_hash(&number.to_string()), CHECKED);
            assert_eq!(tokens.find(&token_hash("used")), Some(CHECKED));
        }
        assert!(tokens.with(|halves| halves.new.len() + halves.old.len()) <= 2 * HALF);
        assert_eq!(tokens.find(&token_hash("0")), None);
    }
}
