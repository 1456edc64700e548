//! Access tokens with a public-key signature, which other services verify with the published keys.

pub mod access_token;
pub mod key;
pub mod keys;
pub mod rotation;
