//! The versions of libraries in the settings of an API. `django::versions` compares with the newest
//! real ones.

use propusk_server::auth::NewClient;
use propusk_server::config::{Config, Version, Versions};
use propusk_stand_in::Provider;
use propusk_tests::http::Client;
use propusk_tests::operator::Operator;
use propusk_tests::providers::CLIENT_ID;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use propusk_tests::user::new_account;
use serde_json::{Value, json};

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";

/// An API of `djoser_jwt` at a prefix of its name, with this version of SimpleJWT.
fn serve_simplejwt(config: &mut Config, name: &str, version: [u32; 3]) {
    serve(config, name, &format!("/{name}"), |api| {
        api.rotating = Some(true);
        api.versions.simplejwt = Some(Version(version));
    });
}

async fn verify_at(client: &Client, prefix: &str, token: &str) -> (u16, Value) {
    let answer = client.post(&format!("{prefix}/jwt/verify/"), &json!({"token": token})).await;
    (answer.status.as_u16(), answer.json())
}

fn refused(text: &str) -> (u16, Value) {
    (401, json!({"detail": text, "code": "token_not_valid"}))
}

#[tokio::test]
async fn simplejwt_of_the_settings_decides_texts_and_the_form_of_user_id() {
    let server = TestServer::with(|config| {
        serve_simplejwt(config, "old", [5, 3, 1]);
        serve_simplejwt(config, "new", [5, 5, 1]);
    })
    .await;
    new_account(&server, ANNA).await;
    let client = &server.client;
    for (prefix, invalid, expired, is_text) in [
        ("/old", "Token is invalid or expired", "Token is invalid or expired", false),
        ("/new", "Token is invalid", "Token is expired", true),
    ] {
        let pair = sign_in_at(client, prefix, ANNA).await;
        let (access, refresh) = (pair.field("access"), pair.field("refresh"));
        for token in [&access, &refresh] {
            assert_eq!(claims_of(token)["user_id"].is_string(), is_text, "{prefix}");
        }
        assert_eq!(verify_at(client, prefix, "no token").await, refused(invalid), "{prefix}");
        let header = client.get(&format!("{prefix}/users/me/"), Some("Bearer no-token")).await;
        assert_eq!(header.json()["messages"][0]["message"], invalid, "{prefix}");
        server.clock.advance(300);
        assert_eq!(verify_at(client, prefix, &access).await, refused(expired), "{prefix}");
        let next = refresh_at(client, prefix, &refresh).await.field("refresh");
        // Every SimpleJWT with BLACKLIST_AFTER_ROTATION says so.
        let spent = (400, json!({"non_field_errors": ["Token is blacklisted"]}));
        assert_eq!(verify_at(client, prefix, &refresh).await, spent, "{prefix}");
        let (_, spent) = refused("Token is blacklisted");
        let again = refresh_at(client, prefix, &refresh).await;
        assert_eq!((again.status.as_u16(), again.json()), (401, spent), "{prefix}");
        assert_eq!(verify_at(client, prefix, &next).await, (200, json!({})), "{prefix}");
    }
}

#[tokio::test]
async fn api_without_versions_has_the_texts_of_its_document() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| api.rotating = Some(true));
    })
    .await;
    new_account(&server, ANNA).await;
    let client = &server.client;
    let refresh = sign_in_at(client, "/shop", ANNA).await.field("refresh");
    assert!(claims_of(&refresh)["user_id"].is_number());
    assert_eq!(refresh_at(client, "/shop", &refresh).await.status, 200);
    let spent = (400, json!({"non_field_errors": ["Token is blacklisted"]}));
    assert_eq!(verify_at(client, "/shop", &refresh).await, spent);
    let invalid = refused("Token is invalid or expired");
    assert_eq!(verify_at(client, "/shop", "no token").await, invalid);
}

