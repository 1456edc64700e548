//! Codes that are used twice, late, in the wrong place, from another device, or with a wrong state.

use super::*;

#[tokio::test]
async fn code_ends_one_sign_in_of_an_app() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let code = app_code(&site, &stranger(provider), provider).await;
        let done = site.complete(&code, VERIFIER).await;
        assert_eq!(done.status, 200, "{}", done.text());
        let watch = Watch::over(&site).await;
        is_unknown_sign_in(&site.complete(&code, VERIFIER).await);
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn code_fetches_a_providers_tokens_once() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let fetchable = Fetchable::of(&site, &stranger(provider), provider).await;
        assert_eq!(fetchable.redeem(&site, provider).await.status, 200);
        is_invalid_code(&fetchable.redeem(&site, provider).await);
    }
}

#[tokio::test]
async fn code_of_the_provider_works_for_one_sign_in() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let link = site.link(provider).await;
        let callback = site.at_provider(&victim(provider), provider, &link).await;
        assert_eq!(site.client().get(&callback, None).await.status, 200);
        let watch = Watch::over(&site).await;
        let started = site.begin(provider, REDIRECT).await;
        let state = parameter(&link, "state");
        let link = site.link_to_app(&callback.replace(&state, &started.state)).await;
        assert_eq!(link, format!("{REDIRECT}?error=provider_refused&state={}", started.state));
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn code_lives_a_minute_and_not_a_second_longer() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let user = stranger(provider);
        let in_time =
            (app_code(&site, &user, provider).await, Fetchable::of(&site, &user, provider).await);
        let late =
            (app_code(&site, &user, provider).await, Fetchable::of(&site, &user, provider).await);
        site.server.clock.advance(59);
        assert_eq!(site.complete(&in_time.0, VERIFIER).await.status, 200);
        assert_eq!(in_time.1.redeem(&site, provider).await.status, 200);
        site.server.clock.advance(1);
        is_unknown_sign_in(&site.complete(&late.0, VERIFIER).await);
        is_invalid_code(&late.1.redeem(&site, provider).await);
    }
}

#[tokio::test]
async fn code_is_good_only_where_its_sign_in_was_to_end() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let user = stranger(provider);
        let watch = Watch::over(&site).await;
        let fetchable = Fetchable::of(&site, &user, provider).await;
        is_unknown_sign_in(&site.complete(&fetchable.code, VERIFIER).await);
        is_invalid_code(&fetchable.redeem(&site, provider).await);

        let code = app_code(&site, &user, provider).await;
        is_invalid_code(&redeem(&site, provider, &[("code", &code), ("device_id", "d")]).await);
        is_unknown_sign_in(&site.complete(&code, VERIFIER).await);
        watch.has_seen_nothing(&site).await;
    }
}

#[tokio::test]
async fn code_of_one_provider_is_refused_at_another() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        for other in Provider::ALL.into_iter().filter(|other| *other != provider) {
            let fetchable = Fetchable::of(&site, &stranger(provider), provider).await;
            is_invalid_code(&fetchable.redeem(&site, other).await);
            is_invalid_code(&fetchable.redeem(&site, provider).await);
        }
    }
}

#[tokio::test]
async fn code_of_vk_works_only_with_its_device() {
    let site = Site::start().await;
    let user = stranger(Provider::Vk);
    let other = Fetchable::of(&site, &user, Provider::Vk).await.device_id;
    let shorter = |id: &str| id[..id.len() - 1].to_owned();
    let changes: [&dyn Fn(&str) -> String; 4] =
        [&|_| "d".to_owned(), &|id| format!("{id}x"), &shorter, &|_| other.clone()];
    for change in changes {
        let fetchable = Fetchable::of(&site, &user, Provider::Vk).await;
        let device_id = change(&fetchable.device_id);
        let pairs = [("code", &*fetchable.code), ("device_id", &device_id)];
        is_invalid_code(&redeem(&site, Provider::Vk, &pairs).await);
        is_invalid_code(&fetchable.redeem(&site, Provider::Vk).await);
    }
    let fetchable = Fetchable::of(&site, &user, Provider::Vk).await;
    let without = redeem(&site, Provider::Vk, &[("code", &fetchable.code)]).await;
    assert_eq!(without.status, 422, "{}", without.text());
    assert_eq!(fetchable.redeem(&site, Provider::Vk).await.status, 200);
}

