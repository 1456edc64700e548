//! Tokens whose signature and claims were found right, by their SHA-256: a signature costs fifty
//! times as much to verify as a hash. Only what can never change is remembered. The expiry, the state
//! of the key, revocations and the account are looked at for each request as before, so nothing is
//! trusted for longer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use crate::auth::tokens::signing::access_token::ReadToken;

/// How many tokens a half has; both together take less than two megabytes.
const HALF: usize = 8_192;

/// SHA-256 of a token.
type TokenHash = [u8; 32];

/// The remembered tokens; one set per server.
#[derive(Default)]
pub struct CheckedTokens(Mutex<Halves>);

/// When the new half is full, it becomes the old one, and what was not used since then is forgotten.
#[derive(Default)]
struct Halves {
    new: HashMap<TokenHash, ReadToken>,
    old: HashMap<TokenHash, ReadToken>,
}

impl CheckedTokens {
    /// What the token says: as remembered, or as `check` reads it. A failure is not remembered.
    pub fn read<E>(
        &self,
        token: &str,
        check: impl FnOnce() -> Result<ReadToken, E>,
    ) -> Result<ReadToken, E> {
        let hash = Sha256::digest(token).into();
        if let Some(known) = self.with(|halves| halves.find(hash)) {
            return Ok(known);
        }
        let read = check()?;
        self.with(|halves| halves.insert(hash, read));
        Ok(read)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Halves) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Halves {
    fn find(&mut self, hash: TokenHash) -> Option<ReadToken> {
        if let Some(known) = self.new.get(&hash) {
            return Some(*known);
        }
        let known = self.old.remove(&hash)?;
        self.insert(hash, known);
        Some(known)
    }

    fn insert(&mut self, hash: TokenHash, read: ReadToken) {
        if self.new.len() >= HALF {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(hash, read);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::auth::tokens::signing::access_token::AccessSubject;

    const READ: ReadToken =
        ReadToken { subject: AccessSubject { account_id: 7, session: 1 }, expires_at: 1_000 };

    /// Whether the token had to be checked.
    fn is_checked(tokens: &CheckedTokens, token: &str) -> bool {
        let mut checked = false;
        let read = tokens.read(token, || {
            checked = true;
            Ok::<_, Infallible>(READ)
        });
        assert_eq!(read, Ok(READ));
        checked
    }

    #[test]
    fn token_is_checked_once_and_another_by_itself() {
        let tokens = CheckedTokens::default();
        assert!(is_checked(&tokens, "a"));
        assert!(!is_checked(&tokens, "a"));
        assert!(is_checked(&tokens, "b"));
    }

    #[test]
    fn failure_is_not_remembered() {
        let tokens = CheckedTokens::default();
        for _ in 0..2 {
            assert_eq!(tokens.read("a", || Err("bad")), Err("bad"));
        }
        assert!(is_checked(&tokens, "a"));
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_is_used() {
        let tokens = CheckedTokens::default();
        for number in 0..5 * HALF {
            assert!(is_checked(&tokens, &number.to_string()));
            assert_eq!(is_checked(&tokens, "used"), number == 0);
        }
        assert!(tokens.with(|halves| halves.new.len() + halves.old.len()) <= 2 * HALF);
        assert!(is_checked(&tokens, "0"));
    }
}
