//! The choice of a server and of an API: what stays, and what belongs to the former one.

use std::fs;

use propusk_tests::desktop::Desktop;
use propusk_tests::server::TestServer;
use serde_json::Value;

use crate::page::Page;
use crate::rounds::{BORIS, EMAIL, PASSWORD, register};

/// Who the card says is signed in.
const WHO: &str = "document.querySelector('[data-test=session-who]').innerText";

/// Goes from the dialog of the server to the choice of another one.
async fn offer_another(page: &Page) {
    page.press("server").await;
    page.press("server-other").await;
    page.wait_until(
        "!document.querySelector('#start').hidden && !document.querySelector('dialog')",
    )
    .await;
}

async fn is_in_use(page: &Page) {
    page.wait_until("!document.querySelector('#desk').hidden").await;
}

/// Waits until the choice of a server says this.
async fn start_problem(page: &Page, text: &str) {
    page.wait_until(&format!(
        "document.querySelector('[data-test=start-problem]').dataset.text === '{text}'"
    ))
    .await;
}

/// The address of the server.
async fn address(page: &Page) -> Value {
    page.invoke("demo_state").await["server"]["url"].clone()
}

#[tokio::test]
async fn card_names_the_user_of_the_chosen_api() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    // Neither API has a profile: only the entered name is known.
    for (dialect, user, registration) in [
        (
            "prehashed",
            EMAIL,
            &[("email", EMAIL), ("phone", "+380501234567"), ("new_password", PASSWORD)],
        ),
        (
            "simplejwt_rotating",
            BORIS,
            &[("email", BORIS), ("display_name", "boris"), ("new_password", PASSWORD)],
        ),
    ] {
        page.choose_dialect(dialect).await;
        page.succeed("register", registration).await;
        page.sign_in(user, PASSWORD).await;
    }
    page.choose_dialect("prehashed").await;
    page.has_phase("signed_in").await;
    let who = page.evaluate(WHO).await;
    assert!(!who.as_str().expect("text").contains(BORIS), "{who}");
}

#[tokio::test]
async fn another_server_is_chosen_and_nothing_is_deleted() {
    let (desktop, outside) = (Desktop::start().await, TestServer::start().await);
    let page = Page::with_embedded_server(&desktop).await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;
    offer_another(&page).await;
    page.press("start-back").await;
    is_in_use(&page).await;
    offer_another(&page).await;
    page.fill("[data-test=field-server]", "http://id.example.org").await;
    page.press("start-outside").await;
    start_problem(&page, "usage.server_address").await;
    // No server is there, and the chosen one stays.
    page.fill("[data-test=field-server]", "127.0.0.1:9").await;
    page.press("start-outside").await;
    start_problem(&page, "usage.server_silent").await;
    page.press("start-back").await;
    is_in_use(&page).await;
    page.has_phase("signed_in").await;
    offer_another(&page).await;
    // Without a scheme: a server on this machine needs no certificate.
    page.fill("[data-test=field-server]", &outside.address.to_string()).await;
    page.press("start-outside").await;
    is_in_use(&page).await;
    page.has_phase("signed_out").await;
    assert_eq!(address(&page).await, format!("http://{}", outside.address));
    // It does not know the demo as an OAuth client, and it may be a Django server.
    page.choose_dialect("djoser_token").await;
    assert!(!page.operations().await.contains("provider_token_sign_in"));
    page.press("server").await;
    assert_eq!(page.count("server-docs").await, 0);
    page.press("server-dialog-close").await;
    offer_another(&page).await;
    page.press("start-embedded").await;
    is_in_use(&page).await;
    page.choose_dialect("native").await;
    page.has_phase("signed_in").await;
}

#[tokio::test]
async fn server_in_the_app_keeps_its_address_and_the_session() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;
    let before = address(&page).await;
    page.close(&desktop).await;
    let page = Page::open(&desktop, &[]).await;
    is_in_use(&page).await;
    page.has_phase("signed_in").await;
    assert_eq!(address(&page).await, before);
    page.succeed("profile", &[]).await;
}

#[tokio::test]
async fn failed_start_says_why_and_can_be_repeated() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    page.close(&desktop).await;
    let folder = desktop.data().join("server");
    fs::remove_dir_all(&folder).expect("the server's folder");
    fs::write(&folder, "in the way").expect("a file");
    let page = Page::open(&desktop, &[]).await;
    start_problem(&page, "start.failed").await;
    page.press("start-embedded").await;
    start_problem(&page, "error.detail").await;
    let is_shown = page.evaluate("!document.querySelector('#start').hidden").await;
    assert_eq!(is_shown, true, "the choice of a server");
    fs::remove_file(&folder).expect("a file");
    page.press("start-embedded").await;
    is_in_use(&page).await;
}

#[tokio::test]
async fn chosen_server_stays_if_the_one_in_the_app_cannot_start() {
    let (desktop, outside) = (Desktop::start().await, TestServer::start().await);
    let chosen = format!("http://{}", outside.address);
    let page = Page::at_server(&desktop, &chosen).await;
    fs::write(desktop.data().join("server"), "in the way").expect("a file");
    offer_another(&page).await;
    page.press("start-embedded").await;
    start_problem(&page, "error.detail").await;
    page.press("start-back").await;
    is_in_use(&page).await;
    page.has_phase("signed_out").await;
    assert_eq!(address(&page).await, chosen);
    let gateway = page.invoke("demo_state").await["server"]["gateway"].clone();
    assert!(gateway.is_string(), "it is running: {gateway}");
}
