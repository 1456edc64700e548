//! Refreshing: retries get the lost answer, a reused token ends the session, and other reasons for
//! its end.

use propusk_server::algorithm::Algorithm;
use propusk_tests::contract::Backdoor as _;
use propusk_tests::http::Client;
use propusk_tests::operator::Operator;
use propusk_wire::TokenResponse;
use tokio::task::JoinSet;

use super::*;

const DAY: i64 = 24 * 3_600;

/// A server with an account, signed in.
async fn signed_in() -> (TestServer, TokenResponse) {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let tokens = open_on_phone(&server).await;
    (server, tokens)
}

async fn open_on_phone(server: &TestServer) -> TokenResponse {
    let body = json!({"identifier": EMAIL, "password": PASSWORD, "device_name": "Anna’s phone"});
    read(&post(server, "sessions", body).await, 200)
}

fn attempt(number: u32) -> String {
    format!("attempt-{number:0>14}")
}

async fn refresh_without_attempt(server: &TestServer, tokens: &TokenResponse) -> Answer {
    post(server, "sessions/refresh", json!({"refresh_token": tokens.refresh_token})).await
}

async fn renewed(server: &TestServer, tokens: &TokenResponse, attempt: &str) -> TokenResponse {
    read(&refresh(server, tokens, attempt).await, 200)
}

/// The number of mails that report the end of a session.
async fn warnings(server: &TestServer) -> usize {
    server.mails().await;
    let letters = server.smtp.mails_to(EMAIL);
    letters.iter().filter(|letter| letter.subject.contains("was ended")).count()
}

#[tokio::test]
async fn refresh_answers_the_same_session_with_new_tokens() {
    let (server, first) = signed_in().await;
    server.clock.advance(1_000);
    let second = renewed(&server, &first, &attempt(1)).await;
    assert_eq!(second.session_id, first.session_id);
    assert_eq!(second.account, first.account);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_ne!(second.access_token, first.access_token);
    assert_eq!((second.expires_in, second.refresh_expires_in), (900, 60 * DAY));
    assert!(is_alive(&server, &bearer(&second)).await);
    assert!(first.refresh_token.expose().starts_with("pr1."));
}

#[tokio::test]
async fn retry_gets_the_lost_answer_until_its_token_is_used() {
    let (server, first) = signed_in().await;
    let second = renewed(&server, &first, &attempt(1)).await;
    for days in [0, 1, 30] {
        server.clock.advance(days * DAY);
        let again = renewed(&server, &first, &attempt(1)).await;
        assert_eq!(again.refresh_token, second.refresh_token);
        assert!(is_alive(&server, &bearer(&again)).await);
    }
    let third = renewed(&server, &second, &attempt(2)).await;
    assert_eq!(renewed(&server, &second, &attempt(2)).await.refresh_token, third.refresh_token);
    assert_refused(&refresh(&server, &first, &attempt(1)).await, 401, "token_reused");
}

#[tokio::test]
async fn reused_token_ends_the_session_and_notifies_its_owner() {
    let (server, first) = signed_in().await;
    let other = open_on_phone(&server).await;
    let second = renewed(&server, &first, &attempt(1)).await;
    assert_eq!(warnings(&server).await, 0);
    assert_refused(&refresh(&server, &first, &attempt(2)).await, 401, "token_reused");
    assert_eq!(warnings(&server).await, 1);
    let letters = server.smtp.mails_to(EMAIL);
    let warning = letters.iter().find(|letter| letter.subject.contains("was ended"));
    let text = &warning.expect("the warning").text;
    assert!(text.contains("Device: Anna’s phone\n"), "{text}");
    assert_refused(&refresh(&server, &second, &attempt(3)).await, 401, "session_ended");
    assert_refused(&refresh(&server, &first, &attempt(1)).await, 401, "session_ended");
    for tokens in [&first, &second] {
        let answer = call(&server, "GET", "account", Some(&bearer(tokens)), Value::Null).await;
        assert_refused(&answer, 401, "session_ended");
    }
    assert!(is_alive(&server, &bearer(&other)).await, "another session goes on");
    renewed(&server, &other, &attempt(1)).await;
}

