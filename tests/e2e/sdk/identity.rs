//! The signed-in user: it is in every status, and requests can be bound to it.

use propusk::{ErrorKind, Phase, SignOutReason, StatusChange};

use super::{EMAIL, EXPIRED, Home, PASSWORD};

#[tokio::test]
async fn status_contains_the_user_and_the_change() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let mut status = client.watch();
    let signed_in = status.borrow_and_update().clone();
    assert_eq!((signed_in.phase, signed_in.change), (Phase::SignedIn, StatusChange::SignedIn));
    let user = signed_in.user.expect("a user");
    let profile = client.profile().await.expect("a profile");
    assert_eq!(user.account_id, profile.id);
    let sessions = client.sessions().await.expect("a list");
    assert_eq!(user.session_id.as_ref(), sessions.first().map(|session| &session.id));

    client.refresh().await.expect("a renewal");
    let renewed = status.borrow_and_update().clone();
    assert_eq!((renewed.user.as_ref(), renewed.change), (Some(&user), StatusChange::Refreshed));
    let started = home.app().status().await.expect("a status");
    assert_eq!((started.user.as_ref(), started.change), (Some(&user), StatusChange::Initial));

    client.sign_out().await.expect("a sign-out");
    let left = status.borrow_and_update().clone();
    let signed_out = Phase::SignedOut { reason: SignOutReason::SignedOut };
    assert_eq!((left.phase, left.user, left.change), (signed_out, None, StatusChange::SignedOut));

    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    let again = client.status().await.expect("a status").user.expect("a user");
    assert_eq!(again.account_id, user.account_id);
    assert!(!again.is_same(&user), "another sign-in");
}

#[tokio::test]
async fn request_of_one_user_is_not_sent_for_the_next() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let user = client.status().await.expect("a status").user.expect("a user");
    let account = "/propusk/v1/account";
    client.access_token_for(&user).await.expect("a token");
    client.api().for_user(&user).get(account).send().await.expect("an answer");
    client.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    client.finish_pending_work(std::time::Duration::from_secs(30)).await;
    tap.forget();
    home.advance(EXPIRED);
    let refused = client.access_token_for(&user).await.expect_err("another sign-in");
    assert_eq!(*refused.kind(), ErrorKind::OtherSignIn);
    let refused =
        client.api().for_user(&user).get(account).send().await.expect_err("another sign-in");
    assert_eq!(*refused.kind(), ErrorKind::OtherSignIn);
    assert!(tap.seen().is_empty(), "nothing is renewed for it either: {:?}", tap.seen());
    let next = client.status().await.expect("a status").user.expect("a user");
    client.access_token_for(&next).await.expect("a token");
}

#[tokio::test]
async fn refusal_after_another_sign_in_is_other_sign_in() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let user = client.status().await.expect("a status").user.expect("a user");
    let next = home.app();
    next.sign_in(EMAIL, PASSWORD).await.expect("another process signs in");
    assert!(
        next.finish_pending_work(std::time::Duration::from_secs(30)).await,
        "the first session is over"
    );
    for _ in 0..2 {
        let refused = client.api().for_user(&user).get("/propusk/v1/account").send().await;
        assert_eq!(*refused.expect_err("another sign-in").kind(), ErrorKind::OtherSignIn);
    }
}
