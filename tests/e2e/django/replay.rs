//! Replays the recorded answers of the real libraries, in order.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use propusk_server::Clock;
use propusk_server::auth::NewClient;
use propusk_server::config::Config;
use propusk_stand_in::{Provider, StandIn};
use propusk_tests::SECRET;
use propusk_tests::contract::{Backdoor, Subject, replay};
use propusk_tests::database::Database;
use propusk_tests::process::{Process, run};
use propusk_tests::providers::{CLIENT_ID, variables};
use propusk_tests::server::TestServer;
use propusk_tests::smtp::{Received, SmtpServer};
use tempfile::TempDir;
use tokio::time::timeout;

/// The applications of the recording: the id, whether it is public, and whether it may send
/// passwords.
const CLIENTS: [(&str, bool, bool); 3] = [
    ("oracle-client-id", false, true),
    ("oracle-public-id", true, true),
    ("oracle-code-id", false, false),
];
const CLIENT_SECRET: &str = "oracle-client-secret";

/// Longer than the mails of a recording need.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn djoser_token_answers_as_recorded() {
    let (server, stand_in) = TestServer::with_providers(|_| {}).await;
    for (id, is_public, allows_password) in CLIENTS {
        let (id, secret) = (id.to_owned(), Some(CLIENT_SECRET.to_owned()));
        let new = NewClient {
            name: id.clone(),
            id,
            secret,
            is_public,
            allows_password,
            introspects: false,
        };
        assert!(server.auth.create_client(new).await.expect("the database answers"));
    }
    for provider in Provider::ALL {
        stand_in.take_oracle_tokens(provider, CLIENT_ID);
    }
    server.replay("000").await;
}

#[tokio::test]
async fn prehashed_answers_as_decided() {
    TestServer::start().await.replay("001").await;
}

#[tokio::test]
async fn simplejwt_answers_as_recorded() {
    with_the_librarys_key().await.replay("002").await;
}

#[tokio::test]
async fn simplejwt_rotating_answers_as_recorded() {
    // The library refreshes at once; ours waits for the expiry, which `documents` tests.
    let server = TestServer::with(|config| {
        honour_the_librarys(config);
        config.dialect("simplejwt_rotating").early_refresh_seconds = Some(300);
    });
    let server = server.await;
    server.replay("003").await;
}

#[tokio::test]
async fn djoser_jwt_answers_as_recorded() {
    with_the_librarys_key().await.replay("004").await;
}

/// A server that replaces the library, whose tokens are made by the rows.
async fn with_the_librarys_key() -> TestServer {
    TestServer::with(honour_the_librarys).await
}

fn honour_the_librarys(config: &mut Config) {
    config.tokens.accept_foreign = true;
    config.accounts.first_id = Some(1);
}

#[tokio::test]
async fn binary_and_its_command_line_answer_as_recorded() {
    for seed in ["000", "001", "002", "003", "004"] {
        let operator = Operator::new().await;
        let smtp_url = operator.smtp.url();
        let settings = [
            ("PROPUSK_DIALECTS__SIMPLEJWT_ROTATING__EARLY_REFRESH_SECONDS", "300"),
            ("PROPUSK_MAIL__SMTP_URL", smtp_url.as_str()),
        ];
        let url = operator.database.url();
        let stand_in = StandIn::start().await.expect("the stand-in starts");
        for provider in Provider::ALL {
            stand_in.take_oracle_tokens(provider, CLIENT_ID);
        }
        let variables = variables(&stand_in);
        let pairs = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let settings: Vec<_> = pairs.chain(settings).collect();
        operator.registers_clients().await;
        let server = Process::start(operator.data.path(), url, &settings).await;
        let (client, backdoor) = (&server.client, &operator);
        let public_url = &format!("http://{}", server.address);
        replay(seed, Subject { client, secret: SECRET, public_url, now: &now, backdoor }).await;
    }
}

/// An operator with a shell on the server's machine.
struct Operator {
    data: TempDir,
    database: Database,
    smtp: SmtpServer,
}

impl Operator {
    async fn new() -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        Operator { data, database: Database::fresh().await, smtp: SmtpServer::start().await }
    }

    async fn registers_clients(&self) {
        self.runs(&["migrate"]).await;
        for (id, is_public, allows_password) in CLIENTS {
            let mut arguments = vec!["client", "create", "--id", id, "--name", id];
            arguments.extend(["--secret", CLIENT_SECRET]);
            arguments.extend(is_public.then_some("--public"));
            arguments.extend(allows_password.then_some("--allow-password"));
            self.runs(&arguments).await;
        }
    }

    async fn runs(&self, arguments: &[&str]) -> String {
        let done = run(self.data.path(), self.database.url(), &[], arguments, "").await;
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
        done.stdout
    }
}

impl Backdoor for Operator {
    async fn set_active(&self, who: &str, is_active: bool) {
        self.runs(&["user", if is_active { "enable" } else { "disable" }, who]).await;
    }

    async fn delete(&self, who: &str) {
        self.runs(&["user", "delete", who, "--yes"]).await;
    }

    async fn email_of(&self, who: &str) -> String {
        panic!("only a server whose clock can be set is asked for old links, such as {who}'s")
    }

    async fn mails(&self) -> Vec<Received> {
        let is_sent = async { while !self.runs(&["mail", "list"]).await.is_empty() {} };
        timeout(PATIENCE, is_sent).await.expect("all mails are sent");
        self.smtp.mails()
    }

    fn clock(&self) -> Option<&Clock> {
        None
    }

    async fn imports_all(&self) -> bool {
        false
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary goes by the real clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date after 1970");
    i64::try_from(since.as_secs()).expect("a date before the end of time")
}