#[tokio::test]
async fn callback_of_vk_with_another_device_is_refused() {
    let site = Site::start().await;
    let user = stranger(Provider::Vk);
    for device in [None, Some("another")] {
        let started = site.begin(Provider::Vk, REDIRECT).await;
        let callback = site.at_provider(&user, Provider::Vk, &started.authorize_url).await;
        let code = parameter(&callback, "code");
        let mut pairs = vec![("code", &*code), ("state", &started.state)];
        pairs.extend(device.map(|device| ("device_id", device)));
        let link = site.link_to_app(&callback_of(Provider::Vk, &pairs)).await;
        assert_eq!(link, format!("{REDIRECT}?error=provider_refused&state={}", started.state));
        is_over(&site, &callback).await;
    }
}

#[tokio::test]
async fn code_must_belong_to_the_state_that_accompanies_it() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let user = stranger(provider);
        let open = parameter(&site.link(provider).await, "state");
        let spent = Fetchable::of(&site, &user, provider).await.state;
        for state in [open, spent, "x".repeat(43)] {
            let Fetchable { code, device_id, .. } = Fetchable::of(&site, &user, provider).await;
            let pairs = [("code", &*code), ("device_id", &device_id), ("state", &state)];
            is_invalid_code(&redeem(&site, provider, &pairs).await);
            is_invalid_code(&redeem(&site, provider, &pairs[..2]).await);
        }
        let Fetchable { code, device_id, state } = Fetchable::of(&site, &user, provider).await;
        let pairs = [("code", &*code), ("device_id", &device_id), ("state", &state)];
        assert_eq!(redeem(&site, provider, &pairs).await.status, 200);
    }
}

#[tokio::test]
async fn providers_own_code_is_taken_only_with_the_open_state_that_it_came_with() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let (user, link) = (stranger(provider), site.link(provider).await);
        let brought = brought(&site, &user, provider, &link).await;
        let with_state = |state: Option<&str>| {
            let kept = brought.iter().filter(|(name, _)| name != "state");
            let state = state.map(|state| ("state".to_owned(), state.to_owned()));
            kept.cloned().chain(state).collect::<Vec<_>>()
        };
        let started = site.begin(provider, REDIRECT).await;
        let spent = Fetchable::of(&site, &user, provider).await.state;
        let asked = exchanges(&site);
        for state in [None, Some(&*started.state), Some(&*spent), Some("x")] {
            is_invalid_code(&fetch(&site, provider, &with_state(state)).await);
        }
        assert_eq!(exchanges(&site), asked);
        let callback = site.at_provider(&user, provider, &started.authorize_url).await;
        assert!(site.link_to_app(&callback).await.contains("code="), "the app goes on");

        let fetched = fetch(&site, provider, &brought).await;
        assert_eq!(fetched.status, 200, "{provider:?} {}", fetched.text());
        is_invalid_code(&fetch(&site, provider, &brought).await);
    }
}

/// The attacker's code, with the state of another person's sign-in.
#[tokio::test]
async fn providers_own_code_is_refused_with_the_state_of_another_sign_in() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let link = site.link(provider).await;
        let mut brought = brought(&site, &stranger(provider), provider, &link).await;
        let others = parameter(&site.link(provider).await, "state");
        brought.retain(|(name, _)| name != "state");
        brought.push(("state".to_owned(), others));
        is_invalid_token(&fetch(&site, provider, &brought).await);
        is_invalid_code(&fetch(&site, provider, &brought).await);
    }
}

async fn fetch(site: &Site, provider: Provider, pairs: &[(String, String)]) -> Answer {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
    redeem(site, provider, &pairs).await
}
