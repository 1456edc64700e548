//! Changes by another process reach the receivers of the status, and only while there are receivers.

use std::sync::atomic::Ordering;
use std::time::Duration;

use propusk::Status;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{pause, sleep, timeout};

use super::{LIMIT, ProcessDisk};
use crate::testing::{EMAIL, PASSWORD, server};

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

#[tokio::test]
async fn sign_in_of_another_user_by_another_process_is_reported() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    server.add_account("bob@example.org", PASSWORD);
    let path = folder.path().join("vault");
    let [one, other] = [(); 2].map(|()| {
        server.builder().vault(ProcessDisk::of(&path).vault()).build().expect("a client")
    });
    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let anna = other.status().await.expect("a status").user.expect("a user");
    let mut status = other.watch();
    one.sign_in("bob@example.org", PASSWORD).await.expect("a sign-in");
    let is_bob = |status: &Status| status.user.as_ref().is_some_and(|user| !user.is_same(&anna));
    timeout(LIMIT, status.wait_for(is_bob)).await.expect("it is reported").expect("a status");
}

/// The runtime in which the status was watched first has ended.
#[test]
fn changes_are_reported_in_another_runtime() {
    let lasting = runtime();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vault");
    let server = lasting.block_on(server());
    let [one, other] = [(); 2].map(|()| {
        server.builder().vault(ProcessDisk::of(&path).vault()).build().expect("a client")
    });
    let first = runtime();
    let watched = first.block_on(async {
        other.status().await.expect("a status");
        other.watch()
    });
    drop(first);
    lasting.block_on(one.sign_in(EMAIL, PASSWORD)).expect("a sign-in");
    runtime().block_on(async {
        let reported = async { other.watch().wait_for(Status::is_signed_in).await.map(drop) };
        timeout(LIMIT, reported).await.expect("it is reported").expect("a status");
    });
    drop(watched);
}

#[tokio::test]
async fn change_on_an_unreadable_disk_is_reported_when_it_can_be_read() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("vault");
    let disk = ProcessDisk::of(&path);
    let watching = server.builder().vault(disk.vault()).build().expect("a client");
    watching.status().await.expect("a status");
    let mut status = watching.watch();
    disk.is_unreadable.store(true, Ordering::SeqCst);
    let other = server.builder().vault(ProcessDisk::of(&path).vault()).build().expect("a client");
    other.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    other.finish_pending_work(LIMIT).await;
    pause();
    // The change is noticed, and cannot be read.
    sleep(Duration::from_secs(15)).await;
    assert!(!status.borrow().is_signed_in());
    disk.is_unreadable.store(false, Ordering::SeqCst);
    let reported = status.wait_for(Status::is_signed_in);
    timeout(Duration::from_secs(60), reported).await.expect("it is reported").expect("a status");
}

#[tokio::test(start_paused = true)]
async fn disk_is_not_watched_without_a_receiver() {
    let folder = tempfile::tempdir().expect("a folder");
    let disk = ProcessDisk::of(&folder.path().join("vault"));
    let client = propusk::Client::builder("https://id.example.org").vault(disk.vault());
    let client = client.build().expect("a client");
    client.status().await.expect("a status");
    let receiver = client.watch();
    sleep(Duration::from_secs(60)).await;
    let watched = *disk.checks.borrow();
    assert!(watched > 10, "{watched}");
    drop(receiver);
    sleep(Duration::from_secs(60)).await;
    let ended = *disk.checks.borrow();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(*disk.checks.borrow(), ended);
}
