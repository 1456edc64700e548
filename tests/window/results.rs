//! The result of an operation: where it is shown, and that it shows what users have entered as it is.

use propusk_tests::desktop::Desktop;
use propusk_tests::recording_proxy::RecordingProxy;
use propusk_tests::server::TestServer;

use crate::page::Page;
use crate::rounds::{BORIS, EMAIL, PASSWORD, register};

const RESET: &str = "POST /propusk/v1/password/reset";
/// How many renewals the timeline has.
const RENEWALS: &str = "document.querySelectorAll(\
    '[data-test=timeline-entry] [data-text=\"change.refreshed\"]').length";
/// A long name without a place to break it.
const LONG: &str = "WilhelminaWilhelminaWilhelminaWilhelminaWilhelminaWilhelminaWilhelmina";

#[tokio::test]
async fn late_result_is_not_shown_at_another_operation() {
    let (desktop, server) = (Desktop::start().await, TestServer::start().await);
    let proxy = RecordingProxy::open(server.address).await;
    let page = Page::at_server(&desktop, &proxy.url()).await;
    page.choose("request_reset").await;
    page.fill("[data-test=field-email]", EMAIL).await;
    proxy.hold_answers_to(RESET);
    page.press("submit").await;
    proxy.wait_for_answer(RESET).await;
    page.choose("sign_in").await;
    proxy.release_answers();
    // The timeline has it.
    page.wait_until("document.querySelector('[data-test=timeline-entry][data-kind=operation]')")
        .await;
    page.invoke("demo_state").await;
    let shown = page.evaluate("document.querySelector('#result').innerText").await;
    assert_eq!(shown, "", "the result of the reset at the sign-in");
}

#[tokio::test]
async fn results_show_what_users_enter_and_no_secret() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    request_without_its_password(&page).await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;
    names_as_they_are(&page).await;
    page.choose_dialect("djoser_jwt").await;
    profile_that_comes_later(&page).await;
}

/// A request is shown with its secrets masked, also as a command for a terminal.
async fn request_without_its_password(page: &Page) {
    let credentials = [("identifier", EMAIL), ("password", PASSWORD)];
    page.fail("sign_in", &credentials, "rejected").await;
    page.press("tab-wire").await;
    page.click("[data-test=wire-entry] summary").await;
    page.wait_until("document.querySelector('[data-test=wire-curl]')").await;
    let shown = page.evaluate("document.querySelector('#panel-wire').textContent").await;
    let shown = shown.as_str().expect("text");
    assert!(shown.contains("curl -i -X POST") && shown.contains(EMAIL), "{shown}");
    assert!(!shown.contains(PASSWORD), "{shown}");
    page.press("wire-copy_curl").await;
    page.wait_until(
        "['copy.done', 'copy.failed'].includes( \
         document.querySelector('[data-test=wire-copy_curl]').dataset.text)",
    )
    .await;
}

/// A name can be a word of the page, and it can be long.
async fn names_as_they_are(page: &Page) {
    for name in ["is", LONG] {
        page.choose("update_profile").await;
        let changes = [("display_name", name), ("current_password", PASSWORD)];
        assert_eq!(page.send(&changes).await, "ok");
        has_value(page, name).await;
    }
    page.resize(360, 740).await;
    for part in ["document.documentElement", "document.querySelector('#session')"] {
        let is_wider = page.evaluate(&format!("{part}.scrollWidth > {part}.clientWidth")).await;
        assert_eq!(is_wider, false, "{part} with a long name");
    }
    page.resize(1180, 800).await;
}

/// A form that was empty because no profile was known removes nothing.
async fn profile_that_comes_later(page: &Page) {
    page.succeed("register", &[("email", BORIS), ("new_password", PASSWORD)]).await;
    page.sign_in(BORIS, PASSWORD).await;
    page.choose("update_profile").await;
    let known = page.evaluate(RENEWALS).await;
    page.invoke("plugin:propusk|profile").await;
    // With the next status, the page reads the profile.
    page.invoke("plugin:propusk|refresh").await;
    page.wait_until(&format!("{RENEWALS} > {known}")).await;
    assert_eq!(page.send(&[("phone", "+380501234567")]).await, "ok");
    has_value(page, BORIS).await;
}

/// Waits until the result has a member with this value.
async fn has_value(page: &Page, value: &str) {
    page.wait_until(&format!(
        "[...document.querySelectorAll('[data-test=result-data] dd')]\
         .some((shown) => shown.innerText === '{value}')"
    ))
    .await;
}
