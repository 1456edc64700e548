//! How the window looks: both themes, three languages, wide and narrow, without anything that is cut
//! off, and by the rules of accessibility. With `PROPUSK_DEMO_PICTURES` the pictures are kept in that
//! folder.

use std::fs;
use std::path::PathBuf;

use propusk_tests::accessibility::assert_accessible;
use propusk_tests::desktop::Desktop;
use serde_json::json;

use crate::page::Page;
use crate::rounds::{EMAIL, PASSWORD, register};

/// Width and height of the window, as on a phone and on a desktop; theme and language.
const VIEWS: [(u32, u32, &str, &str); 4] = [
    (1180, 800, "light", "en"),
    (1180, 800, "dark", "uk"),
    (NARROW, 740, "dark", "ru"),
    (NARROW, 740, "light", "uk"),
];
const NARROW: u32 = 360;
const HISTORY: &str = "history";
/// What is wider than the window, and may not be scrolled to.
const CUT_OFF: &str = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
/// The whole session card is in view, and the result below it too.
const CARD_IN_VIEW: &str = "(() => { \
    const [header, card, result] = ['#header', '#session', '[data-test=result-title]'] \
        .map((part) => document.querySelector(part).getBoundingClientRect()); \
    return card.top >= header.bottom && result.top >= card.bottom && result.bottom <= innerHeight; \
    })()";
/// The button above a result is in view as a whole, or not at all.
const BUTTON_IS_WHOLE: &str = "(() => { \
    const [card, button] = ['#operation', '#operation .submit-row'] \
        .map((part) => document.querySelector(part).getBoundingClientRect()); \
    return button.top >= card.top || button.bottom <= card.top + 1; \
    })()";
/// The names of the server and of the API in the header are shown to their end.
const CHIPS_ARE_WHOLE: &str = "[...document.querySelectorAll('.chip span:last-child')] \
    .every((name) => name.scrollWidth <= name.clientWidth)";

#[tokio::test]
async fn window_is_readable_in_both_themes_and_every_language() {
    let desktop = Desktop::start().await;
    let page = Page::open(&desktop, &[]).await;
    look(&page, "start").await;
    page.press("start-embedded").await;
    page.choose_dialect("native").await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;
    page.succeed("events", &[]).await;
    look(&page, HISTORY).await;
    page.succeed("profile", &[]).await;
    assert_eq!(page.evaluate(CARD_IN_VIEW).await, true, "the session above the result");
    assert_eq!(page.evaluate(BUTTON_IS_WHOLE).await, true, "the button above the result");
    for tab in ["timeline", "wire", "inbox", "trouble"] {
        page.press(&format!("tab-{tab}")).await;
        look(&page, tab).await;
    }
}

#[tokio::test]
async fn every_part_of_the_window_is_accessible() {
    let desktop = Desktop::start().await;
    let page = Page::with_embedded_server(&desktop).await;
    page.choose("provider_sign_in").await;
    page.wait_until("document.querySelector('[data-test=provider-google-loopback]')").await;
    assert_accessible(&page, "the providers").await;
    page.choose("adopt").await;
    assert_accessible(&page, "an adoption").await;
    page.fail("sign_in", &[("identifier", EMAIL), ("password", PASSWORD)], "rejected").await;
    assert_accessible(&page, "an error").await;
    register(&page).await;
    page.sign_in(EMAIL, PASSWORD).await;
    page.succeed("sessions", &[]).await;
    assert_accessible(&page, "the sessions").await;
    for dialog in ["server", "dialect"] {
        page.press(dialog).await;
        page.wait_until("document.querySelector('dialog[open]')").await;
        assert_accessible(&page, &format!("the dialog of the {dialog}")).await;
        page.press(&format!("{dialog}-dialog-close")).await;
        page.wait_until("!document.querySelector('dialog')").await;
    }
}

/// Looks at the page in every view, and leaves the first one.
async fn look(page: &Page, name: &str) {
    for view in VIEWS {
        show(page, view).await;
        let (width, _, theme, language) = view;
        if name == HISTORY && width == NARROW {
            // What is in the middle of a wide window has a tab on a narrow one.
            page.press("tab-actions").await;
        }
        let view = format!("{name}-{width}-{theme}-{language}");
        keep(page, &view).await;
        assert_eq!(page.evaluate(CUT_OFF).await, false, "{view} is wider than the window");
        if width == NARROW {
            assert_eq!(page.evaluate(CHIPS_ARE_WHOLE).await, true, "{view}: the header");
        }
        assert_accessible(page, &view).await;
    }
    show(page, VIEWS[0]).await;
}

async fn show(page: &Page, (width, height, theme, language): (u32, u32, &str, &str)) {
    page.resize(width, height).await;
    choose(page, "theme", theme).await;
    choose(page, "language", language).await;
    let painted = "requestAnimationFrame(() => requestAnimationFrame(() => arguments[0]()))";
    page.call("execute/async", &json!({ "script": painted, "args": [] })).await;
    assert_eq!(page.evaluate("document.documentElement.lang").await, language);
}

/// Chooses an option as the keyboard does.
async fn choose(page: &Page, select: &str, value: &str) {
    let script = format!(
        "(() => {{ const select = document.getElementById('{select}'); select.value = '{value}'; \
         select.dispatchEvent(new Event('change', {{ bubbles: true }})); return true; }})()"
    );
    page.evaluate(&script).await;
}

async fn keep(page: &Page, view: &str) {
    let picture = page.screenshot().await;
    assert!(picture.starts_with(b"\x89PNG"), "a picture of {view}");
    if let Some(folder) = std::env::var_os("PROPUSK_DEMO_PICTURES").map(PathBuf::from) {
        fs::create_dir_all(&folder).expect("a folder for pictures");
        fs::write(folder.join(format!("{view}.png")), picture).expect("a picture");
    }
}
