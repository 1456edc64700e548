//! Sign-in with an account at a provider such as Google.

pub mod account;
pub mod answer;
pub mod flow;
pub mod handle;
pub mod identity;
pub mod linking;
pub mod redeem;
