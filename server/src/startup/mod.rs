//! From the settings to a server that answers. Only this folder sees all the others.

mod accounts;
mod apis;
mod app;
mod check;
mod command;
mod error;
mod metrics;
mod own_keys;
mod parts;
mod server;

pub use self::accounts::begin_numbers;
pub use self::check::{check, check_against_database, look_at_database};
pub use self::command::{migrate, open, open_for_reading, open_with_secret};
pub use self::error::StartError;
pub use self::parts::default_config;
pub use self::server::Server;