#[tokio::test]
async fn token_two_rotations_old_ends_the_session_whatever_the_attempt() {
    for last in [attempt(1), attempt(3), attempt(9)] {
        let (server, first) = signed_in().await;
        let second = renewed(&server, &first, &attempt(1)).await;
        let third = renewed(&server, &second, &attempt(2)).await;
        let fourth = renewed(&server, &third, &attempt(3)).await;
        assert_refused(&refresh(&server, &first, &last).await, 401, "token_reused");
        assert_refused(&refresh(&server, &fourth, &attempt(4)).await, 401, "session_ended");
    }
}

#[tokio::test]
async fn refresh_without_an_attempt_is_answered_once() {
    let (server, first) = signed_in().await;
    let second: TokenResponse = read(&refresh_without_attempt(&server, &first).await, 200);
    assert!(is_alive(&server, &bearer(&second)).await);
    assert_refused(&refresh_without_attempt(&server, &first).await, 401, "token_reused");
    assert!(!is_alive(&server, &bearer(&second)).await);
}

#[tokio::test]
async fn clock_that_steps_back_gives_no_grace_period() {
    let (server, first) = signed_in().await;
    let second: TokenResponse = read(&refresh_without_attempt(&server, &first).await, 200);
    server.clock.advance(-1);
    assert_refused(&refresh_without_attempt(&server, &first).await, 401, "token_reused");
    assert!(!is_alive(&server, &bearer(&second)).await);
}

#[tokio::test]
async fn grace_period_repeats_the_answer_for_a_refresh_without_an_attempt() {
    let server = TestServer::with(|config| native(config).grace_seconds = Some(10)).await;
    signed_up(&server, EMAIL).await;
    let first = open_on_phone(&server).await;
    let second: TokenResponse = read(&refresh_without_attempt(&server, &first).await, 200);
    server.clock.advance(9);
    let again: TokenResponse = read(&refresh_without_attempt(&server, &first).await, 200);
    assert_eq!(again.refresh_token, second.refresh_token);
    server.clock.advance(1);
    assert_refused(&refresh_without_attempt(&server, &first).await, 401, "token_reused");
    let first = open_on_phone(&server).await;
    renewed(&server, &first, &attempt(1)).await;
    assert_refused(&refresh_without_attempt(&server, &first).await, 401, "token_reused");
    let first = open_on_phone(&server).await;
    read::<TokenResponse>(&refresh_without_attempt(&server, &first).await, 200);
    assert_refused(&refresh(&server, &first, &attempt(1)).await, 401, "token_reused");
    // The grace period covers one generation of tokens.
    let first = open_on_phone(&server).await;
    let second: TokenResponse = read(&refresh_without_attempt(&server, &first).await, 200);
    let _: TokenResponse = read(&refresh_without_attempt(&server, &second).await, 200);
    assert_refused(&refresh_without_attempt(&server, &first).await, 401, "token_reused");
}

/// The answer to a refresh; retried while the server reports that it is busy.
async fn served(client: &Client, body: &Value) -> Answer {
    loop {
        let answer = client.post("/propusk/v1/sessions/refresh", body).await;
        if answer.status != 503 {
            return answer;
        }
    }
}

#[tokio::test]
async fn concurrent_refreshes_with_one_attempt_get_the_same_answer() {
    let (server, first) = signed_in().await;
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let client = server.client.clone();
        let body = json!({"refresh_token": first.refresh_token, "attempt": attempt(1)});
        requests.spawn(async move { served(&client, &body).await });
    }
    let answers = requests.join_all().await;
    let all: Vec<TokenResponse> = answers.iter().map(|answer| read(answer, 200)).collect();
    let successor = &all[0];
    assert!(all.iter().all(|one| one.refresh_token == successor.refresh_token));
    assert!(is_alive(&server, &bearer(successor)).await);
    // One generation only: the next token continues from it.
    renewed(&server, successor, &attempt(2)).await;
    assert_eq!(warnings(&server).await, 0);
}

