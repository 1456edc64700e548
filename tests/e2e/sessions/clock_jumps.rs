//! A clock that is wrong for a while: ended sessions stay ended, and live ones live.

use propusk_server::config::Limits;
use propusk_tests::http::Answer;
use propusk_tests::limits::{ANY, limited, limits};
use propusk_tests::native::{EMAIL, NEW_PASSWORD, PASSWORD, call, signed_up};
use propusk_tests::server::TestServer;
use propusk_tests::smtp::Behaviour;
use serde_json::{Value, json};

const TEN_YEARS: i64 = 10 * 365 * 24 * 3_600;
const FOUR_DAYS: i64 = 4 * 24 * 3_600;

async fn open(server: &TestServer) -> Value {
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    server.client.post("/propusk/v1/sessions", &body).await.json()
}

async fn send(
    server: &TestServer,
    tokens: &Value,
    method: &str,
    path: &str,
    body: Value,
) -> Answer {
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().expect("a token"));
    call(server, method, path, Some(&bearer), body).await
}

async fn account(server: &TestServer, tokens: &Value) -> u16 {
    send(server, tokens, "GET", "account", Value::Null).await.status.as_u16()
}

async fn with_account() -> TestServer {
    let server = TestServer::start().await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    server
}

#[tokio::test]
async fn sign_out_while_the_clock_is_behind_lasts() {
    let server = with_account().await;
    let (first, second) = (open(&server).await, open(&server).await);
    for behind in [7_200, 3 * 24 * 3_600] {
        let third = open(&server).await;
        server.clock.jump(-behind);
        for tokens in [&first, &second] {
            let ended = send(&server, tokens, "DELETE", "sessions/current", Value::Null);
            let _ = ended.await;
        }
        let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        let acting = open(&server).await;
        let changed = send(&server, &acting, "POST", "account/password", body).await;
        assert_eq!(changed.status, 204, "{}", changed.text());
        let body = json!({"current_password": NEW_PASSWORD, "new_password": PASSWORD});
        let changed = send(&server, &acting, "POST", "account/password", body).await;
        assert_eq!(changed.status, 204, "{}", changed.text());
        server.clock.jump(behind);
        server.clock.advance(60);
        server.auth.sweep().await.expect("the database answers");
        for tokens in [&first, &second, &third] {
            assert_eq!(account(&server, tokens).await, 401, "{behind} seconds behind");
        }
    }
}

#[tokio::test]
async fn tokens_issued_while_the_clock_was_ahead_are_refused_meanwhile() {
    const AHEAD: i64 = 3 * 24 * 3_600;
    for way in ["sign-out", "everybody"] {
        let server = with_account().await;
        server.clock.jump(AHEAD);
        let tokens = open(&server).await;
        server.clock.jump(-AHEAD);
        let body = json!({"refresh_token": tokens["refresh_token"], "attempt": "a".repeat(22)});
        let renewed = server.client.post("/propusk/v1/sessions/refresh", &body).await;
        assert_eq!(renewed.status, 200, "{}", renewed.text());
        match way {
            "sign-out" => {
                let renewed = renewed.json();
                let left = send(&server, &renewed, "DELETE", "sessions/current", Value::Null);
                assert_eq!(left.await.status, 204);
            }
            _ => drop(server.auth.end_everything().await.expect("the database answers")),
        }
        for _ in 0..40 {
            server.clock.advance(2 * 3_600 - 200);
            server.auth.sweep().await.expect("the database answers");
            let restarted = server.second_auth().await;
            let access = tokens["access_token"].as_str().expect("a token");
            assert!(restarted.signed_in(access, None).await.is_err(), "{way}");
        }
    }
}

