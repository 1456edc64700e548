//! Several processes of an app that share a vault.

use std::process::Stdio;

use propusk_tests::process::beside_tests;
use tokio::process::Command;

use super::{EXPIRED, Home};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

#[tokio::test(flavor = "multi_thread")]
async fn refresh_is_sent_once_by_three_processes_with_a_hundred_calls() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    let process = || {
        Command::new(beside_tests("app_process"))
            .args([tap.url(), home.folder.path().join("app.vault").display().to_string()])
            .args([home.clock.now().to_string(), "100".to_owned()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the process starts")
    };
    for process in [process(), process(), process()] {
        let output = process.wait_with_output().await.expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "100\n");
        assert!(output.status.success());
    }
    assert_eq!(tap.count(REFRESH), 1);
    // This process finds what the others have stored.
    client.access_token().await.expect("a token");
    assert_eq!(tap.count(REFRESH), 1);
}
