//! Token formats: how a token is made, read and checked without the database.

pub mod checked;
pub mod derived_refresh;
pub mod hs256;
pub mod key_pair;
pub mod opaque;
pub mod session_id;
pub mod signing;
pub mod simple_jwt;
pub mod token_id;
