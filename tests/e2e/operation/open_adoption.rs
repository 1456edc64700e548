//! While accounts of another system are adopted, a refusal that may be wrong is answered 503 with
//! `Retry-After`, in the form of each API, and a certain one as always. The operator ends that.

use propusk_tests::http::Answer;
use propusk_tests::import_file::import_file;
use propusk_tests::operator::*;
use propusk_tests::process::Finished;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::django;
use propusk_tests::user::{PASSWORD, me, refresh, register, sign_in};
use serde_json::{Value, json};

/// Of [`PASSWORD`], as an old Django stores it.
const HASH: &str = "sha1$seasalt2$8a17299d81993f7ae7b41a1f8c94dc28efebbb95";
const KEY: &str = "0123456789abcdef0123456789abcdef01234567";
const KEY_SHA256: &str = "deb87fabd17715bb31ad4cf4ffb9494eeb15f8d33d85b031a301c64ab3417eaa";
const UNKNOWN_KEY: &str = "f123456789abcdef0123456789abcdef01234567";
const PAIR: [&str; 2] = ["AccessAccessAccessAccessAccess", "RefreshRefreshRefreshRefreshRe"];
/// Of what `prehashed` takes for a password.
const PREHASHED: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

const FIRST_ID: i64 = 1_000_000;
const SETTINGS: &[(&str, &str)] =
    &[("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true"), ("PROPUSK_ACCOUNTS__FIRST_ID", "1000000")];

/// A server that has adopted Anna (7) and Bob (8), who is disabled; there may be others.
async fn server() -> TestServer {
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(FIRST_ID);
    });
    let server = server.await;
    let account = |id: i64, name: &str, is_active: bool| {
        json!({
            "kind": "account", "id": id, "email": format!("{name}@example.com"), "username": name,
            "password": HASH, "verified": ["email"], "is_active": is_active,
        })
    };
    let expires_at = server.clock.now() + 86_400;
    let lines = [
        account(7, "anna", true),
        account(8, "bob", false),
        json!({"kind": "api_token", "account": 7, "sha256": KEY_SHA256}),
        json!({"kind": "spent_token", "jti": "spent", "expires_at": expires_at}),
    ];
    server.adopt(&lines).await;
    server
}

async fn complete(server: &TestServer) {
    server.auth.complete_adoption().await.expect("the database answers");
}

fn assert_later(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after").as_deref(), Some("30"));
}

