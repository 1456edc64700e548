//! What one user has started is not done in the name of the next.

use propusk::ErrorKind;
use propusk::testing::{Answer, FailingVault};

use super::{app, signed_in_on};
use crate::testing::{EMAIL, PASSWORD, kind, server, signed_in};

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
