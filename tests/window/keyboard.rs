//! The window without a mouse: what keys reach, open and close.

use propusk_tests::desktop::Desktop;

use crate::page::Page;
use crate::rounds::{EMAIL, PASSWORD};

/// Keys, as WebDriver names them.
const TAB: char = '\u{E004}';
const RETURN: char = '\u{E006}';
const ESCAPE: char = '\u{E00C}';
const ARROW_RIGHT: char = '\u{E014}';

async fn focus(page: &Page, name: &str) {
    page.evaluate(&format!("void document.querySelector('[data-test={name}]').focus()")).await;
    has_focus(page, name).await;
}

async fn has_focus(page: &Page, name: &str) {
    page.wait_until(&format!("document.activeElement.dataset.test === '{name}'")).await;
}

#[tokio::test]
async fn keys_choose_tabs_and_operations_and_close_dialogs() {
    let desktop = Desktop::start().await;
    let page = Page::open(&desktop, &[]).await;
    focus(&page, "start-embedded").await;
    page.press_key(RETURN).await;
    page.is_ready().await;
    page.wait_until("document.activeElement.id === 'main'").await;

    focus(&page, "tab-timeline").await;
    page.press_key(ARROW_RIGHT).await;
    has_focus(&page, "tab-wire").await;
    page.wait_until("!document.querySelector('#panel-wire').hidden").await;

    // The other tabs are passed over.
    page.press_key(TAB).await;
    has_focus(&page, "op-sign_in").await;
    page.press_key(TAB).await;
    has_focus(&page, "op-register").await;
    page.press_key(RETURN).await;
    page.wait_until("document.querySelector('#operation-title').dataset.text === 'op.register'")
        .await;

    for chip in ["server", "dialect"] {
        focus(&page, chip).await;
        page.press_key(RETURN).await;
        page.wait_until("document.activeElement.closest('dialog[open]')").await;
        page.press_key(ESCAPE).await;
        page.wait_until("!document.querySelector('dialog')").await;
        has_focus(&page, chip).await;
    }

    // A mail that keys have brought into view is no longer new.
    page.succeed("register", &[("email", EMAIL), ("new_password", PASSWORD)]).await;
    page.wait_until("document.querySelector('#count-inbox').innerText === '1'").await;
    page.press("tab-wire").await;
    focus(&page, "tab-wire").await;
    page.press_key(ARROW_RIGHT).await;
    has_focus(&page, "tab-inbox").await;
    page.wait_until("document.querySelector('#count-inbox').hidden").await;
}
