//! Random bytes, their text in hex, and the hash under which a random token is stored.

use sha2::{Digest, Sha256};

use crate::error::Result;

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

/// The hash of a token, stored in its place: a copy of the database has no usable token. Tokens are
/// random, so it needs neither salt nor cost.
pub fn hash(token: &str) -> String {
    hex(&Sha256::digest(token))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
