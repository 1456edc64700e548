//! Which process renews: that is written in the vault, and no lock is held during a request.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use propusk::{Client, Clock, Dialect, ErrorKind, ExistingTokens, Operation, SignOutReason, Vault};
use propusk_tests::recording_proxy::RecordingProxy;
use serde_json::{Value, json};

use super::peer::Peer;
use super::{EXPIRED, Home, PASSWORD, reason, vault_at};

const REFRESH: &str = "POST /propusk/v1/sessions/refresh";
/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);

/// A process that does nothing, like a suspended one.
struct Stopped(Child);

impl Stopped {
    fn start() -> Self {
        let child = Command::new("sleep").arg("600").stdout(Stdio::null()).spawn();
        Stopped(child.expect("a process"))
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

async fn record(vault: &Vault) -> Value {
    let record = vault.read().await.expect("readable").expect("a record");
    serde_json::from_slice(&record).expect("JSON")
}

/// Writes a lease, as if this process had just started a renewal.
async fn leased(vault: &Vault, process: u32, clock: &Clock) {
    let guard = vault.lock().await.expect("a lock");
    let mut record = record(vault).await;
    record["lease"] =
        json!({"holder": "another", "process": process, "until": clock.now() + 21, "lives": 21});
    let number = record["number"].as_u64().expect("a number");
    record["number"] = json!(number + 1);
    guard.write(record.to_string().as_bytes()).await.expect("written");
}

#[tokio::test]
async fn vault_is_unlocked_during_a_request() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED);
    tap.hold();
    let renewal = tokio::spawn({
        let client = client.clone();
        async move { client.access_token().await.map(|_| ()) }
    });
    tap.wait_for(REFRESH).await;
    let vault = home.vault();
    let lock = tokio::time::timeout(LIMIT, vault.lock()).await.expect("the lock is free");
    drop(lock.expect("a lock"));
    assert!(!renewal.is_finished());
    tap.release();
    renewal.await.expect("no panic").expect("a token");
}

#[tokio::test]
async fn renewal_result_is_shared_by_waiting_processes() {
    let home = Home::start().await;
    let (tap, one) = home.tapped().await;
    let other = Client::builder(tap.url()).clock(home.clock.clone()).vault(home.vault());
    let other = other.build().expect("a client");
    home.advance(EXPIRED);
    tap.hold();
    let token = |client: Client| {
        tokio::spawn(async move { client.access_token().await.map(|token| token.token().clone()) })
    };
    let first = token(one);
    tap.wait_for(REFRESH).await;
    let second = token(other);
    tap.release();
    let (first, second) = (first.await.expect("no panic"), second.await.expect("no panic"));
    assert_eq!(first.expect("a token"), second.expect("a token"));
    assert_eq!(tap.count(REFRESH), 1);
}

#[tokio::test]
async fn lease_of_a_stopped_process_is_ignored_if_answers_repeat() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let stopped = Stopped::start();
    home.advance(EXPIRED);
    leased(&home.vault(), stopped.0.id(), &home.clock).await;
    client.profile().await.expect("a profile");
}

#[tokio::test]
async fn lease_of_a_stopped_process_delays_if_answers_do_not_repeat() {
    let peer = Peer::ours(Dialect::SimplejwtRotating).await;
    peer.account("nina").await;
    let folder = tempfile::tempdir().expect("a folder");
    let tap = RecordingProxy::open(peer.address()).await;
    let vault = vault_at(folder.path());
    let client = peer.builder_at(tap.url()).vault(vault.clone()).build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    peer.expire_access().await;
    let mut stopped = Stopped::start();
    leased(&vault, stopped.0.id(), &peer.clock).await;
    let error = client.access_token().await.expect_err("another process renews");
    assert!(matches!(error.kind(), ErrorKind::RetryLater { .. }), "{error:?}");
    assert!(error.to_string().starts_with("another process is renewing the session"), "{error}");
    assert!(client.status().await.expect("a status").is_signed_in());
    assert_eq!(tap.count("POST /token/refresh"), 0);
    // It was killed: its lease does not have to expire.
    stopped.0.kill().and_then(|()| stopped.0.wait()).expect("killed");
    client.access_token().await.expect("a token");
    assert_eq!(tap.count("POST /token/refresh"), 1);
}

