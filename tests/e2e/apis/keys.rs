//! APIs with a key of their own: what it signs is good there alone.

use propusk_server::auth::Hs256;
use propusk_server::config::{Secret, Signing};
use propusk_tests::SECRET;
use propusk_tests::operator::{NO_SECRET, Operator};
use propusk_tests::process::Finished;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::{claims_of, django};
use propusk_tests::user::{PASSWORD, new_account, signed_in, verify};
use serde_json::{Value, json};

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";
const KEY: &str = "a key of the shop alone 0123456789abcdef";

async fn with_own_key(accepts_foreign: bool) -> TestServer {
    TestServer::with(|config| {
        config.tokens.accept_foreign = accepts_foreign;
        config.accounts.first_id = accepts_foreign.then_some(1_000);
        serve(config, "shop", "/shop", |api| api.signing_key = Some(Secret::new(KEY)));
        serve(config, "staff", "/staff", |_| {});
    })
    .await
}

/// The status of the profile at an API with this access token.
async fn profile(server: &TestServer, prefix: &str, access: &str) -> u16 {
    let header = format!("Bearer {access}");
    let answer = server.client.get(&format!("{prefix}/users/me/"), Some(&header)).await;
    answer.status.as_u16()
}

async fn verify_at(server: &TestServer, prefix: &str, token: &str) -> u16 {
    let body = json!({"token": token});
    server.client.post(&format!("{prefix}/jwt/verify/"), &body).await.status.as_u16()
}

/// The same claims under another key.
fn signed_anew(token: &str, key: &str) -> String {
    Hs256::new(key.as_bytes()).sign(claims_of(token).to_string().as_bytes())
}

#[tokio::test]
async fn token_under_the_key_of_an_api_is_good_there_alone() {
    let server = with_own_key(false).await;
    new_account(&server, ANNA).await;
    let pair = sign_in_at(&server.client, "/shop", ANNA).await;
    let (access, refresh) = (pair.field("access"), pair.field("refresh"));
    assert!(Hs256::new(KEY.as_bytes()).verify(&access).is_some());
    assert!(Hs256::new(KEY.as_bytes()).verify(&refresh).is_some());
    for (prefix, status) in [("/shop", 200), ("/staff", 401), ("/api/auth", 401)] {
        assert_eq!(profile(&server, prefix, &access).await, status, "{prefix}");
        for token in [&access, &refresh] {
            assert_eq!(verify_at(&server, prefix, token).await, status, "{prefix}");
        }
        let refreshed = refresh_at(&server.client, prefix, &refresh).await;
        assert_eq!(refreshed.status, status, "{prefix}");
    }
    let native = format!("Bearer {access}");
    assert_eq!(server.client.get("/propusk/v1/account", Some(&native)).await.status, 401);
    // The others' own tokens open it as before.
    let (other, _) = signed_in(&server, ANNA).await;
    assert_eq!(profile(&server, "/shop", &other).await, 200);
    assert_eq!(verify_at(&server, "/shop", &other).await, 200);
}

#[tokio::test]
async fn holder_of_the_key_of_an_api_cannot_speak_for_another() {
    let server = with_own_key(true).await;
    server.import(ANNA, PASSWORD, 1, None).await;
    // Tokens of other APIs, signed anew with the key.
    let (access, refresh) = signed_in(&server, ANNA).await;
    for token in [&access, &refresh] {
        let forged = signed_anew(token, KEY);
        for prefix in ["/shop", "/staff", "/api/auth"] {
            assert_eq!(profile(&server, prefix, &forged).await, 401, "{prefix}");
            assert_eq!(verify_at(&server, prefix, &forged).await, 401, "{prefix}");
            assert_eq!(refresh_at(&server.client, prefix, &forged).await.status, 401, "{prefix}");
        }
    }
    assert_eq!(profile(&server, "/staff", &access).await, 200);
}

#[tokio::test]
async fn tokens_of_a_replaced_server_are_good_where_their_key_is() {
    let server = with_own_key(true).await;
    server.import(ANNA, PASSWORD, 1, None).await;
    let jti = "0123456789abcdef0123456789abcdef";
    let [access, refresh] = ["access", "refresh"].map(|kind| django(&server, 1, kind, 0, jti));
    let [of_shop, refresh_of_shop] = [&access, &refresh].map(|token| signed_anew(token, KEY));
    for (prefix, own, other, status) in [
        ("/shop", &of_shop, &access, 200),
        ("/staff", &access, &of_shop, 200),
        ("/api/auth", &access, &of_shop, 200),
    ] {
        assert_eq!(profile(&server, prefix, own).await, status, "{prefix}");
        assert_eq!(profile(&server, prefix, other).await, 401, "{prefix}");
        assert_eq!(verify_at(&server, prefix, own).await, status, "{prefix}");
        assert_eq!(verify_at(&server, prefix, other).await, 401, "{prefix}");
    }
    // One id under two keys is two tokens: the end of one is not the end of the other.
    let ended = server.client.post("/shop/logout/", &json!({"refresh": refresh_of_shop})).await;
    assert_eq!(ended.status, 200);
    assert_eq!(refresh_at(&server.client, "/shop", &refresh_of_shop).await.status, 401);
    assert_eq!(refresh_at(&server.client, "/shop", &refresh).await.status, 401);
    assert_eq!(refresh_at(&server.client, "/staff", &refresh).await.status, 200);
    assert_eq!(verify(&server, &refresh).await.status, 200);
}

