//! States that are spent, expired, invented, or of another provider; callbacks that an attacker
//! sends.

use super::*;

#[tokio::test]
async fn state_is_good_once_in_whatever_browser() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let user = stranger(provider);
        let started = site.begin(provider, REDIRECT).await;
        let callback = site.at_provider(&user, provider, &started.authorize_url).await;
        let link = site.link_to_app(&callback).await;
        let asked = exchanges(&site);
        is_over(&site, &callback).await;
        let other_browser = Client::new(site.server.public_url.clone());
        assert_eq!(other_browser.get(&callback, None).await.status, 400);
        let fresh = site.at_provider(&user, provider, &started.authorize_url).await;
        is_over(&site, &fresh).await;
        assert_eq!(exchanges(&site), asked, "a spent state asks nobody");
        let done = site.complete(&parameter(&link, "code"), VERIFIER).await;
        assert_eq!(done.status, 200, "the first one goes on: {}", done.text());
    }
}

#[tokio::test]
async fn state_of_the_document_is_good_once() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let link = site.link(provider).await;
        let callback = site.at_provider(&stranger(provider), provider, &link).await;
        assert_eq!(site.client().get(&callback, None).await.status, 200);
        is_over(&site, &callback).await;
    }
}

#[tokio::test]
async fn state_that_was_refused_once_is_spent() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let started = site.begin(provider, REDIRECT).await;
        let callback =
            site.at_provider(&stranger(provider), provider, &started.authorize_url).await;
        let error = [("error", "access_denied"), ("state", &*started.state)];
        let link = site.link_to_app(&callback_of(provider, &error)).await;
        assert_eq!(parameter(&link, "error"), "access_denied");
        is_over(&site, &callback).await;
    }
    assert_eq!(exchanges(&site), 0);
}

#[tokio::test]
async fn code_with_an_error_or_too_long_is_not_forwarded() {
    let site = Site::start().await;
    let long = "c".repeat(4_097);
    for provider in Provider::ALL {
        for (name, value, error) in [
            ("error", "access_denied", "access_denied"),
            ("error", "server_error", "provider_refused"),
            ("code", &*long, "provider_refused"),
        ] {
            let started = site.begin(provider, REDIRECT).await;
            let mut brought =
                brought(&site, &stranger(provider), provider, &started.authorize_url).await;
            brought.retain(|(key, _)| key != name);
            brought.push((name.to_owned(), value.to_owned()));
            let pairs: Vec<_> = brought.iter().map(|(name, value)| (&**name, &**value)).collect();
            let link = site.link_to_app(&callback_of(provider, &pairs)).await;
            assert_eq!(parameter(&link, "error"), error, "{provider:?} {name}");
            is_over(&site, &callback_of(provider, &pairs)).await;
        }
    }
    assert_eq!(exchanges(&site), 0);
}

#[tokio::test]
async fn device_that_is_too_long_is_not_forwarded() {
    let site = Site::start().await;
    let started = site.begin(Provider::Vk, REDIRECT).await;
    let long = "d".repeat(4_097);
    let pairs = [("code", "c"), ("state", &*started.state), ("device_id", &*long)];
    let link = site.link_to_app(&callback_of(Provider::Vk, &pairs)).await;
    assert_eq!(parameter(&link, "error"), "provider_refused");
    assert_eq!(exchanges(&site), 0);
}

/// Login CSRF: an attacker's code, and no sign-in that was started.
#[tokio::test]
async fn state_that_was_never_issued_leads_nowhere_and_asks_no_provider() {
    let site = Site::start().await;
    let watch = Watch::over(&site).await;
    for provider in Provider::ALL {
        let link = site.link(provider).await;
        let real = parameter(&link, "state");
        let brought = brought(&site, &stranger(provider), provider, &link).await;
        let value = |name| brought.iter().find(|(key, _)| key == name).map_or("", |(_, v)| &**v);
        let invented = [
            String::new(),
            "x".repeat(43),
            real[..42].to_owned(),
            format!("{real}A"),
            format!("{real}="),
            format!(" {real}"),
            format!("{real}\0"),
            real.to_lowercase(),
            "x".repeat(5_000),
            "' or ''='".to_owned(),
        ];
        for state in invented {
            let pairs =
                [("code", value("code")), ("device_id", value("device_id")), ("state", &*state)];
            is_over(&site, &callback_of(provider, &pairs)).await;
            is_over(&site, &callback_of(provider, &pairs[..2])).await;
            is_invalid_code(&redeem(&site, provider, &pairs).await);
        }
        let twice = [("code", value("code")), ("state", &*real), ("state", &*real)];
        is_over(&site, &callback_of(provider, &twice)).await;
        assert_eq!(exchanges(&site), 0);
    }
    watch.has_seen_nothing(&site).await;
}

