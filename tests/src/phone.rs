//! A phone 360 px wide, in dark mode, with Russian as its language.

use crate::browser::Browser;
use serde_json::Value;

const WIDTH: u32 = 360;

pub async fn phone() -> Browser {
    Browser::phone(WIDTH, "dark", "ru").await
}

/// Styled, dark, no wider than the screen, large enough to touch, and with no complaints of the
/// browser.
pub async fn assert_looks_well(browser: &Browser, heading: &str) {
    assert_eq!(text(browser, "h1").await, heading);
    let width = browser.evaluate("document.documentElement.scrollWidth").await;
    assert_eq!(width, WIDTH, "{heading}");
    let ground = browser.evaluate("getComputedStyle(document.body).backgroundColor").await;
    assert_eq!(ground, "rgb(15, 22, 20)", "{heading}");
    let small = "[...document.querySelectorAll('a, button, input')]\
                 .filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)";
    assert_eq!(browser.evaluate(small).await, Value::Array(Vec::new()), "{heading}");
    assert_eq!(browser.complaints().await, [] as [Value; 0], "{heading}");
}

pub async fn text(browser: &Browser, selector: &str) -> String {
    let text = browser.evaluate(&format!("document.querySelector('{selector}').textContent")).await;
    text.as_str().unwrap_or_else(|| panic!("no {selector}")).trim().to_owned()
}
