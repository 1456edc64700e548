//! A process of the operating system that is stopped (SIGSTOP) while it renews, in each API: the server
//! has answered, and the process has not seen the answer. Other processes find an unlocked vault, no
//! user is signed out, and the process finishes its work when it is resumed.

use std::process::{Output, Stdio};
use std::time::Duration;

use propusk::{Client, Dialect, ErrorKind, SignOutReason};
use propusk_tests::process::beside_tests;
use propusk_tests::recording_proxy::RecordingProxy;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::peer::Peer;
use super::{PASSWORD, reason, vault_at};

/// Longer than any step here takes. By the clock of the tests a lease of a stopped process never
/// expires, so a wait for it would take longer.
const LIMIT: Duration = Duration::from_secs(60);
/// How long an OAuth token is valid, in seconds.
const OAUTH_LIFE: i64 = 36_000;

/// A stopped process, and another one with the same vault.
struct Scene {
    peer: Peer,
    tap: RecordingProxy,
    /// The request with which this API renews.
    renewal: &'static str,
    other: Client,
    stopped: Child,
    _folder: TempDir,
}

impl Scene {
    async fn at(dialect: Dialect, renewal: &'static str) -> Self {
        let peer = Peer::ours(dialect).await;
        let folder = tempfile::tempdir().expect("a folder");
        let tap = RecordingProxy::open(peer.address()).await;
        let vault = vault_at(folder.path());
        let other = peer.builder_at(tap.url()).vault(vault).build().expect("a client");
        sign_in(&peer, &other).await;
        expire(&peer).await;
        tap.hold_answers_to(renewal);
        let stopped = Command::new(beside_tests("app_process"))
            .arg(tap.url())
            .arg(folder.path().join("app.vault"))
            .args([peer.clock.now().to_string(), "1".to_owned()])
            .args(["--dialect".to_owned(), format!("{dialect:?}")])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the process starts");
        timeout(LIMIT, tap.wait_for_answer(renewal)).await.expect("it renews");
        stop(&stopped);
        tap.release_answers();
        Scene { peer, tap, renewal, other, stopped, _folder: folder }
    }

    fn renewals(&self) -> usize {
        self.tap.count(self.renewal)
    }

    /// The stopped process is resumed, gets its token and ends.
    async fn resume(self) {
        kill_process(id_of(&self.stopped), Signal::CONT).expect("it is there");
        let ended = timeout(LIMIT, self.stopped.wait_with_output()).await.expect("it ends");
        let Output { status, stdout, .. } = ended.expect("its output");
        assert!(status.success(), "{status}");
        assert_eq!(String::from_utf8_lossy(&stdout), "1\n");
        // Nothing is lost with a process that has ended in order.
        self.other.access_token().await.expect("a token");
        expire(&self.peer).await;
        self.other.access_token().await.expect("the next token");
    }
}

async fn sign_in(peer: &Peer, client: &Client) {
    let signed_in = match peer.dialect {
        // An API token is never renewed, an OAuth pair is.
        Dialect::DjoserToken => {
            client.sign_in_with_provider_token("yandex", peer.provider_token("vera")).await
        }
        _ => {
            peer.account("nina").await;
            client.sign_in(&peer.identifier("nina"), PASSWORD).await
        }
    };
    signed_in.expect("a sign-in");
}

async fn expire(peer: &Peer) {
    match peer.dialect {
        Dialect::DjoserToken => peer.advance(OAUTH_LIFE + 1).await,
        _ => peer.expire_access().await,
    }
}

fn id_of(process: &Child) -> Pid {
    let id = process.id().and_then(|id| i32::try_from(id).ok());
    id.and_then(Pid::from_raw).expect("it has not ended")
}

/// Returns when all threads of the process are stopped.
fn stop(process: &Child) {
    let id = id_of(process);
    kill_process(id, Signal::STOP).expect("it runs");
    let changed = waitpid(Some(id), WaitOptions::UNTRACED).expect("it is ours");
    assert!(changed.is_some_and(|(_, status)| status.stopped()), "it has ended");
}

/// The answer can be requested again, or the refresh token was not spent: others do that.
async fn others_renew(dialect: Dialect, renewal: &'static str) {
    let scene = Scene::at(dialect, renewal).await;
    let token = timeout(LIMIT, scene.other.access_token()).await.expect("a limited wait");
    token.expect("a token");
    assert_eq!(scene.renewals(), 2);
    scene.resume().await;
}

/// Only the stopped process can get the answer: others wait for it, with a limit.
async fn others_wait(dialect: Dialect, renewal: &'static str) {
    let scene = Scene::at(dialect, renewal).await;
    let token = timeout(LIMIT, scene.other.access_token()).await.expect("a limited wait");
    let error = token.expect_err("the other process renews");
    assert!(matches!(error.kind(), ErrorKind::RetryLater { .. }), "{error:?}");
    assert!(scene.other.status().await.expect("a status").is_signed_in());
    assert_eq!(scene.renewals(), 1);
    scene.resume().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_stops_no_other_on_native() {
    others_renew(Dialect::Native, "POST /propusk/v1/sessions/refresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_stops_no_other_on_prehashed() {
    others_renew(Dialect::Prehashed, "GET /validate/jwt/refresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_stops_no_other_on_simplejwt() {
    others_renew(Dialect::Simplejwt, "POST /api/auth/token/refresh/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_stops_no_other_on_djoser_jwt() {
    others_renew(Dialect::DjoserJwt, "POST /api/auth/jwt/refresh/").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_costs_no_session_on_simplejwt_rotating() {
    others_wait(Dialect::SimplejwtRotating, "POST /token/refresh").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_costs_no_session_on_djoser_token() {
    others_wait(Dialect::DjoserToken, "POST /auth/token/").await;
}

/// Its lease has expired, and another process was refused with the spent token.
#[tokio::test(flavor = "multi_thread")]
async fn stopped_process_brings_back_a_session_that_was_given_up() {
    let scene = Scene::at(Dialect::SimplejwtRotating, "POST /token/refresh").await;
    scene.peer.advance(22).await;
    assert_eq!(reason(scene.other.access_token().await), SignOutReason::AnswerLost);
    assert_eq!(scene.renewals(), 2);
    scene.resume().await;
}
