//! Access tokens that other services check by the published keys.

pub mod access_token;
pub mod key;
pub mod keys;
pub mod rotation;
