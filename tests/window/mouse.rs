//! The window with a mouse: a press is never lost.

use propusk_tests::desktop::Desktop;

use crate::page::Page;
use crate::rounds::{EMAIL, PASSWORD, register};

#[tokio::test]
async fn press_counts_though_its_part_of_the_page_changes_meanwhile() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;

    page.hold("[data-test=session-sign_out]").await;
    page.invoke("plugin:propusk|refresh").await;
    page.wait_until(
        "document.querySelector('[data-test=timeline-entry] [data-text=\"change.refreshed\"]')",
    )
    .await;
    page.release().await;
    page.has_result("done.sign_out.confirmed").await;

    page.press("tab-trouble").await;
    page.hold("[data-test=trouble-lose_next_answer-try]").await;
    page.invoke("trouble_lose_next_answer").await;
    page.wait_until(
        "document.querySelector('[data-test=trouble-lose_next_answer-card]').dataset.on === 'true'",
    )
    .await;
    page.release().await;
    page.wait_until(
        "document.querySelector('[data-test=trouble-lose_next_answer-seen]').innerText",
    )
    .await;
}
