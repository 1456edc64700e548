//! Mails to an account's owner, and the links in them.

pub mod links;
pub mod one_time_token;
pub mod outbox;
pub mod uid;
