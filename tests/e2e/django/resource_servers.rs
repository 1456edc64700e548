//! Services that accept our access tokens, configured as in the handbook: SimpleJWT, PyJWT,
//! python-jose and jose by the published keys, django-oauth-toolkit by introspection.

use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use propusk_server::auth::NewClient;
use propusk_server::config::Config;
use propusk_tests::django::{self, Django, RESOURCE_SERVER};
use propusk_tests::handbook::block_below;
use propusk_tests::server::TestServer;
use propusk_tests::user::PASSWORD;
use serde_json::json;
use tokio::process::Command;

/// The server's URL in the handbook.
const HANDBOOKS_URL: &str = "https://auth.example.com";
/// The secret of the client `orders`.
pub(super) const ORDERS_SECRET: &str = "a-secret-of-the-service";
const NODE_MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc-provider/node_modules");

/// A server with the clock of this machine, which the libraries use too.
async fn server() -> TestServer {
    server_with(|_| {}).await
}

/// The same with settings that the test changes.
#[expect(clippy::disallowed_methods, reason = "the libraries go by the real clock")]
pub(super) async fn server_with(change: impl FnOnce(&mut Config)) -> TestServer {
    let server = TestServer::with(change).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    server.clock.advance(i64::try_from(now).expect("not so late") - server.clock.now());
    server
}

/// The handbook's example under this title, adapted to `server`.
pub(super) fn example(title: &str, server: &TestServer) -> String {
    block_below(title).replace(HANDBOOKS_URL, &server.public_url)
}

/// The id of a new account, and an access token of `native`.
pub(super) async fn signed_up(server: &TestServer, name: &str) -> (i64, String) {
    let account = json!({"username": name, "password": PASSWORD});
    let answer = server.client.post("/propusk/v1/accounts", &account).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = json!({"identifier": name, "password": PASSWORD});
    let tokens = server.client.post("/propusk/v1/sessions", &body).await;
    let id = tokens.json()["account"]["id"].as_i64().expect("an id");
    (id, tokens.field("access_token"))
}

/// The token with one letter of its payload changed.
pub(super) fn forged(token: &str) -> String {
    let place = token.find('.').expect("a header") + 10;
    let other = if &token[place..=place] == "A" { "B" } else { "A" };
    format!("{}{other}{}", &token[..place], &token[place + 1..])
}

/// The output of a program with this code and argument.
async fn run(mut program: Command, argument: &str) -> String {
    let output = program.arg(argument).stdin(Stdio::null()).output().await.expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test]
async fn simplejwt_accepts_our_tokens_as_the_handbook_configures_it() {
    let server = server().await;
    let django = Django::resource_server(&example("SimpleJWT", &server)).await;
    let (id, token) = signed_up(&server, "anna").await;
    let answer = django.client.get("/whoami/", Some(&format!("Bearer {token}"))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.field("id")),
        (200, id.to_string()),
        "{}",
        answer.text()
    );
    // The first account here has the number of the superuser there.
    assert_eq!((id, answer.json()["is_superuser"].as_bool()), (1, Some(false)));
    for wrong in [forged(&token), "x".to_owned()] {
        let answer = django.client.get("/whoami/", Some(&format!("Bearer {wrong}"))).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
}

#[tokio::test]
async fn python_libraries_verify_our_tokens_as_the_handbook_configures_them() {
    let server = server().await;
    let (id, token) = signed_up(&server, "anna").await;
    for library in ["PyJWT", "python-jose"] {
        let code = example(library, &server)
            + "
import sys

try:
    print(account_of(sys.argv[1]))
except Exception as error:
    print('refused', type(error).__name__)
";
        let program = || {
            let mut program = Command::new(django::python(RESOURCE_SERVER));
            program.args(["-E", "-s", "-B", "-c", &code]);
            program
        };
        assert_eq!(run(program(), &token).await, id.to_string(), "{library}");
        let refused = run(program(), &forged(&token)).await;
        assert!(refused.starts_with("refused"), "{library}: {refused}");
    }
}

#[tokio::test]
async fn jose_verifies_our_tokens_as_the_handbook_configures_it() {
    let server = server().await;
    let (id, token) = signed_up(&server, "anna").await;
    let code = example("jose", &server)
        + "
const [token] = process.argv.slice(2);
console.log(await accountOf(token).catch((error) => `refused ${error.code}`));
";
    // In the folder of its modules, which Node.js searches.
    let folder = tempfile::tempdir_in(NODE_MODULES).expect("the modules are installed");
    let file = folder.path().join("check.mjs");
    std::fs::write(&file, code).expect("a new file");
    let program = || {
        let mut program = Command::new("node");
        program.arg(&file);
        program
    };
    assert_eq!(run(program(), &token).await, id.to_string());
    assert!(run(program(), &forged(&token)).await.starts_with("refused"));
}

/// A server where `orders` may introspect, and a Django that does so.
async fn with_oauth_toolkit() -> (TestServer, Django) {
    let server = server().await;
    register_orders(&server).await;
    let settings = example("django-oauth-toolkit", &server).replace("the secret", ORDERS_SECRET);
    let django = Django::resource_server(&settings).await;
    (server, django)
}

/// Registers the client `orders`, which may introspect.
pub(super) async fn register_orders(server: &TestServer) {
    let new = NewClient {
        id: "orders".to_owned(),
        name: "Orders".to_owned(),
        secret: Some(ORDERS_SECRET.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: true,
    };
    assert!(server.auth.create_client(new).await.expect("the database answers"));
}

#[tokio::test]
async fn django_oauth_toolkit_introspects_our_tokens_as_the_handbook_configures_it() {
    let (server, django) = with_oauth_toolkit().await;
    let (id, token) = signed_up(&server, "anna").await;
    let answer = django.client.get("/whoami/", Some(&format!("Bearer {token}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.field("username"), format!("propusk-{id}"));
    assert_eq!(answer.json()["is_superuser"], false);
    for wrong in [forged(&token), "x".to_owned()] {
        let answer = django.client.get("/whoami/", Some(&format!("Bearer {wrong}"))).await;
        assert_eq!(answer.status, 401, "{}", answer.text());
    }
}

/// The superuser of the Django is `admin`.
#[tokio::test]
async fn account_named_like_the_superuser_is_another_user_at_a_resource_server() {
    let (server, django) = with_oauth_toolkit().await;
    let (_, token) = signed_up(&server, "admin").await;
    let answer = django.client.get("/whoami/", Some(&format!("Bearer {token}"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(answer.field("username"), "admin");
    assert_eq!(answer.json()["is_superuser"], false);
}
