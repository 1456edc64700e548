//! Tokens that a replaced Django signed with the same key: accepted until they expire, and
//! revocable.

use propusk_tests::http::Answer;
use propusk_tests::native::call;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::django;
use propusk_tests::user::{PASSWORD, change_me, me};
use serde_json::{Value, json};

/// Above every account number of the Django.
const FIRST_ID: i64 = 1_000;

async fn with_account() -> TestServer {
    with_account_and(|_| {}).await
}

async fn with_account_and(change: impl FnOnce(&mut propusk_server::config::Config)) -> TestServer {
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(FIRST_ID);
        change(config);
    });
    let server = server.await;
    server.import("anna@example.com", PASSWORD, 1, None).await;
    server
}

async fn refresh(server: &TestServer, path: &str, token: &str) -> Answer {
    server.client.post(path, &json!({"refresh": token})).await
}

/// Signs in, and changes the password.
async fn change_password(server: &TestServer) {
    let body = json!({"username": "anna@example.com", "password": PASSWORD});
    let pair = server.client.post("/api/auth/jwt/create/", &body).await;
    let body = json!({"current_password": PASSWORD, "new_password": "another fair password"});
    let own = format!("Bearer {}", pair.field("access"));
    let changed = server.client.post_as(&own, "/api/auth/users/set_password/", &body).await;
    assert_eq!(changed.status, 204);
}

fn spent() -> Value {
    json!({"detail": "Token is blacklisted", "code": "token_not_valid"})
}

#[tokio::test]
async fn access_token_works_until_it_ends() {
    let server = with_account().await;
    let access = django(&server, 1, "access", 299, "0123456789abcdef0123456789abcdef");
    assert_eq!(me(&server, &access).await.json()["email"], "anna@example.com");
    server.clock.advance(1);
    assert_eq!(me(&server, &access).await.status, 401);
}

#[tokio::test]
async fn access_token_of_a_suspended_or_deleted_account_is_refused() {
    let server = with_account().await;
    let access = django(&server, 1, "access", 0, "0123456789abcdef0123456789abcdef");
    server.auth.set_active(1, false).await.expect("the database answers");
    assert_eq!(me(&server, &access).await.json()["code"], "user_inactive");
    server.auth.delete_account(1).await.expect("the database answers");
    assert_eq!(me(&server, &access).await.json()["code"], "user_not_found");
    let verified = server.client.post("/token/verify", &json!({"token": access})).await;
    assert_eq!(verified.status, 401);
}

#[tokio::test]
async fn refresh_token_works_again_and_again_where_the_api_does_not_rotate() {
    let server = with_account().await;
    let token = django(&server, 1, "refresh", 0, "0123456789abcdef0123456789abcdef");
    for path in ["/api/auth/jwt/refresh/", "/api/auth/jwt/refresh/"] {
        let access = refresh(&server, path, &token).await.field("access");
        assert_eq!(me(&server, &access).await.status, 200);
    }
}

#[tokio::test]
async fn logout_ends_a_refresh_token_and_the_access_tokens_made_of_it_here() {
    let server = with_account().await;
    let token = django(&server, 1, "refresh", 0, "0123456789abcdef0123456789abcdef");
    let access = refresh(&server, "/api/auth/jwt/refresh/", &token).await.field("access");
    let body = json!({"refresh": token});
    assert_eq!(server.client.post("/api/auth/logout/", &body).await.status, 200);
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &token).await.json(), spent());
    assert_eq!(server.client.post("/api/auth/logout/", &body).await.json(), spent());
    let verified = server.client.post("/token/verify", &json!({"token": token})).await;
    assert_eq!(verified.json(), spent());
    assert_eq!(me(&server, &access).await.status, 401);
}

#[tokio::test]
async fn rotating_refresh_spends_the_token_and_the_next_one_is_ours() {
    let server = with_account().await;
    let token = django(&server, 1, "refresh", 269, "0123456789abcdef0123456789abcdef");
    let early = refresh(&server, "/token/refresh", &token).await;
    assert_eq!(early.json()["detail"], "Token is not valid yet");
    assert_eq!(early.headers["retry-after"], "1");
    server.clock.advance(1);
    let renewed = refresh(&server, "/token/refresh", &token).await;
    assert_eq!(renewed.status, 200);
    assert_eq!(refresh(&server, "/token/refresh", &token).await.json(), spent());
    server.clock.advance(300);
    let next = renewed.field("refresh");
    assert_eq!(refresh(&server, "/token/refresh", &next).await.status, 200);
    assert_eq!(refresh(&server, "/token/refresh", &next).await.json(), spent());
}

