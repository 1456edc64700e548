//! The language of pages: the visitor's choice, or that of the browser, or that of the server.

use propusk_server::language::Language;

use super::*;

#[tokio::test]
async fn language_is_chosen_by_the_visitor_then_the_browser_then_the_server() {
    let site = Site::with(|config| config.mail.language = Language::Uk).await;
    let link = site.mailed(ACTIVATION).await;
    for (query, accept, language, title) in [
        ("", None, "uk", "Активація облікового запису"),
        ("", Some("de, ru;q=0.5"), "ru", "Активация учётной записи"),
        ("", Some("de"), "uk", "Активація облікового запису"),
        ("?lang=en", Some("ru"), "en", "Activate your account"),
        ("?lang=ru", None, "ru", "Активация учётной записи"),
        ("?lang=de", Some("en-GB"), "en", "Activate your account"),
    ] {
        let headers: Vec<_> =
            accept.into_iter().map(|accept| ("Accept-Language", accept)).collect();
        let page = site.send("GET", &format!("{link}{query}"), &headers).await;
        assert_eq!(heading(&page), title, "{query} {accept:?}");
        assert_eq!(page.header("content-language").as_deref(), Some(language));
        let html = page.text();
        assert!(html.contains(&format!("<html lang=\"{language}\">")), "{html}");
        let current = format!("lang=\"{language}\" aria-current=\"true\"");
        assert_eq!(html.matches(&current).count(), 1, "{html}");
        assert_eq!(html.matches("aria-current=").count(), 1, "{html}");
    }
}

#[tokio::test]
async fn result_of_a_form_is_in_the_language_of_the_form() {
    let site = Site::start().await;
    let link = site.mailed(RESET).await;
    let form = site.get(&format!("{link}?lang=ru")).await.text();
    let action = between(&form, "action=\"", "\"").to_owned();
    let again = site.submit(&action, &[("password", "1"), ("repeat", "2")]).await;
    assert_eq!(heading(&again), "Новый пароль");
    assert!(again.text().contains("Пароли не совпадают."), "{}", again.text());
    let action = between(&again.text(), "action=\"", "\"").to_owned();
    let done = site.submit(&action, filled_in(&link)).await;
    assert_eq!((done.status.as_u16(), heading(&done).as_str()), (200, "Пароль изменён"));
}

#[tokio::test]
async fn language_links_lead_to_the_same_page() {
    let site = Site::start().await;
    let link = site.mailed(RESET).await;
    let (uid, token) = uid_and_token(&link);
    let confirm = format!("/api/auth/password/reset/confirm/?uid={uid}&token={token}&lang=uk");
    let page = site.get(&confirm).await;
    assert_eq!(page.header("content-language").as_deref(), Some("uk"));
    for (code, title) in
        [("en", "Choose a new password"), ("ru", "Новый пароль"), ("uk", "Новий пароль")]
    {
        let other = format!("{link}?lang={code}");
        assert!(page.text().contains(&format!("<a href=\"{other}\"")), "{}", page.text());
        assert_eq!(heading(&site.get(&other).await), title);
    }
}
