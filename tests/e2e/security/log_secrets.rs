//! No password and no token reaches the log, whatever the requests, the log level and the form of its
//! lines, nor the metrics, nor an event; and no token that works without a password is in the
//! database. The same holds for tokens, codes and secrets of providers.

use std::collections::HashMap;

use hyper::Request;
use propusk_server::store;
use propusk_stand_in::{Behaviour as Disorder, Endpoint, Provider, StandIn, User};
use propusk_tests::SECRET;
use propusk_tests::database::Database;
use propusk_tests::http::{Answer, Client};
use propusk_tests::links::Link;
use propusk_tests::operator::column;
use propusk_tests::process::{Process, run};
use propusk_tests::providers::{CLIENT_ID, name_of, register_at, root_of, variables};
use propusk_tests::smtp::{Behaviour, SmtpServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::providers::{CHALLENGE, REDIRECT, VERIFIER, browse, href, parameter};

const PASSWORD: &str = "canary-password-4f1c";
const WRONG_PASSWORD: &str = "canary-wrong-password-9b27";
const NEW_PASSWORD: &str = "canary-new-password-77de";

#[tokio::test]
async fn secrets_reach_no_log_at_its_finest_level() {
    assert_no_secret_is_logged("text").await;
}

#[tokio::test]
async fn secrets_reach_no_log_in_json_at_its_finest_level() {
    assert_no_secret_is_logged("json").await;
}

async fn assert_no_secret_is_logged(format: &str) {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let settings = [
        ("PROPUSK_LOG", "trace"),
        ("PROPUSK_LOG_FORMAT", format),
        ("PROPUSK_METRICS__LISTEN", "127.0.0.1:0"),
    ];
    let server = Process::start(data.path(), database.url(), &settings).await;
    let mut secrets = [PASSWORD, WRONG_PASSWORD, NEW_PASSWORD, SECRET].map(str::to_owned).to_vec();
    for tokens in [
        simplejwt(&server.client).await,
        rotating(&server.client).await,
        djoser(&server.client).await,
        api_token(&server.client).await,
        prehashed(&server.client).await,
        native(&server.client).await,
    ] {
        // With the signature alone a token could be completed.
        secrets
            .extend(tokens.iter().filter_map(|token| token.rsplit('.').next()).map(str::to_owned));
        secrets.extend(tokens);
    }
    let metrics = server.metrics().get("/metrics", None).await.text();
    assert!(metrics.contains("/validate/jwt/access"), "requests are counted:\n{metrics}");
    let (_, log) = server.terminate().await;
    assert!(
        log.lines().filter(|line| line.contains("/token")).count() > 3,
        "requests are logged:\n{log}"
    );
    assert!(log.contains("/validate/jwt/access"), "and by their routes");
    assert!(log.contains("DEBUG"), "everything is logged");
    let all = ["events", "--json", "--limit", "100000"];
    let events = run(data.path(), database.url(), &[], &all, "").await.stdout;
    for name in ["registered", "signed_in", "refused", "password_changed"] {
        assert!(events.contains(name), "{name} is an event:\n{events}");
    }
    for secret in secrets {
        let mut lines = log.lines().chain(metrics.lines()).chain(events.lines());
        let line = lines.find(|line| line.contains(&secret));
        assert_eq!(line, None, "{secret} is in the log, the metrics or the events");
    }
}

#[tokio::test]
async fn mailed_token_is_in_its_mail_and_nowhere_else() {
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

const APP_SECRET: &str = "canary-secret-of-an-application";
const WRONG_SECRET: &str = "canary-wrong-secret-of-an-application";

#[tokio::test]
async fn secrets_of_a_sign_in_with_a_provider_are_not_logged_or_stored() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let stand_in = StandIn::start().await.expect("the stand-in starts");
    for strict in ["false", "true"] {
        let mut settings = variables(&stand_in);
        for (name, value) in [
            ("PROPUSK_LOG", "trace"),
            ("PROPUSK_REDIRECTS__ALLOWED", REDIRECT),
            ("PROPUSK_DIALECTS__PREHASHED__STRICT", strict),
        ] {
            settings.push((name.to_owned(), value.to_owned()));
        }
        let settings: Vec<_> = settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let server = Process::start(data.path(), database.url(), &settings).await;
        register_at(&stand_in, &format!("http://{}", server.address));
        let client = ["client", "create", "--id", "app", "--name", "App", "--secret", APP_SECRET];
        run(data.path(), database.url(), &[], &client, "").await;
        let mut secrets = [APP_SECRET, WRONG_SECRET, VERIFIER].map(str::to_owned).to_vec();
        let visitors = Provider::ALL.map(|provider| Visitor {
            client: &server.client,
            stand_in: &stand_in,
            provider,
        });
        for (visitor, id) in visitors.iter().zip(["801", "802", "803", "804"]) {
            stand_in.sign_in_as(visitor.provider, User::new(format!("user{id}")).with_id(id));
            secrets.extend(visitor.signs_in_with_an_app().await);
            secrets.extend(visitor.links_and_unlinks().await);
            secrets.extend(visitor.fetches_tokens().await);
        }
        let store = store::connect(database.url(), data.path()).await.expect("the database");
        let sealed = "select provider from pending_sign_ins where sealed is not null";
        // Redeemed codes are deleted; a handle of each provider remains.
        let left = if strict == "true" { Provider::ALL.len() } else { 0 };
        assert_eq!(column(&store, sealed, sealed).await.len(), left, "strict {strict}");
        drop(store);
        let mut kept = stored(&data, &database).await;
        for visitor in &visitors {
            secrets.extend(visitor.converts().await);
            secrets.extend(visitor.meets_faults().await);
        }
        secrets.extend(secrets_sent_to(&stand_in));
        kept += &stored(&data, &database).await;
        let (_, log) = server.terminate().await;
        assert!(log.contains("pending_sign_ins"), "statements are logged");
        assert!(log.contains("the request to the provider failed"), "and what failed");
        assert!(secrets.len() > 100);
        assert_eq!(first_in(&kept, &secrets), None, "it was kept");
        assert_eq!(first_in(&log, &secrets), None, "it was logged");
        assert_eq!(first_in(&format!("{log}{}", secrets[50]), &secrets), Some(&*secrets[50]));
    }
}

/// The first secret that occurs in a text. One pass, because there are many secrets and the text is
/// long.
fn first_in<'s>(text: &str, secrets: &'s [String]) -> Option<&'s str> {
    let mut by_start: HashMap<&[u8], Vec<&str>> = HashMap::new();
    for secret in secrets {
        let start = secret.as_bytes().get(..8).expect("a secret of eight letters at least");
        by_start.entry(start).or_default().push(secret);
    }
    text.as_bytes().windows(8).enumerate().find_map(|(at, start)| {
        let rest = &text.as_bytes()[at..];
        by_start.get(start)?.iter().find(|secret| rest.starts_with(secret.as_bytes())).copied()
    })
}

