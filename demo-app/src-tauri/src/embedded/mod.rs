//! The embedded server: the server as a library with SQLite in the app's folder, its mails as files,
//! and the stand-in of the providers. It keeps its port, and its clock can leap ahead.

mod inbox;
mod providers;
mod server_clock;

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk::{Client, Operation, SignedInUser};
use propusk_server::auth::{Auth, NewClient};
use propusk_server::config::Config;
use propusk_server::{Clock, Server, StartError};
use propusk_stand_in::StandIn;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

pub use inbox::Inbox;
use server_clock::ServerClock;

use crate::error::{DemoError, Result};
use crate::plan::{DEEP_LINK, LOOPBACK, OAUTH_CLIENT};
use crate::settings::Settings;

/// Whether this build has a server of its own.
pub const IS_AVAILABLE: bool = true;

/// Short, so that renewals can be watched.
const ACCESS_SECONDS: i64 = 120;
/// How long running requests may delay the end.
const STOP_LIMIT: Duration = Duration::from_secs(12);

/// `None` while the server runs, then why it has ended.
type End = watch::Receiver<Option<String>>;

/// A running server; [`stop`](Self::stop) ends it.
pub struct Embedded {
    url: String,
    folder: PathBuf,
    auth: Arc<Auth>,
    clock: ServerClock,
    stop: oneshot::Sender<()>,
    end: End,
    _stand_in: StandIn,
}

impl Embedded {
    /// Starts the server of this folder. Its ports are those of the settings, or free ones.
    pub async fn start(folder: &Path, settings: &mut Settings) -> Result<Self> {
        let stand_in = stand_in_at(&mut settings.stand_in).await?;
        let clock = ServerClock::start(settings.passed);
        let config = config(folder, &stand_in);
        let server = bind(config, clock.for_server(), settings.embedded_server).await?;
        settings.embedded_server = Some(server.address().port());
        let (url, auth) = (server.public_url().to_owned(), server.auth());
        providers::register_at(&stand_in, &url);
        register_application(&auth).await?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async {
            // Also if the sender is dropped.
            let _ = stopped.await;
        }));
        let folder = folder.to_owned();
        let end = end_of(serving);
        Ok(Embedded { url, folder, auth, clock, stop, end, _stand_in: stand_in })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The server's documentation of its APIs.
    pub fn page(&self) -> String {
        format!("{}/docs", self.url)
    }

    /// Lets this time pass for the server.
    pub fn pass(&self, seconds: i64) {
        self.clock.pass(seconds);
    }

    pub fn inbox(&self) -> Inbox {
        Inbox::new(self.folder.join("mail"))
    }

    /// Ends all sessions of the signed-in account, as an operator does.
    pub async fn end_sessions(&self, client: &Client, user: &SignedInUser) -> Result<()> {
        for name in names_of(client, user).await? {
            let found = self.auth.find_account(&name).await.map_err(DemoError::new)?;
            if let Some(account) = found {
                let ended = self.auth.end_all_sessions_of_account(account.id).await;
                return ended.map(drop).map_err(DemoError::new);
            }
        }
        Err(DemoError::new("the account of this session is not known"))
    }

    /// Waits until it has ended, by itself or because it was stopped, and says why.
    pub fn ended(&self) -> impl Future<Output = String> + Send + use<> {
        reason_of(self.end.clone())
    }

    pub fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Stops it, and waits until its database is closed.
    pub async fn stop(self) {
        // It may have ended already.
        let _ = self.stop.send(());
        if timeout(STOP_LIMIT, reason_of(self.end)).await.is_err() {
            tracing::warn!("the server did not stop in time");
        }
    }
}

/// Follows the task of a server to its end.
fn end_of(serving: JoinHandle<()>) -> End {
    let (report, end) = watch::channel(None);
    tokio::spawn(async move {
        let why = match serving.await {
            Ok(()) => "it has ended without an error".to_owned(),
            Err(error) => error.to_string(),
        };
        report.send_replace(Some(why));
    });
    end
}

async fn reason_of(mut end: End) -> String {
    let ended = end.wait_for(Option::is_some).await;
    // Without a reason, the runtime is shutting down.
    ended.ok().and_then(|why| why.clone()).unwrap_or_default()
}

