//! What could not be written counts meanwhile, and is written without a call of the app.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use propusk::testing::{DiskState, FailingVault, FakeServer};
use propusk::{Client, Clock, OfflinePolicy, SignOutReason, Trust, VaultState};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{LIMIT, ProcessDisk, app, signed_in_on};
use crate::testing::{EMAIL, HOUR, PASSWORD, REFRESH, reason, server};

async fn signed_in(server: &FakeServer, disk: &Arc<ProcessDisk>) -> Client {
    let client = server.builder().vault(disk.vault()).build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    client
}

/// Waits until one of these numbers of a disk has grown.
async fn grown(number: &watch::Sender<usize>) {
    let mut number = number.subscribe();
    timeout(LIMIT, number.changed()).await.expect("it grows").expect("a disk");
}

/// As another process sees it.
async fn is_signed_in(server: &FakeServer, path: &std::path::Path) -> bool {
    let other = server.builder().vault(ProcessDisk::of(path).vault()).build().expect("a client");
    other.status().await.expect("a status").is_signed_in()
}

#[tokio::test]
async fn renewed_tokens_are_written_when_the_disk_has_room_again() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("vault");
    let disk = ProcessDisk::of(&path);
    let client = signed_in(&server, &disk).await;
    disk.is_full.store(true, Ordering::SeqCst);
    client.refresh().await.expect("tokens in memory");
    disk.is_full.store(false, Ordering::SeqCst);
    grown(&disk.writes).await;
    let other = server.builder().vault(ProcessDisk::of(&path).vault()).build().expect("a client");
    let (one, two) = (client.access_token().await, other.access_token().await);
    assert_eq!(one.expect("a token").token(), two.expect("a token").token());
}

#[tokio::test]
async fn finish_pending_work_writes_what_running_work_could_not() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("vault");
    let disk = ProcessDisk::of(&path);
    let client = signed_in(&server, &disk).await;
    let held = server.hold_next("POST", REFRESH);
    let renewing = tokio::spawn({
        let client = client.clone();
        async move { client.refresh().await }
    });
    held.arrived().await;
    disk.fails_once.store(true, Ordering::SeqCst);
    let finishing = tokio::spawn({
        let client = client.clone();
        async move { client.finish_pending_work(HOUR).await }
    });
    for _ in 0..1_000 {
        assert!(!finishing.is_finished());
        tokio::task::yield_now().await;
    }
    held.release();
    renewing.await.expect("no panic").expect("tokens in memory");
    assert!(finishing.await.expect("no panic"));
    assert!(!disk.fails_once.load(Ordering::SeqCst));
    let other = server.builder().vault(ProcessDisk::of(&path).vault()).build().expect("a client");
    let (one, two) = (client.access_token().await, other.access_token().await);
    assert_eq!(one.expect("a token").token(), two.expect("a token").token());
}

#[tokio::test]
async fn sign_out_is_written_when_the_lock_is_free_again() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("vault");
    let disk = ProcessDisk::of(&path);
    let client = signed_in(&server, &disk).await;
    disk.is_taken.store(true, Ordering::SeqCst);
    client.sign_out().await.expect_err("it cannot be written");
    assert!(is_signed_in(&server, &path).await);
    // The next attempt fails as well.
    grown(&disk.locks).await;
    disk.is_taken.store(false, Ordering::SeqCst);
    grown(&disk.writes).await;
    assert!(!is_signed_in(&server, &path).await);
}

#[tokio::test]
async fn end_by_the_server_counts_although_the_disk_is_full() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    server.end_sessions(EMAIL);
    server.advance(HOUR);
    device.set_disk(DiskState::Full);
    assert_eq!(reason(client.access_token().await), SignOutReason::Ended);
    // Each of them reads the disk again, where the session still is.
    for _ in 0..3 {
        assert!(!client.status().await.expect("a status").is_signed_in());
    }
    device.set_disk(DiskState::Works);
    assert!(client.finish_pending_work(HOUR).await);
    let next = app(&server, &device);
    assert_eq!(reason(next.access_token().await), SignOutReason::Ended);
}

#[tokio::test]
async fn sign_out_that_is_not_written_does_not_end_the_next_sign_in() {
    let (server, folder) = (server().await, tempfile::tempdir().expect("a folder"));
    let path = folder.path().join("vault");
    let disk = ProcessDisk::of(&path);
    let client = signed_in(&server, &disk).await;
    disk.is_taken.store(true, Ordering::SeqCst);
    client.sign_out().await.expect_err("it cannot be written");
    let other = signed_in(&server, &ProcessDisk::of(&path)).await;
    let user = other.status().await.expect("a status").user;
    assert_eq!(client.status().await.expect("a status").user, user);
}

#[tokio::test]
async fn clock_set_back_gains_no_trust_although_the_disk_is_full() {
    let (server, device) = (server().await, FailingVault::new());
    let start = server.clock().now();
    let clock = Clock::manual(start);
    let client = server.builder().clock(clock.clone()).vault(device.vault());
    let client = client.build().expect("a client");
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let trust = async || {
        let identity = client.offline_identity(OfflinePolicy::trusted_for(2 * HOUR)).await;
        identity.expect("a user").trust
    };
    device.set_disk(DiskState::Full);
    clock.set(start + 3 * 3_600);
    assert_eq!(trust().await, Trust::MustGoOnline, "too long ago");
    clock.set(start + 3_600);
    assert_eq!(trust().await, Trust::MustGoOnline, "the clock was set back");
    device.set_disk(DiskState::Works);
    assert_eq!(trust().await, Trust::MustGoOnline);
    assert!(client.finish_pending_work(HOUR).await);
    drop(client);
    let next = server.builder().clock(clock).vault(device.vault()).build().expect("a client");
    let identity = next.offline_identity(OfflinePolicy::trusted_for(2 * HOUR)).await;
    assert_eq!(identity.expect("a user").trust, Trust::MustGoOnline, "the time was written");
}

#[tokio::test]
async fn missing_locks_are_reported_before_the_first_lock() {
    let (server, device) = (server().await, FailingVault::new());
    device.set_disk(DiskState::WithoutLocks);
    let client = app(&server, &device);
    assert_eq!(client.vault_state().await, VaultState::WithoutLocks);
}
