//! Links that work: opened any number of times, used once.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use propusk_server::language::Language;
use sha2::{Digest, Sha256};

use super::*;

#[tokio::test]
async fn page_spends_its_link_only_when_it_is_used() {
    for (root, asks, done) in [
        (ACTIVATION, "Activate your account", "Your account is active"),
        (RESET, "Choose a new password", "Your password has been changed"),
        (EMAIL_RESET, "Change your e-mail address", "Your e-mail address has been changed"),
    ] {
        let site = Site::start().await;
        let link = site.mailed(root).await;
        for path in [link.clone(), format!("{link}/"), format!("{link}?utm=x")] {
            for _ in 0..3 {
                let page = site.get(&path).await;
                assert_eq!((page.status.as_u16(), heading(&page).as_str()), (200, asks), "{path}");
                assert_eq!(site.send("HEAD", &path, &[]).await.status, 200, "{path}");
            }
        }
        let page = site.make_use_of(&link).await;
        assert_eq!((page.status.as_u16(), heading(&page).as_str()), (200, done));
        let again = site.make_use_of(&format!("{link}/")).await;
        assert_eq!(again.status, 400, "{root}");
        let looked_at = site.get(&link).await;
        assert_eq!(looked_at.status, 200, "{root}");
        assert_eq!(heading(&looked_at), heading(&again));
        assert!(!looked_at.text().contains("<form"), "{root}");
    }
}

#[tokio::test]
async fn button_activates_and_leads_to_the_sign_in_the_second_time() {
    let site = Site::start().await;
    let link = site.mailed(ACTIVATION).await;
    site.get(&link).await;
    assert!(!site.signs_in(EMAIL, PASSWORD).await);
    site.make_use_of(&link).await;
    let again = site.make_use_of(&link).await;
    assert!(again.text().contains("Your account is active already."), "{}", again.text());
    assert!(site.signs_in(EMAIL, PASSWORD).await);
    assert_eq!(heading(&site.get(&link).await), DEAD, "once its owner has signed in");
}

#[tokio::test]
async fn form_sets_the_password() {
    let site = Site::start().await;
    let link = site.mailed(RESET).await;
    site.get(&link).await;
    assert!(site.signs_in(EMAIL, PASSWORD).await);
    site.make_use_of(&link).await;
    assert!(!site.signs_in(EMAIL, PASSWORD).await);
    assert!(site.signs_in(EMAIL, NEW_PASSWORD).await);
}

#[tokio::test]
async fn form_changes_the_address() {
    let site = Site::start().await;
    let link = site.mailed(EMAIL_RESET).await;
    site.submit(&link, &[("email", " anna@example.org ")]).await;
    assert!(!site.signs_in(EMAIL, PASSWORD).await);
    assert!(site.signs_in("anna@example.org", PASSWORD).await);
}

#[tokio::test]
async fn link_of_an_api_that_answers_post_there_shows_the_same_form() {
    let site = Site::start().await;
    let link = site.mailed(RESET).await;
    let (uid, token) = uid_and_token(&link);
    for confirm in ["/api/auth/password/reset/confirm/", "/api/auth/password/reset/confirm"] {
        let page = site.get(&format!("{confirm}?uid={uid}&token={token}")).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.text(), site.get(&link).await.text());
        for query in ["", "?uid=", "?uid=MQ", "?token=x", "?uid=&token=x", "?uid=MQ&token="] {
            let answer = site.get(&format!("{confirm}{query}")).await;
            assert_eq!(answer.status, 405, "{query}");
            assert_eq!(answer.field("detail"), "Method \"GET\" not allowed.", "{query}");
        }
        let answer = site.send("PUT", &format!("{confirm}?uid={uid}&token={token}"), &[]).await;
        assert_eq!(answer.status, 405);
    }
    let odd = "/api/auth/password/reset/confirm/?uid=a%2Fb&token=%22%3E%3Cb%3E%20c%3Fd";
    let page = site.get(odd).await.text();
    assert!(page.contains("/auth/reset/a%2Fb/%22%3E%3Cb%3E%20c%3Fd?lang=ru"), "{page}");
    let doubled = site.get(&format!("/api/auth/password/reset/confirm//?uid={uid}&token=x")).await;
    assert_eq!(doubled.status, 404);
}

#[tokio::test]
async fn page_is_not_cached_loads_nothing_and_runs_nothing() {
    let site = Site::start().await;
    let link = site.mailed(ACTIVATION).await;
    let pages = [
        site.get(&link).await,
        site.get(&format!("{RESET}/MQ/x")).await,
        site.submit(&format!("{RESET}/MQ/x"), &[]).await,
        site.make_use_of(&link).await,
    ];
    for page in pages {
        let html = page.text();
        let style = BASE64_STANDARD.encode(Sha256::digest(between(&html, "<style>", "</style>")));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; \
             frame-ancestors 'none'; base-uri 'none'"
        );
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("content-language", "en"),
            ("vary", "Accept-Language"),
            ("cross-origin-opener-policy", "same-origin"),
            ("content-security-policy", policy.as_str()),
        ] {
            assert_eq!(page.header(name).as_deref(), Some(value), "{name}");
        }
        assert!(html.contains("name=\"robots\" content=\"noindex, nofollow\""));
        for absent in ["<script", "http:", "https:", " style=", "url("] {
            assert!(!html.contains(absent), "{absent} in {html}");
        }
    }
    let head = site.send("HEAD", &format!("{RESET}/MQ/x"), &[]).await;
    assert_eq!(head.header("cache-control").as_deref(), Some("no-store"));
}