#[tokio::test]
async fn djoser_and_its_framework_of_the_settings_decide_what_is_not_found() {
    let server = TestServer::with(|config| {
        for (name, djoser, framework) in
            [("old", [2, 2, 0], [3, 14, 0]), ("new", [2, 3, 5], [3, 18, 3])]
        {
            serve(config, name, &format!("/{name}"), |api| {
                api.activation = Some(true);
                api.versions = Versions {
                    djoser: Some(Version(djoser)),
                    djangorestframework: Some(Version(framework)),
                    ..Versions::default()
                };
            });
        }
    })
    .await;
    new_account(&server, ANNA).await;
    let client = &server.client;
    for (prefix, status, unknown) in
        [("/old", 400, "Not found."), ("/new", 204, "No User matches the given query.")]
    {
        let path = format!("{prefix}/users/resend_activation/");
        for email in [ANNA, "nobody@example.com"] {
            let answer = client.post(&path, &json!({"email": email})).await;
            assert_eq!(answer.status, status, "{path} {email}");
        }
        let bearer = format!("Bearer {}", sign_in_at(client, prefix, ANNA).await.field("access"));
        for (id, text) in [("999999999", unknown), ("anna", "Not found.")] {
            let path = format!("{prefix}/users/{id}/");
            let answer = client.get(&path, Some(&bearer)).await;
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.json(), json!({"detail": text}), "{path}");
        }
    }
}

#[tokio::test]
async fn djoser_without_activation_refuses_to_send_one_again() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| api.versions.djoser = Some(Version([2, 3, 5])));
    })
    .await;
    let body = json!({"email": ANNA});
    assert_eq!(server.client.post("/shop/users/resend_activation/", &body).await.status, 400);
}

#[tokio::test]
async fn drf_social_oauth2_of_the_settings_knows_an_application_by_its_id() {
    let (server, stand_in) = TestServer::with_providers(|config| {
        let api = config.api("new");
        api.dialect = Some("djoser_token".to_owned());
        api.prefix = Some("/new".to_owned());
        api.versions.drf_social_oauth2 = Some(Version([3, 5, 0]));
    })
    .await;
    stand_in.take_oracle_tokens(Provider::Google, CLIENT_ID);
    for (id, is_public) in [("open", true), ("closed", false)] {
        let new = NewClient {
            id: id.to_owned(),
            name: id.to_owned(),
            secret: Some("an-application-secret".to_owned()),
            is_public,
            allows_password: false,
            introspects: false,
        };
        assert!(server.auth.create_client(new).await.expect("the database answers"));
    }
    let convert = async |client_id: &str| {
        let body = json!({
            "grant_type": "convert_token", "backend": "google-oauth2", "token": "ok-anna",
            "client_id": client_id,
        });
        server.client.post("/new/convert-token/", &body).await
    };
    let pair = convert("open").await;
    assert_eq!(pair.status, 200, "{}", pair.text());
    let user = json!({"email": ANNA, "first_name": "", "last_name": ""});
    assert_eq!(pair.json()["user"], user);
    assert_eq!(convert("closed").await.status, 401);
    let unknown = convert("none").await;
    assert_eq!(unknown.status, 400);
    let text = "The application for this client_id does not exist.";
    assert_eq!(unknown.json(), json!({ "detail": text }));
    // The token that is revoked is that of the header.
    let bearer = format!("Bearer {}", pair.field("access_token"));
    let body = json!({"client_id": "open"});
    let revoked = server.client.post_as(&bearer, "/new/revoke-token/", &body).await;
    assert_eq!(revoked.status, 204, "{}", revoked.text());
    assert_eq!(server.client.get("/new/users/me/", Some(&bearer)).await.status, 401);
    // The document is as it was.
    let missing = server.client.post("/auth/convert-token/", &json!({})).await;
    assert_eq!(missing.json()["client_secret"], json!(["This field is required."]));
}

#[tokio::test]
async fn version_in_the_environment_is_that_of_a_list_of_requirements() {
    let operator = Operator::new().await;
    let check = async |version: &str| {
        let settings = [
            ("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"),
            ("PROPUSK_APIS__SHOP__PREFIX", "/shop"),
            ("PROPUSK_APIS__SHOP__VERSIONS__SIMPLEJWT", version),
        ];
        operator.run(&settings, &["check-config"], "").await
    };
    for version in ["5.5.1", "5.5", "5"] {
        let done = check(version).await;
        assert!(done.status.success(), "{}", done.stderr);
        let line = format!("apis.shop.versions.simplejwt = \"{version}\"");
        assert!(done.stdout.contains(&line), "{}", done.stdout);
    }
    for version in ["newest", "5.5.1rc1", "5..1", "5.5.1.0", "-5"] {
        let done = check(version).await;
        assert!(!done.status.success());
        let said = "is no version such as 5.5.1";
        assert!(done.stderr.contains(said), "{version}: {}", done.stderr);
    }
}
