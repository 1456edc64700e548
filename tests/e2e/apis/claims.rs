//! Claims of the operator's choice in the tokens of an API, and members in its answers.

use propusk_server::auth::Hs256;
use propusk_server::config::{AnswerMember, ApiSettings};
use propusk_tests::SECRET;
use propusk_tests::operator::Operator;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::{claims_of, django};
use propusk_tests::user::{PASSWORD, new_account, signed_in};
use serde_json::{Value, json};

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";
const OTHER: &str = "anna@example.org";

fn set_claims(api: &mut ApiSettings) {
    for (claim, value) in [
        ("username", "username"),
        ("mail", "email"),
        ("phone", "phone"),
        ("is_superuser", "is_superuser"),
    ] {
        api.claims.insert(claim.to_owned(), value.to_owned());
    }
}

fn names(claims: &Value) -> Vec<&str> {
    claims.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn claims_follow_those_of_the_form_in_both_tokens() {
    let server = TestServer::with(|config| serve(config, "shop", "/shop", set_claims)).await;
    new_account(&server, ANNA).await;
    let pair = sign_in_at(&server.client, "/shop", ANNA).await;
    let refreshed = refresh_at(&server.client, "/shop", &pair.field("refresh")).await;
    for token in [pair.field("access"), pair.field("refresh"), refreshed.field("access")] {
        let claims = claims_of(&token);
        let expected = [
            "token_type",
            "exp",
            "iat",
            "jti",
            "user_id",
            "username",
            "mail",
            "phone",
            "is_superuser",
        ];
        assert_eq!(names(&claims), expected);
        assert_eq!(claims["mail"], ANNA);
        assert_eq!(claims["username"], ANNA);
        // As in the answers of this API.
        assert_eq!(claims["phone"], Value::Null);
        assert_eq!(claims["is_superuser"], false);
    }
    // The tokens of a document have none of them.
    let (access, _) = signed_in(&server, ANNA).await;
    assert_eq!(names(&claims_of(&access)), ["token_type", "exp", "iat", "jti", "user_id"]);
}

#[tokio::test]
async fn refresh_copies_claims_unless_they_are_to_be_fresh() {
    let server = TestServer::with(|config| {
        serve(config, "copies", "/copies", set_claims);
        serve(config, "fresh", "/fresh", |api| {
            set_claims(api);
            api.fresh_claims = Some(true);
            api.rotating = Some(true);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let client = &server.client;
    let copied = sign_in_at(client, "/copies", ANNA).await.field("refresh");
    let pair = sign_in_at(client, "/fresh", ANNA).await;
    let header = format!("Bearer {}", pair.field("access"));
    let body = json!({"email": OTHER});
    assert_eq!(client.call("PATCH", "/fresh/users/me/", Some(&header), &body).await.status, 200);

    let renewed = refresh_at(client, "/copies", &copied).await;
    assert_eq!(claims_of(&renewed.field("access"))["mail"], ANNA);
    let renewed = refresh_at(client, "/fresh", &pair.field("refresh")).await;
    for token in [renewed.field("access"), renewed.field("refresh")] {
        assert_eq!(claims_of(&token)["mail"], OTHER);
    }
    let body = json!({"username": OTHER, "password": PASSWORD});
    assert_eq!(client.post("/fresh/jwt/create/", &body).await.status, 200);
}

#[tokio::test]
async fn claim_that_cannot_be_read_costs_no_refresh_token() {
    let server = TestServer::with(|config| {
        serve(config, "fresh", "/fresh", |api| {
            api.claims.insert("role".to_owned(), "attributes.role".to_owned());
            api.fresh_claims = Some(true);
            api.rotating = Some(true);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let refresh = sign_in_at(&server.client, "/fresh", ANNA).await.field("refresh");
    server
        .execute(
            "insert into account_attributes (account_id, attributes)
             select id, 'no JSON' from accounts",
        )
        .await;
    assert_eq!(refresh_at(&server.client, "/fresh", &refresh).await.status, 500);
    server.execute("delete from account_attributes").await;
    let renewed = refresh_at(&server.client, "/fresh", &refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
}

#[tokio::test]
async fn answer_to_a_sign_in_has_the_members_of_the_settings() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            let user = [("email", "email"), ("id", "id")];
            let user = user.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let user = AnswerMember::Object(user.into_iter().collect());
            let is_superuser = AnswerMember::Value("is_superuser".to_owned());
            api.answer.insert("user".to_owned(), user);
            api.answer.insert("is_superuser".to_owned(), is_superuser);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let answer = sign_in_at(&server.client, "/shop", ANNA).await;
    let (refresh, access) = (answer.field("refresh"), answer.field("access"));
    let user = json!({"email": ANNA, "id": 1});
    let whole = json!({"refresh": refresh, "access": access, "user": user, "is_superuser": false});
    assert_eq!((answer.status.as_u16(), answer.text()), (200, whole.to_string()));
    let refreshed = refresh_at(&server.client, "/shop", &refresh).await;
    let access = refreshed.field("access");
    assert_eq!(refreshed.text(), json!({"access": access}).to_string());
}

#[tokio::test]
async fn audience_and_issuer_are_the_last_claims_of_all_tokens() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            api.claims.insert("mail".to_owned(), "email".to_owned());
            api.audience = Some("the shop".to_owned());
            api.issuer = Some("https://auth.example.com".to_owned());
            api.rotating = Some(true);
        });
    })
    .await;
    new_account(&server, ANNA).await;
    let pair = sign_in_at(&server.client, "/shop", ANNA).await;
    let renewed = refresh_at(&server.client, "/shop", &pair.field("refresh")).await;
    for answer in [&pair, &renewed] {
        for token in [answer.field("access"), answer.field("refresh")] {
            let claims = claims_of(&token);
            let expected = ["token_type", "exp", "iat", "jti", "user_id", "mail", "aud", "iss"];
            assert_eq!(names(&claims), expected);
            assert_eq!(claims["aud"], "the shop");
            assert_eq!(claims["iss"], "https://auth.example.com");
        }
    }
    let header = format!("Bearer {}", renewed.field("access"));
    assert_eq!(server.client.get("/shop/users/me/", Some(&header)).await.status, 200);
}

#[tokio::test]
async fn token_of_a_replaced_server_needs_the_audience_and_the_issuer_of_the_api() {
    let (audience, issuer) = ("the shop", "https://auth.example.com");
    let server = TestServer::with(|config| {
        config.tokens.accept_foreign = true;
        config.accounts.first_id = Some(1_000);
        serve(config, "shop", "/shop", |api| {
            api.audience = Some(audience.to_owned());
            api.issuer = Some(issuer.to_owned());
        });
        serve(config, "plain", "/plain", |_| {});
    })
    .await;
    server.import(ANNA, PASSWORD, 1, None).await;
    let client = &server.client;
    for (number, (aud, iss, is_meant)) in [
        (json!(audience), json!(issuer), true),
        (json!(["another", audience]), json!(issuer), true),
        (json!("another"), json!(issuer), false),
        (json!([audience, 7]), json!(issuer), false),
        (json!([]), json!(issuer), false),
        (Value::Null, json!(issuer), false),
        (json!(audience), json!("https://evil.example.com"), false),
        (json!(audience), Value::Null, false),
    ]
    .into_iter()
    .enumerate()
    {
        let [access, refresh] = ["access", "refresh"].map(|kind| {
            let jti = format!("{number:032x}");
            let mut claims = claims_of(&django(&server, 1, kind, 0, &jti));
            claims["aud"] = aud.clone();
            claims["iss"] = iss.clone();
            Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
        });
        for (prefix, is_good) in [("/shop", is_meant), ("/plain", true)] {
            let status = if is_good { 200 } else { 401 };
            let header = format!("Bearer {access}");
            let answer = client.get(&format!("{prefix}/users/me/"), Some(&header)).await;
            assert_eq!(answer.status, status, "{prefix} {aud} {iss}");
            for token in [&access, &refresh] {
                let path = format!("{prefix}/jwt/verify/");
                let answer = client.post(&path, &json!({"token": token})).await;
                assert_eq!(answer.status, status, "{prefix} {aud} {iss}");
            }
            let refreshed = refresh_at(client, prefix, &refresh).await;
            assert_eq!(refreshed.status, status, "{prefix} {aud} {iss}");
        }
    }
    // One of this server is known by its id, whichever API has issued it.
    let (access, _) = signed_in(&server, ANNA).await;
    let header = format!("Bearer {access}");
    assert_eq!(client.get("/shop/users/me/", Some(&header)).await.status, 200);
}

#[tokio::test]
async fn attributes_are_shown_by_claims_and_members_that_name_them() {
    let server = TestServer::with(|config| {
        serve(config, "shop", "/shop", |api| {
            for (claim, value) in [("role", "attributes.role"), ("tenant", "attributes.tenant")] {
                api.claims.insert(claim.to_owned(), value.to_owned());
            }
            let role = AnswerMember::Value("attributes.role".to_owned());
            api.answer.insert("role".to_owned(), role);
        });
        serve(config, "plain", "/plain", |_| {});
    })
    .await;
    new_account(&server, ANNA).await;
    let attributes = json!({"role": "editor", "secret": "not asked for"});
    let attributes = attributes.as_object().expect("an object").clone();
    assert!(server.auth.set_attributes(1, attributes.clone()).await.expect("it is stored"));
    assert!(!server.auth.set_attributes(2, attributes).await.expect("nothing is stored"));
    let answer = sign_in_at(&server.client, "/shop", ANNA).await;
    assert_eq!(answer.field("role"), "editor");
    let claims = claims_of(&answer.field("access"));
    assert_eq!((&claims["role"], &claims["tenant"]), (&json!("editor"), &Value::Null));
    assert!(claims.get("secret").is_none());
    let plain = claims_of(&sign_in_at(&server.client, "/plain", ANNA).await.field("access"));
    assert!(plain.get("role").is_none());
}

#[tokio::test]
async fn attributes_are_written_by_the_command_line_and_never_over_http() {
    let operator = Operator::new().await;
    operator.user_with(&["create", ANNA], PASSWORD).await;
    let input = r#"{"role": "editor"}"#;
    let said = operator.user_with(&["set-attributes", ANNA], input).await;
    assert!(said.contains("the attributes are set"), "{said}");
    let shown = operator.user(&["show", ANNA]).await;
    assert!(shown.contains("attribute     role = \"editor\""), "{shown}");
    for wrong in ["[1]", "role=editor", ""] {
        let failed = operator.run(&[], &["user", "set-attributes", ANNA], wrong).await;
        assert!(!failed.status.success());
        assert!(failed.stderr.contains("must be a JSON object"), "{}", failed.stderr);
    }
    let events = operator.user(&["events", ANNA]).await;
    assert_eq!(events.matches("attributes_changed").count(), 1, "{events}");

    let server = operator.start(&[]).await;
    let pair = sign_in_at(&server.client, "/api/auth", ANNA).await;
    let header = format!("Bearer {}", pair.field("access"));
    let body = json!({"attributes": {"role": "admin"}, "role": "admin"});
    for path in ["/api/auth/users/me/", "/propusk/v1/account"] {
        server.client.call("PATCH", path, Some(&header), &body).await;
    }
    let body = json!({"current_password": PASSWORD});
    let export =
        server.client.call("POST", "/propusk/v1/account/export", Some(&header), &body).await;
    let attributes = json!([{"name": "role", "value": "\"editor\""}]);
    assert_eq!(export.json()["attributes"], attributes, "{}", export.text());
}