#[tokio::test]
async fn state_lives_ten_minutes_and_not_a_second_longer() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let user = stranger(provider);
        let (started, link) = (site.begin(provider, REDIRECT).await, site.link(provider).await);
        let in_time = site.at_provider(&user, provider, &started.authorize_url).await;
        let late = site.at_provider(&user, provider, &link).await;
        site.server.clock.advance(599);
        assert!(site.link_to_app(&in_time).await.contains("code="));
        site.server.clock.advance(1);
        is_over(&site, &late).await;
        let brought = late.split_once('?').expect("a query").1;
        let path = format!("{}/get/token?{brought}", root_of(provider));
        is_invalid_code(&site.client().get(&path, None).await);
    }
    assert_eq!(exchanges(&site), 4, "those that came in time");
}

/// A malicious provider may send its visitor to the callback of another one.
#[tokio::test]
async fn state_of_one_provider_is_refused_at_the_callback_of_another() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let started = site.begin(provider, REDIRECT).await;
        let callback =
            site.at_provider(&stranger(provider), provider, &started.authorize_url).await;
        let (_, query) = callback.split_once('?').expect("a query");
        let link = site.link(provider).await;
        let state = parameter(&link, "state");
        site.stand_in.forget_requests();
        for other in Provider::ALL.into_iter().filter(|other| *other != provider) {
            is_over(&site, &format!("{}/callback?{query}", root_of(other))).await;
            let foreign = site.at_provider(&stranger(other), other, &site.link(other).await).await;
            let pairs = [("code", &*parameter(&foreign, "code")), ("state", &*state)];
            is_over(&site, &callback_of(other, &pairs)).await;
            let with_device = [pairs[0], pairs[1], ("device_id", "d")];
            is_invalid_code(&redeem(&site, other, &with_device).await);
        }
        assert_eq!(exchanges(&site), 0, "no code goes to a provider that it is not of");
        assert!(site.link_to_app(&callback).await.contains("code="), "{provider:?} goes on");
    }
}

#[tokio::test]
async fn callback_that_names_another_issuer_is_refused_before_the_code_is_sent_anywhere() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let own = own_issuers(&site, provider).remove(0);
        let foreign = [
            "https://evil.example".to_owned(),
            format!("{own}/"),
            format!("{own}.evil.example"),
            own.replacen("http", "ftp", 1),
            own.to_uppercase(),
            "x".repeat(5_000),
        ];
        for issuer in foreign {
            site.stand_in.callback_iss(provider, Some(issuer.clone()));
            let started = site.begin(provider, REDIRECT).await;
            let callback =
                site.at_provider(&stranger(provider), provider, &started.authorize_url).await;
            let link = site.link_to_app(&callback).await;
            let refused = format!("{REDIRECT}?error=provider_refused&state={}", started.state);
            assert_eq!(link, refused, "{provider:?} {issuer}");
            let link = site.link(provider).await;
            let callback = site.at_provider(&stranger(provider), provider, &link).await;
            assert_eq!(site.client().get(&callback, None).await.status, 400);
        }
        assert_eq!(exchanges(&site), 0);
    }
}

#[tokio::test]
async fn callback_that_names_the_right_issuer_continues() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        for issuer in own_issuers(&site, provider) {
            site.stand_in.callback_iss(provider, Some(issuer.clone()));
            let done = site.sign_in(&stranger(provider), provider).await;
            assert_eq!(done.status, 200, "{provider:?} {issuer} {}", done.text());
        }
    }
}

/// Google documents its issuer; for the others it is the URL of their page.
fn own_issuers(site: &Site, provider: Provider) -> Vec<String> {
    let page = Url::parse(&site.stand_in.url(provider, Endpoint::Authorize)).expect("a URL");
    match provider {
        Provider::Google => {
            vec!["https://accounts.google.com".to_owned(), "accounts.google.com".to_owned()]
        }
        _ => vec![page.origin().ascii_serialization()],
    }
}

#[tokio::test]
async fn callback_that_is_only_looked_at_spends_nothing() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let started = site.begin(provider, REDIRECT).await;
        let callback =
            site.at_provider(&stranger(provider), provider, &started.authorize_url).await;
        for method in ["HEAD", "OPTIONS", "POST", "PUT", "DELETE"] {
            let answer = send(&site, Request::builder().method(method).uri(&callback)).await;
            assert!(answer.header("location").is_none());
            assert!(!answer.text().contains("code="), "{}", answer.text());
        }
        assert_eq!(exchanges(&site), provider as usize, "those that went on");
        assert!(site.link_to_app(&callback).await.contains("code="));
    }
}
