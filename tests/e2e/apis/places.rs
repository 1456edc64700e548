//! Paths, header words, names that sign in, and the form of what an API answers.

use propusk_server::config::{AnswerMember, UserIdForm};
use propusk_tests::handbook::block_below;
use propusk_tests::http::Answer;
use propusk_tests::openapi::Document;
use propusk_tests::operator::Operator;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use propusk_tests::user::{PASSWORD, me, new_account, signed_in, verify};
use serde_json::{Value, json};

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";

/// Everything that a client of the library sees: status, body and headers.
fn shown(answer: &Answer) -> (u16, Vec<Option<String>>) {
    let names = ["Content-Type", "Vary", "Allow", "WWW-Authenticate", "X-Frame-Options"];
    (answer.status.as_u16(), names.iter().map(|name| answer.header(name)).collect())
}

#[tokio::test]
async fn api_at_a_prefix_answers_as_its_document_does() {
    let server = TestServer::with(|config| serve(config, "shop", "/auth/v2", |_| {})).await;
    let client = &server.client;
    let user = json!({"email": ANNA, "password": PASSWORD});
    assert_eq!(client.post("/auth/v2/users/", &user).await.status, 201);
    let pair = sign_in_at(client, "/auth/v2", ANNA).await;
    let own = format!("Bearer {}", pair.field("access"));
    let root = client.get("/auth/v2/", Some(&own)).await;
    assert_eq!(root.json(), json!({"users": format!("{}/auth/v2/users/", server.public_url)}));
    for path in
        ["users/me/", "users/1/", "users/me", "users/", "users/2/", "jwt/create/", "logout/"]
    {
        let moved = client.get(&format!("/auth/v2/{path}"), Some(&own)).await;
        let document = client.get(&format!("/api/auth/{path}"), Some(&own)).await;
        assert_eq!(shown(&moved), shown(&document), "{path}");
        assert_eq!(moved.text(), document.text(), "{path}");
    }
    let refreshed = refresh_at(client, "/auth/v2", &pair.field("refresh")).await;
    assert_eq!(refreshed.status, 200);
    assert_eq!(client.get("/auth/v2/unknown/", Some(&own)).await.status, 404);
}

#[tokio::test]
async fn operation_is_at_its_own_path_and_an_unnamed_one_nowhere() {
    let server = TestServer::with(|config| {
        let api = config.api("mobile");
        api.dialect = Some("simplejwt".to_owned());
        api.signs_in_by = vec!["email".to_owned(), "username".to_owned()];
        api.operations = ["sign_in", "refresh", "verify", "sign_out"].map(str::to_owned).to_vec();
        for (operation, path) in [
            ("sign_in", "/api/token/"),
            ("refresh", "/api/token/refresh/"),
            ("verify", "/api/token/verify/"),
            ("sign_out", "/api/token/blacklist/"),
        ] {
            api.paths.insert(operation.to_owned(), path.to_owned());
        }
    })
    .await;
    let client = &server.client;
    let user = json!({"username": "anna", "email": ANNA, "password": PASSWORD});
    assert_eq!(client.post("/api/auth/register/", &user).await.status, 201);
    assert_eq!(client.post("/api/token/register/", &user).await.status, 404);
    for name in ["anna", ANNA] {
        let body = json!({"username": name, "password": PASSWORD});
        let pair = client.post("/api/token/", &body).await;
        assert_eq!(pair.status, 200, "{}", pair.text());
        let token = pair.field("refresh");
        let refreshed = client.post("/api/token/refresh", &json!({"refresh": token})).await;
        assert_eq!(refreshed.status, 200);
        assert_eq!(client.post("/api/token/verify/", &json!({"token": token})).await.status, 200);
        let ended = client.post("/api/token/blacklist/", &json!({"refresh": token})).await;
        assert_eq!((ended.status.as_u16(), ended.text().as_str()), (200, "{}"));
        assert_eq!(client.post("/api/token/verify/", &json!({"token": token})).await.status, 401);
    }
}

