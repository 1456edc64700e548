//! The operator's side: settings, commands, starting, stopping, backups, outages.

mod adopted_links;
mod adoption;
mod backups;
mod commands;
mod database_outage;
mod donors;
mod durability;
mod events;
mod import_files;
mod load;
mod load_program;
mod log_lines;
mod look_ups;
mod metrics;
mod open_adoption;
mod proxies;
mod questions;
mod restart;
mod restored_backup;
mod settings;
mod starting;
mod stopping;
mod trips;
mod way_back;
mod webhooks;
