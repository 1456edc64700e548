//! Token formats: making and reading them. Nothing here knows the database's rows.

pub mod derived_refresh;
pub mod hs256;
pub mod opaque;
pub mod session_id;
pub mod signing;
pub mod simple_jwt;
pub mod token_id;