#[tokio::test]
async fn header_words_are_read_and_asked_for() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| api.header_words = vec!["JWT".to_owned()]);
        serve(config, "both", "/both", |api| {
            api.header_words = vec!["JWT".to_owned(), "Bearer".to_owned()];
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let (access, _) = signed_in(&server, ANNA).await;
    for (path, word, status) in [
        ("/shop", "JWT", 200),
        ("/shop", "Bearer", 401),
        ("/shop", "jwt", 401),
        ("/both", "JWT", 200),
        ("/both", "Bearer", 200),
        ("/api/auth", "JWT", 401),
        ("/api/auth", "Bearer", 200),
    ] {
        let header = format!("{word} {access}");
        let answer = server.client.get(&format!("{path}/users/me/"), Some(&header)).await;
        assert_eq!(answer.status, status, "{path} {word}");
    }
    for (path, challenge) in [
        ("/shop", "JWT realm=\"api\""),
        ("/both", "JWT realm=\"api\""),
        ("/api/auth", "Bearer realm=\"api\""),
    ] {
        let answer = server.client.get(&format!("{path}/users/me/"), None).await;
        assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some(challenge), "{path}");
    }
}

#[tokio::test]
async fn key_of_an_api_has_the_word_and_the_field_of_its_settings() {
    let server = TestServer::with(|config| {
        let api = config.api("recipes");
        api.dialect = Some("djoser_token".to_owned());
        api.prefix = Some("/api".to_owned());
        api.header_words = vec!["Key".to_owned()];
        api.sign_in_field = Some("email".to_owned());
        api.operations = ["users", "me", "sign_in", "sign_out"].map(str::to_owned).to_vec();
        for (operation, path) in
            [("sign_in", "/api/auth/token/login/"), ("sign_out", "/api/auth/token/logout/")]
        {
            api.paths.insert(operation.to_owned(), path.to_owned());
        }
    })
    .await;
    new_account(&server, ANNA).await;
    let body = json!({"email": ANNA, "password": PASSWORD});
    let signed_in = server.client.post("/api/auth/token/login/", &body).await;
    let key = signed_in.field("auth_token");
    let header = format!("Key {key}");
    let me = server.client.get("/api/users/me/", Some(&header)).await;
    assert_eq!(me.json()["email"], ANNA);
    // Without the operations of OAuth, the API has djoser alone.
    for unknown in ["Bearer", "Token"] {
        let header = format!("{unknown} {key}");
        assert_eq!(
            server.client.get("/api/users/me/", Some(&header)).await.status,
            401,
            "{unknown}"
        );
    }
    let in_url = format!("/api/users/me/?access_token={key}");
    assert_eq!(server.client.get(&in_url, None).await.status, 401);
    let anonymous = server.client.get("/api/users/me/", None).await;
    assert_eq!(anonymous.header("WWW-Authenticate").as_deref(), Some("Key"));
    // A key belongs to its API: that of the document does not end it.
    let document = format!("Token {key}");
    let refused = server.client.post_as(&document, "/auth/token/logout/", &json!({})).await;
    assert_eq!(refused.status, 401);
    let ended = server.client.post_as(&header, "/api/auth/token/logout/", &json!({})).await;
    assert_eq!(ended.status, 204);
    assert_eq!(server.client.get("/api/users/me/", Some(&header)).await.status, 401);
}

#[tokio::test]
async fn number_in_tokens_is_a_number_or_a_text() {
    let server = TestServer::with(|config| {
        serve(config, "number", "/number", |api| api.user_id = Some(UserIdForm::Number));
        serve(config, "text", "/text", |api| api.user_id = Some(UserIdForm::Text));
    })
    .await;
    new_account(&server, ANNA).await;
    for (prefix, id) in [("/number", json!(1)), ("/text", json!("1"))] {
        let pair = sign_in_at(&server.client, prefix, ANNA).await;
        let renewed = refresh_at(&server.client, prefix, &pair.field("refresh")).await;
        for token in [pair.field("access"), pair.field("refresh"), renewed.field("access")] {
            assert_eq!(claims_of(&token)["user_id"], id, "{prefix}");
            assert_eq!(verify(&server, &token).await.status, 200);
        }
        assert_eq!(me(&server, &pair.field("access")).await.status, 200);
    }
}

