//! The commands of the plugin.

use propusk_tests::server::TestServer;
use serde_json::json;
use tauri_plugin_propusk::propusk::{Client, Dialect, Vault};
use tauri_plugin_propusk::{Builder, PropuskExt};

use crate::page::Page;

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "a quiet harbour at noon";
/// A link of no sign-in that this app has begun.
const LINK: &str = "org.example.app:/signed-in?code=c&state=s";

/// A link of the app's own.
const OWN_LINK: &str = "org.example.app:/orders/7";

fn client(server: &str) -> Client {
    client_of(Dialect::Native, server)
}

fn client_of(dialect: Dialect, server: &str) -> Client {
    let builder = Client::builder(server).dialect(dialect).redirect("org.example.app:/signed-in");
    builder.vault(Vault::memory()).build().expect("a client")
}

/// A client whose server is never asked.
fn lonely_client() -> Client {
    client("http://127.0.0.1:9")
}

#[tokio::test(flavor = "multi_thread")]
async fn page_signs_in_and_never_gets_a_token() {
    let server = TestServer::start().await;
    let page = Page::of(client(&format!("http://{}", server.address)));
    let account = json!({ "account": { "email": EMAIL, "password": PASSWORD } });
    assert_eq!(page.call("register", account).expect("registered")["status"], "active");
    let wrong = json!({ "identifier": EMAIL, "password": "wrong" });
    let refused = page.call("sign_in", wrong).expect_err("refused");
    assert_eq!(refused["kind"], "rejected");
    assert_eq!(refused["rejection"]["code"], "invalid_credentials");
    let right = json!({ "identifier": EMAIL, "password": PASSWORD });
    page.call("sign_in", right).expect("signed in");
    assert_eq!(page.call("status", json!({})).expect("a status")["signedIn"], true);
    assert_eq!(page.call("profile", json!({})).expect("a profile")["email"], EMAIL);
    let shown = page.call("access_token", json!({})).expect("a token").to_string();
    let client = page.app.propusk().client().expect("a client");
    let token = client.access_token().await.expect("a token");
    assert!(shown.contains("characters") && !shown.contains(token.token().expose()), "{shown}");
}

#[tokio::test]
async fn page_without_a_client_learns_that_there_is_none() {
    let page = Page::with(Builder::without_client);
    assert_eq!(page.call("refresh", json!({})).expect_err("none")["kind"], "usage");
    assert_eq!(page.call("status", json!({})).expect("a status")["phase"], "unknown");
    assert_eq!(page.call("operations", json!({})).expect("a list"), json!([]));
}

#[tokio::test]
async fn result_of_a_link_waits_until_the_page_takes_it() {
    let page = Page::of(lonely_client());
    page.open_link(LINK);
    let results = page.next_link_results();
    assert_eq!(results.len(), 1);
    assert!(results[0]["error"]["kind"].is_string(), "{results:?}");
    assert!(page.take_link_results().is_empty());
}

#[tokio::test]
async fn link_that_comes_before_the_client_waits_for_it() {
    let page = Page::with(Builder::without_client);
    page.open_link(LINK);
    assert!(page.take_link_results().is_empty());
    page.app.propusk().set_client(Some(lonely_client()));
    assert_eq!(page.next_link_results().len(), 1);
}

#[tokio::test]
async fn link_of_the_app_itself_has_no_result_in_any_api() {
    let page = Page::with(Builder::without_client);
    for dialect in [Dialect::DjoserJwt, Dialect::Native] {
        page.app.propusk().set_client(Some(client_of(dialect, "http://127.0.0.1:9")));
        page.open_link(OWN_LINK);
    }
    page.open_link(LINK);
    let results = page.next_link_results();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["error"]["rejection"]["code"], "sign_in_unknown", "{results:?}");
}
