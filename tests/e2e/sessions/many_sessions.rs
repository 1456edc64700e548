//! Accounts with very many sessions: ending all costs the same as ending one, deletion happens in
//! batches, and each API limits the sessions of an account.

use propusk_server::auth::NewPassword;
use propusk_server::auth::password::Password;
use propusk_server::store::Store;
use propusk_tests::http::Answer;
use propusk_tests::native::{self, EMAIL, NEW_PASSWORD, PASSWORD, call, read, signed_up};
use propusk_tests::operator::{column, execute};
use propusk_tests::server::TestServer;
use propusk_tests::user::new_account;
use propusk_wire::TokenResponse;
use serde_json::{Value, json};

/// More than one write deletes.
const MANY: i64 = 12_000;

/// A server with one account, which may have this many sessions of `djoser_jwt`.
async fn with_account(max_sessions: i64) -> TestServer {
    let server =
        TestServer::with(|config| config.dialect("djoser_jwt").max_sessions = max_sessions);
    let server = server.await;
    new_account(&server, EMAIL).await;
    server
}

/// Gives account 1 many sessions of an API, like a program that never signs out.
async fn open_many(server: &TestServer, store: &Store, count: i64, client: Option<&str>) {
    let (now, client) = (server.clock.now(), client.map_or("null".into(), |id| format!("'{id}'")));
    let opened = format!(
        "insert into sessions (id, account_id, account_generation, policy, client_id, generation,
                               created_at, last_used_at, access_expires_at, tokens_end_at,
                               expires_at, sweep_at)
         with recursive numbers(n) as (
             select 1 union all select n + 1 from numbers where n < {count})
         select n, 1, (select session_generation from accounts where id = 1), 'djoser_jwt',
                {client}, 0, {now}, {now}, {now}, {now}, {now} + 86400, {now} + 86400
         from numbers"
    );
    assert_eq!(execute(store, opened).await, count.cast_unsigned());
}

async fn count(store: &Store, query: &'static str) -> i64 {
    let rows = column(store, query, query).await;
    rows.first().expect("a row").parse().expect("a number")
}

const REVOCATIONS: &str = "select cast(count(*) as text) from revocations";
const TOUCHED: &str =
    "select cast(count(*) as text) from sessions where ended_at is not null or generation > 0";
const SESSIONS: &str = "select cast(count(*) as text) from sessions";

