//! Tokens of our format that another holder of the shared key has made from genuine ones: each is
//! treated as a token of the other system, never as one of ours.

use propusk_server::auth::Hs256;
use propusk_server::config::Signing;
use propusk_tests::SECRET;
use propusk_tests::native::call;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use propusk_tests::user::{PASSWORD, change_me, me, new_account, signed_in};
use serde_json::{Value, json};

/// Two accounts that registered here, on servers that accept foreign tokens and that do not.
async fn servers() -> [TestServer; 2] {
    let honouring = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
    });
    let servers = [TestServer::start().await, honouring.await];
    for server in &servers {
        for name in ["anna", "bob"] {
            new_account(&server, &format!("{name}@example.com")).await;
        }
    }
    servers
}

/// The token with other claims, signed with the shared key.
fn forged(token: &str, changes: &Value) -> String {
    let mut claims = claims_of(token);
    for (name, value) in changes.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
}

async fn post(server: &TestServer, path: &str, body: Value) -> u16 {
    server.client.post(path, &body).await.status.as_u16()
}

#[tokio::test]
async fn session_with_the_number_of_another_account_is_refused() {
    for server in servers().await {
        let (access, refresh) = signed_in(&server, "anna@example.com").await;
        let bob = claims_of(&signed_in(&server, "bob@example.com").await.0)["user_id"].clone();
        let text = json!(bob.to_string());
        for user_id in [bob, text, json!(999_999)] {
            let access = forged(&access, &json!({"user_id": user_id}));
            assert_eq!(me(&server, &access).await.status, 401, "{user_id}");
            let refresh = forged(&refresh, &json!({"user_id": user_id}));
            for path in ["/api/auth/jwt/refresh/", "/api/auth/token/refresh/", "/token/refresh"] {
                assert_eq!(post(&server, path, json!({"refresh": refresh})).await, 401, "{path}");
            }
            if user_id != json!(999_999) {
                assert_eq!(post(&server, "/token/verify", json!({"token": access})).await, 401);
                let logout = post(&server, "/api/auth/logout/", json!({"refresh": refresh}));
                assert_eq!(logout.await, 401);
            }
        }
        assert_eq!(me(&server, &access).await.json()["email"], "anna@example.com");
    }
}

#[tokio::test]
async fn token_does_not_outlive_its_session() {
    for server in servers().await {
        let (access, refresh) = signed_in(&server, "anna@example.com").await;
        let far = server.clock.now() + 30 * 366 * 86_400;
        let access = forged(&access, &json!({"exp": far}));
        let refresh = forged(&refresh, &json!({"exp": far}));
        let later = forged(&access, &json!({"iat": far - 300}));
        assert_eq!(me(&server, &later).await.status, 401, "another time of issue");
        server.clock.advance(299);
        assert_eq!(me(&server, &access).await.status, 200);
        server.clock.advance(1);
        assert_eq!(me(&server, &access).await.status, 401);
        assert_eq!(post(&server, "/token/verify", json!({"token": access})).await, 401);
        server.clock.advance(86_400 - 301);
        let path = "/api/auth/jwt/refresh/";
        assert_eq!(post(&server, path, json!({"refresh": refresh})).await, 200);
        server.clock.advance(1);
        assert_eq!(post(&server, path, json!({"refresh": refresh})).await, 401);
        assert_eq!(post(&server, "/token/verify", json!({"token": refresh})).await, 401);
    }
}

#[tokio::test]
async fn token_of_one_type_is_none_of_the_other() {
    for server in servers().await {
        let (access, refresh) = signed_in(&server, "anna@example.com").await;
        let as_access = forged(&refresh, &json!({"token_type": "access"}));
        let as_refresh = forged(&access, &json!({"token_type": "refresh"}));
        assert_eq!(me(&server, &as_access).await.status, 401);
        let refreshed = post(&server, "/api/auth/jwt/refresh/", json!({"refresh": as_refresh}));
        assert_eq!(refreshed.await, 401);
    }
}

#[tokio::test]
async fn password_change_leaves_no_token_alive() {
    for server in servers().await {
        let (access, refresh) = signed_in(&server, "anna@example.com").await;
        let far = server.clock.now() + 30 * 366 * 86_400;
        let stolen =
            [forged(&access, &json!({"exp": far})), forged(&refresh, &json!({"exp": far}))];
        let id = claims_of(&access)["user_id"].as_i64().expect("a number");
        server.auth.end_all_sessions_of_account(id).await.expect("the database answers");
        server.clock.advance(40 * 86_400);
        server.auth.sweep().await.expect("the database answers");
        assert_eq!(me(&server, &stolen[0]).await.status, 401);
        let body = json!({"refresh": stolen[1]});
        assert_eq!(post(&server, "/api/auth/jwt/refresh/", body).await, 401);
    }
}

fn renamed(token: &str, key: &str, changes: &Value) -> String {
    let mut claims = claims_of(token);
    for (name, value) in changes.as_object().expect("claims") {
        claims[name] = value.clone();
    }
    Hs256::new(key.as_bytes()).sign(claims.to_string().as_bytes())
}

