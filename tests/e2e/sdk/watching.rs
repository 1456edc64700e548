//! Changes by another process are reported to receivers of the status.

use std::time::Duration;

use propusk::{Client, Phase, SignOutReason, Status, StatusChange};
use tokio::sync::watch;

use super::{EMAIL, Home, PASSWORD};

/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(20);

async fn reported(
    status: &mut watch::Receiver<Status>,
    is_it: impl FnMut(&Status) -> bool,
) -> Status {
    let report = tokio::time::timeout(LIMIT, status.wait_for(is_it));
    report.await.expect("it is reported").expect("a status").clone()
}

#[tokio::test]
async fn changes_by_another_process_are_reported() {
    let home = Home::start().await;
    let (one, other) = (home.app(), home.app());
    assert!(!other.status().await.expect("a status").is_signed_in());
    let mut status = other.watch();

    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let user = one.status().await.expect("a status").user;
    let seen = reported(&mut status, |status| status.phase == Phase::SignedIn).await;
    assert_eq!((&seen.user, seen.change), (&user, StatusChange::OtherProcess));
    let token = |client: Client| async move {
        client.access_token().await.expect("a token").token().clone()
    };
    assert_eq!(token(one.clone()).await, token(other.clone()).await);

    one.sign_out().await.expect("a sign-out");
    let seen = reported(&mut status, |status| !status.is_signed_in()).await;
    let reason = SignOutReason::SignedOut;
    assert_eq!(
        (seen.phase, seen.change),
        (Phase::SignedOut { reason }, StatusChange::OtherProcess)
    );
}

#[tokio::test]
async fn watch_starts_again_after_it_ended() {
    let home = Home::start().await;
    let (one, other) = (home.app(), home.app());
    other.status().await.expect("a status");
    drop(other.watch());
    one.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let mut status = other.watch();
    reported(&mut status, Status::is_signed_in).await;
}
