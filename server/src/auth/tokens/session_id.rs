//! Session ids: random numbers of 60 bits, and their public names. A refresh token also carries its
//! generation: how many times its session was refreshed.

use crate::auth::secrets::random::random;
use crate::auth::tokens::token_id::{GENERATIONS, SESSION_IDS};
use crate::error::Result;

/// A new random session id.
pub fn new_session_id() -> Result<i64> {
    Ok((u64::from_le_bytes(random()?) % SESSION_IDS).cast_signed())
}

/// A session's public name: its id in 15 hex digits.
pub fn name_of_session(id: i64) -> String {
    format!("{id:015x}")
}

/// The inverse of [`name_of_session`]; `None` for any other text.
pub fn session_of_name(name: &str) -> Option<i64> {
    let id = i64::from_str_radix(name, 16).ok().filter(|id| *id >= 0)?;
    (name_of_session(id) == name).then_some(id)
}

/// The part of a generation that fits into a token's id.
pub fn generation_in_id(generation: i64) -> u32 {
    u32::try_from(generation.rem_euclid(i64::from(GENERATIONS))).unwrap_or_default()
}