async fn sharing() -> TestServer {
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
        config.dialect("prehashed").signing = Some(Signing::Shared);
        config.dialect("prehashed").access_seconds = 3_600;
        config.dialect("prehashed").refresh_seconds = 14_400;
    });
    server.await
}

async fn named(server: &TestServer, email: &str) -> (String, String) {
    let body = json!({"email": email, "hash_password": PASSWORD});
    let pair = server.client.post("/authorization/login/email", &body).await;
    (pair.field("access"), pair.field("refresh"))
}

/// A token as the replaced FastAPI makes it.
fn fastapi(server: &TestServer, user_name: &str, mode: &str, uuid: &str) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT", "uuid": uuid});
    let exp = server.clock.now() + 3_000;
    let claims = json!({"user_name": user_name, "header": header, "exp": exp, "mode": mode});
    Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
}

const UUID: &str = "c0138461-f9b5-4255-8925-85c26631a8cf";

#[tokio::test]
async fn shared_prehashed_tokens_are_checked_with_the_shared_key_and_bound_to_their_session() {
    let server = sharing().await;
    for (name, phone) in [("anna", "+491701234567"), ("bob", "+491701234568")] {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "phone_number": phone, "hash_password": PASSWORD});
        assert_eq!(post(&server, "/authorization/registration", body).await, 200);
    }
    let (access, refresh) = named(&server, "anna@example.com").await;
    assert!(Hs256::new(SECRET.as_bytes()).verify(&access).is_some());
    assert_eq!(me(&server, &access).await.json()["email"], "anna@example.com");
    let verified = server.client.get(&format!("/validate/jwt/access?access={access}"), None).await;
    assert_eq!(verified.json(), true);
    let far = server.clock.now() + 30 * 366 * 86_400;
    for changes in [json!({"user_name": "bob@example.com"}), json!({"exp": far})] {
        let access = renamed(&access, SECRET, &changes);
        assert_eq!(me(&server, &access).await.status, 401, "{changes}");
        let refresh = renamed(&refresh, SECRET, &changes);
        let renewed = post(&server, "/validate/jwt/refresh", json!({"refresh": refresh})).await;
        assert_eq!(renewed, 401, "{changes}");
    }
}

/// The claim of a new token that other services of the FastAPI read.
fn user_name(access: &str) -> String {
    let payload = Hs256::new(SECRET.as_bytes()).verify(access).expect("the shared key");
    let claims: Value = serde_json::from_slice(&payload).expect("claims");
    claims["user_name"].as_str().expect("a name").to_owned()
}

#[tokio::test]
async fn shared_tokens_name_no_account_by_an_unproved_address() {
    let server = sharing().await;
    server.import("Ceo@example.com", PASSWORD, 7, None).await;
    assert_eq!(user_name(&named(&server, "ceo@example.com").await.0), "Ceo@example.com");
    let own = signed_in(&server, "ceo@example.com").await.0;
    let moved = change_me(&server, &own, &json!({"email": "elsewhere@example.com"})).await;
    assert_eq!(moved.status, 200);
    assert_eq!(user_name(&named(&server, "elsewhere@example.com").await.0), "propusk-7");

    let body = json!({"email": "admin@example.com", "phone_number": "+491701234567", "hash_password": PASSWORD});
    assert_eq!(post(&server, "/authorization/registration", body).await, 200);
    let (access, refresh) = named(&server, "admin@example.com").await;
    let stand_in = user_name(&access);
    assert!(stand_in.starts_with("propusk-"), "{stand_in}");
    assert_eq!(me(&server, &access).await.json()["email"], "admin@example.com");
    let renewed = server.client.post("/validate/jwt/refresh", &json!({"refresh": refresh})).await;
    assert_eq!(user_name(&renewed.field("access")), stand_in);
    // A reset proves the mailbox.
    let body = json!({"email": "admin@example.com"});
    assert_eq!(post(&server, "/propusk/v1/password/reset", body).await, 202);
    let link = server.link_to("admin@example.com").await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": PASSWORD});
    assert_eq!(post(&server, "/propusk/v1/password/reset/confirm", body).await, 204);
    assert_eq!(user_name(&named(&server, "admin@example.com").await.0), "admin@example.com");
}