/// Renews with the refresh token of the vault in this folder, for a session that began at this
/// address. The answer is stored only in another folder, which is returned.
async fn renewed_elsewhere(peer: &Peer, url: String, folder: &Path) -> tempfile::TempDir {
    let other = tempfile::tempdir().expect("a folder");
    std::fs::copy(folder.join("app.vault"), other.path().join("app.vault")).expect("a copy");
    let process = peer.builder().vault(vault_at(other.path())).former_server(url);
    let process = process.build().expect("a client");
    process.access_token().await.expect("a token");
    other
}

#[tokio::test]
async fn answer_that_was_lost_with_its_process_is_reported_apart() {
    let peer = Peer::ours(Dialect::SimplejwtRotating).await;
    peer.account("nina").await;
    let folder = tempfile::tempdir().expect("a folder");
    let client = peer.builder().vault(vault_at(folder.path())).build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    peer.expire_access().await;
    renewed_elsewhere(&peer, peer.url(), folder.path()).await;
    assert_eq!(reason(client.access_token().await), SignOutReason::AnswerLost);
}

/// This process cannot see the other one, whose lease has not expired.
#[tokio::test]
async fn refusal_is_not_believed_while_another_process_may_get_the_answer() {
    let peer = Peer::ours(Dialect::SimplejwtRotating).await;
    peer.account("nina").await;
    let folder = tempfile::tempdir().expect("a folder");
    let tap = RecordingProxy::open(peer.address()).await;
    let vault = vault_at(folder.path());
    let builder = || peer.builder_at(tap.url()).vault(vault.clone());
    let client = builder().build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    peer.expire_access().await;
    let mut other = Stopped::start();
    leased(&vault, other.0.id(), &peer.clock).await;
    other.0.kill().and_then(|()| other.0.wait()).expect("killed");
    let elsewhere = renewed_elsewhere(&peer, tap.url(), folder.path()).await;
    let renewal = tokio::spawn(async move { client.access_token().await });
    tap.wait_for_answer("POST /token/refresh").await;
    for _ in 0..50_000 {
        assert!(!renewal.is_finished(), "it waits for the other process");
        tokio::task::yield_now().await;
    }
    // The other process stores its answer.
    let mut answered = record(&vault_at(elsewhere.path())).await;
    let guard = vault.lock().await.expect("a lock");
    let number = record(&vault).await["number"].as_u64().expect("a number");
    answered["number"] = json!(number + 1);
    answered["held"]["signed_in"]["origin"] = json!(tap.url());
    guard.write(answered.to_string().as_bytes()).await.expect("written");
    drop(guard);
    let token = renewal.await.expect("no panic").expect("the token of the other process");
    let expected = answered["held"]["signed_in"]["credential"]["token"].as_str();
    assert_eq!(Some(token.token().expose()), expected);
}

/// The caller does not wait until the lease of the other process has expired.
#[tokio::test]
async fn refusal_is_left_open_until_the_lease_of_another_process_has_expired() {
    let peer = Peer::ours(Dialect::SimplejwtRotating).await;
    peer.account("nina").await;
    let folder = tempfile::tempdir().expect("a folder");
    let vault = vault_at(folder.path());
    let client = peer.builder().vault(vault.clone()).build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    peer.expire_access().await;
    let mut other = Stopped::start();
    leased(&vault, other.0.id(), &peer.clock).await;
    other.0.kill().and_then(|()| other.0.wait()).expect("killed");
    renewed_elsewhere(&peer, peer.url(), folder.path()).await;
    let error = client.access_token().await.expect_err("another process may have the token");
    assert!(matches!(error.kind(), ErrorKind::RetryLater { .. }), "{error:?}");
    assert!(client.status().await.expect("a status").is_signed_in());
    assert_eq!(record(&vault).await["lease"]["holder"], "another");
    peer.advance(22).await;
    assert_eq!(reason(client.access_token().await), SignOutReason::AnswerLost);
}