#[tokio::test]
async fn concurrent_refreshes_with_different_attempts_end_the_session() {
    let (server, first) = signed_in().await;
    let mut requests = JoinSet::new();
    for number in 0..100 {
        let client = server.client.clone();
        let body = json!({"refresh_token": first.refresh_token, "attempt": attempt(number)});
        requests.spawn(async move { served(&client, &body).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) =
        requests.join_all().await.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    let reused = lost.iter().filter(|answer| answer.json()["code"] == "token_reused").count();
    assert_eq!(reused, 1, "it is found out once");
    assert!(lost.iter().all(|answer| answer.status == 401));
    let winner: TokenResponse = read(&won[0], 200);
    assert_refused(&refresh(&server, &winner, &attempt(0)).await, 401, "session_ended");
    assert_eq!(warnings(&server).await, 1);
}

#[tokio::test]
async fn session_ends_if_unused_and_after_a_year_at_the_latest() {
    let (server, first) = signed_in().await;
    server.clock.advance(60 * DAY - 1);
    let mut tokens = renewed(&server, &first, &attempt(1)).await;
    let idle = open_on_phone(&server).await;
    for number in 2..7 {
        server.clock.advance(50 * DAY);
        tokens = renewed(&server, &tokens, &attempt(number)).await;
    }
    assert_refused(&refresh(&server, &idle, &attempt(1)).await, 401, "session_ended");
    // After 310 days, less than an idle time is left.
    assert_eq!(tokens.refresh_expires_in, 55 * DAY + 1);
    server.clock.advance(55 * DAY - 600);
    tokens = renewed(&server, &tokens, &attempt(7)).await;
    assert_eq!((tokens.expires_in, tokens.refresh_expires_in), (601, 601));
    server.clock.advance(600);
    assert!(is_alive(&server, &bearer(&tokens)).await);
    server.clock.advance(1);
    assert!(!is_alive(&server, &bearer(&tokens)).await);
    assert_refused(&refresh(&server, &tokens, &attempt(8)).await, 401, "session_ended");
    assert_eq!(warnings(&server).await, 0);
}

#[tokio::test]
async fn malformed_attempt_or_token_is_refused_and_rotates_nothing() {
    let (server, first) = signed_in().await;
    for wrong in ["", "short", &"a".repeat(21), &"a".repeat(129), &format!("{}=", "a".repeat(22))] {
        let answer = refresh(&server, &first, wrong).await;
        assert_refused_with(&answer, 422, "invalid_fields", json!({"attempt": ["invalid"]}));
    }
    let answer = post(&server, "sessions/refresh", json!({"attempt": 7})).await;
    let fields = json!({"attempt": ["invalid"], "refresh_token": ["required"]});
    assert_refused_with(&answer, 422, "invalid_fields", fields);
    let token = first.refresh_token.expose();
    let other = if &token[30..31] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..30], &token[31..]);
    for wrong in ["", "x", "pr1.", "pr1.AAAA", &changed, &token.to_uppercase()] {
        let body = json!({"refresh_token": wrong, "attempt": attempt(1)});
        let answer = post(&server, "sessions/refresh", body).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(["invalid_credentials", "session_ended"].contains(&&*answer.field("code")));
    }
    renewed(&server, &first, &attempt(1)).await;
}

#[tokio::test]
async fn tokens_of_other_apis_are_refreshed_by_those_apis() {
    let (server, first) = signed_in().await;
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let jwt = server.client.post("/api/auth/jwt/create/", &login).await.field("refresh");
    let body = json!({"refresh_token": jwt, "attempt": attempt(1)});
    assert_refused(&post(&server, "sessions/refresh", body).await, 401, "invalid_credentials");
    let token = first.refresh_token.expose();
    for (path, field) in [
        ("/api/auth/jwt/refresh/", "refresh"),
        ("/api/auth/token/refresh/", "refresh"),
        ("/token/refresh", "refresh"),
        ("/api/auth/logout/", "refresh"),
    ] {
        let answer = server.client.post(path, &json!({field: token})).await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
    }
    renewed(&server, &first, &attempt(1)).await;
}

