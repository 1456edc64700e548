//! A restart under load: of Postgres if `TEST_POSTGRES_RESTART` has the command for it, otherwise
//! of the server. Requests fail meanwhile, no acknowledged account is lost, and recovery needs no
//! help. (The command disturbs every test on that Postgres, so this test then runs alone.)

use std::env;
use std::path::Path;
use std::time::Duration;

use propusk_tests::database::Database;
use propusk_tests::process::Process;
use tokio::process::Command;
use tokio::time::timeout;

use super::load::{Load, assert_all_sign_in};

const AT_WORK: usize = 100;
/// Recovery takes moments; this only ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_accounts_survive_a_restart_under_load() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let mut server = Process::start(data.path(), database.url(), &[]).await;
    let mut load = Load::start(&server.client, 0);
    let mut all = load.acknowledged(AT_WORK).await;

    load.outage_begins();
    server = match env::var("TEST_POSTGRES_RESTART") {
        Ok(command) => restart_database(&command, server).await,
        Err(_) => restart_server(server, data.path(), &database).await,
    };
    let back = timeout(PATIENCE, load.outage_ends(&server.client, AT_WORK)).await;
    all.extend(back.expect("the server recovers by itself"));

    all.extend(load.stop().await);
    assert_all_sign_in(&server.client, &all).await;
}

async fn restart_database(command: &str, server: Process) -> Process {
    let status = Command::new("sh").arg("-c").arg(command).status().await.expect("a shell");
    assert!(status.success(), "{command}: {status}");
    server
}

async fn restart_server(server: Process, data: &Path, database: &Database) -> Process {
    let (status, output) = server.terminate().await;
    assert!(status.success(), "{status}:\n{output}");
    Process::start(data, database.url(), &[]).await
}
