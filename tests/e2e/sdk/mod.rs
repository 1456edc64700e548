//! The SDK as apps use it: against this server, and against the real Django stacks of its dialects.

mod adoption;
mod api;
mod api_limits;
mod api_requests;
mod browser;
mod clocks;
#[path = "../../../sdk/tests/sdk/delegate.rs"]
mod delegate;
mod examples;
mod first_answers;
mod identity;
mod leases;
mod network;
mod offline;
mod origins;
mod own_data;
mod peer;
mod processes;
mod rejections;
mod resets;
mod sessions;
mod sign_out;
mod single_flight;
mod stopped;
mod suite;
mod tower_clients;
mod trouble;
mod vaults;
mod watching;

use std::path::Path;

use propusk::{Client, ClientBuilder, Clock, ErrorKind, SignOutReason, Vault, VaultKey};
use propusk_tests::recording_proxy::RecordingProxy;
use propusk_tests::server::TestServer;

pub const EMAIL: &str = "anna@example.org";
pub const PASSWORD: &str = "a quiet harbour at noon";
/// Longer than an access token of `native` is valid.
pub const EXPIRED: i64 = 901;

/// The key of all vaults in these tests.
pub fn key() -> VaultKey {
    VaultKey::from_bytes([7; 32])
}

/// A server with an account, and the clock of a device.
pub struct Home {
    pub server: TestServer,
    pub clock: Clock,
    pub folder: tempfile::TempDir,
}

impl Home {
    /// With the account [`EMAIL`].
    pub async fn start() -> Self {
        Home::at(TestServer::start().await).await
    }

    pub async fn at(server: TestServer) -> Self {
        let clock = Clock::manual(server.clock.now());
        let folder = tempfile::tempdir().expect("a folder");
        let home = Home { server, clock, folder };
        let new = propusk::Registration::new(PASSWORD).email(EMAIL);
        home.memory().register(&new).await.expect("an account");
        home
    }

    pub fn builder(&self) -> ClientBuilder {
        Client::builder(self.server.public_url.clone()).clock(self.clock.clone())
    }

    /// As [`builder`](Self::builder), through a recording proxy.
    pub fn builder_at(&self, tap: &RecordingProxy) -> ClientBuilder {
        Client::builder(tap.url()).clock(self.clock.clone())
    }

    /// An app with its session in memory.
    pub fn memory(&self) -> Client {
        self.builder().build().expect("a client")
    }

    pub fn vault(&self) -> Vault {
        vault_at(self.folder.path())
    }

    /// An app with a vault on the disk.
    pub fn app(&self) -> Client {
        self.builder().vault(self.vault()).build().expect("a client")
    }

    /// The same, signed in.
    pub async fn signed_in(&self) -> Client {
        let app = self.app();
        app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        app
    }

    /// The same through a proxy that records every request.
    pub async fn tapped(&self) -> (RecordingProxy, Client) {
        let tap = RecordingProxy::open(self.server.address).await;
        let app = Client::builder(tap.url()).clock(self.clock.clone()).vault(self.vault());
        let app = app.build().expect("a client");
        app.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        (tap, app)
    }

    /// Moves the clocks of the server and the device.
    pub fn advance(&self, seconds: i64) {
        self.server.clock.advance(seconds);
        self.clock.set(self.clock.now() + seconds);
    }
}

pub fn vault_at(folder: &Path) -> Vault {
    Vault::file(folder.join("app.vault"), key())
}

/// The reason of a sign-out.
pub fn reason<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> SignOutReason {
    match outcome.expect_err("a sign-out").kind() {
        ErrorKind::SignedOut { reason } => *reason,
        other => panic!("{other:?}"),
    }
}

/// The code of a rejection.
pub fn code<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> String {
    match outcome.expect_err("a refusal").kind() {
        ErrorKind::Rejected(rejection) => rejection.code.to_string(),
        other => panic!("{other:?}"),
    }
}
