//! A server in the test's own process: fresh database, free port, a clock that stands still until the
//! test moves it, cheap password hashes, no limits.

use std::net::SocketAddr;
use std::sync::Arc;

use propusk_server::auth::Auth;
use propusk_server::config::{Config, Hashing, Secret};
use propusk_server::{Clock, Server};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::SECRET;
use crate::contract::{Backdoor, Subject};
use crate::database::Database;
use crate::http::Client;

/// What the clock shows at first.
const START: i64 = 1_790_000_000;

pub struct TestServer {
    pub client: Client,
    pub clock: Clock,
    pub auth: Arc<Auth>,
    running: JoinHandle<()>,
    _database: Database,
    _data: TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        TestServer::with(|_| {}).await
    }

    /// Starts with settings of the test's own.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (data, database) =
            (tempfile::tempdir().expect("a temporary directory"), Database::fresh().await);
        let mut config = config(&data, &database);
        change(&mut config);
        let clock = Clock::manual(START);
        let server = Server::bind(config, clock.clone()).await.expect("the server starts");
        TestServer {
            client: Client::new(format!("http://{}", server.address())),
            clock,
            auth: server.auth(),
            running: tokio::spawn(server.serve(std::future::pending())),
            _database: database,
            _data: data,
        }
    }

    /// Replays a recorded file against this server.
    pub async fn replay(&self, seed: &str) {
        let now = || self.clock.now();
        let subject = Subject { client: &self.client, secret: SECRET, now: &now, backdoor: self };
        crate::contract::replay(seed, subject).await;
    }

    async fn account_id(&self, who: &str) -> i64 {
        let found = self.auth.find_account(who).await.expect("the database answers");
        found.unwrap_or_else(|| panic!("no account {who}")).id
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Backdoor for TestServer {
    async fn set_active(&self, who: &str, is_active: bool) {
        let id = self.account_id(who).await;
        assert!(self.auth.set_active(id, is_active).await.expect("the database answers"));
    }

    async fn delete(&self, who: &str) {
        let id = self.account_id(who).await;
        assert!(self.auth.delete_account(id).await.expect("the database answers"));
    }
}

fn config(data: &TempDir, database: &Database) -> Config {
    let mut config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: data.path().to_owned(),
        database_url: database.url().map(Secret::new),
        // The least that argon2 takes: its cost is not what these tests are about.
        password: Hashing { memory_kib: 64, time: 1, threads: 2, queue: 1_024 },
        ..Config::default()
    };
    config.tokens.secret = Some(Secret::new(SECRET));
    config.limits.enabled = false;
    config
}
