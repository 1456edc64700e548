//! The two steps of PKCE with the routes of our own API.

use super::*;
use propusk_stand_in::Consent;

#[tokio::test]
async fn app_signs_in_with_every_provider_repeatedly_to_the_same_account() {
    let site = Site::start().await;
    for (provider, id) in Provider::ALL.into_iter().zip(["501", "502", "503", "504"]) {
        let user = User::new(format!("user{id}")).with_id(id);
        let first = site.sign_in(&user, provider).await;
        assert_eq!(first.status, 200, "{provider:?} {}", first.text());
        assert_eq!(first.field("token_type"), "Bearer");
        let account = first.json()["account"].clone();
        assert_eq!(account["email"], format!("user{id}@example.com"));
        assert_eq!(account["email_verified"], provider == Provider::Google, "{provider:?}");
        let again = site.sign_in(&user, provider).await;
        assert_eq!(again.json()["account"], account);
        assert_ne!(again.field("access_token"), first.field("access_token"));
        let bearer = format!("Bearer {}", again.field("access_token"));
        let me = site.client().get("/api/auth/users/me/", Some(&bearer)).await;
        assert_eq!(me.json()["id"], account["id"], "{}", me.text());
    }
}

#[tokio::test]
async fn callback_of_vk_may_have_one_parameter() {
    let site = Site::start().await;
    site.stand_in.vk_payload(true);
    let user = User::new("user505").with_id("505");
    let started = site.begin(Provider::Vk, REDIRECT).await;
    let callback = site.at_provider(&user, Provider::Vk, &started.authorize_url).await;
    assert!(callback.starts_with("/vk/callback?payload=%7B"), "{callback}");
    let link = site.link_to_app(&callback).await;
    assert_eq!(parameter(&link, "state"), started.state);
    let done = site.complete(&parameter(&link, "code"), VERIFIER).await;
    assert_eq!(done.json()["account"]["email"], "user505@example.com", "{}", done.text());
    let tokens = site.fetch_tokens(&user, Provider::Vk).await;
    let token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(site.enter(Provider::Vk, "login", token).await.status, 200);
}

#[tokio::test]
async fn session_ends_when_the_app_signs_out() {
    let site = Site::start().await;
    let token = site.sign_in(&User::new("greta"), Provider::Google).await.field("access_token");
    let bearer = format!("Bearer {token}");
    let me = || site.client().get("/api/auth/users/me/", Some(&bearer));
    assert_eq!(me().await.status, 200);
    for (authorization, status) in [(None, 401), (Some("Bearer x"), 401), (Some(&*bearer), 204)] {
        assert_eq!(sign_out(&site, authorization).await, status, "{authorization:?}");
    }
    assert_eq!(me().await.status, 401);
    assert_eq!(sign_out(&site, Some(&bearer)).await, 401);
}

async fn sign_out(site: &Site, authorization: Option<&str>) -> u16 {
    let path = "/propusk/v1/sessions/current";
    site.client().call("DELETE", path, authorization, &Value::Null).await.status.as_u16()
}

#[tokio::test]
async fn page_leads_to_the_redirect_that_the_app_has_asked_for() {
    let site = Site::start().await;
    let user = User::new("greta");
    for redirect in [REDIRECTS[0], REDIRECTS[1], "http://127.0.0.1:49152/done"] {
        let started = site.begin(Provider::Vk, redirect).await;
        let callback = site.at_provider(&user, Provider::Vk, &started.authorize_url).await;
        let page = site.visit(&callback).await;
        let link = href(&page);
        assert!(link.starts_with(redirect), "{link}");
        assert_eq!(parameter(&link, "state"), started.state);
        let by_itself = page.text().contains("http-equiv=\"refresh\"");
        assert_eq!(by_itself, redirect.starts_with("http://127.0.0.1"), "{redirect}");
        let done = site.complete(&parameter(&link, "code"), VERIFIER).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }
}

#[tokio::test]
async fn refusal_at_the_provider_reaches_the_app() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        site.stand_in.consent(provider, Consent::Deny);
        let started = site.begin(provider, REDIRECT).await;
        let callback =
            site.at_provider(&User::new("greta"), provider, &started.authorize_url).await;
        let link = site.link_to_app(&callback).await;
        assert_eq!(link, format!("{REDIRECT}?error=access_denied&state={}", started.state));
    }
}