#[tokio::test]
async fn password_change_ends_older_tokens() {
    let server = with_account().await;
    let token = django(&server, 1, "refresh", 60, "0123456789abcdef0123456789abcdef");
    let access = django(&server, 1, "access", 60, "1123456789abcdef0123456789abcdef");
    change_password(&server).await;
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &token).await.json(), spent());
    assert_eq!(me(&server, &access).await.status, 401);
}

#[tokio::test]
async fn password_change_made_with_a_token_spares_none() {
    let server = with_account().await;
    let access = django(&server, 1, "access", 60, "0123456789abcdef0123456789abcdef");
    let thiefs = django(&server, 1, "refresh", 30, "1123456789abcdef0123456789abcdef");
    let body = json!({"current_password": PASSWORD, "new_password": "another fair password"});
    let header = format!("Bearer {access}");
    let changed = server.client.post_as(&header, "/api/auth/users/set_password/", &body).await;
    assert_eq!(changed.status, 204);
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &thiefs).await.json(), spent());
    assert_eq!(me(&server, &access).await.status, 401);
}

#[tokio::test]
async fn sign_out_by_the_operator_ends_the_tokens() {
    let server = with_account().await;
    let token = django(&server, 1, "refresh", 0, "0123456789abcdef0123456789abcdef");
    server.auth.end_all_sessions_of_account(1).await.expect("the database answers");
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &token).await.json(), spent());
}

/// Signs out one session of the account, in one of several ways.
async fn sign_out(server: &TestServer, way: &str, token: &str) {
    if way == "logout" {
        assert_eq!(refresh(server, "/api/auth/logout/", token).await.status, 200);
        return;
    }
    let access = match way {
        "an own session" => {
            let body = json!({"username": "anna@example.com", "password": PASSWORD});
            server.client.post("/api/auth/jwt/create/", &body).await.field("access")
        }
        _ => refresh(server, "/api/auth/jwt/refresh/", token).await.field("access"),
    };
    let bearer = format!("Bearer {access}");
    let ended = call(server, "DELETE", "sessions/current", Some(&bearer), Value::Null).await;
    assert_eq!(ended.status, 204);
}

#[tokio::test]
async fn sign_out_of_one_session_signs_no_other_device_out() {
    for way in ["logout", "an own session", "an adopted session"] {
        let server = with_account().await;
        let token = django(&server, 1, "refresh", 40, "0123456789abcdef0123456789abcdef");
        let tablets = django(&server, 1, "refresh", 400, "2123456789abcdef0123456789abcdef");
        sign_out(&server, way, &token).await;
        assert_eq!(
            refresh(&server, "/api/auth/jwt/refresh/", &token).await.status == 401,
            way != "an own session",
            "{way}"
        );
        let renewed = refresh(&server, "/api/auth/jwt/refresh/", &tablets).await;
        assert_eq!(me(&server, &renewed.field("access")).await.status, 200, "{way}");
    }
}

#[tokio::test]
async fn ended_session_is_not_opened_again_through_another_api() {
    let server = with_account().await;
    let token = django(&server, 1, "refresh", 400, "0123456789abcdef0123456789abcdef");
    sign_out(&server, "an adopted session", &token).await;
    for path in ["/api/auth/jwt/refresh/", "/token/refresh", "/api/auth/token/refresh/"] {
        assert_eq!(refresh(&server, path, &token).await.status, 401, "{path}");
    }
    for path in ["/token/verify", "/api/auth/jwt/verify/"] {
        let verified = server.client.post(path, &json!({"token": token})).await;
        assert_eq!(verified.status, 401, "{path}");
    }
}

#[tokio::test]
async fn accounts_imported_after_all_sessions_were_ended_accept_no_older_token() {
    let server = with_account().await;
    let older = django(&server, 2, "access", 40, "0123456789abcdef0123456789abcdef");
    server.auth.end_everything().await.expect("the database answers");
    server.import("bob@example.com", PASSWORD, 2, None).await;
    assert_eq!(me(&server, &older).await.status, 401);
    server.clock.advance(2);
    let newer = django(&server, 2, "access", 0, "1123456789abcdef0123456789abcdef");
    assert_eq!(me(&server, &newer).await.status, 200);
}

#[tokio::test]
async fn clock_that_is_behind_revives_no_token() {
    for everybody in [false, true] {
        let server = with_account().await;
        let token = django(&server, 1, "refresh", 3_600, "0123456789abcdef0123456789abcdef");
        server.auth.end_all_sessions_of_account(1).await.expect("the database answers");
        server.clock.jump(-7_200);
        if everybody {
            server.auth.end_everything().await.expect("the database answers");
        } else {
            change_password(&server).await;
        }
        server.clock.jump(7_200);
        let refreshed = refresh(&server, "/api/auth/jwt/refresh/", &token).await;
        assert_eq!(refreshed.json(), spent(), "everybody: {everybody}");
    }
}

