//! Sign-in with an account at a provider such as Google.

pub mod answer;
pub mod flow;
pub mod handle;
pub mod identity;
pub mod linking;
pub mod redeem;
pub mod sign_in_or_register;
