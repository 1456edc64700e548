//! The examples of the SDK are short, and two processes of one app report what the other does.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use propusk_tests::process::beside_tests;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use super::{EMAIL, Home, PASSWORD};

/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(60);
/// A complete program has fewer lines of code.
const MAX_LINES: usize = 60;

#[test]
fn examples_have_less_than_sixty_lines_of_code() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk/examples");
    for name in ["password", "two_processes"] {
        assert!(folder.join(name).with_extension("rs").exists(), "{name}");
    }
    for example in std::fs::read_dir(folder).expect("the examples") {
        let path = example.expect("an example").path();
        let text = std::fs::read_to_string(&path).expect("its text");
        let lines = text.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert!(lines < MAX_LINES, "{}: {lines}", path.display());
    }
}

/// A process of the example `two_processes`, on a machine without a keyring.
fn process(home: &Home, arguments: &[&str]) -> Command {
    let mut command = Command::new(beside_tests("examples/two_processes"));
    command
        .args(arguments)
        .current_dir(home.folder.path())
        .env_clear()
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
        .env("PROPUSK_SERVER", &home.server.public_url)
        .env("PASSWORD", PASSWORD)
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn run(home: &Home, arguments: &[&str]) {
    let output = timeout(LIMIT, process(home, arguments).output()).await.expect("it ends");
    let output = output.expect("its output");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

async fn shows(lines: &mut Lines<BufReader<ChildStdout>>, expected: &str) {
    let found = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if line == expected {
                return;
            }
        }
        panic!("it has ended before it showed {expected:?}");
    };
    timeout(LIMIT, found).await.unwrap_or_else(|_| panic!("it does not show {expected:?}"));
}

#[tokio::test]
async fn example_with_two_processes_reports_what_the_other_process_does() {
    let home = Home::start().await;
    let mut window = process(&home, &[]).spawn().expect("the process starts");
    let mut lines = BufReader::new(window.stdout.take().expect("a pipe")).lines();
    shows(&mut lines, "signed out: there has been no sign-in yet, at the start").await;
    run(&home, &["sign-in", EMAIL]).await;
    shows(&mut lines, "signed in, by another process").await;
    shows(&mut lines, "status 200 OK").await;
    run(&home, &["sign-out"]).await;
    shows(&mut lines, "signed out: the user signed out, by another process").await;
}