/// By what the account may be known at the server: its id, its profile, and the name in the access
/// token, which is all that `prehashed` tells about it.
async fn names_of(client: &Client, user: &SignedInUser) -> Result<Vec<String>> {
    let profile = match client.supports(Operation::Profile) {
        true => client.profile().await?,
        false => client.cached_profile().await?.unwrap_or_default(),
    };
    let token = client.access_token().await?;
    let in_token = claim(token.token().expose(), "user_name");
    let names = [user.account_id.clone(), profile.email, profile.username, profile.phone, in_token];
    Ok(names.into_iter().flatten().collect())
}

/// A claim of a JWT; `None` for other tokens.
fn claim(token: &str, name: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    claims.get(name)?.as_str().map(str::to_owned)
}

/// At its former port, because the server has stored the address; else at a free one.
async fn stand_in_at(port: &mut Option<u16>) -> Result<StandIn> {
    for candidate in port.take().into_iter().chain(free_ports()) {
        if let Ok(stand_in) = StandIn::bind(local(candidate)).await {
            *port = Some(candidate);
            return Ok(stand_in);
        }
    }
    Err(DemoError::new("no port of this machine can be opened"))
}

/// Ports that were free a moment ago.
fn free_ports() -> impl Iterator<Item = u16> {
    (0..10).filter_map(|_| {
        let listener = std::net::TcpListener::bind(local(0)).ok()?;
        listener.local_addr().ok().map(|address| address.port())
    })
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

async fn bind(config: Config, clock: Clock, port: Option<u16>) -> Result<Server> {
    let failed = |error: &dyn Display| DemoError::new(format!("the server cannot start: {error}"));
    let runtime = Handle::current();
    // On a thread of its own, because the compiler cannot prove that this future can be sent.
    let binding = spawn_blocking(move || {
        let bind_at = |port| {
            let config = Config { listen: local(port), ..config.clone() };
            runtime.block_on(Server::bind(config, clock.clone()))
        };
        match bind_at(port.unwrap_or(0)) {
            // Another program has taken its port meanwhile.
            Err(StartError::Listen(..)) if port.is_some() => bind_at(0),
            bound => bound,
        }
    });
    binding.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
}

fn config(folder: &Path, stand_in: &StandIn) -> Config {
    let mut config = propusk_server::default_config();
    config.data_dir = folder.to_owned();
    config.product.name = Some("Propusk demo".to_owned());
    config.redirects.allowed = vec![DEEP_LINK.to_owned(), LOOPBACK.to_owned()];
    for dialect in config.dialects.values_mut() {
        dialect.enabled = true;
        dialect.access_seconds = ACCESS_SECONDS;
    }
    config.dialect("native").activation = Some(true);
    providers::point_at(stand_in, &mut config);
    config
}

/// The application with which an app changes a provider's token into one of `djoser_token`.
async fn register_application(auth: &Auth) -> Result<()> {
    let (id, secret) = OAUTH_CLIENT;
    let new = NewClient {
        id: id.to_owned(),
        name: "Propusk demo".to_owned(),
        secret: Some(secret.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: false,
    };
    // `false`: it is registered since an earlier start.
    auth.create_client(new).await.map(drop).map_err(DemoError::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn broken() {
        panic!("no room on the disk");
    }

    #[tokio::test]
    async fn end_of_a_server_has_a_reason() {
        let stopped = end_of(tokio::spawn(async {}));
        assert_eq!(reason_of(stopped).await, "it has ended without an error");
        let panicked = end_of(tokio::spawn(broken()));
        let why = reason_of(panicked.clone()).await;
        assert!(why.contains("no room on the disk"), "{why}");
        // It is known from then on.
        assert_eq!(reason_of(panicked).await, why);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn server_that_runs_has_not_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        let started = Embedded::start(folder.path(), &mut Settings::default()).await;
        let server = started.expect("it starts");
        assert!(!server.has_ended());
        let ended = server.ended();
        server.stop().await;
        assert_eq!(ended.await, "it has ended without an error");
    }
}
