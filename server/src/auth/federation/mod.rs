//! Signing in with an account at a provider such as Google.

pub mod account;
pub mod flow;
pub mod linking;
pub mod redeem;
