//! What one user has started is not done in the name of the next.

use propusk::testing::{Answer, FailingVault};
use propusk::{ErrorKind, Secret, UpdateAccountRequest};

use super::{app, signed_in_on};
use crate::testing::{EMAIL, HOUR, PASSWORD, kind, server, signed_in};

const ACCOUNT: &str = "/propusk/v1/account";

/// The process has not read the vault yet, so it learns only then that there is another user.
#[tokio::test]
async fn first_call_of_a_process_is_not_made_for_the_next_user() {
    let (server, device) = (server().await, FailingVault::new());
    let client = signed_in_on(&server, &device).await;
    let user = client.status().await.expect("a status").user.expect("a user");
    client.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    let token = app(&server, &device).access_token_for(&user).await;
    assert_eq!(kind(token), ErrorKind::OtherSignIn);
    let answer = app(&server, &device).api().for_user(&user).get(ACCOUNT).send().await;
    assert_eq!(kind(answer), ErrorKind::OtherSignIn);
    assert_eq!(server.count("GET", ACCOUNT), 0);
}

#[tokio::test]
async fn refused_request_is_not_sent_again_for_the_next_user() {
    let (server, client) = signed_in().await;
    let held = server.hold_next("GET", "/orders");
    server.answer_always("GET", "/orders", Answer::status(204));
    let asking = tokio::spawn({
        let request = client.api().get("/orders");
        async move { request.send().await.map(|answer| answer.status().as_u16()) }
    });
    held.arrived().await;
    client.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    held.answer(Answer::status(401));
    assert_eq!(asking.await.expect("no panic").expect("an answer"), 401);
    assert_eq!(server.count("GET", "/orders"), 1);
}

/// A dialog of the first user is confirmed after another process has signed in the next one.
#[tokio::test]
async fn account_of_the_next_user_is_not_changed_by_calls_for_the_first() {
    let (server, device) = (server().await, FailingVault::new());
    server.add_account("bob@example.org", PASSWORD);
    let client = signed_in_on(&server, &device).await;
    let user = client.status().await.expect("a status").user.expect("a user");
    client.for_user(&user).profile().await.expect("a profile of the first user");
    let other = app(&server, &device);
    other.sign_in("bob@example.org", PASSWORD).await.expect("another sign-in");
    assert!(other.finish_pending_work(HOUR).await);
    client.refresh().await.expect("a renewal for the next user");
    server.forget_requests();
    // The second client learns only now that there is another user.
    for client in [client, app(&server, &device)] {
        let (bound, password) = (client.for_user(&user), || Some(Secret::from(PASSWORD)));
        let changes = UpdateAccountRequest::default();
        for outcome in [
            bound.delete_account(password()).await,
            bound.change_password(password(), "another quiet harbour").await,
            bound.update_profile(&changes).await.map(drop),
            bound.export_account(password()).await.map(drop),
            bound.end_other_sessions(password()).await,
            bound.unlink("vk", "1", password()).await,
        ] {
            assert_eq!(kind(outcome), ErrorKind::OtherSignIn);
        }
        client.profile().await.expect("a profile of the next user");
    }
    let seen = server.requests();
    assert!(seen.iter().all(|request| request.method() == "GET"), "{seen:?}");
}

#[tokio::test]
async fn deletion_of_an_account_does_not_sign_out_the_next_user() {
    let (server, client) = signed_in().await;
    server.add_account("bob@example.org", PASSWORD);
    let held = server.hold_next("DELETE", ACCOUNT);
    let deleting = tokio::spawn({
        let client = client.clone();
        async move { client.delete_account(Some(PASSWORD.into())).await }
    });
    held.arrived().await;
    client.sign_in("bob@example.org", PASSWORD).await.expect("another sign-in");
    held.answer(Answer::status(204));
    deleting.await.expect("no panic").expect("a deletion");
    assert!(client.status().await.expect("a status").is_signed_in());
    let profile = client.profile().await.expect("a profile");
    assert_eq!(profile.email.as_deref(), Some("bob@example.org"));
}
