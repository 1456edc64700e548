//! A sign-out that the server does not know of yet: when it is told, how often, and with which
//! tokens.

use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use propusk::testing::{Answer, FailingVault, FakeServer, HeldRequest};
use propusk::{Client, Dialect, FileStorage, SignOut, Storage, Vault};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::{LIMIT, ProcessDisk, app, record, signed_in_on};
use crate::delegate::delegate_to_file;
use crate::testing::{EMAIL, HOUR, PASSWORD, REFRESH, server};
use crate::vault::waiting::TheKey;

const SIGN_OUT: &str = "/propusk/v1/sessions/current";

/// An answer that leaves the sign-out pending.
fn busy() -> Answer {
    Answer::status(502)
}

/// A client whose sign-out is pending.
async fn pending() -> (FakeServer, FailingVault, Client) {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    server.answer_next("DELETE", SIGN_OUT, busy());
    assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);
    (server, device, client)
}

fn told(server: &FakeServer) -> usize {
    server.count("DELETE", SIGN_OUT)
}

async fn arrived(held: &HeldRequest, when: &str) {
    timeout(LIMIT, held.arrived()).await.unwrap_or_else(|_| panic!("{when}"));
}

#[tokio::test]
async fn pending_sign_out_is_sent_at_the_next_start() {
    let (server, device, client) = pending().await;
    drop(client);
    let held = server.hold_next("DELETE", SIGN_OUT);
    let next = app(&server, &device);
    assert!(!next.status().await.expect("a status").is_signed_in());
    arrived(&held, "a start sends it").await;
}

#[tokio::test]
async fn pending_sign_out_is_sent_when_the_network_changes() {
    let (server, _device, client) = pending().await;
    let held = server.hold_next("DELETE", SIGN_OUT);
    client.network_changed();
    arrived(&held, "another network sends it").await;
}

#[tokio::test]
async fn pending_sign_out_is_sent_by_finish_pending_work() {
    let (server, device, client) = pending().await;
    server.answer_next("DELETE", SIGN_OUT, busy());
    assert!(!client.finish_pending_work(HOUR).await, "the server does not know of it");
    assert!(client.finish_pending_work(HOUR).await);
    assert!(server.sessions(EMAIL).is_empty());
    assert_eq!(record(&device).await["owed"], serde_json::json!([]));
}

#[tokio::test]
async fn pending_sign_out_is_sent_by_another_sign_out_and_before_all_is_forgotten() {
    for forgets in [false, true] {
        let (server, _device, client) = pending().await;
        server.answer_next("DELETE", SIGN_OUT, busy());
        assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);
        match forgets {
            true => client.forget_everything().await.expect("a removal"),
            false => {
                let again = client.sign_out().await.expect("a sign-out");
                assert_eq!(again, SignOut::Confirmed);
            }
        }
        assert!(server.sessions(EMAIL).is_empty());
        assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Confirmed);
        assert_eq!(told(&server), 3);
    }
}

/// The next user has signed in meanwhile.
#[tokio::test]
async fn pending_sign_out_is_sent_after_an_answer_of_the_server_with_growing_delays() {
    let (server, _device, client) = pending().await;
    let held = server.hold_next("DELETE", SIGN_OUT);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    arrived(&held, "a sign-in sends it").await;
    held.answer(busy());
    for _ in 0..5 {
        client.profile().await.expect("a profile");
    }
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(told(&server), 2, "it is not sent with every call");

    server.advance(Duration::from_secs(11));
    let held = server.hold_next("DELETE", SIGN_OUT);
    client.profile().await.expect("a profile");
    arrived(&held, "an answer to the app sends it").await;
    held.answer(busy());

    server.advance(HOUR);
    let held = server.hold_next("DELETE", SIGN_OUT);
    client.access_token().await.expect("a renewal");
    arrived(&held, "an answer to a renewal sends it").await;
    drop(held);
    assert!(client.finish_pending_work(HOUR).await);
    assert_eq!(server.sessions(EMAIL).len(), 1);
}

