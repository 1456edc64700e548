//! A device whose disk and key store fail.

use propusk::testing::{DiskState, FailingVault, FakeServer, KeyStoreState};
use propusk::{Client, ErrorKind, Phase, SignOutReason, VaultState};

use super::{EMAIL, HOUR, PASSWORD, kind, reason, server};

/// A start of the app.
fn app(server: &FakeServer, device: &FailingVault) -> Client {
    server.builder().vault(device.vault()).build().expect("a client")
}

async fn signed_in() -> (FakeServer, FailingVault, Client) {
    let (server, device) = (server().await, FailingVault::new());
    let client = app(&server, &device);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    (server, device, client)
}

fn storage(state: VaultState) -> ErrorKind {
    ErrorKind::Storage { state }
}

#[tokio::test]
async fn session_outlives_a_restart() {
    let (server, device, client) = signed_in().await;
    assert!(!device.is_empty());
    drop(client);
    let client = app(&server, &device);
    assert!(client.status().await.expect("a status").is_signed_in());
    client.profile().await.expect("a profile");
}

#[tokio::test]
async fn full_disk_is_an_error_without_a_sign_out() {
    let (server, device) = (server().await, FailingVault::new());
    let client = app(&server, &device);
    device.set_disk(DiskState::Full);
    let full = client.sign_in(EMAIL, PASSWORD).await;
    assert_eq!(kind(full), storage(VaultState::ReadOnly));
    assert!(device.is_empty());
    device.set_disk(DiskState::Works);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    device.set_disk(DiskState::Full);
    server.advance(HOUR);
    client.profile().await.expect("the new tokens are in memory");
    server.advance(HOUR);
    // The tokens are not spent while they are not stored.
    assert_eq!(kind(client.profile().await), storage(VaultState::ReadOnly));
    assert!(client.status().await.expect("a status").is_signed_in());
    drop(client);
    device.set_disk(DiskState::Works);
    let client = app(&server, &device);
    client.profile().await.expect("the same answer again");
}

#[tokio::test]
async fn unreadable_disk_does_not_sign_out() {
    let (server, device, client) = signed_in().await;
    drop(client);
    device.set_disk(DiskState::Unreadable);
    let client = app(&server, &device);
    assert_eq!(kind(client.status().await), storage(VaultState::Locked));
    device.set_disk(DiskState::Works);
    client.profile().await.expect("a profile");
}

#[tokio::test]
async fn damaged_record_is_lost_at_the_next_start() {
    let (server, device, client) = signed_in().await;
    device.damage();
    drop(client);
    let client = app(&server, &device);
    let phase = client.status().await.expect("a status").phase;
    assert_eq!(phase, Phase::SignedOut { reason: SignOutReason::VaultLost });
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(client.vault_state().await, VaultState::Ready);
}

#[tokio::test]
async fn disk_without_locks_is_reported() {
    let (server, device) = (server().await, FailingVault::new());
    device.set_disk(DiskState::WithoutLocks);
    let client = app(&server, &device);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(client.vault_state().await, VaultState::WithoutLocks);
}

#[tokio::test]
async fn locked_key_store_does_not_sign_out() {
    let (server, device, client) = signed_in().await;
    drop(client);
    device.set_key_store(KeyStoreState::Locked);
    let client = app(&server, &device);
    assert_eq!(kind(client.status().await), storage(VaultState::Locked));
    device.set_key_store(KeyStoreState::Open);
    assert!(client.status().await.expect("a status").is_signed_in());
}

#[tokio::test]
async fn missing_key_store_is_an_error() {
    let (server, device) = (server().await, FailingVault::new());
    device.set_key_store(KeyStoreState::NoStore);
    let absent = app(&server, &device).sign_in(EMAIL, PASSWORD).await;
    assert_eq!(kind(absent), storage(VaultState::NoKeyStore));
}

#[tokio::test]
async fn lost_key_signs_out_with_its_reason() {
    let (server, device, client) = signed_in().await;
    device.lose_key();
    drop(client);
    assert_eq!(reason(app(&server, &device).access_token().await), SignOutReason::VaultLost);
}

#[tokio::test]
async fn lock_of_another_process_delays_a_sign_in() {
    let (server, device) = (server().await, FailingVault::new());
    let client = app(&server, &device);
    let held = device.hold_lock();
    let signing_in = tokio::spawn({
        let client = client.clone();
        async move { client.sign_in(EMAIL, PASSWORD).await }
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!signing_in.is_finished() && device.is_empty());
    drop(held);
    signing_in.await.expect("no panic").expect("a sign-in");
}

#[tokio::test]
async fn processes_that_share_the_device_renew_once() {
    let (server, device, client) = signed_in().await;
    let other = app(&server, &device);
    other.status().await.expect("a status");
    server.advance(HOUR);
    let (one, two) = tokio::join!(client.access_token(), other.access_token());
    assert_eq!(one.expect("a token").token(), two.expect("a token").token());
    assert_eq!(server.count("POST", super::REFRESH), 1);
}