#[tokio::test]
async fn token_is_no_recent_sign_in() {
    let server = with_account().await;
    let access = django(&server, 1, "access", 0, "0123456789abcdef0123456789abcdef");
    let answer = change_me(&server, &access, &json!({"email": "other@example.com"})).await;
    assert_eq!(answer.status, 403);
}

#[tokio::test]
async fn tokens_can_be_refused_altogether() {
    let server = with_account_and(|config| config.tokens.accept_foreign = false).await;
    let access = django(&server, 1, "access", 0, "0123456789abcdef0123456789abcdef");
    let token = django(&server, 1, "refresh", 0, "1123456789abcdef0123456789abcdef");
    assert_eq!(me(&server, &access).await.status, 401);
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &token).await.status, 401);
    let verified = server.client.post("/token/verify", &json!({"token": token})).await;
    assert_eq!(verified.status, 401);
}

#[tokio::test]
async fn tokens_open_no_account_that_was_registered_here() {
    let server = with_account().await;
    let body = json!({"email": "bob@example.com", "password": PASSWORD});
    let id = server.client.post("/api/auth/users/", &body).await.json()["id"].as_i64();
    let id = id.expect("a number");
    assert_eq!(id, FIRST_ID);
    let access = django(&server, id, "access", 0, "0123456789abcdef0123456789abcdef");
    let token = django(&server, id, "refresh", 0, "1123456789abcdef0123456789abcdef");
    assert_eq!(me(&server, &access).await.json()["code"], "token_not_valid");
    for path in ["/api/auth/jwt/refresh/", "/api/auth/token/refresh/", "/token/refresh"] {
        assert_eq!(refresh(&server, path, &token).await.status, 401, "{path}");
    }
    let logout = server.client.post("/api/auth/logout/", &json!({"refresh": token})).await;
    assert_eq!(logout.status, 401);
    for token in [access, token] {
        let verified = server.client.post("/token/verify", &json!({"token": token})).await;
        assert_eq!(verified.status, 401);
    }
    let unknown = django(&server, 77, "access", 0, "2123456789abcdef0123456789abcdef");
    assert_eq!(me(&server, &unknown).await.json()["code"], "user_not_found");
    let verified = server.client.post("/token/verify", &json!({"token": unknown})).await;
    assert_eq!(verified.status, 200);
}

#[tokio::test]
async fn token_older_than_its_account_means_another_account() {
    let server = with_account().await;
    let now = server.clock.now();
    server.import("carol@example.com", PASSWORD, 2, Some(now - 100)).await;
    for (age, status) in [(101, 401), (100, 200)] {
        let access = django(&server, 2, "access", age, "0123456789abcdef0123456789abcdef");
        assert_eq!(me(&server, &access).await.status, status, "{age}");
        let token = django(&server, 2, "refresh", age, "1123456789abcdef0123456789abcdef");
        let refreshed = refresh(&server, "/api/auth/jwt/refresh/", &token).await;
        assert_eq!(refreshed.status, status, "{age}");
        let verified = server.client.post("/token/verify", &json!({"token": access})).await;
        assert_eq!(verified.status, status, "{age}");
    }
}

#[tokio::test]
async fn token_of_the_same_second_as_a_password_change_is_refused() {
    let server = with_account().await;
    let access = django(&server, 1, "access", 0, "0123456789abcdef0123456789abcdef");
    let sibling = django(&server, 1, "access", 0, "1123456789abcdef0123456789abcdef");
    let body = json!({"current_password": PASSWORD, "new_password": "another fair password"});
    let header = format!("Bearer {access}");
    let changed = server.client.post_as(&header, "/api/auth/users/set_password/", &body).await;
    assert_eq!(changed.status, 204);
    assert_eq!(me(&server, &sibling).await.status, 401);
    server.clock.advance(1);
    let later = django(&server, 1, "access", 0, "2123456789abcdef0123456789abcdef");
    assert_eq!(me(&server, &later).await.status, 200);
}

#[tokio::test]
async fn token_id_shared_by_two_accounts_opens_no_session_twice() {
    let server = with_account().await;
    server.import("carol@example.com", PASSWORD, 2, None).await;
    let jti = "0123456789abcdef0123456789abcdef";
    let annas = django(&server, 1, "refresh", 0, jti);
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &annas).await.status, 200);
    let carols = django(&server, 2, "refresh", 0, jti);
    assert_eq!(refresh(&server, "/api/auth/jwt/refresh/", &carols).await.status, 401);
}