/// All secrets that the providers received, and the states of the authorization requests.
fn secrets_sent_to(stand_in: &StandIn) -> Vec<String> {
    const SECRET: [&str; 6] =
        ["state", "code", "code_verifier", "client_secret", "access_token", "refresh_token"];
    let mut secrets = Vec::new();
    for request in stand_in.requests() {
        let fields = request.query.iter().chain(&request.form);
        let fields = fields.filter(|(name, _)| SECRET.contains(&name.as_str()));
        secrets.extend(fields.map(|(_, value)| value.clone()).filter(|value| !value.is_empty()));
        let header = request.header("authorization").and_then(|text| text.rsplit(' ').next());
        secrets.extend(header.map(str::to_owned));
    }
    secrets
}

/// A user with an account at a provider.
struct Visitor<'s> {
    client: &'s Client,
    stand_in: &'s StandIn,
    provider: Provider,
}

/// Each method returns the secrets that it has seen.
impl Visitor<'_> {
    async fn begin(&self) -> Answer {
        let body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE});
        let path = format!("/propusk/v1/providers/{}/start", name_of(self.provider));
        self.client.post(&path, &body).await
    }

    /// The path and query to which the provider sends the browser back.
    async fn consent(&self, authorize_url: &str) -> String {
        let location = browse(authorize_url).await.header("location").expect("a way back");
        let url = url::Url::parse(&location).expect("a URL");
        url[url::Position::BeforePath..].to_owned()
    }

    async fn visit(&self, path: &str) -> Answer {
        let request = Request::get(path).header("Accept", "text/html");
        let request = request.body(http_body_util::Full::default()).expect("a path");
        self.client.send(request).await.expect("an answer")
    }

    async fn complete(&self, code: &str, verifier: &str) -> Answer {
        let body = json!({"code": code, "code_verifier": verifier});
        self.client.post("/propusk/v1/providers/complete", &body).await
    }

    /// Signs in, once with a wrong code verifier and once correctly, and then repeats everything.
    async fn signs_in_with_an_app(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for verifier in [WRONG_SECRET, VERIFIER] {
            let started = self.begin().await;
            let callback = self.consent(&started.field("authorize_url")).await;
            let code = parameter(&href(&self.visit(&callback).await), "code");
            let done = self.complete(&code, verifier).await;
            assert_eq!(done.status == 200, verifier == VERIFIER, "{}", done.text());
            self.complete(&code, verifier).await;
            self.visit(&callback).await;
            self.client.get(&format!("/propusk/v1/providers/complete?code={code}"), None).await;
            secrets.extend([started.field("state"), parameter(&callback, "code"), code]);
            if done.status == 200 {
                let key = done.field("access_token");
                presented(self.client, "/api/auth/users/me/", std::slice::from_ref(&key)).await;
                secrets.push(key);
            }
        }
        secrets
    }

    /// Links another identity to a session's account, with wrong and right verifiers.
    async fn links_and_unlinks(&self) -> Vec<String> {
        let email = format!("{}@example.org", name_of(self.provider));
        let account = json!({"email": email, "password": PASSWORD});
        self.client.post("/propusk/v1/accounts", &account).await;
        let body = json!({"identifier": email, "password": PASSWORD});
        let session = self.client.post("/propusk/v1/sessions", &body).await.field("access_token");
        let bearer = format!("Bearer {session}");
        let mut secrets = vec![session, PASSWORD.to_owned()];
        for verifier in [WRONG_SECRET, VERIFIER] {
            let body = json!({
                "redirect": REDIRECT, "code_challenge": CHALLENGE, "link": true,
                "current_password": PASSWORD,
            });
            let path = format!("/propusk/v1/providers/{}/start", name_of(self.provider));
            let started = self.client.post_as(&bearer, &path, &body).await;
            let callback = self.consent(&started.field("authorize_url")).await;
            let code = parameter(&href(&self.visit(&callback).await), "code");
            let body = json!({"code": code, "code_verifier": verifier});
            for path in ["account/identities", "providers/complete", "account/identities"] {
                self.client.post_as(&bearer, &format!("/propusk/v1/{path}"), &body).await;
            }
            secrets.extend([started.field("state"), parameter(&callback, "code"), code]);
        }
        secrets
    }

    /// With the endpoints of the recorded API; the tokens are the provider's, or handles for them.
    async fn fetches_tokens(&self) -> Vec<String> {
        let root = root_of(self.provider);
        let link = self.client.get(&format!("{root}/link"), None).await;
        let link = link.json().as_str().expect("a text").to_owned();
        let callback = self.consent(&link).await;
        let returned = self.client.get(&callback, None).await;
        let code = returned.field("code");
        let device = returned.json()["device_id"].as_str().unwrap_or("x").to_owned();
        let path = format!("{root}/get/token?code={code}&device_id={device}");
        let tokens = self.client.get(&path, None).await;
        assert_eq!(tokens.status, 200, "{}", tokens.text());
        self.client.get(&path, None).await;
        let mut secrets = vec![parameter(&link, "state"), parameter(&callback, "code"), code];
        secrets.extend(tokens.json()["refresh_token"].as_str().map(str::to_owned));
        let token = tokens.field("access_token");
        for path in ["registration", "login", "nowhere"] {
            for token in [token.clone(), format!("{token}x")] {
                let path = format!("{root}/{path}?access_token={token}");
                let pair = self.client.get(&path, None).await;
                if pair.status == 200 {
                    secrets.extend([pair.field("access"), pair.field("refresh")]);
                }
            }
        }
        secrets.push(token);
        secrets
    }

    /// Converts, refreshes, revokes, each also with a wrong secret and token.
    async fn converts(&self) -> Vec<String> {
        let backend = match self.provider {
            Provider::Google => "google-oauth2",
            Provider::Vk => "vk-oauth2",
            Provider::Yandex => "yandex-oauth2",
            Provider::MailRu => "mailru",
        };
        let user = User::new(format!("app-{backend}")).with_id("999");
        let token = self.stand_in.access_token(self.provider, CLIENT_ID, &user);
        let mut secrets = vec![token.clone()];
        let mut refresh = String::new();
        for (secret, token) in
            [(WRONG_SECRET, &*token), (APP_SECRET, "canary-bad-token"), (APP_SECRET, &*token)]
        {
            let body = json!({
                "grant_type": "convert_token", "backend": backend, "client_id": "app",
                "client_secret": secret, "token": token,
            });
            let answer = self.client.post("/auth/convert-token/", &body).await;
            if answer.status == 200 {
                refresh = answer.field("refresh_token");
                secrets.extend([answer.field("access_token"), refresh.clone()]);
            }
        }
        for secret in [WRONG_SECRET, APP_SECRET, APP_SECRET] {
            let body = json!({
                "grant_type": "refresh_token", "refresh_token": refresh, "client_id": "app",
                "client_secret": secret,
            });
            let query = format!("/auth/token/?refresh_token={refresh}&client_secret={secret}");
            self.client.post(&query, &body).await;
            let answer = self.client.post("/auth/token/", &body).await;
            if answer.status == 200 {
                refresh = answer.field("refresh_token");
                let access = answer.field("access_token");
                let body = json!({"client_id": "app", "client_secret": secret, "token": refresh});
                presented(self.client, "/auth/users/me/", std::slice::from_ref(&access)).await;
                let bearer = format!("Bearer {access}");
                let revoked = self.client.post_as(&bearer, "/auth/revoke-token/", &body).await;
                assert_eq!(revoked.status, 204, "{}", revoked.text());
                secrets.extend([access, refresh.clone()]);
            }
        }
        assert_eq!(secrets.len(), 5, "a pair, and the one that it was refreshed to");
        secrets
    }

    /// Comes back while the provider has faults, and with invented codes.
    async fn meets_faults(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        let root = root_of(self.provider);
        for endpoint in [Endpoint::Token, Endpoint::UserInfo] {
            for disorder in [
                Disorder::Status(400),
                Disorder::Status(500),
                Disorder::ErrorWith200,
                Disorder::Garbage,
                Disorder::EmptyObject,
                Disorder::CutOff,
                Disorder::RedirectTo(format!("http://127.0.0.1:1/{WRONG_SECRET}")),
            ] {
                self.stand_in.behave(self.provider, endpoint, disorder);
                let started = self.begin().await;
                let callback = self.consent(&started.field("authorize_url")).await;
                self.visit(&callback).await;
                let token = format!("canary-token-{}", secrets.len());
                self.client.get(&format!("{root}/login?access_token={token}"), None).await;
                secrets.extend([started.field("state"), parameter(&callback, "code"), token]);
            }
            self.stand_in.behave(self.provider, endpoint, Disorder::Fine);
        }
        let made_up = "code=canary-code-of-nobody&state=canary-state-of-nobody&device_id=x";
        self.visit(&format!("{root}/callback?{made_up}")).await;
        self.client.get(&format!("{root}/callback?{made_up}"), None).await;
        self.client.get(&format!("{root}/get/token?{made_up}"), None).await;
        secrets.extend(["canary-code-of-nobody", "canary-state-of-nobody"].map(str::to_owned));
        secrets
    }
}