#[tokio::test]
async fn documentation_shows_an_api_where_it_is_served() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            api.operations = ["sign_in", "refresh"].map(str::to_owned).to_vec();
        });
        let mobile = config.api("mobile");
        mobile.dialect = Some("simplejwt".to_owned());
        mobile.prefix = Some("/mobile".to_owned());
        for (operation, path) in [("verify", "/mobile/verify/"), ("sign_out", "/mobile/logout/")] {
            mobile.paths.insert(operation.to_owned(), path.to_owned());
        }
    })
    .await;
    let document = server.client.get("/openapi.json", None).await.json();
    let paths = document["paths"].as_object().expect("paths");
    let of_shop: Vec<_> = paths.keys().filter(|path| path.starts_with("/shop")).collect();
    assert_eq!(of_shop, ["/shop/jwt/create/", "/shop/jwt/refresh/"]);
    let id = &document["paths"]["/shop/jwt/create/"]["post"]["operationId"];
    assert!(id.as_str().is_some_and(|id| id.starts_with("shop.")), "{id}");
    // Also what no document has.
    for (path, name) in
        [("/mobile/verify/", "mobile.verify"), ("/mobile/logout/", "mobile.sign_out")]
    {
        assert_eq!(document["paths"][path]["post"]["operationId"], name);
    }
}

#[tokio::test]
async fn documentation_shows_the_fields_of_the_settings() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            api.rotating = Some(true);
            api.sign_in_field = Some("login".to_owned());
            let tenant = AnswerMember::Value("attributes.tenant".to_owned());
            api.answer.insert("tenant".to_owned(), tenant);
        });
        serve(config, "plain", "/plain", |_| {});
    })
    .await;
    new_account(&server, ANNA).await;
    let document = Document::of(&server.client).await.json;
    let members = |path: &str, place: &str| -> Vec<String> {
        let schema = document["paths"][path]["post"].pointer(place).expect("a body");
        let schema = &schema["content"]["application/json"]["schema"]["$ref"];
        let schema = schema.as_str().expect("a reference").trim_start_matches('#');
        let properties = document.pointer(schema).expect("a schema")["properties"].as_object();
        properties.expect("an object").keys().cloned().collect()
    };
    let (body, answer) = ("/requestBody", "/responses/200");
    assert_eq!(members("/shop/jwt/create/", body), ["login", "password"]);
    assert_eq!(members("/plain/jwt/create/", body), ["username", "password"]);
    let credentials = json!({"login": ANNA, "password": PASSWORD});
    let signed_in = server.client.post("/shop/jwt/create/", &credentials).await.json();
    let renewed =
        refresh_at(&server.client, "/shop", signed_in["refresh"].as_str().expect("a token")).await;
    let mut shown = members("/shop/jwt/refresh/", answer);
    shown.reverse();
    for (path, shown, sent) in [
        ("create", members("/shop/jwt/create/", answer), signed_in),
        ("refresh", shown, renewed.json()),
    ] {
        let sent: Vec<_> = sent.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(shown, sent, "{path}");
    }
    assert_eq!(members("/plain/jwt/create/", answer), ["refresh", "access"]);
    assert_eq!(members("/plain/jwt/refresh/", answer), ["access"]);
}

