//! The fixture of the bindings' tests: servers, mailboxes, providers and a network that can fail,
//! behind a small HTTP API, so that tests in every language use the same ones.
//!
//! `bindings_fixture` prints `PROPUSK_FIXTURE=http://127.0.0.1:PORT` and serves until its standard
//! input is closed; `bindings_fixture COMMAND ARGUMENT…` runs the command with that variable and
//! ends with its status.
//!
//! Every request is a POST with a JSON object, or no body, and every answer is JSON. A test creates
//! a world of its own: a server with a fresh SQLite database and a clock that starts at the time of
//! day and stands still, all six APIs, a mail server, the stand-in's providers, and a proxy in front.
//!
//! | path | body | answer |
//! | --- | --- | --- |
//! | `/worlds` | | `id`; `server`: the address for the app, through the proxy; `redirect`: an app's link that is allowed; `loopback`: one for a port of this machine |
//! | `/worlds/ID/close` | | `{}`; ends it |
//! | `/worlds/ID/mail` | `email` | `link`, `subject` of the newest mail to this address, once all mails have arrived |
//! | `/worlds/ID/network` | `up` (boolean) | `{}`; while it is down, every connection is closed |
//! | `/worlds/ID/hold` | `held` (boolean) | `{}`; while held, requests reach the proxy and wait there |
//! | `/worlds/ID/arrived` | `request`, such as `POST /propusk/v1/sessions` | `{}` once such a request has reached the proxy |
//! | `/worlds/ID/dropped` | `request` | `{}` once the app has closed the connection of such a held request |
//! | `/worlds/ID/count` | `request` | `count` of such requests |
//! | `/worlds/ID/answer` | `request`, `status`, `headers` (object, optional), `body` (text, optional) | `{}`; the next such request gets this answer, and the server does not get it |
//! | `/worlds/ID/clock` | `advance` (seconds) | `{}`; moves the server's clock: 901 expires the access tokens of `native` |
//! | `/worlds/ID/browse` | `authorize_url`, `login` (optional), `consent` (boolean, optional) | `link` that the browser opens at the end; a link to a port of this machine was opened already |
//! | `/worlds/ID/tokens` | `email`, `password` | `access`, `refresh` of a sign-in in `djoser_jwt`, as an app without the SDK keeps them |
//! | `/worlds/ID/provider-token` | `provider`, `login` | `token` of the provider for that user |

mod control;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use control::Fixture;

/// The name of the variable with the address of the fixture.
pub const VARIABLE: &str = "PROPUSK_FIXTURE";

/// A running fixture; dropping it ends it.
pub struct Running {
    pub address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Running {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let fixture = Arc::new(Fixture::default());
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let fixture = Arc::clone(&fixture);
                let service = service_fn(move |request| control::answer(fixture.clone(), request));
                // A client that closes its connection has ended its test.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Running { address, serving }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
