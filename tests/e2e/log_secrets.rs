//! No password and no token reaches the log, whatever is asked and however much is logged; and no token
//! that opens something without a password is in the database.

use propusk_tests::SECRET;
use propusk_tests::database::Database;
use propusk_tests::http::{Answer, Client};
use propusk_tests::links::Link;
use propusk_tests::process::{Process, run};
use propusk_tests::smtp::{Behaviour, SmtpServer};
use serde_json::{Value, json};
use tempfile::TempDir;

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
        prehashed(&server.client).await,
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
    assert!(log.contains("/validate/jwt/access"), "and by their routes");
    assert!(log.contains("DEBUG"), "everything is logged");
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
}

#[tokio::test]
async fn a_mailed_token_is_in_its_mail_and_nowhere_else() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let smtp = SmtpServer::start().await;
    let url = smtp.url();
    let settings = [("PROPUSK_LOG", "trace"), ("PROPUSK_MAIL__SMTP_URL", url.as_str())];
    let server = Process::start(data.path(), database.url(), &settings).await;

    smtp.behave(Behaviour::Greylist);
    let opaque = asks_for_mails(&server.client).await;
    let listed = run(data.path(), database.url(), &[], &["mail", "list"], "").await.stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    let mut kept = vec![listed, stored(&data, &database).await];
    smtp.behave(Behaviour::Fine);
    while smtp.mails().len() < 3 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let links: Vec<_> =
        smtp.mails().iter().map(|mail| Link::of(&mail.letter()).expect("a link")).collect();
    presents(&server.client, &links).await;
    kept.push(stored(&data, &database).await);
    let (_, log) = server.terminate().await;
    assert!(log.contains("outbox"), "statements are logged:\n{log}");
    kept.push(log);
    for secret in links.iter().flat_map(|link| [&link.token, &link.url]).chain([&opaque]) {
        for text in &kept {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{secret} was kept or logged");
        }
    }
}

/// Three mails, and the opaque token of a sign-in, used in a header and in a URL.
async fn asks_for_mails(client: &Client) -> String {
    let new = json!({"email": "dan@example.com", "password": PASSWORD, "re_password": PASSWORD});
    assert_eq!(client.post("/auth/users/", &new).await.status, 201);
    let active = json!({"email": "eve@example.com", "password": PASSWORD});
    assert_eq!(client.post("/api/auth/users/", &active).await.status, 201);
    let asked = json!({"email": "eve@example.com"});
    assert_eq!(client.post("/auth/users/reset_password/", &asked).await.status, 204);
    assert_eq!(client.post("/api/auth/password/reset/", &asked).await.status, 200);
    let credentials = json!({"username": "eve@example.com", "password": PASSWORD});
    let key = client.post("/auth/token/login/", &credentials).await.field("auth_token");
    let me = "/auth/users/me/";
    assert_eq!(client.get(me, Some(&format!("Token {key}"))).await.status, 200);
    assert_eq!(client.get(&format!("{me}?access_token={key}"), None).await.status, 200);
    key
}

/// Uses every link where it belongs and where it does not, on pages and by the APIs.
async fn presents(client: &Client, links: &[Link]) {
    for Link { uid, token, .. } in links {
        for path in ["auth/activate", "auth/reset", "auth/reset-email", "nowhere"] {
            client.get(&format!("/{path}/{uid}/{token}"), None).await;
            client.get(&format!("/{path}/{uid}/{token}/"), None).await;
        }
        let query = format!("/api/auth/password/reset/confirm/?uid={uid}&token={token}");
        client.get(&query, None).await;
        client.post(&query, &json!({"new_password": NEW_PASSWORD})).await;
        let body = json!({"uid": uid, "token": token, "new_password": NEW_PASSWORD});
        for path in ["activation", "reset_password_confirm"] {
            client.post(&format!("/auth/users/{path}/"), &body).await;
            client.post(&format!("/auth/users/{path}/"), &body).await;
        }
    }
}

/// The whole database, and whatever else the server keeps.
async fn stored(data: &TempDir, database: &Database) -> String {
    let mut bytes = database.dump().await.unwrap_or_default().into_bytes();
    for entry in std::fs::read_dir(data.path()).expect("the data directory") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            bytes.extend(std::fs::read(path).expect("a file"));
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
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

/// Its document has tokens in the query.
async fn prehashed(client: &Client) -> Vec<String> {
    let account = json!({"phone_number": "+79123456789", "email": "dan@example.com", "hash_password": PASSWORD});
    let mut tokens = signed_in(client, "/authorization/registration", &account).await;
    client.post("/authorization/registration", &account).await;
    tokens.extend(signed_in(client, "/authorization/login/email", &account).await);
    for path in ["/authorization/login/email", "/authorization/login/phone/number"] {
        let mut wrong = account.clone();
        wrong["hash_password"] = WRONG_PASSWORD.into();
        client.post(path, &wrong).await;
        wrong["hash_password"] = json!([PASSWORD]);
        client.post(path, &wrong).await;
        client.get(&format!("{path}?hash_password={PASSWORD}"), None).await;
    }
    for token in tokens.clone() {
        for (path, name) in
            [("/validate/jwt/access", "access"), ("/validate/jwt/refresh", "refresh")]
        {
            let answer = client.get(&format!("{path}?{name}={token}"), None).await;
            tokens.extend(answer.json()["access"].as_str().map(str::to_owned));
            client.get(&format!("{path}/?{name}={token}&{name}={token}x"), None).await;
            client.get(&format!("{path}/{token}"), None).await;
            client.post(path, &json!({ name: token })).await;
        }
        presented(client, "/validate/jwt/access", &[token]).await;
    }
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
