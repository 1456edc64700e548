//! Mails: how they are delivered, how many are sent, and where their links lead.

mod faults;
mod limits;
mod transport;
mod urls;
