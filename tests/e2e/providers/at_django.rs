//! Sign-in with a provider while a Django makes the accounts.

use propusk_server::auth::NewClient;
use propusk_server::config::AnsweredBy;
use propusk_tests::providers::CLIENT_ID;

use super::adopted::adopt;
use super::*;

const SECRET: &str = "an-application-secret";

/// A site with an application, where a Django registers the users of one API.
async fn site() -> Site {
    let site = Site::with(|config| {
        let api = config.api("shop");
        api.dialect = Some("djoser_jwt".to_owned());
        api.prefix = Some("/shop".to_owned());
        api.routes.insert("users".to_owned(), AnsweredBy::Django);
    })
    .await;
    let new = NewClient {
        id: "app".to_owned(),
        name: "App".to_owned(),
        secret: Some(SECRET.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: false,
    };
    assert!(site.server.auth.create_client(new).await.expect("the database answers"));
    site
}

async fn convert(site: &Site, token: &str) -> Answer {
    let body = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "client_id": "app",
        "client_secret": SECRET, "token": token,
    });
    site.client().post("/auth/convert-token/", &body).await
}

/// The Django may know the person, so the refusal is not the last word.
#[track_caller]
fn assert_later(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("Retry-After").as_deref(), Some("60"));
}

#[tokio::test]
async fn new_user_of_a_provider_gets_no_account_in_any_form() {
    let site = site().await;
    let user = User::new("anna").with_id("501");
    assert_later(&site.sign_in(&user, Provider::Google).await);
    let token = site.stand_in.access_token(Provider::Google, CLIENT_ID, &user);
    for what in ["login", "registration"] {
        assert_later(&site.enter(Provider::Google, what, &token).await);
    }
    assert_later(&convert(&site, &token).await);
    let found = site.server.auth.find_account("anna@example.com").await;
    assert!(found.expect("the database answers").is_none());
}

#[tokio::test]
async fn known_user_of_a_provider_signs_in() {
    let site = site().await;
    adopt(&site, "subject", "501").await;
    let user = User::new("elsewhere").with_id("501");
    assert_eq!(site.sign_in(&user, Provider::Google).await.status, 200);
    let token = site.stand_in.access_token(Provider::Google, CLIENT_ID, &user);
    assert_eq!(site.enter(Provider::Google, "login", &token).await.status, 200);
    assert_eq!(convert(&site, &token).await.status, 200);
}
