//! Mails of an API of the settings: whether new accounts get one, and where links lead.

use propusk_server::config::{ApiSettings, Config};
use propusk_tests::server::TestServer;
use propusk_tests::user::PASSWORD;
use serde_json::json;

use super::{serve, sign_in_at};

const ANNA: &str = "anna@example.com";

/// An API of `djoser_token` at a prefix of its name.
fn serve_keys<'c>(config: &'c mut Config, name: &str) -> &'c mut ApiSettings {
    let api = config.api(name);
    api.dialect = Some("djoser_token".to_owned());
    api.prefix = Some(format!("/{name}"));
    api
}

#[tokio::test]
async fn link_leads_where_the_api_says_and_else_where_all_do() {
    let server = TestServer::with(|config| {
        config.links.reset = Some("https://all.example/{uid}/{token}".to_owned());
        let api = serve_keys(config, "recipes");
        api.links.activation = Some("https://shop.example/#/activate/{uid}/{token}".to_owned());
        api.links.reset = Some("https://shop.example/#/password/{uid}/{token}".to_owned());
        api.links.email_reset = Some("https://shop.example/#/email/{uid}/{token}".to_owned());
        serve_keys(config, "plain");
    })
    .await;
    let client = &server.client;
    let user = json!({"email": ANNA, "password": PASSWORD, "re_password": PASSWORD});
    assert_eq!(client.post("/recipes/users/", &user).await.status, 201);
    let link = server.link_to(ANNA).await;
    assert!(link.url.starts_with("https://shop.example/#/activate/"), "{}", link.url);
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(client.post("/recipes/users/activation/", &body).await.status, 204);
    for (path, begins) in [
        ("/recipes/users/reset_password/", "https://shop.example/#/password/"),
        ("/plain/users/reset_password/", "https://all.example/"),
        ("/auth/users/reset_password/", "https://all.example/"),
        ("/recipes/users/reset_email/", "https://shop.example/#/email/"),
    ] {
        assert_eq!(client.post(path, &json!({"email": ANNA})).await.status, 204, "{path}");
        let link = server.link_to(ANNA).await;
        assert!(link.url.starts_with(begins), "{path} {}", link.url);
    }
    let other = json!({"email": "bob@example.com", "password": PASSWORD, "re_password": PASSWORD});
    assert_eq!(client.post("/plain/users/", &other).await.status, 201);
    let link = server.link_to("bob@example.com").await;
    assert!(link.url.starts_with(&format!("{}/auth/activate/", server.public_url)), "{}", link.url);
}

#[tokio::test]
async fn new_account_waits_for_its_link_where_the_settings_say_so() {
    let server = TestServer::with(|config| {
        serve(config, "waits", "/waits", |api| api.activation = Some(true));
        serve_keys(config, "open").activation = Some(false);
    })
    .await;
    let client = &server.client;
    let user = json!({"email": ANNA, "password": PASSWORD});
    let registered = client.post("/waits/users/", &user).await;
    assert_eq!((registered.status.as_u16(), &registered.json()["is_active"]), (201, &json!(false)));
    assert_eq!(sign_in_at(client, "/waits", ANNA).await.status, 401);
    let link = server.link_to(ANNA).await;
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(client.post("/waits/users/activation/", &body).await.status, 204);
    assert_eq!(sign_in_at(client, "/waits", ANNA).await.status, 200);
    // The versions of djoser in the two documents differ.
    for (path, status) in [("/waits/users/", 204), ("/auth/users/", 400)] {
        for email in [ANNA, "nobody@example.com"] {
            let path = format!("{path}resend_activation/");
            let answer = client.post(&path, &json!({"email": email})).await;
            assert_eq!(answer.status, status, "{path} {email}");
        }
    }

    let (name, mails) = ("bob@example.com", server.mails().await.len());
    let user = json!({"email": name, "password": PASSWORD, "re_password": PASSWORD});
    assert_eq!(client.post("/open/users/", &user).await.status, 201);
    let body = json!({"username": name, "password": PASSWORD});
    assert_eq!(client.post("/open/token/login/", &body).await.status, 200);
    assert_eq!(server.mails().await.len(), mails);
}
