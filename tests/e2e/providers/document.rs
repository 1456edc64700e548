//! `/vk/…`, `/mail.ru/…`, `/yandex/…` as in the document of that API, and `/google/…` like them.

use propusk_stand_in::Consent;
use propusk_tests::providers::CLIENT_ID;

use super::*;

#[tokio::test]
async fn link_has_the_parameters_of_the_document_in_its_order() {
    let site = Site::start().await;
    for (provider, expected) in [
        (
            Provider::Google,
            "response_type=code&client_id=ID&redirect_uri=BASE/google/callback\
             &scope=openid%20email%20profile&state=STATE&code_challenge=CHALLENGE\
             &code_challenge_method=S256&access_type=offline",
        ),
        (
            Provider::Vk,
            "response_type=code&client_id=ID&scope=email&redirect_uri=BASE/vk/callback&state=STATE\
             &code_challenge=CHALLENGE&code_challenge_method=s256",
        ),
        (
            Provider::MailRu,
            "client_id=ID&response_type=code&scope=userinfo&redirect_uri=BASE/mail.ru/callback\
             &state=STATE&prompt_force=1&code_challenge=CHALLENGE&code_challenge_method=S256",
        ),
        (
            Provider::Yandex,
            "response_type=code&client_id=ID&state=STATE&code_challenge=CHALLENGE\
             &code_challenge_method=S256",
        ),
    ] {
        let link = site.link(provider).await;
        let expected = expected
            .replace("ID", CLIENT_ID)
            .replace("BASE", &site.server.public_url)
            .replace("STATE", &parameter(&link, "state"))
            .replace("CHALLENGE", &parameter(&link, "code_challenge"));
        assert_eq!(link.split_once('?').expect("a query").1, expected);
        assert_eq!(parameter(&link, "code_challenge").len(), 43);
        assert!(parameter(&link, "state").len() >= 32);
        assert_ne!(site.link(provider).await, link);
    }
}

#[tokio::test]
async fn cancellation_without_an_app_is_shown() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        site.stand_in.consent(provider, Consent::Deny);
        let denied = async || {
            let link = site.link(provider).await;
            site.at_provider(&User::new("greta"), provider, &link).await
        };
        let data = site.client().get(&denied().await, None).await;
        assert_eq!((data.status.as_u16(), data.field("detail").as_str()), (400, "access_denied"));
        let page = site.visit(&denied().await).await;
        assert_eq!(page.status, 400);
        assert!(page.text().contains("<h1>Sign-in cancelled</h1>"), "{}", page.text());
        assert!(!page.text().contains("class=\"button\""), "{}", page.text());
    }
}

#[tokio::test]
async fn device_is_reported_by_the_callback_of_vk_alone() {
    let site = Site::start().await;
    for provider in Provider::ALL {
        let link = site.link(provider).await;
        let mut callback = site.at_provider(&User::new("greta"), provider, &link).await;
        if provider != Provider::Vk {
            callback.push_str("&device_id=somebodys");
        }
        let returned = site.client().get(&callback, None).await.json();
        assert!(returned["code"].is_string(), "{provider:?} {returned}");
        assert_eq!(returned["device_id"].is_string(), provider == Provider::Vk, "{provider:?}");
    }
}

#[tokio::test]
async fn fetched_provider_tokens_register_once_and_sign_in() {
    let site = Site::start().await;
    for (provider, id) in Provider::ALL.into_iter().zip(["601", "602", "603", "604"]) {
        let user = User::new(format!("user{id}")).with_id(id);
        let tokens = site.fetch_tokens(&user, provider).await;
        let keys: Vec<_> = tokens.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["access_token", "refresh_token", "expire_in"]);
        assert!(tokens["expire_in"].as_i64().is_some_and(|seconds| seconds > 0), "{tokens}");
        assert!(tokens["refresh_token"].is_string(), "{tokens}");
        let token = tokens["access_token"].as_str().expect("a token");
        let unknown = site.enter(provider, "login", token).await;
        assert_eq!(
            (unknown.status.as_u16(), unknown.field("detail").as_str()),
            (404, "User not found")
        );
        for what in ["registration", "login"] {
            let pair = site.enter(provider, what, token).await;
            assert_eq!(pair.status, 200, "{provider:?} {}", pair.text());
            let access = pair.field("access");
            let valid =
                site.client().get(&format!("/validate/jwt/access?access={access}"), None).await;
            assert_eq!(valid.text(), "true");
        }
        let again = site.enter(provider, "registration", token).await;
        assert_eq!(
            (again.status.as_u16(), again.field("detail").as_str()),
            (409, "User already exists")
        );
    }
}
