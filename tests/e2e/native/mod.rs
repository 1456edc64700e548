//! Our own API as its clients use it: answers are parsed with the types of `propusk-wire`.

mod account;
mod accounts;
mod addresses;
mod app_links;
mod identities;
mod kept;
mod new_networks;
mod password;
mod reauthentication;
mod refresh;
mod refresh_together;
mod remembered;
mod sessions;
mod signing_keys;
mod tokens;

use propusk_tests::http::Answer;
use propusk_tests::native::*;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};
