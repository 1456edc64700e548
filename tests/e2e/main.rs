//! The end-to-end tests, in one binary: everything that a client of the server can see. There is a
//! folder for each subject; its `mod.rs` says what belongs there.

mod accounts;
mod apis;
mod django;
mod docs;
mod documents;
mod mail;
mod native;
mod openapi;
mod operation;
mod pages;
mod providers;
mod readme;
mod sdk;
mod security;
mod sessions;
mod sign_in;
mod wire;
