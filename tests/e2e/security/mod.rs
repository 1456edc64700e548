//! Attacks: guessing, enumeration, forged tokens, races, secrets in logs.

mod enumeration;
mod forged;
mod lasting_limits;
mod limits;
mod log_secrets;
mod races;
mod reset_model;
mod strict;
mod taken_names;