#[tokio::test]
async fn clock_that_is_far_ahead_for_a_while_deletes_nothing() {
    let server = with_account().await;
    let tokens = open(&server).await;
    let waiting = "waiting@example.com";
    let waiting = json!({"email": waiting, "password": PASSWORD, "re_password": PASSWORD});
    assert_eq!(server.client.post("/auth/users/", &waiting).await.status, 201);
    let link = server.link_to("waiting@example.com").await;
    server.auth.sweep().await.expect("the database answers");
    server.clock.jump(TEN_YEARS);
    for _ in 0..30 {
        server.auth.sweep().await.expect("the database answers");
        server.clock.advance(60);
    }
    server.clock.jump(-TEN_YEARS);
    server.auth.sweep().await.expect("the database answers");
    let body = json!({"refresh_token": tokens["refresh_token"], "attempt": "a".repeat(22)});
    let renewed = server.client.post("/propusk/v1/sessions/refresh", &body).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(server.client.post("/auth/users/activation/", &body).await.status, 204);
}

#[tokio::test]
async fn restart_while_the_clock_is_far_ahead_deletes_nothing() {
    let server = with_account().await;
    let tokens = open(&server).await;
    server.auth.sweep().await.expect("the database answers");
    server.clock.jump(TEN_YEARS);
    server.auth.sweep().await.expect("the database answers");
    let restarted = server.second_auth().await;
    restarted.sweep().await.expect("the database answers");
    server.clock.jump(-TEN_YEARS);
    let body = json!({"refresh_token": tokens["refresh_token"], "attempt": "a".repeat(22)});
    let renewed = server.client.post("/propusk/v1/sessions/refresh", &body).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
}

#[tokio::test]
async fn sweeper_resumes_when_the_clock_has_run_evenly_for_a_day() {
    let server = with_account().await;
    let tokens = open(&server).await;
    let left = send(&server, &tokens, "DELETE", "sessions/current", Value::Null).await;
    assert_eq!(left.status, 204);
    server.auth.sweep().await.expect("the database answers");
    server.clock.jump(400 * 24 * 3_600);
    server.auth.sweep().await.expect("the database answers");
    let store = server.store().await;
    let sessions = "select cast(id as text) from sessions";
    server.clock.advance(24 * 3_600 - 60);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(propusk_tests::operator::column(&store, sessions, sessions).await.len(), 1);
    server.clock.advance(60);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(propusk_tests::operator::column(&store, sessions, sessions).await.len(), 0);
}

async fn ask_for_a_reset(server: &TestServer) {
    let asked = server.client.post("/propusk/v1/password/reset", &json!({"email": EMAIL})).await;
    assert_eq!(asked.status, 202);
}

/// Sets [`PASSWORD`] with the newest link.
async fn reset(server: &TestServer) {
    let link = server.link_to(EMAIL).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": PASSWORD});
    let reset = server.client.post("/propusk/v1/password/reset/confirm", &body).await;
    assert_eq!(reset.status, 204, "{}", reset.text());
}

#[tokio::test]
async fn late_mail_is_sent_though_the_clock_is_far_ahead_for_a_while() {
    let server = limited(Limits { mails_per_recipient: 1, ..limits(ANY, ANY, ANY) }).await;
    signed_up(&server, EMAIL).await;
    // The first reset proves the address, which then has its own count.
    for _ in 0..2 {
        ask_for_a_reset(&server).await;
        reset(&server).await;
    }
    ask_for_a_reset(&server).await;
    let before = server.mails().await.len();
    server.clock.jump(FOUR_DAYS);
    assert_eq!(server.mails().await.len(), before + 1);
    server.clock.jump(-FOUR_DAYS);
    reset(&server).await;
}

#[tokio::test]
async fn mail_that_fails_while_the_clock_is_far_ahead_is_sent_when_it_is_right_again() {
    let server = with_account().await;
    server.smtp.behave(Behaviour::Greylist);
    ask_for_a_reset(&server).await;
    for (attempts, jump) in [(1, FOUR_DAYS), (2, -FOUR_DAYS)] {
        propusk_tests::operator::soon("the mail has failed", || async {
            let mails = server.auth.queued_mails().await.expect("the database answers");
            mails.iter().any(|mail| mail.attempts == attempts && !mail.leased)
        })
        .await;
        server.clock.jump(jump);
    }
    server.smtp.behave(Behaviour::Fine);
    reset(&server).await;
}
