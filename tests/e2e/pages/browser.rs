//! The pages in a real browser: a phone 360 px wide, in dark mode, with Russian as its language.

use propusk_tests::phone::{assert_looks_well, phone, text};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn account_is_activated_by_a_click() {
    let (site, browser) = (Site::start().await, phone().await);
    browser.open(&site.arrived_with(ACTIVATION).await).await;
    assert_looks_well(&browser, "Активация учётной записи").await;
    assert!(!site.signs_in(EMAIL, PASSWORD).await);
    browser.follow("button").await;
    assert_looks_well(&browser, "Учётная запись активирована").await;
    assert!(site.signs_in(EMAIL, PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn password_is_typed_and_typed_again_after_a_mistake() {
    let (site, browser) = (Site::start().await, phone().await);
    site.mailed(RESET).await;
    browser.open(&site.arrived_with(&format!("{RESET}/")).await).await;
    assert_looks_well(&browser, "Новый пароль").await;
    browser.type_into("#password", "12345678").await;
    browser.type_into("#repeat", "1234567").await;
    browser.follow("button").await;
    assert_looks_well(&browser, "Новый пароль").await;
    let mistakes = text(&browser, "#password-mistake").await;
    assert!(mistakes.contains("Пароль состоит из одних цифр."), "{mistakes}");
    assert_eq!(text(&browser, "#repeat-mistake").await, "Пароли не совпадают.");
    assert_eq!(browser.evaluate("document.activeElement.id").await, "password");
    assert_eq!(browser.evaluate("document.activeElement.value").await, "");
    browser.type_into("#password", NEW_PASSWORD).await;
    browser.type_into("#repeat", NEW_PASSWORD).await;
    browser.follow("button").await;
    assert_looks_well(&browser, "Пароль изменён").await;
    assert!(site.signs_in(EMAIL, NEW_PASSWORD).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn visitor_changes_the_language() {
    let (site, browser) = (Site::start().await, phone().await);
    browser.open(&site.arrived_with(ACTIVATION).await).await;
    browser.follow("nav a[hreflang=uk]").await;
    assert_looks_well(&browser, "Активація облікового запису").await;
    browser.follow("button").await;
    assert_looks_well(&browser, "Обліковий запис активовано").await;
}
