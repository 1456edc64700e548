//! The signed-in user without a network, for a time that the app chooses.

use std::time::Duration;

use propusk::{Client, OfflinePolicy, SignOutReason, Trust};

use super::{EMAIL, EXPIRED, Home, PASSWORD, reason};

const HOUR: i64 = 3_600;

async fn trust(client: &Client) -> Trust {
    let policy = OfflinePolicy::trusted_for(Duration::from_secs(24 * 3_600));
    client.offline_identity(policy).await.expect("a user").trust
}

#[tokio::test]
async fn offline_trust_lasts_as_long_as_the_policy() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let signed_in_at = home.clock.now();
    let who = client.status().await.expect("a status").user;
    let identity = client.offline_identity(OfflinePolicy::trusted_for(Duration::ZERO)).await;
    let identity = identity.expect("a user");
    assert_eq!((Some(identity.user), identity.trust), (who, Trust::Fresh));
    let email = identity.profile.and_then(|profile| profile.email);
    assert_eq!(email.as_deref(), Some(EMAIL));
    home.advance(EXPIRED);
    assert_eq!(trust(&client).await, Trust::TrustedUntil(signed_in_at + 24 * HOUR));
    assert_eq!(trust(&home.app()).await, Trust::TrustedUntil(signed_in_at + 24 * HOUR));
    home.advance(24 * HOUR);
    assert_eq!(trust(&home.app()).await, Trust::MustGoOnline);
    client.access_token().await.expect("a token");
    assert_eq!(trust(&home.app()).await, Trust::Fresh);
    client.sign_out().await.expect("a sign-out");
    let policy = OfflinePolicy::trusted_for(Duration::from_secs(60));
    assert_eq!(reason(client.offline_identity(policy).await), SignOutReason::SignedOut);
}

#[tokio::test]
async fn offline_trust_is_not_extended_by_a_clock_set_back() {
    let home = Home::start().await;
    home.signed_in().await;
    let signed_in_at = home.clock.now();
    // The app asks late in the day, and then the clock is set back to the morning.
    home.clock.set(signed_in_at + 20 * HOUR);
    assert_eq!(trust(&home.app()).await, Trust::TrustedUntil(signed_in_at + 24 * HOUR));
    for back in [signed_in_at, signed_in_at + 10 * HOUR, signed_in_at - 1_000 * HOUR] {
        home.clock.set(back);
        assert_eq!(trust(&home.app()).await, Trust::MustGoOnline, "{back}");
    }
    // A clock that is set back a little gains nothing either.
    let end = signed_in_at + 24 * HOUR;
    home.clock.set(end + 30);
    assert_eq!(trust(&home.app()).await, Trust::MustGoOnline);
    home.clock.set(end - 30);
    assert_eq!(trust(&home.app()).await, Trust::MustGoOnline);
    // After a clock was wrong for a while, one answer of the server is enough.
    home.clock.set(signed_in_at + 400 * 24 * HOUR);
    assert_eq!(trust(&home.app()).await, Trust::MustGoOnline);
    home.clock.set(signed_in_at);
    let client = home.app();
    assert_eq!(trust(&client).await, Trust::MustGoOnline);
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(trust(&home.app()).await, Trust::Fresh);
}

#[tokio::test]
async fn offline_trust_is_not_extended_by_a_write_after_the_clock_was_set_back() {
    let home = Home::start().await;
    home.signed_in().await;
    let signed_in_at = home.clock.now();
    home.clock.set(signed_in_at + 20 * HOUR);
    assert_eq!(trust(&home.app()).await, Trust::TrustedUntil(signed_in_at + 24 * HOUR));
    home.clock.set(signed_in_at);
    // It stores the verifier of the link.
    home.app().request_reset(EMAIL).await.expect("a mail");
    assert_eq!(trust(&home.app()).await, Trust::MustGoOnline);
}
