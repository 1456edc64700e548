//! Sign-out: no token is left, and no session comes back.

use std::time::Duration;

use propusk::{Phase, SignOut, SignOutReason, StatusChange};

use super::{EMAIL, EXPIRED, Home, PASSWORD, reason};

const SIGN_OUT: &str = "DELETE /propusk/v1/sessions/current";
/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn sign_out_ends_the_session_and_removes_the_tokens() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let token = client.access_token().await.expect("a token");
    assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Confirmed);
    let authorization = format!("Bearer {}", token.token().expose());
    let answer = home.server.client.get("/propusk/v1/account", Some(&authorization)).await;
    assert_eq!(answer.status, 401);
    let record = home.vault().read().await.expect("readable").expect("a record");
    let record = String::from_utf8(record).expect("JSON");
    assert!(!record.contains("pr1.") && !record.contains("eyJ"), "{record}");
    assert_eq!(reason(home.app().access_token().await), SignOutReason::SignedOut);
}

#[tokio::test]
async fn sign_out_without_a_network_is_sent_at_the_next_start() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let token = client.access_token().await.expect("a token");
    tap.answer(SIGN_OUT, None);
    assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);
    assert_eq!(reason(client.access_token().await), SignOutReason::SignedOut);
    assert_eq!(tap.count(SIGN_OUT), 1);
    drop(client);
    let next =
        home.builder().vault(home.vault()).former_server(tap.url()).build().expect("a client");
    assert!(!next.status().await.expect("a status").is_signed_in());
    assert!(next.finish_pending_work(LIMIT).await, "the server has heard of it");
    let authorization = format!("Bearer {}", token.token().expose());
    let answer = home.server.client.get("/propusk/v1/account", Some(&authorization)).await;
    assert_eq!(answer.status, 401);
    let record = home.vault().read().await.expect("readable").expect("a record");
    let record = String::from_utf8(record).expect("JSON");
    assert!(!record.contains("pr1.") && !record.contains("eyJ"), "{record}");
}

#[tokio::test]
async fn sign_out_is_reported_before_the_server_answers() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    tap.hold();
    let mut status = client.watch();
    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.sign_out().await }
    });
    // Only the vault has answered so far.
    let current = status.wait_for(|status| !status.is_signed_in()).await.expect("a status").clone();
    assert_eq!(current.phase, Phase::SignedOut { reason: SignOutReason::SignedOut });
    assert_eq!((current.user, current.change), (None, StatusChange::SignedOut));
    tap.wait_for(SIGN_OUT).await;
    assert!(!leaving.is_finished());
    assert_eq!(reason(home.app().access_token().await), SignOutReason::SignedOut);
    tap.release();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Confirmed);
}

#[tokio::test]
async fn sign_out_reaches_another_process_when_its_token_is_refused() {
    let home = Home::start().await;
    let one = home.signed_in().await;
    let other = home.app();
    other.profile().await.expect("signed in too");
    one.sign_out().await.expect("a sign-out");
    assert_eq!(reason(other.profile().await), SignOutReason::SignedOut);
    assert_eq!(
        other.status().await.expect("a status").phase,
        Phase::SignedOut { reason: SignOutReason::SignedOut }
    );
    one.sign_in(EMAIL, PASSWORD).await.expect("another sign-in");
    other.profile().await.expect("which the other finds");
}

/// At every step of a refresh.
#[tokio::test]
async fn sign_out_ends_a_running_refresh() {
    for moment in 0..40 {
        let home = Home::start().await;
        let (tap, client) = home.tapped().await;
        home.advance(EXPIRED);
        let refreshing = tokio::spawn({
            let client = client.clone();
            async move { client.access_token().await.map(|_| ()) }
        });
        for _ in 0..moment * moment {
            tokio::task::yield_now().await;
        }
        client.sign_out().await.expect("a sign-out");
        tap.forget();
        // It got a token before the sign-out, or none at all.
        let _ = refreshing.await.expect("no panic");
        assert_eq!(reason(client.access_token().await), SignOutReason::SignedOut, "{moment}");
        assert_eq!(reason(home.app().access_token().await), SignOutReason::SignedOut, "{moment}");
        // At most, the server is also informed of a session that arrived too late.
        let seen: Vec<_> = tap.seen().into_iter().map(|seen| seen.what).collect();
        assert!(seen.iter().all(|what| what == SIGN_OUT), "{moment}: {seen:?}");
    }
}

#[tokio::test]
async fn session_ended_elsewhere_has_its_reason() {
    let home = Home::start().await;
    let (one, other) = (home.signed_in().await, home.memory());
    other.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    other.end_other_sessions(None).await.expect("the other one ends");
    let mut status = one.watch();
    assert_eq!(reason(one.profile().await), SignOutReason::Ended);
    let ended = status.wait_for(|status| !status.is_signed_in());
    let ended = tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .expect("it is reported")
        .expect("a status");
    assert_eq!(ended.phase, Phase::SignedOut { reason: SignOutReason::Ended });
}

#[tokio::test]
async fn stolen_refresh_token_ends_the_session_for_both() {
    let home = Home::start().await;
    let client = home.signed_in().await;
    let record = home.vault().read().await.expect("readable").expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let stolen = record["held"]["signed_in"]["refresh"].as_str().expect("a refresh token");
    // The thief does not have our attempt id.
    let body = serde_json::json!({"refresh_token": stolen, "attempt": "x".repeat(43)});
    let answer = home.server.client.post("/propusk/v1/sessions/refresh", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    home.advance(EXPIRED);
    assert_eq!(reason(client.access_token().await), SignOutReason::TokenReused);
    let body = serde_json::json!({"refresh_token": answer.field("refresh_token")});
    let answer = home.server.client.post("/propusk/v1/sessions/refresh", &body).await;
    assert_eq!(answer.status, 401, "the thief is out, too");
}
