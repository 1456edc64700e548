//! Refreshes of many sessions at the same time, which share their statements: each is answered for
//! itself.

use propusk_server::store::sessions::{Rotation, rotate_many, update_scope};
use propusk_tests::operator::column;
use propusk_wire::TokenResponse;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::*;

const SUSPENDED: &str = "boris@example.com";
const SESSION_IDS: &str = "select cast(id as text) from sessions order by created_at";

fn body(tokens: &TokenResponse, attempt: usize) -> Value {
    json!({"refresh_token": tokens.refresh_token, "attempt": format!("attempt-{attempt:0>14}")})
}

/// Of the first token of a session.
fn rotation(session: &str, attempt: &str, now: i64) -> Rotation {
    Rotation {
        session: session.parse().expect("a number"),
        generation: 0,
        attempt_hash: Some(attempt.to_owned()),
        at: now,
        access_expires_at: now + 900,
        expires_at: now + 86_400,
        dialect: None,
    }
}

#[tokio::test]
async fn refreshes_at_the_same_time_are_answered_each_for_its_session() {
    const KINDS: usize = 5;
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    signed_up(&server, SUSPENDED).await;
    let mut tokens = Vec::new();
    for number in 0..KINDS * 16 {
        let who = if number % KINDS == 4 { SUSPENDED } else { EMAIL };
        tokens.push(open(&server, who).await);
    }
    for (number, one) in tokens.iter().enumerate() {
        match number % KINDS {
            1 => {
                let path = "sessions/current";
                let left = call(&server, "DELETE", path, Some(&bearer(one)), Value::Null).await;
                assert_done(&left, 204);
            }
            2 | 3 => drop(post(&server, "sessions/refresh", body(one, 1)).await),
            _ => {}
        }
    }
    server.auth.set_active(2, false).await.expect("the database answers");
    let mut requests = JoinSet::new();
    for (number, one) in tokens.iter().enumerate() {
        let client = server.client.clone();
        // The third kind is a retry, the fourth a copied token.
        let attempt = if number % KINDS == 2 { 1 } else { 2 };
        let body = body(one, attempt);
        requests.spawn(async move {
            (number, client.post("/propusk/v1/sessions/refresh", &body).await)
        });
    }
    for (number, answer) in requests.join_all().await {
        let before = &tokens[number];
        match number % KINDS {
            0 | 2 => {
                let next: TokenResponse = read(&answer, 200);
                assert_eq!(
                    (&next.session_id, &next.account),
                    (&before.session_id, &before.account)
                );
                assert!(is_alive(&server, &bearer(&next)).await);
                let again: TokenResponse =
                    read(&post(&server, "sessions/refresh", body(&next, 3)).await, 200);
                assert_eq!(again.session_id, before.session_id);
            }
            1 => assert_refused(&answer, 401, "session_ended"),
            3 => assert_refused(&answer, 401, "token_reused"),
            _ => assert_eq!(answer.json()["code"], "account_inactive"),
        }
    }
}

#[tokio::test]
async fn refreshes_at_the_same_time_share_their_statements() {
    const REFRESHES: u64 = 40;
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let mut requests = JoinSet::new();
    let mut tokens = Vec::new();
    for _ in 0..REFRESHES {
        tokens.push(open(&server, EMAIL).await);
    }
    let before = server.auth.database_commands();
    for one in &tokens {
        let (client, body) = (server.client.clone(), body(one, 1));
        requests
            .spawn(async move { client.post("/propusk/v1/sessions/refresh", &body).await.status });
    }
    assert!(requests.join_all().await.iter().all(|status| *status == 200));
    // Alone, each needs two.
    let commands = server.auth.database_commands() - before;
    assert!(commands < REFRESHES, "{commands} for {REFRESHES}");
}

#[tokio::test]
async fn of_two_tokens_of_one_session_the_first_is_spent() {
    let server = TestServer::start().await;
    let store = server.store().await;
    signed_up(&server, EMAIL).await;
    for _ in 0..2 {
        server.clock.advance(1);
        open(&server, EMAIL).await;
    }
    let now = server.clock.now();
    let ids = column(&store, SESSION_IDS, SESSION_IDS).await;
    let rotations = vec![
        rotation(&ids[1], "first", now),
        rotation(&ids[2], "other", now),
        rotation(&ids[1], "second", now),
        rotation("1", "of no session", now),
    ];
    let spending =
        store.write(move |tx| Box::pin(async move { rotate_many(tx, &rotations).await })).await;
    assert_eq!(spending.expect("the database answers"), [true, true, false, false]);
    let attempts = "select coalesce(attempt_hash, '') from sessions order by created_at";
    assert_eq!(column(&store, attempts, attempts).await, ["", "first", "other"]);
}

#[tokio::test]
async fn session_that_is_in_use_does_not_hold_up_the_others() {
    let server = TestServer::start().await;
    let store = server.store().await;
    if store.engine() == "sqlite" {
        // There is one writer: nothing else holds a row.
        return;
    }
    signed_up(&server, EMAIL).await;
    let mut tokens = Vec::new();
    for _ in 0..8 {
        server.clock.advance(1);
        tokens.push(open(&server, EMAIL).await);
    }
    let ids = column(&store, SESSION_IDS, SESSION_IDS).await;
    // The first one is that of the sign-up.
    let held: i64 = ids[1].parse().expect("a number");
    let now = server.clock.now();
    let shared = vec![rotation(&ids[1], "held", now), rotation(&ids[8], "free", now)];
    let spending = server.store().await;
    let (hold, is_held) = oneshot::channel();
    let (release, is_released) = oneshot::channel::<()>();
    let holding = store.write(move |tx| {
        Box::pin(async move {
            update_scope(tx, held, "read".to_owned()).await?;
            hold.send(()).expect("the test waits");
            is_released.await.expect("the test releases it");
            Ok(())
        })
    });
    let others = async {
        is_held.await.expect("it is held");
        let spent =
            spending.write(move |tx| Box::pin(async move { rotate_many(tx, &shared).await })).await;
        assert_eq!(spent.expect("it waits for nothing"), [false, true]);
        let ask = |one: &TokenResponse| {
            let (client, body) = (server.client.clone(), body(one, 1));
            tokio::spawn(async move { client.post("/propusk/v1/sessions/refresh", &body).await })
        };
        let of_the_held = ask(&tokens[0]);
        let others: Vec<_> = tokens[1..7].iter().map(ask).collect();
        for other in others {
            read::<TokenResponse>(&other.await.expect("no panic"), 200);
        }
        assert!(!of_the_held.is_finished(), "its session is in use");
        release.send(()).expect("it is held");
        read::<TokenResponse>(&of_the_held.await.expect("no panic"), 200);
    };
    let (held, ()) = tokio::join!(holding, others);
    held.expect("the database answers");
}
