//! The recorded answers of the real libraries, all of them, in their order.

use std::time::{SystemTime, UNIX_EPOCH};

use propusk_tests::SECRET;
use propusk_tests::contract::{Backdoor, Subject, replay};
use propusk_tests::database::Database;
use propusk_tests::process::{Process, run};
use propusk_tests::server::TestServer;
use tempfile::TempDir;

#[tokio::test]
async fn simplejwt_answers_as_recorded() {
    TestServer::start().await.replay("002").await;
}

#[tokio::test]
async fn simplejwt_rotating_answers_as_recorded() {
    // The library refreshes at once; ours waits for the expiry, which `documents` tests.
    let server =
        TestServer::with(|config| config.dialect("simplejwt_rotating").early_refresh = Some(true))
            .await;
    server.replay("003").await;
}

#[tokio::test]
async fn djoser_jwt_answers_as_recorded() {
    TestServer::start().await.replay("004").await;
}

#[tokio::test]
async fn the_binary_answers_as_recorded_with_its_command_line_behind_it() {
    let early = [("PROPUSK_DIALECTS__SIMPLEJWT_ROTATING__EARLY_REFRESH", "true")];
    for seed in ["002", "003", "004"] {
        let operator = Operator::new().await;
        let url = operator.database.url();
        let server = Process::start(operator.data.path(), url, &early).await;
        let (client, backdoor) = (&server.client, &operator);
        replay(seed, Subject { client, secret: SECRET, now: &now, backdoor }).await;
    }
}

/// Somebody with a shell on the server's machine.
struct Operator {
    data: TempDir,
    database: Database,
}

impl Operator {
    async fn new() -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        Operator { data, database: Database::fresh().await }
    }

    async fn user(&self, arguments: &[&str]) {
        let arguments = [&["user"], arguments].concat();
        let done = run(self.data.path(), self.database.url(), &[], &arguments, "").await;
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
    }
}

impl Backdoor for Operator {
    async fn set_active(&self, who: &str, is_active: bool) {
        self.user(&[if is_active { "enable" } else { "disable" }, who]).await;
    }

    async fn delete(&self, who: &str) {
        self.user(&["delete", who, "--yes"]).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the binary goes by the real clock")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a date after 1970");
    i64::try_from(since.as_secs()).expect("a date before the end of time")
}
