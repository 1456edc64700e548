//! Refusals: links that do nothing, and forms that are shown again with the mistake.

use propusk_server::config::Limits;

use super::*;

#[tokio::test]
async fn link_that_was_never_mailed_does_nothing_and_reports_it() {
    let site = Site::start().await;
    let activation = site.mailed(ACTIVATION).await;
    let (uid, token) = uid_and_token(&activation);
    for root in ROOTS {
        for (uid, token) in [(uid, "x"), ("OTk5OTk5", token), ("*", token), ("%FF", "%FF")] {
            assert_does_nothing(&site, &format!("{root}/{uid}/{token}")).await;
        }
    }
    // A token has one purpose.
    assert_does_nothing(&site, &format!("{RESET}/{uid}/{token}")).await;
    assert_does_nothing(&site, &format!("{EMAIL_RESET}/{uid}/{token}")).await;
    assert_eq!(site.make_use_of(&activation).await.status, 200);
}

#[tokio::test]
async fn link_works_for_three_days() {
    for root in ROOTS {
        let site = Site::start().await;
        let link = site.mailed(root).await;
        site.server.clock.advance(LIFETIME);
        assert!(site.get(&link).await.text().contains("<form"), "{root}");
        site.server.clock.advance(1);
        assert_does_nothing(&site, &link).await;
    }
    let site = Site::start().await;
    let link = site.mailed(ACTIVATION).await;
    site.server.clock.advance(LIFETIME);
    assert_eq!(site.make_use_of(&link).await.status, 200);
}

async fn assert_does_nothing(site: &Site, link: &str) {
    let page = site.get(link).await;
    assert_eq!((page.status.as_u16(), heading(&page).as_str()), (200, DEAD), "{link}");
    assert!(!page.text().contains("<form"), "{link}");
    let page = site.make_use_of(link).await;
    assert_eq!((page.status.as_u16(), heading(&page).as_str()), (400, DEAD), "{link}");
}

#[tokio::test]
async fn password_that_is_refused_is_asked_for_again_at_its_field() {
    let site = Site::start().await;
    let link = site.mailed(RESET).await;
    let long = "Long-1".repeat(200);
    for (password, repeat, field, mistake) in [
        ("", "", "password", "Enter a new password."),
        ("Qx7-pw", "Qx7-pw", "password", "This password is too short. It needs at least 8"),
        ("password1", "password1", "password", "used by too many people"),
        ("81726354901827", "81726354901827", "password", "has only digits"),
        (long.as_str(), long.as_str(), "password", "too long"),
        (NEW_PASSWORD, "another horse", "repeat", "The passwords do not match."),
        (NEW_PASSWORD, "", "repeat", "Enter the new password once more."),
    ] {
        let page = site.submit(&link, &[("password", password), ("repeat", repeat)]).await;
        assert_eq!((page.status.as_u16(), heading(&page).as_str()), (422, "Choose a new password"));
        assert_mistake_at(&page, field, mistake);
        let html = page.text();
        assert!(password.is_empty() || !html.contains(password), "the password is echoed");
    }
    assert!(site.signs_in(EMAIL, PASSWORD).await);
    assert_eq!(site.make_use_of(&link).await.status, 200);
}

#[tokio::test]
async fn address_that_is_refused_is_asked_for_again_with_the_input() {
    let site = Site::start().await;
    let link = site.mailed(EMAIL_RESET).await;
    let taken = json!({"email": "berta@example.com", "password": PASSWORD});
    assert_eq!(site.server.client.post("/api/auth/users/", &taken).await.status, 201);
    for (entered, shown, mistake) in [
        ("  ", "", "Enter an e-mail address."),
        ("anna@\"<b>", "anna@&#34;&#60;b&#62;", "This is not an e-mail address."),
        ("Berta@example.com", "Berta@example.com", "Another account uses this address."),
    ] {
        let page = site.submit(&link, &[("email", entered)]).await;
        assert_eq!(page.status, 422, "{entered}");
        assert_mistake_at(&page, "email", mistake);
        assert!(page.text().contains(&format!(" value=\"{shown}\" ")), "{}", page.text());
    }
    assert_eq!(site.make_use_of(&link).await.status, 200);
}

/// The message is next to its field and tied to it, and the field has the focus.
fn assert_mistake_at(page: &Answer, field: &str, mistake: &str) {
    let html = page.text();
    assert!(between(&html, "<title>", "</title>").starts_with("Error: "), "{html}");
    assert_eq!(html.matches("aria-invalid=").count(), 1, "{html}");
    assert_eq!(html.matches(" autofocus").count(), 1, "{html}");
    let message = between(&html, &format!("id=\"{field}-mistake\">"), "</div>");
    assert!(message.contains(mistake), "{message}");
    let input = between(&html, &format!(" id=\"{field}\""), ">");
    assert!(input.contains("aria-invalid=\"true\""), "{input}");
    assert!(input.contains("autofocus"), "{input}");
    let described = between(input, "aria-describedby=\"", "\"");
    assert!(described.split(' ').any(|id| id == format!("{field}-mistake")), "{described}");
}

#[tokio::test]
async fn form_is_not_shown_for_a_link_that_does_nothing() {
    let site = Site::start().await;
    for root in [RESET, EMAIL_RESET] {
        let page = site.submit(&format!("{root}/MQ/x"), &[("password", "1")]).await;
        assert_eq!((page.status.as_u16(), heading(&page).as_str()), (400, DEAD), "{root}");
    }
}

#[tokio::test]
async fn guesses_of_links_are_limited() {
    let site = Site::with(|config| {
        config.limits = Limits { enabled: true, per_address: 3, ..Limits::default() };
    });
    let site = site.await;
    let link = site.mailed(ACTIVATION).await;
    for _ in 0..3 {
        assert_eq!(site.make_use_of(&format!("{ACTIVATION}/MQ/x")).await.status, 400);
    }
    let page = site.make_use_of(&link).await;
    assert_eq!((page.status.as_u16(), heading(&page).as_str()), (429, "Too many attempts"));
    assert_eq!(page.header("retry-after").as_deref(), Some("600"));
    assert!(page.text().contains("Please try again in 10\u{a0}min."), "{}", page.text());
    assert_eq!(heading(&site.get(&link).await), "Activate your account");
    site.server.clock.advance(600);
    assert_eq!(site.make_use_of(&link).await.status, 200);
}

#[tokio::test]
async fn form_that_is_too_large_is_answered_with_a_page() {
    let site = Site::start().await;
    let link = site.mailed(RESET).await;
    let page = site.submit(&link, &[("password", &"x".repeat(70_000))]).await;
    assert_eq!((page.status.as_u16(), heading(&page).as_str()), (413, "The form did not arrive"));
    assert_eq!(site.make_use_of(&link).await.status, 200);
}

#[tokio::test]
async fn other_methods_have_no_page() {
    let site = Site::start().await;
    let link = site.mailed(ACTIVATION).await;
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = site.send(method, &link, &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow").as_deref(), Some("GET,HEAD,POST"), "{method}");
    }
    assert_eq!(site.make_use_of(&link).await.status, 200);
}