#[tokio::test]
async fn lease_is_broken_by_a_sign_out_a_sign_in_and_an_adoption() {
    let (home, other) = (Home::start().await, tempfile::tempdir().expect("a folder"));
    let vault = home.vault();
    let client = home.signed_in().await;
    let stopped = Stopped::start();
    leased(&vault, stopped.0.id(), &home.clock).await;
    client.sign_in(super::EMAIL, PASSWORD).await.expect("another sign-in");
    assert_eq!(record(&vault).await["lease"], Value::Null, "a sign-in");
    leased(&vault, stopped.0.id(), &home.clock).await;
    client.sign_out().await.expect("a sign-out");
    assert_eq!(record(&vault).await["lease"], Value::Null, "a sign-out");

    let kept = vault_at(other.path());
    let old = home.builder().vault(kept.clone()).build().expect("a client");
    old.sign_in(super::EMAIL, PASSWORD).await.expect("a sign-in");
    let refresh = record(&kept).await["held"]["signed_in"]["refresh"].clone();
    let refresh = Some(refresh.as_str().expect("a refresh token").into());
    leased(&vault, stopped.0.id(), &home.clock).await;
    let tap = RecordingProxy::open(home.server.address).await;
    tap.set_down(true);
    let app = home.builder_at(&tap).vault(vault.clone()).build().expect("a client");
    let tokens = ExistingTokens { refresh, ..ExistingTokens::default() };
    app.adopt(tokens).await.expect("an adoption");
    // The adopted tokens are being verified, perhaps with a lease of this process.
    assert_ne!(record(&vault).await["lease"]["holder"], "another", "an adoption");
}

#[tokio::test]
async fn spending_refresh_is_sent_only_by_the_call_that_needs_it() {
    let peer = Peer::ours(Dialect::DjoserToken).await;
    assert!(peer.has(Operation::ProviderTokenSignIn));
    let tap = RecordingProxy::open(peer.address()).await;
    let client = peer.builder_at(tap.url()).build().expect("a client");
    let token = peer.provider_token("vera");
    client.sign_in_with_provider_token("yandex", token).await.expect("a sign-in");
    let before = client.access_token().await.expect("a token");
    let lives = before.expires_at().expect("an end") - peer.clock.now();
    peer.advance(lives - 30).await;
    let still = client.access_token().await.expect("a token that still works");
    assert_eq!(still.token(), before.token());
    assert!(client.finish_pending_work(LIMIT).await);
    assert_eq!(tap.count("POST /auth/token/"), 0);
    peer.advance(30).await;
    let after = client.access_token().await.expect("a token");
    assert_ne!(after.token(), before.token());
    assert_eq!(tap.count("POST /auth/token/"), 1);
}

/// A server of this API may be configured to rotate refresh tokens.
#[tokio::test]
async fn rotating_server_is_recognised_by_its_first_new_refresh_token() {
    let refresh = "POST /api/auth/token/refresh/";
    let peer = Peer::ours(Dialect::Simplejwt).await;
    peer.account("nina").await;
    let tap = RecordingProxy::open(peer.address()).await;
    let client = peer.builder_at(tap.url()).build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    peer.expire_access().await;
    // It answers with the pair of another sign-in.
    let folder = tempfile::tempdir().expect("a folder");
    let vault = vault_at(folder.path());
    let other = peer.builder().vault(vault.clone()).build().expect("a client");
    other.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    let session = record(&vault).await["held"]["signed_in"].take();
    let pair = json!({"access": session["credential"]["token"], "refresh": session["refresh"]});
    let pair = pair.to_string();
    tap.answer(
        refresh,
        Some(&format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{pair}",
            pair.len()
        )),
    );
    let token = client.access_token().await.expect("a token");
    assert_eq!(token.token(), other.access_token().await.expect("a token").token());
    let lives = token.expires_at().expect("an end") - peer.clock.now();
    peer.advance(lives - 20).await;
    client.access_token().await.expect("a token that still works");
    assert!(client.finish_pending_work(LIMIT).await);
    assert_eq!(tap.count(refresh), 1, "only a call that needs a token spends the next one");
    peer.advance(20).await;
    client.access_token().await.expect("a token");
    assert_eq!(tap.count(refresh), 2);
}

#[tokio::test]
async fn finish_pending_work_waits_for_running_work() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    home.advance(EXPIRED - 30);
    tap.hold();
    client.access_token().await.expect("a token that still works");
    tap.wait_for(REFRESH).await;
    assert!(
        !client.finish_pending_work(Duration::from_millis(1)).await,
        "the next one is being fetched"
    );
    tap.release();
    assert!(client.finish_pending_work(LIMIT).await);
    let next =
        home.builder().vault(home.vault()).former_server(tap.url()).build().expect("a client");
    let (one, other) = (client.access_token().await, next.access_token().await);
    assert_eq!(one.expect("a token").token(), other.expect("a token").token());
}