#[tokio::test]
async fn two_apis_with_one_path_are_refused_with_both_names() {
    let operator = Operator::new().await;
    let block = |name: &str, prefix: &str| {
        format!("[apis.{name}]\ndialect = \"djoser_jwt\"\nprefix = \"{prefix}\"\n")
    };
    for (settings, names) in [
        (block("shop", "/v1") + &block("staff", "/v1/"), ["apis.staff", "apis.shop"]),
        (block("shop", "/auth"), ["apis.shop", "dialects.djoser_token"]),
        (block("shop", "/propusk"), ["apis.shop", "the server's own"]),
    ] {
        operator.write("propusk.toml", &settings);
        for command in [&[] as &[_], &["check-config"]] {
            let said = operator.refused(&[], command).await;
            assert!(names.iter().all(|name| said.contains(name)), "{said}");
        }
    }
}

#[tokio::test]
async fn recipes_of_the_handbook_are_accepted() {
    let operator = Operator::new().await;
    for title in [
        "djoser with JWT at `/auth/`",
        "SimpleJWT alone at `/api/token/`",
        "`ROTATE_REFRESH_TOKENS` without `BLACKLIST_AFTER_ROTATION`",
        "djoser's tokens, with users and tokens under different prefixes",
        "dj-rest-auth's paths",
        "Users with uuids",
        "djoser whose users stay at the Django",
        "Two apps with different settings",
    ] {
        operator.write("propusk.toml", &block_below(title));
        let checked = operator.run(&[], &["check-config"], "").await;
        assert!(checked.status.success(), "{title}: {}", checked.stderr);
    }
}

#[tokio::test]
async fn unknown_setting_of_an_api_is_refused_and_the_nearest_named() {
    let operator = Operator::new().await;
    let settings =
        [("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"), ("PROPUSK_APIS__SHOP__PREFIKS", "/shop")];
    let said = operator.refused(&settings, &["check-config"]).await;
    assert!(said.contains("apis.shop.prefiks; did you mean apis.shop.prefix?"), "{said}");
    let said =
        operator.refused(&[("PROPUSK_APIS__SHOP__PREFIX", "/shop")], &["check-config"]).await;
    assert!(said.contains("apis.shop.dialect: must be set"), "{said}");
    let sound = [
        ("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"),
        ("PROPUSK_APIS__SHOP__PREFIX", "/shop"),
        ("PROPUSK_APIS__SHOP__PATHS__SIGN_IN", "/shop/token/"),
        ("PROPUSK_APIS__SHOP__HEADER_WORDS", "JWT,Bearer"),
        ("PROPUSK_APIS__SHOP__ROTATING", "true"),
        ("PROPUSK_APIS__SHOP__ACCESS_SECONDS", "3600"),
    ];
    let checked = operator.run(&sound, &["check-config"], "").await;
    assert!(checked.status.success(), "{}", checked.stderr);
    let shown: Vec<&str> =
        checked.stdout.lines().filter(|line| line.starts_with("apis.")).collect();
    let words = "apis.shop.header_words = [\"JWT\",\"Bearer\"]  # environment";
    assert!(shown.contains(&words), "{shown:?}");
    assert!(shown.contains(&"apis.shop.access_seconds = 3600  # environment"), "{shown:?}");
}

#[tokio::test]
async fn access_token_of_an_api_opens_all_and_its_refresh_token_none_but_its_own() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |_| {});
        serve(config, "staff", "/staff", |_| {});
    })
    .await;
    new_account(&server, ANNA).await;
    let prefixes = ["/shop", "/staff", "/api/auth"];
    for own in prefixes {
        let pair = sign_in_at(&server.client, own, ANNA).await;
        for at in prefixes {
            let header = format!("Bearer {}", pair.field("access"));
            let me: Value =
                server.client.get(&format!("{at}/users/me/"), Some(&header)).await.json();
            assert_eq!(me["email"], ANNA, "{own} at {at}");
            let refreshed = refresh_at(&server.client, at, &pair.field("refresh")).await;
            assert_eq!(refreshed.status == 200, own == at, "{own} at {at}");
        }
    }
}