#[tokio::test]
async fn holder_of_the_key_of_an_api_ends_no_token_of_another_form() {
    // Tokens with a user name are known by their uuid.
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
        config.dialect("prehashed").signing = Some(Signing::Shared);
        serve(config, "uuid", "/uuid", |api| api.signing_key = Some(Secret::new(KEY)));
    })
    .await;
    server.import(ANNA, PASSWORD, 1, None).await;
    server.import("bob@example.com", PASSWORD, 2, None).await;
    let uuid = "c0138461-f9b5-4255-8925-85c26631a8cf";
    let header = json!({"alg": "HS256", "typ": "JWT", "uuid": uuid});
    let claims = json!({
        "user_name": ANNA, "header": header, "exp": server.clock.now() + 3_000,
        "mode": "refresh_token",
    });
    let named = Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes());
    let forged = signed_anew(&django(&server, 2, "refresh", 0, uuid), KEY);
    let ended = server.client.post("/uuid/logout/", &json!({"refresh": forged})).await;
    assert_eq!(ended.status, 200, "{}", ended.text());
    let body = json!({"refresh": named});
    let renewed = server.client.post("/validate/jwt/refresh", &body).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
}

#[tokio::test]
async fn token_that_a_server_remembers_gets_the_answer_of_a_new_one() {
    let server = with_own_key(true).await;
    server.import(ANNA, PASSWORD, 1, None).await;
    let (access, _) = signed_in(&server, ANNA).await;
    let of_shop = sign_in_at(&server.client, "/shop", ANNA).await.field("access");
    let replaced = django(&server, 1, "access", 0, "0123456789abcdef0123456789abcdef");
    let forged = signed_anew(&access, KEY);
    // At first each token comes to the API with the key as a new one, and then from the others.
    for prefix in ["/shop", "/staff", "/api/auth", "/shop", "/staff", "/api/auth"] {
        let is_shop = prefix == "/shop";
        for (token, is_good) in
            [(&access, true), (&of_shop, is_shop), (&replaced, !is_shop), (&forged, false)]
        {
            let status = if is_good { 200 } else { 401 };
            assert_eq!(profile(&server, prefix, token).await, status, "{prefix}");
            assert_eq!(verify_at(&server, prefix, token).await, status, "{prefix}");
        }
    }
    // Neither does the server's own API know the token that was used in the shop.
    for (token, status) in [(&access, 200), (&of_shop, 401)] {
        let header = format!("Bearer {token}");
        let answer = server.client.get("/propusk/v1/account", Some(&header)).await;
        assert_eq!(answer.status, status);
    }
}

#[tokio::test]
async fn key_that_is_weak_or_of_another_is_refused_and_never_shown() {
    let operator = Operator::new().await;
    let block = |name: &str, key: &str| {
        format!(
            "[apis.{name}]\ndialect = \"djoser_jwt\"\nprefix = \"/{name}\"\nsigning_key = \"{key}\"\n"
        )
    };
    for (settings, problem) in [
        (block("shop", "short"), "apis.shop.signing_key: must have at least 32 bytes"),
        (block("shop", SECRET), "apis.shop.signing_key: is tokens.secret too"),
        (
            block("shop", KEY) + &block("staff", KEY),
            "apis.staff.signing_key: is apis.shop.signing_key too",
        ),
    ] {
        operator.write("propusk.toml", &settings);
        let said = operator.refused(&[("PROPUSK_TOKENS__SECRET", SECRET)], &["check-config"]).await;
        assert!(said.contains(problem), "{said}");
        assert!(!said.contains(KEY), "{said}");
    }
    operator.write("propusk.toml", &block("shop", KEY));
    let checked = operator.run(&[], &["check-config", "--json"], "").await;
    assert!(checked.status.success(), "{}", checked.stderr);
    assert!(!checked.stdout.contains(KEY), "{}", checked.stdout);
    let lines = checked.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON"));
    let lines: Vec<Value> = lines.collect();
    let shown = lines.iter().find(|line| line["key"] == "apis.shop.signing_key");
    assert_eq!(shown.map(|line| &line["value"]), Some(&json!("[redacted]")));
}

#[tokio::test]
async fn generated_secret_of_the_server_is_no_key_of_an_api() {
    let operator = Operator::new().await;
    operator.start(&[NO_SECRET]).await.terminate().await;
    let path = operator.path().join("secret");
    let settings = format!(
        "[apis.shop]\ndialect = \"djoser_jwt\"\nprefix = \"/shop\"\nsigning_key_file = \"{}\"\n",
        path.display()
    );
    operator.write("propusk.toml", &settings);
    for command in [&[] as &[_], &["check-config"]] {
        let Finished { status, stdout, stderr } = operator.run(&[NO_SECRET], command, "").await;
        assert!(!status.success(), "{command:?}");
        let problem = "apis.shop.signing_key: is the server's secret too";
        assert!(stderr.contains(problem), "{stderr}");
        let secret = std::fs::read_to_string(&path).expect("the secret");
        assert!(![stdout, stderr].iter().any(|said| said.contains(secret.trim())));
    }
}
