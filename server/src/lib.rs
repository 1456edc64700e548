//! Propusk's server: existing sign-in APIs over one account store. [`Server::bind`] puts the
//! parts together; `cli::main` is the command `propusk`.

pub mod address_privacy;
pub mod algorithm;
mod api;
mod app_links;
pub mod auth;
// An embedded server has no command line, and the demo embeds one on Windows too.
#[cfg(unix)]
pub mod cli;
pub mod clock;
pub mod config;
mod dialects;
pub mod donor;
mod drf;
pub mod error;
mod http;
pub mod identifier;
pub mod import_file;
pub mod language;
pub mod log;
pub mod mail;
mod openapi;
mod owner_only;
mod pages;
mod providers;
mod python;
mod readable;
mod redirect;
mod request_record;
mod startup;
pub mod store;
mod tls;
mod upstream;
mod webhook;

pub use crate::clock::Clock;
// What only `cli` uses is public too: where there is no `cli` it would be dead code.
pub use crate::providers::is_openid_connect;
pub use crate::request_record::Cause;
pub use crate::startup::{
    Server, StartError, begin_numbers, check, check_against_database, default_config,
    look_at_database, migrate, open, open_with_secret,
};