#[tokio::test]
async fn pending_sign_out_is_not_sent_after_a_month() {
    let (server, device, client) = pending().await;
    drop(client);
    server.advance(31 * 24 * HOUR);
    let next = app(&server, &device);
    next.status().await.expect("a status");
    assert!(next.finish_pending_work(HOUR).await);
    assert_eq!(told(&server), 1);
    assert_eq!(record(&device).await["owed"], serde_json::json!([]));
}

#[tokio::test]
async fn pending_sign_outs_are_limited_in_number() {
    let (server, device) = (server().await, FailingVault::new());
    server.answer_always("DELETE", SIGN_OUT, busy());
    for _ in 0..10 {
        let client = signed_in_on(&server, &device).await;
        assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);
    }
    assert_eq!(record(&device).await["owed"].as_array().map(Vec::len), Some(8));
}

/// Another process has renewed the session that a sign-in replaces.
#[tokio::test]
async fn pending_sign_out_is_sent_with_the_newest_tokens() {
    let (server, device) = (server().await, FailingVault::new());
    let one = signed_in_on(&server, &device).await;
    let other = app(&server, &device);
    other.refresh().await.expect("a renewal");
    let newest = other.access_token().await.expect("a token");
    let held = server.hold_next("DELETE", SIGN_OUT);
    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    arrived(&held, "the first session is ended").await;
    let requests = server.requests();
    let request = requests.iter().find(|request| request.method() == "DELETE").expect("it");
    assert_eq!(request.header("authorization"), newest.header().to_str().ok());
}

/// Reading the vault finds the sign-out before the renewal that runs has its answer.
#[tokio::test]
async fn pending_sign_out_that_a_read_finds_is_sent_after_the_running_renewal() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    server.advance(HOUR);
    let renewal = server.hold_next("POST", REFRESH);
    let renewing = tokio::spawn({
        let client = client.clone();
        async move { client.access_token().await.map(drop) }
    });
    arrived(&renewal, "the expired token is renewed").await;
    let mut status = client.watch();
    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.sign_out().await }
    });
    status.wait_for(|status| !status.is_signed_in()).await.expect("a status");
    for _ in 0..100 {
        client.status().await.expect("the vault is read again");
    }
    assert_eq!(told(&server), 0, "the expired token would be refused");
    renewal.release();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Confirmed);
    renewing.await.expect("no panic").expect_err("the user is signed out");
    assert!(client.finish_pending_work(HOUR).await);
    assert_eq!((told(&server), server.count("POST", REFRESH)), (1, 1));
    assert!(server.sessions(EMAIL).is_empty());
}

/// The access token has expired and is renewed for the sign-out, which then fails.
#[tokio::test]
async fn tokens_renewed_for_a_sign_out_are_kept_for_the_next_attempt() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    server.advance(HOUR);
    let refused = server.hold_next("DELETE", SIGN_OUT);
    let failing = server.hold_next("DELETE", SIGN_OUT);
    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.sign_out().await }
    });
    arrived(&refused, "it is sent with the expired token").await;
    refused.release();
    arrived(&failing, "and with a new one").await;
    failing.answer(busy());
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Pending);
    drop(client);
    let next = app(&server, &device);
    next.status().await.expect("a status");
    assert!(next.finish_pending_work(HOUR).await);
    assert_eq!((told(&server), server.count("POST", REFRESH)), (3, 1));
    assert!(server.sessions(EMAIL).is_empty());
}

/// The renewal for the sign-out is answered only after the sign-out has stopped waiting.
#[tokio::test]
async fn tokens_renewed_for_a_sign_out_are_kept_although_they_come_late() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    server.advance(HOUR);
    let renewal = server.hold_next("POST", REFRESH);
    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.sign_out().await }
    });
    arrived(&renewal, "the expired token is renewed for the sign-out").await;
    tokio::time::pause();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Pending);
    tokio::time::resume();
    renewal.release();
    assert!(client.finish_pending_work(HOUR).await, "it is sent with the new tokens");
    assert_eq!((told(&server), server.count("POST", REFRESH)), (2, 1));
    assert!(server.sessions(EMAIL).is_empty());
}

