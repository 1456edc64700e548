//! Sessions: opening, listing and ending them.

pub mod list;
pub mod reauthentication;
pub mod session;
