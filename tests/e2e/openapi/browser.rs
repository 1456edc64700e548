//! The page in a real browser.

use propusk_tests::browser::Browser;
use propusk_tests::phone::phone;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};

/// Visible operations.
const SHOWN: &str = "[...document.querySelectorAll('.operation')].filter(e => e.checkVisibility()).map(e => e.querySelector('.body').id)";

async fn open(browser: &Browser, server: &TestServer, hash: &str) {
    browser.open(&format!("{}/docs{hash}", server.public_url)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docs_fit_a_phone_and_load_nothing_from_elsewhere() {
    let (server, browser) = (TestServer::start().await, phone().await);
    open(&browser, &server, "").await;
    let apis = "[...document.querySelectorAll('main h2')].map(e => e.textContent)";
    let all =
        ["native", "djoser_token", "prehashed", "simplejwt", "simplejwt_rotating", "djoser_jwt"];
    assert_eq!(browser.evaluate(apis).await, json!(all));
    browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)").await;
    let too_wide = "[...document.querySelectorAll('main *')].filter(e => !e.closest('pre') && e.getBoundingClientRect().right > innerWidth).map(e => e.outerHTML.slice(0, 200))";
    assert_eq!(browser.evaluate(too_wide).await, json!([]));
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth").await, 360);
    let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor").await;
    assert_eq!(ground, "rgb(15, 22, 20)");
    let loaded =
        browser.evaluate("performance.getEntriesByType('resource').map(e => e.name)").await;
    assert_eq!(loaded, json!([]));
    assert_eq!(browser.complaints().await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_shows_matching_requests_alone() {
    let (server, browser) = (TestServer::start().await, phone().await);
    open(&browser, &server, "").await;
    browser.type_into("#filter", "POST Djoser_JWT verify").await;
    assert_eq!(browser.evaluate(SHOWN).await, json!(["djoser_jwt.verify"]));
    browser.type_into("#filter", " nothing").await;
    assert_eq!(browser.evaluate(SHOWN).await, json!([]));
    let message = "document.querySelector('.none').checkVisibility()";
    assert_eq!(browser.evaluate(message).await, true);
    assert_eq!(browser.complaints().await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_of_the_url_opens_its_request() {
    let (server, browser) = (TestServer::start().await, phone().await);
    open(&browser, &server, "#simplejwt.login").await;
    let opened =
        "[...document.querySelectorAll('.operation[open]')].map(e => e.querySelector('.body').id)";
    assert_eq!(browser.evaluate(opened).await, json!(["simplejwt.login"]));
    let top = "Math.round(document.querySelector('.operation[open]').getBoundingClientRect().top)";
    let top = browser.evaluate(top).await.as_i64().expect("a number");
    assert!((60..200).contains(&top), "{top}");
    let command =
        browser.evaluate("document.querySelector('.operation[open] .curl pre').textContent").await;
    let expected = format!("curl -X POST '{}/api/auth/login/' \\\n", server.public_url);
    assert!(command.as_str().expect("a text").starts_with(&expected), "{command}");
}
