//! The database that a command works on.

use std::sync::{Arc, OnceLock};

use super::Outcome;
use crate::auth::Auth;
use crate::clock::Clock;
use crate::config::Config;
use crate::startup;

/// The address of the open database.
static NAME: OnceLock<String> = OnceLock::new();

/// The address of the database, once it is open.
pub fn name() -> Option<&'static str> {
    NAME.get().map(String::as_str)
}

pub async fn open(config: &Config) -> Outcome<Arc<Auth>> {
    Ok(noted(startup::open(config, Clock::system()).await?))
}

/// For a command that stores nothing.
pub async fn open_for_reading(config: &Config) -> Outcome<Arc<Auth>> {
    Ok(noted(startup::open_for_reading(config, Clock::system()).await?))
}

/// For work on signing keys, whose private halves are sealed under the server's secret.
pub async fn open_with_keys(config: &Config, replaces_all: bool) -> Outcome<Arc<Auth>> {
    Ok(noted(startup::open_with_secret(config, Clock::system(), replaces_all).await?))
}

fn noted(auth: Arc<Auth>) -> Arc<Auth> {
    note_name(auth.database());
    auth
}

/// Notes the address of the database that a command has opened.
pub fn note_name(name: String) {
    NAME.get_or_init(|| name);
}