/// Three mails, and the opaque token of a sign-in, sent in a header and in a URL.
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

/// Uses every link for its purpose and for others, on pages and in the APIs.
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
        for path in [
            "auth/users/activation/",
            "auth/users/reset_password_confirm/",
            "propusk/v1/accounts/activate",
            "propusk/v1/password/reset/confirm",
        ] {
            client.post(&format!("/{path}"), &body).await;
            client.post(&format!("/{path}"), &body).await;
            client.get(&format!("/{path}?uid={uid}&token={token}"), None).await;
        }
    }
}

/// The whole database, and all other files of the server.
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

/// A token that is looked up, of the account that [`djoser`] leaves.
async fn api_token(client: &Client) -> Vec<String> {
    let credentials = json!({"username": "cid@example.com", "password": NEW_PASSWORD});
    let token = client.post("/auth/token/login/", &credentials).await.field("auth_token");
    client.post_as(&format!("Token {token}"), "/auth/token/logout/", &json!({})).await;
    vec![token]
}

/// Refreshes, repeats it, and uses the spent token once more.
async fn rotated(client: &Client, token: &str) -> Vec<String> {
    let attempts = ["first-0123456789abcdef", "other-0123456789abcdef"];
    let mut secrets = attempts.map(str::to_owned).to_vec();
    for attempt in [attempts[0], attempts[0], attempts[1], "too short"] {
        let body = json!({"refresh_token": token, "attempt": attempt});
        let answer = client.post("/propusk/v1/sessions/refresh", &body).await;
        if answer.status == 200 {
            secrets.extend([answer.field("access_token"), answer.field("refresh_token")]);
        }
    }
    assert_eq!(secrets.len(), 6, "it is refreshed and answered again");
    secrets
}

