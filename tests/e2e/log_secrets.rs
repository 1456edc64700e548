//! No password and no token reaches the log, whatever is asked and however much is logged.

use propusk_tests::SECRET;
use propusk_tests::database::Database;
use propusk_tests::http::{Answer, Client};
use propusk_tests::process::Process;
use serde_json::{Value, json};

const PASSWORD: &str = "canary-password-4f1c";
const WRONG_PASSWORD: &str = "canary-wrong-password-9b27";
const NEW_PASSWORD: &str = "canary-new-password-77de";

#[tokio::test]
async fn no_secret_reaches_the_log_at_its_finest_level() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let server = Process::start(data.path(), database.url(), &[("PROPUSK_LOG", "trace")]).await;
    let mut secrets = [PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, SECRET].map(str::to_owned).to_vec();
    for tokens in [
        simplejwt(&server.client).await,
        rotating(&server.client).await,
        djoser(&server.client).await,
    ] {
        // A signature alone would do to complete a token.
        secrets
            .extend(tokens.iter().filter_map(|token| token.rsplit('.').next()).map(str::to_owned));
        secrets.extend(tokens);
    }
    let (_, log) = server.terminate().await;
    assert!(
        log.lines().filter(|line| line.contains("/token")).count() > 3,
        "requests are logged:\n{log}"
    );
    assert!(log.contains("DEBUG"), "everything is logged");
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

/// Sends good, wrong and misplaced credentials, and returns the tokens.
async fn simplejwt(client: &Client) -> Vec<String> {
    let account = json!({"username": "ann", "email": "ann@example.com", "password": PASSWORD});
    client.post("/api/auth/register/", &account).await;
    client.post("/api/auth/register/", &account).await;
    let tokens =
        signed_in(client, "/api/auth/login/", &json!({"username": "ann", "password": PASSWORD}))
            .await;
    client.post("/api/auth/login/", &json!({"username": "ann", "password": WRONG_PASSWORD})).await;
    client
        .post("/api/auth/login/", &json!({"username": PASSWORD, "password": {"a": PASSWORD}}))
        .await;
    presented(client, "/api/auth/profile/", &tokens).await;
    refreshed(client, "/api/auth/token/refresh/", tokens).await
}

async fn rotating(client: &Client) -> Vec<String> {
    let account = json!({"login": "bob", "email": "bob@example.com", "password": PASSWORD});
    client.post("/v1/creat_autor", &account).await;
    let tokens = signed_in(client, "/token", &account).await;
    client.post("/token", &json!({"email": "bob@example.com", "password": WRONG_PASSWORD})).await;
    for token in &tokens {
        client.post("/token/verify", &json!({"token": token})).await;
    }
    refreshed(client, "/token/refresh", tokens).await
}

async fn djoser(client: &Client) -> Vec<String> {
    client
        .post("/api/auth/users/", &json!({"email": "cid@example.com", "password": PASSWORD}))
        .await;
    let credentials = json!({"username": "cid@example.com", "password": PASSWORD});
    let tokens = signed_in(client, "/api/auth/jwt/create/", &credentials).await;
    client
        .post(
            "/api/auth/jwt/create/",
            &json!({"username": "cid@example.com", "password": WRONG_PASSWORD}),
        )
        .await;
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    client
        .post_as(&format!("Bearer {}", tokens[0]), "/api/auth/users/set_password/", &change)
        .await;
    presented(client, "/api/auth/users/me/", &tokens).await;
    let tokens = refreshed(client, "/api/auth/jwt/refresh/", tokens).await;
    client.post("/api/auth/logout/", &json!({"refresh": tokens[1]})).await;
    tokens
}

async fn signed_in(client: &Client, path: &str, credentials: &Value) -> Vec<String> {
    let pair = client.post(path, credentials).await;
    vec![pair.field("access"), pair.field("refresh")]
}

/// Sends the tokens where they belong and where they do not: paths, queries, other schemes.
async fn presented(client: &Client, path: &str, tokens: &[String]) {
    for token in tokens {
        for header in [
            format!("Bearer {token}"),
            token.clone(),
            format!("Bearer {token}x"),
            format!("Token {token} x"),
        ] {
            client.get(path, Some(&header)).await;
        }
        client.get(&format!("{path}?access={token}"), None).await;
        client.get(&format!("{path}{token}"), None).await;
        client.get(&format!("/{token}/{PASSWORD}"), None).await;
    }
}

async fn refreshed(client: &Client, path: &str, mut tokens: Vec<String>) -> Vec<String> {
    for token in tokens.clone() {
        let answer = client.post(path, &json!({"refresh": token})).await;
        tokens.extend(access_in(&answer));
    }
    tokens
}

fn access_in(answer: &Answer) -> Option<String> {
    (answer.status == 200).then(|| answer.field("access"))
}
