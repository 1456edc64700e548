//! Signing in with a password, or with a token of the replaced server. (With a provider:
//! `providers`.)

mod fair_hashing;
mod passwords;
mod replaced_server;
