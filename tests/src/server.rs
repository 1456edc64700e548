//! A server in the test's own process: fresh database, free port, a clock that the test moves,
//! cheap password hashes, no limits, a mail server of its own.

use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use propusk_server::auth::password::Password;
use propusk_server::auth::{
    Adoption, AdoptionRules, Auth, Import, NewPassword, QueuedMail, Registration,
};
use propusk_server::config::{Config, Hashing, Secret};
use propusk_server::identifier::{Identifier, Kind};
use propusk_server::store::{self, Store};
use propusk_server::{Clock, Server};
use propusk_stand_in::StandIn;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::SECRET;
use crate::contract::{Backdoor, Subject};
use crate::database::Database;
use crate::http::Client;
use crate::import_file::import_file;
use crate::links::Link;
use crate::providers::{point_at, register_at};
use crate::smtp::{Received, SmtpServer};

/// The first time that the clock shows.
const START: i64 = 1_790_000_000;
/// Longer than all mails of a test need.
const PATIENCE: Duration = Duration::from_secs(60);

/// The path of links that bring back an address.
const RETURNS: &str = "/auth/return-email/";

pub struct TestServer {
    pub client: Client,
    /// Where it listens.
    pub address: SocketAddr,
    pub clock: Clock,
    pub auth: Arc<Auth>,
    /// The mail server that receives its mails.
    pub smtp: SmtpServer,
    /// The URL for its users.
    pub public_url: String,
    /// Reads its metrics, if it has any.
    pub metrics: Option<Client>,
    running: JoinHandle<()>,
    database: Database,
    data: TempDir,
}

impl TestServer {
    pub async fn start() -> Self {
        TestServer::with(|_| {}).await
    }

