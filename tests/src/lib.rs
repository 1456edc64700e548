//! The harness of the end-to-end tests: a server in this process ([`server`]) or as a child of it
//! ([`process`]), a database for each test, a plain HTTP client, a mail server ([`smtp`]) whose mails
//! are read ([`mailbox`]), a browser ([`browser`]), an OpenID provider ([`oidc_provider`]), Django
//! stacks ([`django`]), a way on which requests are seen ([`recording_proxy`]), a network, a disk and processes
//! that fail ([`chaos`]), what the server says of its own APIs ([`openapi`]), and the replay of the
//! recorded answers ([`contract`]). The tests themselves are in `e2e/`.

pub mod browser;
pub mod certificate;
pub mod chaos;
pub mod connection;
pub mod contract;
pub mod database;
pub mod database_proxy;
pub mod django;
pub mod http;
pub mod limits;
pub mod links;
pub mod mailbox;
pub mod oidc_provider;
pub mod openapi;
pub mod operator;
pub mod phone;
pub mod process;
pub mod providers;
pub mod recording_proxy;
pub mod server;
pub mod smtp;
pub mod tokens;

/// The signing key of every server under test; long enough to be accepted, and known to the tests.
pub const SECRET: &str = "oracle-signing-key-0123456789abcdef0123456789abcdef";