#[tokio::test]
async fn forms_keep_the_path_that_a_proxy_removes() {
    let public = "https://example.org/sign-in";
    let site = Site::with(|config| config.public_url = Some(public.to_owned())).await;
    let link = site.mailed(ACTIVATION).await;
    let page = site.get(&link).await.text();
    assert!(page.contains(&format!("action=\"/sign-in{link}?lang=en\"")), "{page}");
    assert!(page.contains("<strong>example.org</strong>"), "{page}");
}

#[tokio::test]
async fn links_in_mails_can_open_an_app() {
    let site = Site::with(|config| {
        config.links.activation = Some("anna-app://activate?u={uid}&t={token}".to_owned());
        config.links.reset = Some("https://app.example/reset#{uid}/{token}".to_owned());
        config.links.email_reset = Some("https://app.example/e-mail/{uid}/{token}".to_owned());
    });
    let site = site.await;
    let (auth, from) = (&site.server.auth, IpAddr::from(Ipv4Addr::LOCALHOST));
    let asked = Requester { challenge: None, from, language: None };
    let link = site.arrived_with("anna-app://").await;
    let uid = between(&link, "?u=", "&t=");
    let (_, token) = link.split_once("&t=").expect("a token");
    auth.activate(uid, token, from).await.expect("a link that works");
    auth.request_password_reset(&POLICY, EMAIL, asked).await.expect("a mail");
    site.arrived_with("https://app.example/reset#").await;
    auth.request_email_reset(&POLICY, EMAIL, asked).await.expect("a mail");
    site.arrived_with("https://app.example/e-mail/").await;
    let ours = site.links().await.into_iter().find(|link| link.contains("/auth/"));
    assert_eq!(ours, None);
}

#[tokio::test]
async fn product_name_is_quoted_as_the_language_needs() {
    let named = Site::with(|config| {
        config.product.name = Some("Моя Аптека".to_owned());
        config.product.support = Some("a%b&c?d#e@example.com".to_owned());
        config.mail.language = Language::Ru;
    });
    let named = named.await;
    let path = named.mailed(RESET).await;
    let mail = named.server.smtp.mails().pop().expect("a mail").letter();
    assert_eq!(mail.subject, "Новый пароль на «Моя Аптека»");
    assert!(mail.text.contains("на «Моя Аптека» запросили новый пароль"), "{}", mail.text);
    for (language, place) in [("ru", "«Моя Аптека»"), ("uk", "«Моя Аптека»"), ("en", "Моя Аптека")]
    {
        let page = named.server.client.get(&format!("{path}?lang={language}"), None).await.text();
        assert!(page.contains(&format!("<strong>{place}</strong>")), "{page}");
        assert!(page.contains("<span>Моя Аптека</span>"), "{page}");
        let link = "href=\"mailto:a%25b%26c%3Fd%23e@example.com\"";
        assert!(page.contains(link), "{page}");
    }
    let site = Site::with(|config| config.mail.language = Language::Ru).await;
    let path = site.mailed(RESET).await;
    let mail = site.server.smtp.mails().pop().expect("a mail").letter();
    assert!(!mail.subject.contains('«') && !mail.text.contains('«'), "{}", mail.text);
    let page = site.server.client.get(&format!("{path}?lang=uk"), None).await.text();
    assert!(!page.contains('«'), "{page}");
}

#[tokio::test]
async fn pages_and_mails_carry_the_names_that_the_operator_gives() {
    let site = Site::with(|config| {
        config.product.name = Some("Cats & <Dogs>".to_owned());
        config.product.support = Some("help@example.com".to_owned());
        config.mail.reply_to = Some("Help <help@example.com>".to_owned());
    });
    let site = site.await;
    let path = site.mailed(RESET).await;
    let page = site.server.client.get(&path, None).await.text();
    assert!(
        page.contains("Cats &#38; &#60;Dogs&#62;</span>") && !page.contains("<Dogs>"),
        "{page}"
    );
    assert!(page.contains("<a href=\"mailto:help@example.com\">help@example.com</a>"), "{page}");
    let mail = site.server.smtp.mails().pop().expect("a mail");
    let content = String::from_utf8_lossy(&mail.content).into_owned();
    assert!(content.contains("\r\nReply-To: Help <help@example.com>\r\n"), "{content}");
    let letter = mail.letter();
    assert!(letter.subject.contains("Cats & <Dogs>"), "{}", letter.subject);
    assert!(letter.text.contains("help@example.com\n"), "{}", letter.text);
}
