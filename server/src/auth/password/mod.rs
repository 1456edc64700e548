//! Passwords: the rules for new ones, and hashing on threads of its own.

mod dummy_cost;
mod encoded;
mod error;
mod hasher;
mod memory;
mod plain_and_hashed;
mod pool;
pub mod rules;

pub use dummy_cost::{CostSeed, SchemeCounts};
pub use error::HashError;
pub use hasher::{HashSettings, Hasher, Verdict, is_supported, scheme_name};
pub use plain_and_hashed::{Password, PasswordHash, REFUSED, TooLong, is_unusable};
pub use pool::{HashCounts, Origin};
