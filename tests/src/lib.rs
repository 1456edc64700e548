//! The harness of the end-to-end tests.
//!
//! Servers: in this process ([`server`]) or as a child process that an operator starts
//! ([`operator`], [`process`]), each with a database of its own. Clients: a plain one ([`http`]), a
//! bare connection ([`connection`]), a user of djoser's API ([`user`]) and of ours ([`native`]), a
//! browser ([`browser`], [`phone`], over [`webdriver`]), the demo's window ([`desktop`]). Peers: a mail server ([`smtp`], [`mailbox`]), OpenID providers
//! ([`oidc_provider`], [`providers`], [`provider_pages`]), Django stacks ([`django`]), a server in the place of a Django
//! ([`replaced_django`]), the file of a replaced system ([`import_file`]), a service that receives webhooks
//! ([`webhook_receiver`]), settings of Django projects that both sides get ([`projects`]), proxies that record requests
//! ([`recording_proxy`]) or lose packets ([`database_proxy`]), and faults of network, disk and
//! processes ([`chaos`]). Figures: the load program ([`load`]). Expectations: the recorded answers ([`contract`]) and the server's own
//! description ([`openapi`]), the operator's handbook ([`handbook`]), and the rules of accessibility ([`accessibility`]). For the tests of the bindings all of it is behind HTTP
//! ([`bindings_fixture`]). The tests themselves are in `e2e/`.

pub mod accessibility;
pub mod bindings_fixture;
pub mod browser;
pub mod certificate;
pub mod chaos;
pub mod connection;
pub mod contract;
pub mod database;
pub mod database_proxy;
pub mod desktop;
pub mod django;
pub mod donor;
pub mod handbook;
pub mod http;
pub mod import_file;
pub mod limits;
pub mod links;
pub mod load;
pub mod mailbox;
pub mod native;
pub mod oidc_provider;
pub mod openapi;
pub mod operator;
pub mod phone;
pub mod process;
pub mod projects;
pub mod provider_pages;
pub mod providers;
pub mod recording_proxy;
pub mod replaced_django;
pub mod server;
pub mod smtp;
pub mod tokens;
pub mod user;
pub mod webdriver;
pub mod webhook_receiver;

/// The signing key of every server under test; long enough to be accepted, and known to the tests.
pub const SECRET: &str = "oracle-signing-key-0123456789abcdef0123456789abcdef";
