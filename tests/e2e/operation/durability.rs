//! Acknowledged writes survive a kill of the server.

use propusk_tests::database::Database;
use propusk_tests::process::Process;

use super::load::{Load, assert_all_sign_in};

const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_accounts_survive_kill_9() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let mut all = Vec::new();
    let mut server = Process::start(data.path(), database.url(), &[]).await;
    for round in 0..ROUNDS {
        let mut load = Load::start(&server.client, round);
        // A different moment in each round.
        all.extend(load.acknowledged(40 + 17 * round).await);
        load.outage_begins();
        server.kill().await;
        all.extend(load.stop().await);
        server = Process::start(data.path(), database.url(), &[]).await;
        assert_all_sign_in(&server.client, &all).await;
    }
}
