//! The test support for apps, used as an app's test does.

mod accounts;
mod browser;
mod events;
mod limits;
mod script;
mod server;
mod spans;
mod vault;

use propusk::testing::FakeServer;
use propusk::{Client, ErrorKind, Rejection, SignOutReason};

pub const EMAIL: &str = "anna@example.org";
pub const PASSWORD: &str = "a quiet harbour at noon";
pub const SIGN_IN: &str = "/propusk/v1/sessions";
pub const REFRESH: &str = "/propusk/v1/sessions/refresh";
pub const HOUR: std::time::Duration = std::time::Duration::from_secs(3_600);

/// A server with the account [`EMAIL`].
pub async fn server() -> FakeServer {
    let server = FakeServer::start().await;
    server.add_account(EMAIL, PASSWORD);
    server
}

/// The same with a signed-in client.
pub async fn signed_in() -> (FakeServer, Client) {
    let server = server().await;
    let client = server.client();
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    (server, client)
}

pub fn kind<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> ErrorKind {
    outcome.expect_err("an error").kind().clone()
}

/// The reason of a sign-out.
pub fn reason<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> SignOutReason {
    match kind(outcome) {
        ErrorKind::SignedOut { reason } => reason,
        other => panic!("{other:?}"),
    }
}

/// The rejection of a server.
pub fn rejection<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> Rejection {
    match kind(outcome) {
        ErrorKind::Rejected(rejection) => rejection,
        other => panic!("{other:?}"),
    }
}
