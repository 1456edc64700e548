//! Test support for apps: a [`FakeServer`] with scripted answers and a manual clock, a
//! [`FailingVault`] whose disk and key store fail on demand, and a [`FakeBrowser`]. Tests need no
//! container, no network and no waiting. Enable the feature `testing` in a dev-dependency:
//!
//! ```toml
//! [dev-dependencies]
//! propusk = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A complete test of an app that shows orders from its own API, as the body of a `#[tokio::test]`:
//!
//! ```
//! use std::time::Duration;
//!
//! use propusk::testing::{Answer, FakeServer};
//! use propusk::{Client, ErrorKind, SignOutReason};
//!
//! /// What the app does.
//! async fn orders(client: &Client, api: &str) -> propusk::Result<Vec<String>> {
//!     let answer = client.api().get(&format!("{api}/orders")).send().await?;
//!     Ok(answer.json().await.unwrap_or_default())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> propusk::Result<()> {
//! let server = FakeServer::start().await;
//! server.add_account("anna@example.org", "a quiet harbour at noon");
//! server.answer_signed_in("GET", "/orders", Answer::status(200).json(&["tea"]));
//!
//! let client = server.client();
//! client.sign_in("anna@example.org", "a quiet harbour at noon").await?;
//! assert_eq!(orders(&client, server.url()).await?, ["tea"]);
//!
//! // An hour later the access token has expired, and is renewed by itself.
//! server.advance(Duration::from_secs(3_600));
//! assert_eq!(orders(&client, server.url()).await?, ["tea"]);
//! assert_eq!(server.count("POST", "/propusk/v1/sessions/refresh"), 1);
//!
//! // Anna ends the session from another device.
//! server.end_sessions("anna@example.org");
//! server.advance(Duration::from_secs(3_600));
//! let error = orders(&client, server.url()).await.unwrap_err();
//! assert_eq!(*error.kind(), ErrorKind::SignedOut { reason: SignOutReason::Ended });
//! # Ok(()) }
//! ```
//!
//! An invalid call, such as one with an unknown account, panics with a message. It runs on every
//! system of the SDK, including phones.

mod accounts;
mod answer;
mod browser;
mod events;
mod federation;
mod records;
mod reply;
mod routes;
mod script;
mod server;
mod sessions;
mod store;
mod vault;

pub use answer::Answer;
pub use browser::FakeBrowser;
pub use script::{HeldRequest, ReceivedRequest};
pub use server::FakeServer;
pub use vault::{DiskState, FailingVault, HeldLock, KeyStoreState};
