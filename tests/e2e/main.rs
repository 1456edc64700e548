//! The end-to-end tests, in one binary: everything that a client of the server can see.

mod accounts;
mod commands;
mod crossing;
mod documents;
mod durability;
mod edge;
mod foreign;
mod limits;
mod load;
mod log_secrets;
mod passwords;
mod place;
mod races;
mod replay;
mod restart;
mod sessions;
mod settings;
mod sizes;
mod starting;
mod stopping;
mod wire;