async fn open(server: &TestServer) -> Value {
    let body = json!({"username": EMAIL, "password": PASSWORD});
    let answer = server.client.post("/api/auth/jwt/create/", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn me(server: &TestServer, pair: &Value) -> u16 {
    server.client.get("/api/auth/users/me/", Some(&bearer(pair))).await.status.as_u16()
}

async fn refresh(server: &TestServer, pair: &Value) -> u16 {
    let body = json!({"refresh": pair["refresh"]});
    server.client.post("/api/auth/jwt/refresh/", &body).await.status.as_u16()
}

/// A request of our own API with a pair of `djoser_jwt`.
async fn native(
    server: &TestServer,
    pair: &Value,
    method: &str,
    path: &str,
    body: Value,
) -> Answer {
    call(server, method, path, Some(&bearer(pair)), body).await
}

fn bearer(pair: &Value) -> String {
    format!("Bearer {}", pair["access"].as_str().expect("a token"))
}

#[derive(Clone, Copy, Debug)]
enum Act {
    EndOthers,
    ChangePassword,
    ResetPassword,
    SignOut,
    SetPassword,
}

async fn perform(server: &TestServer, acting: &Value, act: Act) {
    match act {
        Act::EndOthers => {
            let body = json!({"current_password": PASSWORD});
            let answer = native(server, acting, "DELETE", "sessions", body).await;
            assert_eq!(answer.status, 204, "{}", answer.text());
        }
        Act::ChangePassword => {
            let body = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
            let answer = native(server, acting, "POST", "account/password", body).await;
            assert_eq!(answer.status, 204, "{}", answer.text());
        }
        Act::ResetPassword => {
            let body = json!({"email": EMAIL});
            let asked = server.client.post("/propusk/v1/password/reset", &body).await;
            assert_eq!(asked.status, 202);
            let link = server.link_to(EMAIL).await;
            let body = json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
            let done = server.client.post("/propusk/v1/password/reset/confirm", &body).await;
            assert_eq!(done.status, 204, "{}", done.text());
        }
        Act::SignOut => {
            let ended =
                server.auth.end_all_sessions_of_account(1).await.expect("the database answers");
            assert_eq!(ended, 3_002);
        }
        Act::SetPassword => {
            let new = NewPassword::Plain(Password::parse(NEW_PASSWORD).expect("short"));
            assert!(server.auth.set_password(1, new).await.expect("the database answers"));
        }
    }
}

#[tokio::test]
async fn ending_all_sessions_writes_as_much_as_ending_one() {
    for (act, acting_lives) in [
        (Act::EndOthers, true),
        (Act::ChangePassword, true),
        (Act::ResetPassword, false),
        (Act::SignOut, false),
        (Act::SetPassword, false),
    ] {
        let server = with_account(1_000_000).await;
        let store = server.store().await;
        open_many(&server, &store, 3_000, None).await;
        let (acting, other) = (open(&server).await, open(&server).await);
        perform(&server, &acting, act).await;
        assert_eq!(count(&store, REVOCATIONS).await, 1, "{act:?}");
        assert_eq!(count(&store, TOUCHED).await, 0, "{act:?}");
        assert_eq!(
            [me(&server, &other).await, refresh(&server, &other).await],
            [401, 401],
            "{act:?}"
        );
        let alive = [me(&server, &acting).await, refresh(&server, &acting).await];
        assert_eq!(alive, if acting_lives { [200, 200] } else { [401, 401] }, "{act:?}");
        if acting_lives {
            let list = native(&server, &acting, "GET", "sessions", Value::Null).await;
            assert_eq!(list.json()["sessions"].as_array().expect("a list").len(), 1, "{act:?}");
        }
    }
}

#[tokio::test]
async fn deleted_account_leaves_most_of_its_sessions_to_the_sweeper() {
    let server = with_account(1_000_000).await;
    let pair = open(&server).await;
    let store = server.store().await;
    open_many(&server, &store, MANY, None).await;
    assert!(server.auth.delete_account(1).await.expect("the database answers"));
    assert_eq!([me(&server, &pair).await, refresh(&server, &pair).await], [401, 401]);
    let left = count(&store, SESSIONS).await;
    assert!(left > 0 && left < MANY, "{left} rows are left");
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(count(&store, SESSIONS).await, 0);
}

#[tokio::test]
async fn oauth_client_with_very_many_sessions_ends_them_and_goes() {
    let server = with_account(1_000_000).await;
    let store = server.store().await;
    let client = |id: &str| propusk_server::auth::NewClient {
        id: id.to_owned(),
        name: "App".to_owned(),
        secret: Some("0123456789abcdef".to_owned()),
        is_public: false,
        allows_password: true,
        introspects: false,
    };
    assert!(server.auth.create_client(client("app")).await.expect("the database answers"));
    open_many(&server, &store, MANY, Some("app")).await;
    let pair = open(&server).await;
    let body = json!({"client_id": "app"});
    let path = "/auth/invalidate-sessions/";
    let answer = server.client.post_as(&bearer(&pair), path, &body).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert_eq!(count(&store, TOUCHED).await, MANY);
    assert!(server.auth.delete_client("app").await.expect("the database answers"));
    assert_eq!(count(&store, SESSIONS).await, 1);
    assert!(!server.auth.delete_client("app").await.expect("the database answers"));
    assert_eq!(me(&server, &pair).await, 200);
}

#[tokio::test]
async fn sign_in_beyond_the_number_of_sessions_ends_the_longest_unused_one() {
    let server = with_account(3).await;
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let elsewhere = server.client.post("/propusk/v1/sessions", &body).await.json();
    let mut pairs = Vec::new();
    for _ in 0..3 {
        pairs.push(open(&server).await);
        server.clock.advance(1);
    }
    assert_eq!(refresh(&server, &pairs[0]).await, 200);
    server.clock.advance(1);
    pairs.push(open(&server).await);
    for (place, status) in [(0, 200), (1, 401), (2, 200), (3, 200)] {
        assert_eq!(me(&server, &pairs[place]).await, status, "session {place}");
        assert_eq!(refresh(&server, &pairs[place]).await, status, "session {place}");
    }
    let other = json!({"access": elsewhere["access_token"]});
    assert_eq!(me(&server, &other).await, 200, "the other API counts its own");
}

#[tokio::test]
async fn sign_in_beyond_the_number_of_sessions_removes_expired_ones_first() {
    let server = with_account(2).await;
    let over = open(&server).await;
    server.clock.advance(10);
    let unused = open(&server).await;
    server.clock.advance(86_385);
    assert_eq!(refresh(&server, &over).await, 200);
    server.clock.advance(6);
    let new = open(&server).await;
    assert_eq!([refresh(&server, &unused).await, refresh(&server, &new).await], [200, 200]);
    assert_eq!(refresh(&server, &over).await, 401);
}

#[tokio::test]
async fn sweeper_deletes_a_session_a_day_after_its_last_token() {
    const DAY: i64 = 24 * 3_600;
    const LIFETIME: i64 = 60 * DAY;
    let server = TestServer::start().await;
    let store = server.store().await;
    signed_up(&server, EMAIL).await;
    let used = native::open(&server, EMAIL).await;
    let _idle = native::open(&server, EMAIL).await;
    server.clock.advance(LIFETIME - 1);
    let attempt = "a".repeat(22);
    let used: TokenResponse = read(&native::refresh(&server, &used, &attempt).await, 200);
    server.clock.advance(DAY + 2);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(count(&store, SESSIONS).await, 1);
    server.clock.advance(LIFETIME - DAY - 3);
    let _: TokenResponse = read(&native::refresh(&server, &used, &"b".repeat(22)).await, 200);
    server.clock.advance(LIFETIME + DAY + 1);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(count(&store, SESSIONS).await, 0);
}

#[tokio::test]
async fn sweeper_tells_used_sessions_from_expired_ones_among_very_many() {
    const DAY: i64 = 24 * 3_600;
    let server = with_account(1_000_000).await;
    let store = server.store().await;
    open_many(&server, &store, MANY, None).await;
    let used = "update sessions set expires_at = expires_at + 864000 where id % 3 > 0";
    assert_eq!(execute(&store, used.to_owned()).await, (MANY / 3 * 2).cast_unsigned());
    server.clock.advance(3 * DAY);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(count(&store, SESSIONS).await, MANY / 3 * 2);
    server.clock.advance(10 * DAY);
    server.auth.sweep().await.expect("the database answers");
    assert_eq!(count(&store, SESSIONS).await, 0);
}