#[tokio::test]
async fn fastapi_tokens_work_for_an_imported_account_until_it_changes() {
    for change in ["nothing", "password", "state", "sessions", "address", "one session"] {
        let server = sharing().await;
        server.import("Anna@example.com", PASSWORD, 7, None).await;
        let access = fastapi(&server, "Anna@example.com", "access_token", UUID);
        let refresh = fastapi(&server, "Anna@example.com", "refresh_token", UUID);
        assert_eq!(me(&server, &access).await.json()["id"], 7);
        for _ in 0..2 {
            let renewed =
                server.client.post("/validate/jwt/refresh", &json!({"refresh": refresh})).await;
            assert_eq!(renewed.status, 200);
            assert_eq!(me(&server, &renewed.field("access")).await.json()["id"], 7);
        }
        let own = signed_in(&server, "anna@example.com").await.0;
        match change {
            "password" => {
                let body =
                    json!({"current_password": PASSWORD, "new_password": "another fair one"});
                let path = "/api/auth/users/set_password/";
                let done = server.client.post_as(&format!("Bearer {own}"), path, &body).await;
                assert_eq!(done.status, 204);
            }
            "state" => {
                for is_active in [false, true] {
                    assert!(server.auth.set_active(7, is_active).await.expect("answers"));
                }
            }
            "sessions" => drop(server.auth.end_all_sessions_of_account(7).await.expect("answers")),
            "one session" => {
                let bearer = format!("Bearer {own}");
                let path = "sessions/current";
                let ended = call(&server, "DELETE", path, Some(&bearer), Value::Null).await;
                assert_eq!(ended.status, 204);
            }
            "address" => {
                for email in ["other@example.com", "Anna@example.com"] {
                    // An API that changes the address at once.
                    let changed = change_me(&server, &own, &json!({"email": email})).await;
                    assert_eq!(changed.status, 200);
                }
            }
            _ => {}
        }
        let is_good = change == "nothing";
        assert_eq!(me(&server, &access).await.status == 200, is_good, "{change}");
        let renewed = post(&server, "/validate/jwt/refresh", json!({"refresh": refresh})).await;
        assert_eq!(renewed == 200, is_good, "{change}");
    }
}

#[tokio::test]
async fn fastapi_tokens_open_no_account_that_was_registered_here_or_imported_otherwise() {
    let server = sharing().await;
    server.import("Anna@example.com", PASSWORD, 7, None).await;
    new_account(&server, "bob@example.com").await;
    for name in ["bob@example.com", "anna@example.com", "nobody@example.com", "7", ""] {
        let access = fastapi(&server, name, "access_token", UUID);
        assert_eq!(me(&server, &access).await.status, 401, "{name}");
        let refresh = fastapi(&server, name, "refresh_token", UUID);
        let renewed = post(&server, "/validate/jwt/refresh", json!({"refresh": refresh})).await;
        assert_eq!(renewed, 401, "{name}");
    }
    let derived = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
    });
    let derived = derived.await;
    derived.import("Anna@example.com", PASSWORD, 7, None).await;
    let access = fastapi(&derived, "Anna@example.com", "access_token", UUID);
    assert_eq!(me(&derived, &access).await.status, 401, "another key");
}

#[tokio::test]
async fn access_tokens_that_sign_in_also_verify() {
    let server = TestServer::start().await;
    let body = json!({"email": "anna@example.com", "phone_number": "+491701234567",
        "hash_password": PASSWORD});
    assert_eq!(post(&server, "/authorization/registration", body).await, 200);
    let native = json!({"identifier": "anna@example.com", "password": PASSWORD});
    let native = server.client.post("/propusk/v1/sessions", &native).await.field("access_token");
    let key = json!({"username": "anna@example.com", "password": PASSWORD});
    let key = server.client.post("/auth/token/login/", &key).await.field("auth_token");
    let tokens = [
        named(&server, "anna@example.com").await.0,
        signed_in(&server, "anna@example.com").await.0,
        native,
        key,
    ];
    let verdicts = async |token: &str| {
        let path = format!("/validate/jwt/access?access={token}");
        let said = server.client.get(&path, None).await;
        let verified = post(&server, "/token/verify", json!({"token": token})).await;
        (said.status.as_u16(), said.json(), verified)
    };
    for token in &tokens {
        assert_eq!(me(&server, token).await.status, 200, "{token}");
        assert_eq!(verdicts(token).await, (200, json!(true), 200), "{token}");
    }
    server.auth.set_active(1, false).await.expect("the database answers");
    for token in &tokens {
        assert_eq!(verdicts(token).await, (200, json!(false), 401), "{token}");
    }
}

#[tokio::test]
async fn simplejwt_names_the_account_in_text_and_takes_both_forms() {
    let server = TestServer::start().await;
    let body = json!({"username": "anna", "email": "anna@example.com", "password": PASSWORD,
        "password2": PASSWORD});
    assert_eq!(post(&server, "/api/auth/register/", body).await, 201);
    let body = json!({"username": "anna", "password": PASSWORD});
    let pair = server.client.post("/api/auth/login/", &body).await;
    let renewed = json!({"refresh": pair.field("refresh")});
    let renewed = server.client.post("/api/auth/token/refresh/", &renewed).await;
    for access in [pair.field("access"), renewed.field("access")] {
        assert_eq!(claims_of(&access)["user_id"], "1");
        let as_number = forged(&access, &json!({"user_id": 1}));
        for access in [access, as_number] {
            let header = format!("Bearer {access}");
            let profile = server.client.get("/api/auth/profile/", Some(&header)).await;
            assert_eq!(profile.status, 200);
        }
    }
}
