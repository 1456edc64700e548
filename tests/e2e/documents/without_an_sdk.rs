//! The page "Without an SDK": its program keeps a session while answers are lost.

use std::path::Path;

use futures_util::future::join_all;
use propusk_tests::handbook::block_below;
use propusk_tests::recording_proxy::RecordingProxy;
use propusk_tests::server::TestServer;
use tempfile::TempDir;
use tokio::process::Command;

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";
const EMAIL: &str = "anna@example.org";
const PASSWORD: &str = "a quiet harbour at noon";

/// A folder with the page's program as a module.
fn module() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("page.py"), block_below("All of it in Python"))
        .expect("a file");
    folder
}

/// Runs this line in the folder; what it prints, or the last line of its exception.
async fn python(folder: &Path, server: &str, line: String) -> Result<String, String> {
    let program = format!("from page import *; {line}");
    let mut command = Command::new("python3");
    command.args(["-c", &program]).current_dir(folder).env("SERVER", server).kill_on_drop(true);
    let output = command.output().await.expect("python3");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr).lines().last().unwrap_or_default().to_owned()),
    }
}

/// As if the access token had expired.
const EXPIRE: &str = "s = json.load(open(FILE)); s['until'] = 0; save(s)";

#[tokio::test]
async fn program_of_the_page_survives_lost_answers_and_several_processes() {
    let server = TestServer::start().await;
    let client = propusk::Client::builder(server.public_url.clone()).build().expect("a client");
    let new = propusk::Registration::new(PASSWORD).email(EMAIL);
    client.register(&new).await.expect("an account");
    let proxy = RecordingProxy::open(server.address).await;
    let (folder, url) = (module(), proxy.url());
    let run = |line: &str| python(folder.path(), &url, line.to_owned());
    run(&format!("sign_in('{EMAIL}', '{PASSWORD}')")).await.expect("a sign-in");
    let first = run("print(access_token())").await.expect("a token");

    // The server has answered, but the process is killed before the answer arrives.
    run(EXPIRE).await.expect("written");
    proxy.hold_answers();
    tokio::select! {
        never = run("access_token()") => panic!("{never:?}"),
        () = proxy.wait_for_answer(REFRESH) => {}
    }
    proxy.release_answers();
    let second = run("print(access_token())").await.expect("the same answer again");
    assert_ne!(first, second);

    // Several processes at once send one refresh.
    run(EXPIRE).await.expect("written");
    let before = proxy.count(REFRESH);
    let tokens = join_all((0..4).map(|_| run("print(access_token())"))).await;
    assert_eq!(proxy.count(REFRESH), before + 1);
    assert!(tokens.iter().all(|token| token == &tokens[0] && token.is_ok()), "{tokens:?}");

    // Only the server ends the session.
    proxy.answer(REFRESH, Some("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"));
    run(EXPIRE).await.expect("written");
    let busy = run("access_token()").await.expect_err("not now");
    assert!(busy.contains("503"), "{busy}");
    run("access_token()").await.expect("a token");
}
