//! Tokens and codes that a provider has issued to another application.

use propusk_tests::providers::OTHER_CLIENT_ID;

use super::*;

/// A code as if issued to that application, and its device.
fn issued(site: &Site, provider: Provider, client_id: &str, user: &User) -> (String, String) {
    let code = site.stand_in.code(provider, client_id, None, Some(CHALLENGE), user);
    let device_id = site.stand_in.device_id(&code).unwrap_or_default();
    (code, device_id)
}

#[tokio::test]
async fn token_of_another_application_opens_and_creates_no_account() {
    let site = Site::start().await;
    register_application(&site).await;
    for provider in Provider::ALL {
        let victim = victim(provider);
        assert_eq!(site.sign_in(&victim, provider).await.status, 200);
        let watch = Watch::over(&site).await;
        for user in [&victim, &stranger(provider)] {
            let token = site.stand_in.access_token(provider, OTHER_CLIENT_ID, user);
            is_invalid_token(&site.enter(provider, "registration", &token).await);
            is_invalid_token(&site.enter(provider, "login", &token).await);
            is_denied(&convert(&site, provider, &token).await);
        }
        watch.has_seen_nothing(&site).await;
        let own = site.stand_in.access_token(provider, CLIENT_ID, &victim);
        assert_eq!(site.enter(provider, "login", &own).await.status, 200, "{provider:?}");
        assert_eq!(convert(&site, provider, &own).await.status, 200, "{provider:?}");
    }
}

#[tokio::test]
async fn token_of_another_application_works_if_it_is_configured() {
    let site = Site::with(|config| {
        for provider in Provider::ALL {
            let others = vec!["yet-another".to_owned(), OTHER_CLIENT_ID.to_owned()];
            config.provider(name_of(provider)).other_client_ids = others;
        }
    });
    let site = site.await;
    for provider in Provider::ALL {
        let token = site.stand_in.access_token(provider, OTHER_CLIENT_ID, &victim(provider));
        let pair = site.enter(provider, "registration", &token).await;
        assert_eq!(pair.status, 200, "{provider:?} {}", pair.text());
    }
}

#[tokio::test]
async fn token_of_one_provider_is_refused_at_another() {
    let site = Site::start().await;
    register_application(&site).await;
    let watch = Watch::over(&site).await;
    for provider in Provider::ALL {
        let token = site.stand_in.access_token(provider, CLIENT_ID, &stranger(provider));
        for other in Provider::ALL.into_iter().filter(|other| *other != provider) {
            is_invalid_token(&site.enter(other, "registration", &token).await);
            let converted = convert(&site, other, &token).await;
            assert_eq!(converted.status, 400, "{}", converted.text());
        }
    }
    watch.has_seen_nothing(&site).await;
}

#[tokio::test]
async fn code_of_another_application_opens_and_creates_no_account() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let victim = victim(provider);
        assert_eq!(site.sign_in(&victim, provider).await.status, 200);
        let watch = Watch::over(&site).await;
        let foreign = || issued(&site, provider, OTHER_CLIENT_ID, &victim);

        let started = site.begin(provider, REDIRECT).await;
        let (code, device) = foreign();
        let pairs = [("code", &*code), ("device_id", &device), ("state", &started.state)];
        let link = site.link_to_app(&callback_of(provider, &pairs)).await;
        assert_eq!(link, format!("{REDIRECT}?error=provider_refused&state={}", started.state));

        let state = parameter(&site.link(provider).await, "state");
        let (code, device) = foreign();
        let pairs = [("code", &*code), ("device_id", &device), ("state", &state)];
        let returned = site.client().get(&callback_of(provider, &pairs), None).await;
        let refusal = (returned.status.as_u16(), returned.field("detail"));
        assert_eq!(refusal, (400, "provider_refused".to_owned()));

        let state = parameter(&site.link(provider).await, "state");
        let (code, device) = foreign();
        let pairs = [("code", &*code), ("device_id", &device), ("state", &state)];
        is_invalid_token(&redeem(&site, provider, &pairs).await);
        watch.has_seen_nothing(&site).await;
    }
}

/// Another person's code, inserted into the attacker's own sign-in: it belongs to another
/// challenge.
#[tokio::test]
async fn code_from_outside_of_the_sign_in_is_refused_though_it_is_ours() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let watch = Watch::over(&site).await;
        let started = site.begin(provider, REDIRECT).await;
        let (code, device) = issued(&site, provider, CLIENT_ID, &victim(provider));
        let pairs = [("code", &*code), ("device_id", &device), ("state", &started.state)];
        let link = site.link_to_app(&callback_of(provider, &pairs)).await;
        assert_eq!(link, format!("{REDIRECT}?error=provider_refused&state={}", started.state));
        watch.has_seen_nothing(&site).await;
    }
}
