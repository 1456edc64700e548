//! Sessions: opening, listing and ending them.

pub mod cut_off;
pub mod known_place;
pub mod list;
pub mod reauthentication;
pub mod reused;
pub mod session;