#[tokio::test]
async fn suspended_account_cannot_refresh_and_can_again_afterwards() {
    let (server, first) = signed_in().await;
    let spent = open_on_phone(&server).await;
    let second = renewed(&server, &spent, &attempt(1)).await;
    server.set_active(EMAIL, false).await;
    for (tokens, number) in [(&first, 1), (&spent, 1), (&second, 2)] {
        let answer = refresh(&server, tokens, &attempt(number)).await;
        assert_refused(&answer, 403, "account_inactive");
    }
    server.set_active(EMAIL, true).await;
    renewed(&server, &first, &attempt(1)).await;
    assert_eq!(renewed(&server, &spent, &attempt(1)).await.refresh_token, second.refresh_token);
    server.delete(EMAIL).await;
    assert_refused(&refresh(&server, &first, &attempt(2)).await, 401, "session_ended");
}

/// A change that signs out every session except the one that makes it.
#[derive(Clone, Copy, Debug)]
enum Change {
    OwnPassword,
    DjoserPassword,
    PasswordByToken,
    Reset,
    ResetByAnotherApi,
    Operator,
    SignOutByOperator,
    Deletion,
    Others,
    Everybody,
}

impl Change {
    const ALL: [Change; 10] = [
        Change::OwnPassword,
        Change::DjoserPassword,
        Change::PasswordByToken,
        Change::Reset,
        Change::ResetByAnotherApi,
        Change::Operator,
        Change::SignOutByOperator,
        Change::Deletion,
        Change::Others,
        Change::Everybody,
    ];

    /// Makes the change; the status of the answer if it is an HTTP request.
    async fn happens(self, server: &TestServer, by: &str) -> u16 {
        let client = &server.client;
        let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        let status = |answer: Answer| answer.status.as_u16();
        let id = own(server, by).await.id;
        match self {
            Change::OwnPassword => {
                status(call(server, "POST", "account/password", Some(by), change).await)
            }
            Change::DjoserPassword => {
                status(client.post_as(by, "/api/auth/users/set_password/", &change).await)
            }
            Change::PasswordByToken => {
                status(client.post_as(by, "/auth/users/set_password/", &change).await)
            }
            Change::Reset => {
                status(post(server, "password/reset", json!({"email": EMAIL})).await);
                let link = server.link_to(EMAIL).await;
                let body =
                    json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
                status(post(server, "password/reset/confirm", body).await)
            }
            Change::ResetByAnotherApi => {
                let asked = json!({"email": EMAIL});
                client.post("/auth/users/reset_password/", &asked).await;
                let link = server.link_to(EMAIL).await;
                let body =
                    json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
                status(client.post("/auth/users/reset_password_confirm/", &body).await)
            }
            Change::Operator => {
                let new = propusk_server::auth::password::Password::parse(NEW_PASSWORD);
                let new = propusk_server::auth::NewPassword::Plain(new.expect("short enough"));
                let set = server.auth.set_password(id, new).await;
                u16::from(set.expect("the database answers"))
            }
            Change::SignOutByOperator => {
                let ended = server
                    .auth
                    .end_all_sessions_of_account(id)
                    .await
                    .expect("the database answers");
                u16::try_from(ended).expect("few")
            }
            Change::Deletion => {
                status(call(server, "DELETE", "account", Some(by), Value::Null).await)
            }
            Change::Others => {
                status(call(server, "DELETE", "sessions", Some(by), Value::Null).await)
            }
            Change::Everybody => {
                let ended = server.auth.end_everything().await;
                u16::try_from(ended.expect("the database answers")).expect("few")
            }
        }
    }

    fn leaves_who_did_it(self) -> bool {
        matches!(
            self,
            Change::OwnPassword | Change::DjoserPassword | Change::PasswordByToken | Change::Others
        )
    }
}