/// A sign-in at each API.
fn sign_ins(name: &str, password: &str) -> [(&'static str, Value); 6] {
    let email = format!("{name}@example.com");
    [
        ("/api/auth/jwt/create/", json!({"username": email, "password": password})),
        ("/auth/token/login/", json!({"username": email, "password": password})),
        ("/api/auth/login/", json!({"username": name, "password": password})),
        ("/token", json!({"email": email, "password": password})),
        ("/authorization/login/email", json!({"email": email, "hash_password": PREHASHED})),
        ("/propusk/v1/sessions", json!({"identifier": email, "password": password})),
    ]
}

#[tokio::test]
async fn unknown_name_and_wrong_password_are_later_until_the_adoption_is_complete() {
    let server = server().await;
    for (path, body) in sign_ins("nobody", "a wrong password") {
        assert_later(&server.client.post(path, &body).await);
    }
    for name in ["anna", "bob"] {
        let unknown = sign_ins("nobody", "a wrong password");
        for ((path, body), (_, unknown)) in
            sign_ins(name, "a wrong password").into_iter().zip(unknown)
        {
            let answer = server.client.post(path, &body).await;
            assert_later(&answer);
            assert_eq!(answer.text(), server.client.post(path, &unknown).await.text(), "{path}");
        }
    }
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 200);
    // A disabled account may have been enabled there.
    assert_later(&sign_in(&server, "bob@example.com", PASSWORD).await);
    complete(&server).await;
    for name in ["nobody", "anna", "bob"] {
        for (path, body) in sign_ins(name, "a wrong password") {
            let answer = server.client.post(path, &body).await;
            assert!(answer.status.is_client_error(), "{path}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn signed_token_is_later_only_if_its_account_may_still_come() {
    let server = server().await;
    let refresh_token = |id, age, jti| django(&server, id, "refresh", age, jti);
    let access_token = |id| django(&server, id, "access", 0, "0123456789abcdef0123456789abcdef");
    let paths = ["/api/auth/jwt/refresh/", "/api/auth/token/refresh/", "/token/refresh"];
    for path in paths {
        for id in [8, 9] {
            let body = json!({"refresh": refresh_token(id, 0, "live")});
            assert_later(&server.client.post(path, &body).await);
        }
        let certain = [
            refresh_token(7, 301, "spent"),
            refresh_token(9, 86_400, "expired"),
            format!("{}x", refresh_token(9, 0, "forged")),
        ];
        for token in certain {
            let answer = server.client.post(path, &json!({"refresh": token})).await;
            assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        }
    }
    for id in [8, 9] {
        assert_later(&me(&server, &access_token(id)).await);
    }
    assert_eq!(me(&server, &access_token(7)).await.status, 200);
    server.auth.delete_account(7).await.expect("the database answers");
    assert_eq!(me(&server, &access_token(7)).await.status, 401);
    assert_eq!(refresh(&server, &refresh_token(7, 0, "deleted")).await.status, 401);
    complete(&server).await;
    for id in [8, 9] {
        assert_eq!(me(&server, &access_token(id)).await.status, 401);
        assert_eq!(refresh(&server, &refresh_token(id, 0, "live")).await.status, 401);
    }
}

#[tokio::test]
async fn unknown_key_is_later_and_one_that_was_signed_out_here_is_refused() {
    let server = server().await;
    let shown =
        async |key: &str| server.client.get("/auth/users/me/", Some(&format!("Token {key}"))).await;
    assert_eq!(shown(KEY).await.status, 200);
    assert_later(&shown(UNKNOWN_KEY).await);
    for token in PAIR {
        let bearer = format!("Bearer {token}");
        assert_later(&server.client.get("/auth/users/me/", Some(&bearer)).await);
    }
    let token = format!("Token {KEY}");
    let signed_out = server.client.post_as(&token, "/auth/token/logout/", &json!({})).await;
    assert_eq!(signed_out.status, 204);
    assert_eq!(shown(KEY).await.status, 401);
    complete(&server).await;
    assert_eq!(shown(UNKNOWN_KEY).await.status, 401);
}

#[tokio::test]
async fn unknown_application_and_refresh_token_are_later() {
    let server = server().await;
    server
        .adopt(&[
            json!({"kind": "account", "id": 7, "email": "anna@example.com"}),
            json!({"kind": "oauth_client", "id": "app"}),
        ])
        .await;
    let refresh = async |client: &str| {
        let body = json!({
            "grant_type": "refresh_token", "refresh_token": PAIR[1], "client_id": client,
        });
        server.client.post("/auth/token/", &body).await
    };
    for client in ["app", "another"] {
        assert_later(&refresh(client).await);
    }
    complete(&server).await;
    for client in ["app", "another"] {
        let answer = refresh(client).await;
        assert!(answer.status.is_client_error(), "{client}: {}", answer.text());
    }
}

#[tokio::test]
async fn registration_waits_for_the_names_that_still_come() {
    let server = server().await;
    for name in ["new@example.com", "anna@example.com"] {
        assert_later(&register(&server, "email", name).await);
    }
    complete(&server).await;
    assert_eq!(register(&server, "email", "new@example.com").await.status, 201);
}

#[tokio::test]
async fn wrong_current_password_and_mailed_link_are_later() {
    let server = server().await;
    let access = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    let change = async || {
        let body = json!({"current_password": "a wrong one", "new_password": "another fair one"});
        let bearer = format!("Bearer {access}");
        server.client.post_as(&bearer, "/api/auth/users/set_password/", &body).await
    };
    let activate = async |uid: &str| {
        let body = json!({"uid": uid, "token": "dkl9yu-0123456789abcdef0123456789abcdef"});
        server.client.post("/auth/users/activation/", &body).await
    };
    assert_later(&change().await);
    // Bob, and an account that is not here.
    for uid in ["OA", "OQ"] {
        assert_later(&activate(uid).await);
    }
    complete(&server).await;
    assert_eq!(change().await.status, 400);
    for uid in ["OA", "OQ"] {
        assert!(activate(uid).await.status.is_client_error());
    }
}

async fn adopt(operator: &Operator, arguments: &[&str]) {
    let arguments = [&["adopt"], arguments].concat();
    let Finished { status, stderr, .. } = operator.run(SETTINGS, &arguments, "").await;
    assert!(status.success(), "{arguments:?}: {stderr}");
}

async fn assert_refused(operator: &Operator, arguments: &[&str], error: &str) {
    let said = operator.refused(SETTINGS, &[&["adopt"], arguments].concat()).await;
    assert!(said.contains(error), "{said}");
}

#[tokio::test]
async fn operator_ends_the_adoption_and_every_running_server_knows_it() {
    let operator = Operator::new().await;
    let server = operator.start(SETTINGS).await;
    let unknown = async || sign_in(&server.client, "nobody@example.com", PASSWORD).await;
    assert_eq!(unknown().await.status, 401);
    assert_refused(&operator, &["--complete"], "nothing was adopted").await;
    let account = json!({"kind": "account", "id": 7, "email": "anna@example.com"});
    operator.write("accounts.jsonl", &import_file(1_000, &[account]));
    adopt(&operator, &["accounts.jsonl", "--dry-run"]).await;
    assert_eq!(unknown().await.status, 401);
    adopt(&operator, &["accounts.jsonl"]).await;
    assert_later(&unknown().await);
    // A copy that was interrupted cannot be declared whole.
    assert_refused(&operator, &["--complete"], "the last file is not stored as a whole").await;
    assert_later(&unknown().await);
    adopt(&operator, &["accounts.jsonl", "--final"]).await;
    assert_later(&unknown().await);
    assert_refused(&operator, &["accounts.jsonl"], "the last file is stored already").await;
    adopt(&operator, &["--complete"]).await;
    assert_eq!(unknown().await.status, 401);
    adopt(&operator, &["--complete"]).await;
    assert_refused(&operator, &["accounts.jsonl"], "the adoption is complete").await;
    adopt(&operator, &["accounts.jsonl", "--reopen"]).await;
    assert_later(&unknown().await);
    assert_refused(&operator, &["--complete"], "the last file is not stored as a whole").await;
}

#[tokio::test]
async fn open_adoption_is_known_after_a_restart() {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let account = json!({"kind": "account", "id": 7, "email": "anna@example.com"});
    operator.write("accounts.jsonl", &import_file(1_000, &[account]));
    adopt(&operator, &["accounts.jsonl"]).await;
    let server = operator.start(SETTINGS).await;
    assert_later(&sign_in(&server.client, "nobody@example.com", PASSWORD).await);
}