/// Our own API: all routes that take a password, with the right one, a wrong one, and one that is
/// no text.
async fn native(client: &Client) -> Vec<String> {
    let root = "/propusk/v1";
    let account = json!({"email": "fay@example.com", "password": PASSWORD, "display_name": "Fay"});
    for body in [&account, &account, &json!({"email": PASSWORD, "password": [PASSWORD]})] {
        client.post(&format!("{root}/accounts"), body).await;
    }
    let mut tokens = Vec::new();
    for password in [WRONG_PASSWORD, PASSWORD] {
        let body = json!({"identifier": "fay@example.com", "password": password});
        let pair = client.post(&format!("{root}/sessions"), &body).await;
        if pair.status == 200 {
            tokens.extend([pair.field("access_token"), pair.field("refresh_token")]);
        }
    }
    tokens.extend(rotated(client, &tokens[1]).await);
    let body = json!({"identifier": "fay@example.com", "password": PASSWORD});
    tokens.insert(0, client.post(&format!("{root}/sessions"), &body).await.field("access_token"));
    let bearer = format!("Bearer {}", tokens[0]);
    for (method, path) in [
        ("DELETE", "sessions/000000000000000"),
        ("DELETE", "sessions"),
        ("PATCH", "account"),
        ("POST", "providers/google/start"),
        ("DELETE", "account/identities/google/1"),
        ("POST", "account/identities"),
        ("POST", "account/password"),
        ("DELETE", "account"),
    ] {
        for current in [json!(WRONG_PASSWORD), json!([PASSWORD]), json!(PASSWORD)] {
            let body = json!({
                "current_password": current, "new_password": NEW_PASSWORD, "username": "fay",
                "redirect": REDIRECT, "code_challenge": CHALLENGE, "link": true,
                "code": NEW_PASSWORD, "code_verifier": NEW_PASSWORD,
            });
            client.call(method, &format!("{root}/{path}"), Some(&bearer), &body).await;
        }
    }
    presented(client, &format!("{root}/account"), &tokens).await;
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

/// Sends the tokens in every place, right or wrong: paths, queries, other schemes.
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