#[tokio::test]
async fn change_of_credentials_ends_refreshed_sessions() {
    for change in Change::ALL {
        let (server, acting) = signed_in().await;
        let fresh = open_on_phone(&server).await;
        let spent = open_on_phone(&server).await;
        let successor = renewed(&server, &spent, &attempt(1)).await;
        let status = change.happens(&server, &bearer(&acting)).await;
        assert!(status < 300, "{change:?}: {status}");
        // The next refresh already sees it.
        for (tokens, number) in [(&fresh, 1), (&spent, 1), (&successor, 2)] {
            let answer = refresh(&server, tokens, &attempt(number)).await;
            assert_refused(&answer, 401, "session_ended");
            assert!(!is_alive(&server, &bearer(tokens)).await, "{change:?}");
        }
        let goes_on = refresh(&server, &acting, &attempt(1)).await.status == 200;
        assert_eq!(goes_on, change.leaves_who_did_it(), "{change:?}");
    }
}

#[tokio::test]
async fn restored_backup_is_cleared_of_sessions_by_one_command() {
    let (server, first) = signed_in().await;
    let client = &server.client;
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let jwt = client.post("/api/auth/jwt/create/", &login).await;
    let rotating = client.post("/token", &json!({"email": EMAIL, "password": PASSWORD})).await;
    let key = client.post("/auth/token/login/", &login).await.field("auth_token");
    let second = renewed(&server, &first, &attempt(1)).await;
    // A session that is missing in the restored database.
    let lost = open_on_phone(&server).await;
    server.auth.end_everything().await.expect("the database answers");
    for tokens in [&first, &second, &lost] {
        assert_eq!(refresh(&server, tokens, &attempt(2)).await.status, 401);
    }
    let access = [jwt.field("access"), rotating.field("access"), key];
    let own = [&first, &second, &lost].map(|tokens| tokens.access_token.expose().to_owned());
    for credential in access.into_iter().chain(own) {
        let answer = client.get("/api/auth/users/me/", Some(&format!("Bearer {credential}"))).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
    for (path, token) in [
        ("/api/auth/jwt/refresh/", jwt.field("refresh")),
        ("/token/refresh", rotating.field("refresh")),
    ] {
        assert_eq!(client.post(path, &json!({"refresh": token})).await.status, 401, "{path}");
    }
    server.clock.advance(1);
    let again = open_on_phone(&server).await;
    assert!(is_alive(&server, &bearer(&again)).await);
    renewed(&server, &again, &attempt(1)).await;
}

#[tokio::test]
async fn command_that_ends_sessions_reaches_a_running_server() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let tokens: TokenResponse = read(&server.client.post("/propusk/v1/sessions", &body).await, 200);
    let command = ["session", "invalidate-all"];
    let refused = operator.run(&[], &command, "n\n").await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert_eq!(server.client.get("/propusk/v1/account", Some(&bearer(&tokens))).await.status, 200);
    let done = operator.run(&[], &["session", "invalidate-all", "--yes"], "").await;
    assert_eq!(operator.unnamed(&done.stdout), "1 session ended\n", "{}", done.stderr);
    propusk_tests::operator::soon("the token is refused", || async {
        server.client.get("/propusk/v1/account", Some(&bearer(&tokens))).await.status == 401
    })
    .await;
    let body = json!({"refresh_token": tokens.refresh_token, "attempt": attempt(1)});
    let answer = server.client.post("/propusk/v1/sessions/refresh", &body).await;
    assert_refused(&answer, 401, "session_ended");
}

#[tokio::test]
async fn changed_secret_ends_sessions_with_a_final_error() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let tokens: TokenResponse = read(&server.client.post("/propusk/v1/sessions", &body).await, 200);
    server.kill().await;
    let other =
        [("PROPUSK_TOKENS__SECRET", "another-signing-key-0123456789abcdef0123456789abcdef")];
    let said = operator.refused(&other, &[]).await;
    assert!(said.contains("propusk key rotate --now"), "{said}");
    let algorithm = Algorithm::EdDsa.as_str();
    let rotated =
        operator.run(&other, &["key", "rotate", "--now", "--algorithm", algorithm], "").await;
    assert!(rotated.status.success(), "{}", rotated.stderr);
    let server = operator.start(&other).await;
    let body = json!({"refresh_token": tokens.refresh_token, "attempt": attempt(1)});
    let answer = server.client.post("/propusk/v1/sessions/refresh", &body).await;
    assert_refused(&answer, 401, "session_ended");
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/sessions", &body).await.status, 200);
}
