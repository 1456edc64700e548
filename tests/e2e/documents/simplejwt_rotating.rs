//! `/v1/creat_autor`, `/token`, `/token/verify`, `/token/refresh`.

use propusk_tests::server::TestServer;
use serde_json::{Value, json};

use super::{assert_answer, assert_pair};

fn credentials() -> Value {
    json!({"email": "user@example.com", "password": "string"})
}

async fn server_with_a_user() -> TestServer {
    let server = TestServer::start().await;
    register(&server).await;
    server
}

async fn register(server: &TestServer) {
    let user = json!({"login": "string", "password": "string", "email": "user@example.com"});
    assert_eq!(server.client.post("/v1/creat_autor", &user).await.status, 201);
}

#[tokio::test]
async fn registration_answers_the_account_with_a_hash_that_is_not_of_the_password() {
    let server = TestServer::start().await;
    let user = json!({"login": "string", "password": "string", "email": "user@example.com"});
    let answer = server.client.post("/v1/creat_autor", &user).await;
    let hash = answer.field("password");
    assert_answer(
        &answer,
        201,
        &json!({"login": "string", "password": hash, "email": "user@example.com"}),
    );
    // The answered hash, used as a password, does not sign in anywhere.
    let parts: Vec<_> = hash.split('$').collect();
    assert_eq!((parts.len(), &parts[..2]), (4, &["pbkdf2_sha256", "720000"][..]));
    assert_eq!((parts[2].len(), parts[3].len()), (22, 44));
    let other = json!({"login": "string", "password": "string", "email": "other@example.com"});
    assert_ne!(server.client.post("/v1/creat_autor", &other).await.field("password"), hash);
}

#[tokio::test]
async fn wrong_parameters_are_400_and_unknown_credentials_401() {
    let server = server_with_a_user().await;
    for path in ["/v1/creat_autor", "/token", "/token/verify", "/token/refresh"] {
        assert_eq!(server.client.post(path, &json!({})).await.status, 400, "{path}");
    }
    let wrong = json!({"email": "user@example.com", "password": "wrong"});
    assert_eq!(server.client.post("/token", &wrong).await.status, 401);
    assert_eq!(server.client.post("/token/verify", &json!({"token": "wrong"})).await.status, 401);
    assert_eq!(
        server.client.post("/token/refresh", &json!({"refresh": "wrong"})).await.status,
        401
    );
}

#[tokio::test]
async fn valid_token_is_verified_with_an_empty_object() {
    let server = server_with_a_user().await;
    let (refresh, access) = assert_pair(&server.client.post("/token", &credentials()).await);
    for token in [&access, &refresh] {
        assert_answer(
            &server.client.post("/token/verify", &json!({"token": token})).await,
            200,
            &json!({}),
        );
    }
    server.clock.advance(300);
    assert_eq!(server.client.post("/token/verify", &json!({"token": access})).await.status, 401);
}

#[tokio::test]
async fn refresh_token_works_only_after_the_access_token_expired_and_only_once() {
    let server = TestServer::with(|config| {
        config.dialect("simplejwt_rotating").early_refresh_seconds = Some(0)
    })
    .await;
    register(&server).await;
    let (refresh, _) = assert_pair(&server.client.post("/token", &credentials()).await);
    let body = json!({"refresh": refresh});

    server.clock.advance(299);
    let early = server.client.post("/token/refresh", &body).await;
    assert_answer(
        &early,
        401,
        &json!({"detail": "Token is not valid yet", "code": "token_not_valid"}),
    );

    server.clock.advance(1);
    let answer = server.client.post("/token/refresh", &body).await;
    let pair = json!({"access": answer.field("access"), "refresh": answer.field("refresh")});
    assert_answer(&answer, 200, &pair);
    assert_ne!(pair["refresh"], body["refresh"]);

    let spent = json!({"detail": "Token is blacklisted", "code": "token_not_valid"});
    assert_answer(&server.client.post("/token/refresh", &body).await, 401, &spent);
    assert_answer(
        &server.client.post("/token/verify", &json!({"token": refresh})).await,
        401,
        &spent,
    );
    assert_answer(
        &server.client.post("/token/verify", &json!({"token": pair["access"]})).await,
        200,
        &json!({}),
    );
}
