//! Each trouble that the demo can provoke, and that the user stays signed in unless the server says
//! otherwise.

use propusk_tests::desktop::Desktop;

use crate::page::Page;
use crate::rounds::{EMAIL, PASSWORD, register};

/// Presses a button of a trouble, and waits for what the card says then: `good`, or the text.
async fn press(page: &Page, trouble: &str, button: &str) -> String {
    let seen = format!("document.querySelector('[data-test=trouble-{trouble}-seen]')");
    page.evaluate(&format!("void {seen}.replaceChildren()")).await;
    page.press(button).await;
    page.wait_until(&format!("{seen}.innerText")).await;
    let tone =
        format!("{seen}.firstElementChild.classList.contains('good') ? 'good' : {seen}.innerText");
    page.evaluate(&tone).await.as_str().expect("text").to_owned()
}

/// Tries what the user would notice.
async fn attempt(page: &Page, trouble: &str) -> String {
    press(page, trouble, &format!("trouble-{trouble}-try")).await
}

async fn is_signed_in(page: &Page) {
    page.wait_until(
        "document.querySelector('[data-test=trouble-signed_in]').dataset.signedIn === 'true'",
    )
    .await;
}

/// Presses a button of a trouble, and waits until the Rust side has done it.
async fn turn(page: &Page, trouble: &str, button: &str, is_on: bool) {
    press(page, trouble, button).await;
    page.wait_until(&format!(
        "document.querySelector('[data-test=trouble-{trouble}-card]').dataset.on === '{is_on}'"
    ))
    .await;
}

/// Waits until an element has this text.
async fn says(page: &Page, name: &str, text: &str) {
    page.wait_until(&format!(
        "document.querySelector('[data-test={name}]')?.dataset.text === '{text}'"
    ))
    .await;
}

/// Who the card says is signed in, and the id of the session.
async fn user(page: &Page) -> String {
    let shown = "['session-who', 'session-id']\
        .map((name) => document.querySelector(`[data-test=${name}]`).innerText).join(' ')";
    page.evaluate(shown).await.as_str().expect("text").to_owned()
}

#[tokio::test]
async fn user_stays_signed_in_through_every_trouble() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;
    page.press("tab-trouble").await;

    turn(&page, "network", "trouble-network", true).await;
    assert_ne!(attempt(&page, "network").await, "good", "no network");
    is_signed_in(&page).await;
    turn(&page, "network", "trouble-network", false).await;
    assert_eq!(attempt(&page, "network").await, "good");

    // A request in the background may have lost it already.
    press(&page, "lose_next_answer", "trouble-lose_next_answer").await;
    attempt(&page, "lose_next_answer").await;
    is_signed_in(&page).await;
    assert_eq!(attempt(&page, "lose_next_answer").await, "good");

    press(&page, "expire_access_token", "trouble-expire_access_token").await;
    assert_eq!(attempt(&page, "expire_access_token").await, "good");

    for ahead_or_behind in ["trouble-clock", "trouble-clock-behind"] {
        turn(&page, "clock", ahead_or_behind, true).await;
        assert_eq!(attempt(&page, "clock").await, "good", "{ahead_or_behind}");
        is_signed_in(&page).await;
        turn(&page, "clock", "trouble-clock", false).await;
    }

    let before = user(&page).await;
    turn(&page, "key_store", "trouble-key_store", true).await;
    // The app has started again and cannot read its vault: that is not a sign-out.
    page.has_phase("unknown").await;
    page.wait_until(
        "document.querySelector('[data-test=session-vault]').dataset.state === 'locked'",
    )
    .await;
    says(&page, "session-about", "session.unknown.why").await;
    page.wait_until(
        "document.querySelector('[data-test=trouble-signed_in] [data-text=\"trouble.unknown\"]')",
    )
    .await;
    assert_ne!(attempt(&page, "key_store").await, "good", "the vault is locked");
    turn(&page, "key_store", "trouble-key_store", false).await;
    assert_eq!(attempt(&page, "key_store").await, "good");
    is_signed_in(&page).await;
    page.has_phase("signed_in").await;
    assert_eq!(user(&page).await, before, "the same session");

    turn(&page, "second_process", "trouble-second_process", true).await;
    page.wait_until(
        "[...document.querySelectorAll('[data-test=timeline-entry]')]\
         .some((entry) => entry.textContent.includes('second process has a valid token'))",
    )
    .await;
    press(&page, "expire_access_token", "trouble-expire_access_token").await;
    assert_eq!(attempt(&page, "second_process").await, "good");
    is_signed_in(&page).await;
    turn(&page, "second_process", "trouble-second_process", false).await;

    // Only the server's word ends the session.
    press(&page, "end_session", "trouble-end_session").await;
    assert_ne!(attempt(&page, "end_session").await, "good");
    page.has_phase("signed_out").await;
}