    /// Starts with settings that the test changes.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (data, database) =
            (tempfile::tempdir().expect("a temporary directory"), Database::with_tables().await);
        let smtp = SmtpServer::start().await;
        let mut config = config(&data, &database);
        config.mail.smtp_url = Some(Secret::new(smtp.url()));
        change(&mut config);
        let clock = Clock::manual(START);
        let server = Server::bind(config, clock.clone()).await.expect("the server starts");
        TestServer {
            client: Client::new(format!("http://{}", server.address())),
            address: server.address(),
            clock,
            auth: server.auth(),
            smtp,
            public_url: server.public_url().to_owned(),
            metrics: server.metrics_address().map(|at| Client::new(format!("http://{at}"))),
            running: tokio::spawn(server.serve(std::future::pending())),
            database,
            data,
        }
    }

    /// Starts with `native` alone, whose reset links lead to an app's own scheme.
    pub async fn of_an_app() -> Self {
        TestServer::of_an_app_with(|_| {}).await
    }

    /// The same with settings that the test changes.
    pub async fn of_an_app_with(change: impl FnOnce(&mut Config)) -> Self {
        TestServer::with(|config| {
            let defaults = propusk_server::default_config();
            for name in defaults.dialects.keys() {
                *config.dialect(name) = defaults.clone().dialect(name).clone();
                config.dialect(name).enabled = name == "native";
            }
            config.links.reset = Some("myapp://reset/{uid}/{token}".to_owned());
            change(config);
        })
        .await
    }

    /// Starts with the providers of a stand-in.
    pub async fn with_providers(change: impl FnOnce(&mut Config)) -> (Self, StandIn) {
        let stand_in = StandIn::start().await.expect("the stand-in starts");
        let server = TestServer::with(|config| {
            point_at(&stand_in, config);
            change(config);
        });
        let server = server.await;
        register_at(&stand_in, &server.public_url);
        (server, stand_in)
    }

    /// Replays a recorded file against this server.
    pub async fn replay(&self, seed: &str) {
        let now = || self.clock.now();
        let (client, public_url) = (&self.client, self.public_url.as_str());
        let subject = Subject { client, secret: SECRET, public_url, now: &now, backdoor: self };
        crate::contract::replay(seed, subject).await;
    }

    /// The same database, without the server.
    pub async fn store(&self) -> Store {
        store::connect(self.database.url(), self.data.path()).await.expect("the database")
    }

    /// A second `Auth` on the same database and clock, like that of another process.
    pub async fn second_auth(&self) -> Arc<Auth> {
        let config = config(&self.data, &self.database);
        propusk_server::open(&config, self.clock.clone()).await.expect("the database opens")
    }

    /// All mails that have arrived, the oldest first, once no other mail waits to be sent.
    pub async fn mails(&self) -> Vec<Received> {
        let is_sent = async {
            loop {
                let queued = self.auth.queued_mails().await.expect("the database answers");
                // Late mails wait until the clock is moved.
                let is_due = |mail: &&QueuedMail| {
                    mail.waits_for.is_none() || mail.leased || mail.due_at <= self.clock.now()
                };
                let waiting = queued.iter().filter(is_due).count();
                if waiting == 0 {
                    return;
                }
                // Each look takes time from the worker.
                sleep(
                    Duration::from_millis(2) * u32::try_from(waiting).unwrap_or(u32::MAX).min(50),
                )
                .await;
            }
        };
        timeout(PATIENCE, is_sent).await.expect("all mails are sent");
        self.smtp.mails()
    }

    /// Executes a statement directly in the database.
    pub async fn execute(&self, statement: &'static str) {
        self.database.execute(self.data.path(), statement).await;
    }

    /// Imports an account with a password, as from a replaced server.
    pub async fn import(&self, who: &str, password: &str, number: i64, joined_at: Option<i64>) {
        let kinds = [Kind::Email, Kind::Phone, Kind::Username];
        let identifier = Identifier::parse_as(who, &kinds).expect("an identifier");
        let registration = Registration {
            sign_up_name: Some(identifier.shown().to_owned()),
            identifiers: vec![identifier],
            password: NewPassword::Plain(Password::parse(password).expect("short")),
            display_name: None,
            is_superuser: false,
            language: None,
            awaits_activation: false,
        };
        let import = Import { number, joined_at, name: who.to_owned() };
        let imported = self.auth.import_account(registration, import).await;
        assert!(imported.expect("the name is free").is_some(), "the number {number} is free");
    }

    /// Adopts the accounts of another system. What may be otherwise there is answered 503, until
    /// the adoption is declared complete.
    pub async fn adopt(&self, lines: &[Value]) -> Adoption {
        let rules = AdoptionRules {
            is_dry_run: false,
            numbers_end: 1_000_000,
            allow_deletions: u64::MAX,
            is_last: true,
            reopens: true,
        };
        let mut file = Cursor::new(import_file(1_000, lines));
        self.auth.adopt(&mut file, &rules, |_| ()).await.expect("a whole file")
    }

    /// The link in the newest mail to this address.
    pub async fn link_to(&self, email: &str) -> Link {
        self.newest_link(email, |link| !link.url.contains(RETURNS)).await
    }

    /// The newest link in a mail to this address that brings it back.
    pub async fn link_back_to(&self, email: &str) -> Link {
        self.newest_link(email, |link| link.url.contains(RETURNS)).await
    }

    async fn newest_link(&self, email: &str, is_meant: impl Fn(&Link) -> bool) -> Link {
        self.mails().await;
        let letters = self.smtp.mails_to(email);
        let mut links = letters.iter().rev().filter_map(Link::of).filter(is_meant);
        links.next().unwrap_or_else(|| panic!("no such link to {email}: {letters:?}"))
    }

    async fn account_id(&self, who: &str) -> i64 {
        let found = self.auth.find_account(who).await.expect("the database answers");
        found.unwrap_or_else(|| panic!("no account {who}")).id
    }
}

impl AsRef<Client> for TestServer {
    fn as_ref(&self) -> &Client {
        &self.client
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

    async fn email_of(&self, who: &str) -> String {
        let found = self.auth.find_account(who).await.expect("the database answers");
        found.and_then(|account| account.email).unwrap_or_else(|| panic!("{who} has no address"))
    }

    async fn mails(&self) -> Vec<Received> {
        TestServer::mails(self).await
    }

    fn clock(&self) -> Option<&Clock> {
        Some(&self.clock)
    }

    async fn imports_all(&self) -> bool {
        self.execute("update accounts set imported = true").await;
        true
    }
}

fn config(data: &TempDir, database: &Database) -> Config {
    let mut config = Config {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: data.path().to_owned(),
        database_url: database.url().map(Secret::new),
        // The least that argon2 accepts: these tests are not about its cost.
        password: Hashing { memory_kib: 64, time: 1, threads: 2, queue: 1_024 },
        ..Config::default()
    };
    config.tokens.secret = Some(Secret::new(SECRET));
    config.limits.enabled = false;
    config
}
