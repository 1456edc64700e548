//! Scripted answers and received requests.

use std::time::Duration;

use propusk::testing::Answer;
use propusk::{ErrorKind, ProblemCode, SignOutReason};

use super::{EMAIL, HOUR, PASSWORD, REFRESH, SIGN_IN, kind, reason, rejection, server, signed_in};

#[tokio::test]
async fn scripted_answers_are_used_once_and_in_order() {
    let server = server().await;
    let client = server.client();
    let busy = Answer::status(503).header("Retry-After", "7");
    server.answer_next("POST", SIGN_IN, busy);
    server.answer_next("POST", SIGN_IN, Answer::problem(429, ProblemCode::RateLimited));
    server.answer_next("POST", SIGN_IN, Answer::status(200).body("<html>a captive portal</html>"));
    server.answer_next("POST", SIGN_IN, Answer::closed());
    let later = ErrorKind::RetryLater { after: Duration::from_secs(7) };
    assert_eq!(kind(client.sign_in(EMAIL, PASSWORD).await), later);
    assert!(matches!(kind(client.sign_in(EMAIL, PASSWORD).await), ErrorKind::RetryLater { .. }));
    assert_eq!(kind(client.sign_in(EMAIL, PASSWORD).await), ErrorKind::Network);
    assert_eq!(kind(client.sign_in(EMAIL, PASSWORD).await), ErrorKind::Network);
    assert!(server.sessions(EMAIL).is_empty());
    client.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(server.count("POST", SIGN_IN), 5);
}

#[tokio::test]
async fn scripted_problem_reaches_the_app() {
    let server = server().await;
    let client = server.client();
    server.answer_next("POST", SIGN_IN, Answer::problem(403, ProblemCode::AccountInactive));
    let refused = rejection(client.sign_in(EMAIL, PASSWORD).await);
    assert_eq!(refused.code.to_string(), "account_inactive");
}

#[tokio::test]
async fn lost_answer_to_a_refresh_is_requested_again() {
    let (server, client) = signed_in().await;
    server.answer_next("POST", REFRESH, Answer::lost());
    server.advance(HOUR);
    assert_eq!(kind(client.access_token().await), ErrorKind::Network);
    client.profile().await.expect("the same tokens again");
    client.refresh().await.expect("and they go on");
    assert_eq!(server.count("POST", REFRESH), 3);
}

#[tokio::test]
async fn lost_answer_does_not_undo_the_request() {
    let server = server().await;
    server.answer_next("POST", SIGN_IN, Answer::lost());
    assert_eq!(kind(server.client().sign_in(EMAIL, PASSWORD).await), ErrorKind::Network);
    assert_eq!(server.sessions(EMAIL).len(), 1);
}

#[tokio::test]
async fn held_request_waits_for_the_test() {
    let (server, client) = signed_in().await;
    server.advance(HOUR);
    let held = server.hold_next("POST", REFRESH);
    let callers = [client.clone(), client.clone()];
    let callers = callers.map(|client| tokio::spawn(async move { client.access_token().await }));
    held.arrived().await;
    assert!(callers.iter().all(|caller| !caller.is_finished()));
    held.release();
    for caller in callers {
        caller.await.expect("no panic").expect("a token");
    }
    assert_eq!(server.count("POST", REFRESH), 1);
}

#[tokio::test]
async fn held_request_is_answered_by_the_test() {
    let (server, client) = signed_in().await;
    let held = server.hold_next("POST", REFRESH);
    let refreshing = tokio::spawn(async move { client.refresh().await });
    held.arrived().await;
    held.answer(Answer::problem(401, ProblemCode::SessionEnded));
    assert_eq!(reason(refreshing.await.expect("no panic")), SignOutReason::Ended);
}

#[tokio::test]
async fn held_request_that_is_dropped_continues() {
    let (server, client) = signed_in().await;
    drop(server.hold_next("POST", REFRESH));
    client.refresh().await.expect("a renewal");
}

#[tokio::test]
async fn api_paths_accept_the_current_token() {
    let (server, client) = signed_in().await;
    let orders = format!("{}/orders", server.url());
    let status = async || client.api().get(&orders).send().await.expect("an answer").status();
    assert_eq!(status().await, 404);
    server.answer_signed_in("GET", "/orders", Answer::status(200).json(&["tea"]));
    assert_eq!(status().await, 200);
    server.revoke_access_tokens();
    assert_eq!(status().await, 200, "with another token");
    assert_eq!(server.count("POST", REFRESH), 1);
    server.answer_next("GET", "/orders", Answer::status(500));
    assert_eq!(status().await, 500);
    server.answer_always("GET", "/orders", Answer::status(204));
    assert_eq!(status().await, 204);
    server.answer_signed_in("GET", "/orders", Answer::status(200));
    server.end_sessions(EMAIL);
    let refused = client.api().get(&orders).send().await;
    assert_eq!(reason(refused.map(|_| ())), SignOutReason::Ended);
}

#[tokio::test]
async fn requests_are_recorded_and_printed_without_secrets() {
    let (server, client) = signed_in().await;
    let token = client.access_token().await.expect("a token");
    client.profile().await.expect("a profile");
    let requests = server.requests();
    let sign_in: serde_json::Value = requests[0].json().expect("JSON");
    assert_eq!(sign_in["identifier"], EMAIL);
    let bearer = format!("Bearer {}", token.token().expose());
    assert_eq!(requests[1].header("Authorization"), Some(bearer.as_str()));
    let printed = format!("{requests:?}");
    assert_eq!(printed, "[POST /propusk/v1/sessions, GET /propusk/v1/account]");
    server.forget_requests();
    assert!(server.requests().is_empty());
}