/// Work that starts while a sign-out is sent is waited for as well.
#[tokio::test]
async fn finish_pending_work_waits_for_work_that_starts_meanwhile() {
    let (server, _device, client) = pending().await;
    let held = server.hold_next("DELETE", SIGN_OUT);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    arrived(&held, "a sign-in sends it").await;
    held.answer(busy());
    server.advance(Duration::from_secs(870));
    let sign_out = server.hold_next("DELETE", SIGN_OUT);
    let finishing = tokio::spawn({
        let client = client.clone();
        async move { client.finish_pending_work(HOUR).await }
    });
    arrived(&sign_out, "it is sent before the end").await;
    let renewal = server.hold_next("POST", REFRESH);
    client.access_token().await.expect("a token that works");
    arrived(&renewal, "the next one is being fetched").await;
    sign_out.release();
    while server.sessions(EMAIL).len() > 1 {
        tokio::task::yield_now().await;
    }
    for _ in 0..10_000 {
        assert!(!finishing.is_finished(), "the renewal is running");
        tokio::task::yield_now().await;
    }
    renewal.release();
    assert!(finishing.await.expect("no panic"));
}

/// The disk of a process that is suspended after one of its reads.
struct SuspendingDisk {
    file: FileStorage,
    /// How many reads are left until then; 0: it is not suspended.
    reads_left: Mutex<usize>,
    suspended: UnboundedSender<()>,
    resumed: Mutex<Receiver<()>>,
}

impl Storage for SuspendingDisk {
    delegate_to_file!(name, write, set_aside, remove, lock);

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let read = self.file.read();
        let mut left = self.reads_left.lock().expect("no panic");
        let is_last = *left == 1;
        *left = left.saturating_sub(1);
        drop(left);
        if is_last {
            self.suspended.send(()).expect("the test waits");
            self.resumed.lock().expect("no panic").recv().expect("the test goes on");
        }
        read
    }
}

/// djoser returns the same API token again. Between the last look at the vault and the send, the
/// process is suspended, and another one signs in.
#[tokio::test]
async fn pending_sign_out_does_not_end_the_same_api_token_of_another_process() {
    const LOGOUT: &str = "/auth/token/logout/";
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("vault");
    let token = json!({"auth_token": "the-same-again"});
    server.answer_always("POST", "/auth/token/login/", Answer::status(200).json(&token));
    server.answer_always("POST", LOGOUT, Answer::status(204));
    let app = |vault| {
        let builder = server.builder().dialect(Dialect::DjoserToken).vault(vault);
        builder.build().expect("a client")
    };
    let (suspended, mut is_suspended) = unbounded_channel();
    let (resume, resumed) = channel();
    let disk = Arc::new(SuspendingDisk {
        file: FileStorage::new(&path),
        reads_left: Mutex::new(0),
        suspended,
        resumed: Mutex::new(resumed),
    });
    let client = app(Vault::with_storage(Arc::<SuspendingDisk>::clone(&disk), Arc::new(TheKey)));
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    server.answer_next("POST", LOGOUT, busy());
    assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);

    // It reads the vault to find its sign-outs, and again for this one.
    *disk.reads_left.lock().expect("no panic") = 2;
    let finishing = tokio::spawn(async move { client.finish_pending_work(HOUR).await });
    timeout(LIMIT, is_suspended.recv()).await.expect("it reads the vault").expect("it runs");
    let other = app(ProcessDisk::of(&path).vault());
    other.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert!(other.finish_pending_work(HOUR).await);
    let before = server.count("POST", LOGOUT);
    resume.send(()).expect("it waits");
    assert!(finishing.await.expect("no panic"), "there is nothing left to send");
    assert_eq!(server.count("POST", LOGOUT), before, "the token is in use again");
    assert!(other.status().await.expect("a status").is_signed_in());
}
