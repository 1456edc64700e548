//! APIs that name an account by its id in a replaced system, such as a uuid.

use propusk_server::auth::Hs256;
use propusk_server::config::{AnswerMember, UserIdForm};
use propusk_tests::SECRET;
use propusk_tests::operator::Operator;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use propusk_tests::user::{PASSWORD, me, new_account, signed_in};
use serde_json::{Value, json};

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";
const BOB: &str = "bob@example.com";
const UUID: &str = "6f0b7c1e-0f6a-4b58-9c3f-0a1b2c3d4e5f";

/// A server with an API that shows foreign ids, at `/shop`.
async fn with_foreign_ids(accepts_foreign: bool) -> TestServer {
    TestServer::with(|config| {
        config.tokens.accept_foreign = accepts_foreign;
        config.accounts.first_id = accepts_foreign.then_some(1_000);
        serve(config, "shop", "/shop", |api| {
            api.user_id = Some(UserIdForm::Foreign);
            api.claims.insert("id".to_owned(), "id".to_owned());
            api.answer.insert("id".to_owned(), AnswerMember::Value("id".to_owned()));
        });
    })
    .await
}

async fn set(server: &TestServer, account: i64, foreign_id: &str) {
    let set = server.auth.set_foreign_id(account, foreign_id.to_owned()).await;
    assert!(set.expect("the database answers"), "{foreign_id}");
}

/// The profile at this API with an access token.
async fn profile(server: &TestServer, path: &str, access: &str) -> (u16, Value) {
    let answer = server.client.get(path, Some(&format!("Bearer {access}"))).await;
    (answer.status.as_u16(), answer.json()["id"].clone())
}

/// A token as a Django makes it that names the user by this text.
fn of_django(server: &TestServer, kind: &str, user_id: &str, jti: &str) -> String {
    let (issued, life) = (server.clock.now(), if kind == "access" { 300 } else { 86_400 });
    let claims = json!({
        "token_type": kind, "exp": issued + life, "iat": issued, "jti": jti, "user_id": user_id,
    });
    Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
}

#[tokio::test]
async fn tokens_and_answers_have_the_foreign_id_and_other_apis_the_number() {
    let server = with_foreign_ids(false).await;
    new_account(&server, ANNA).await;
    set(&server, 1, UUID).await;
    let pair = sign_in_at(&server.client, "/shop", ANNA).await;
    assert_eq!(pair.field("id"), UUID);
    let renewed = refresh_at(&server.client, "/shop", &pair.field("refresh")).await;
    for token in [pair.field("access"), pair.field("refresh"), renewed.field("access")] {
        let claims = claims_of(&token);
        assert_eq!((&claims["user_id"], &claims["id"]), (&json!(UUID), &json!(UUID)));
        let body = json!({"token": token});
        for verify in ["/shop/jwt/verify/", "/api/auth/jwt/verify/"] {
            assert_eq!(server.client.post(verify, &body).await.status, 200, "{verify}");
        }
    }
    let access = renewed.field("access");
    for path in ["/shop/users/me/", &format!("/shop/users/{UUID}/")] {
        assert_eq!(profile(&server, path, &access).await, (200, json!(UUID)), "{path}");
    }
    assert_eq!(profile(&server, "/shop/users/1/", &access).await.0, 404);
    assert_eq!(profile(&server, "/api/auth/users/me/", &access).await, (200, json!(1)));
    // A token with the number is one of the same account.
    let (other, _) = signed_in(&server, ANNA).await;
    assert_eq!(claims_of(&other)["user_id"], 1);
    assert_eq!(profile(&server, "/shop/users/me/", &other).await, (200, json!(UUID)));
    let document = server.client.get("/openapi.json", None).await.json();
    for (schema, form) in [("shop.User", "string"), ("djoser_jwt.User", "integer")] {
        let id = &document["components"]["schemas"][schema]["properties"]["id"];
        assert_eq!(id["type"], form, "{schema}");
    }
}

#[tokio::test]
async fn foreign_id_that_looks_like_the_number_of_another_account_is_not_taken_for_it() {
    let server = with_foreign_ids(false).await;
    new_account(&server, ANNA).await;
    new_account(&server, BOB).await;
    set(&server, 2, "1").await;
    let access = sign_in_at(&server.client, "/shop", BOB).await.field("access");
    assert_eq!(claims_of(&access)["user_id"], "1");
    // Also when the server has seen the token before.
    for _ in 0..2 {
        for verify in ["/shop/jwt/verify/", "/api/auth/jwt/verify/"] {
            let body = json!({"token": access});
            assert_eq!(server.client.post(verify, &body).await.status, 200, "{verify}");
        }
        assert_eq!(profile(&server, "/shop/users/me/", &access).await, (200, json!("1")));
        assert_eq!(profile(&server, "/api/auth/users/me/", &access).await, (200, json!(2)));
    }
}

#[tokio::test]
async fn account_without_a_foreign_id_gets_one_that_it_keeps() {
    let server = with_foreign_ids(false).await;
    let user = json!({"email": ANNA, "password": PASSWORD});
    let registered = server.client.post("/shop/users/", &user).await;
    let id = registered.field("id");
    assert_eq!((registered.status.as_u16(), id.len()), (201, 36));
    for _ in 0..2 {
        let pair = sign_in_at(&server.client, "/shop", ANNA).await;
        assert_eq!(claims_of(&pair.field("access"))["user_id"], json!(id));
    }
    // One that was registered elsewhere, at its first sign-in.
    new_account(&server, BOB).await;
    let [first, second] = [
        sign_in_at(&server.client, "/shop", BOB).await.field("id"),
        sign_in_at(&server.client, "/shop", BOB).await.field("id"),
    ];
    assert_eq!(first, second);
    assert_ne!(first, id);
}

#[tokio::test]
async fn session_ends_with_its_sign_out_and_with_its_account() {
    let server = with_foreign_ids(false).await;
    new_account(&server, ANNA).await;
    set(&server, 1, UUID).await;
    let ended = sign_in_at(&server.client, "/shop", ANNA).await;
    let (access, refresh) = (ended.field("access"), ended.field("refresh"));
    let body = json!({"refresh": refresh});
    assert_eq!(server.client.post("/shop/logout/", &body).await.status, 200);
    assert_eq!(profile(&server, "/shop/users/me/", &access).await.0, 401);
    assert_eq!(refresh_at(&server.client, "/shop", &refresh).await.status, 401);

    let live = sign_in_at(&server.client, "/shop", ANNA).await;
    let (access, refresh) = (live.field("access"), live.field("refresh"));
    let bearer = format!("Bearer {access}");
    let body = json!({"current_password": PASSWORD});
    let deleted = server.client.call("DELETE", "/shop/users/me/", Some(&bearer), &body).await;
    assert_eq!(deleted.status, 204);
    // Another account gets the id, and none of the tokens.
    new_account(&server, BOB).await;
    set(&server, 2, UUID).await;
    assert_eq!(profile(&server, "/shop/users/me/", &access).await.0, 401);
    assert_eq!(me(&server, &access).await.status, 401);
    assert_eq!(refresh_at(&server.client, "/shop", &refresh).await.status, 401);
}

#[tokio::test]
async fn token_of_a_replaced_server_names_an_imported_account_by_its_foreign_id() {
    let server = with_foreign_ids(true).await;
    server.import(ANNA, PASSWORD, 1, None).await;
    server.import(BOB, PASSWORD, 2, None).await;
    set(&server, 1, UUID).await;
    // It looks like the number of another account.
    set(&server, 2, "1").await;
    let mut jti = 0_u128;
    let mut new = |kind: &str, user_id: &str| {
        jti += 1;
        of_django(&server, kind, user_id, &format!("{jti:032x}"))
    };
    for (user_id, name) in [(UUID, ANNA), ("1", BOB)] {
        let bearer = format!("Bearer {}", new("access", user_id));
        let profile = server.client.get("/shop/users/me/", Some(&bearer)).await;
        assert_eq!(
            (&profile.json()["email"], &profile.json()["id"]),
            (&json!(name), &json!(user_id))
        );
        let refreshed = refresh_at(&server.client, "/shop", &new("refresh", user_id)).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.text());
        assert_eq!(claims_of(&refreshed.field("access"))["user_id"], user_id);
    }
    // Elsewhere a text of digits is a number, and any other text a foreign id.
    for (user_id, name) in [(UUID, ANNA), ("1", ANNA), ("2", BOB)] {
        let profile = me(&server, &new("access", user_id)).await;
        assert_eq!(profile.json()["email"], name, "{user_id}");
    }
    for unknown in ["bob", "3"] {
        assert_eq!(profile(&server, "/shop/users/me/", &new("access", unknown)).await.0, 401);
        let refresh = new("refresh", unknown);
        assert_eq!(refresh_at(&server.client, "/shop", &refresh).await.status, 401);
    }
}

#[tokio::test]
async fn foreign_id_is_set_once_and_belongs_to_one_account() {
    let operator = Operator::new().await;
    for name in [ANNA, BOB] {
        operator.user_with(&["create", name], PASSWORD).await;
    }
    let said = operator.user(&["set-foreign-id", ANNA, UUID]).await;
    assert!(said.contains("the foreign id is set"), "{said}");
    // The same again changes nothing.
    operator.user(&["set-foreign-id", ANNA, UUID]).await;
    let events = operator.user(&["events", ANNA]).await;
    assert_eq!(events.matches("foreign_id").count(), 1, "{events}");
    let shown = operator.user(&["show", ANNA]).await;
    assert!(shown.contains(&format!("foreign id    {UUID}")), "{shown}");
    for (who, id, problem) in [
        (ANNA, "another", "the account has another foreign id"),
        (BOB, UUID, "another account has this one"),
        (BOB, "with blanks", "must have 1 to 255 bytes without white space"),
    ] {
        let failed = operator.run(&[], &["user", "set-foreign-id", who, id], "").await;
        assert!(!failed.status.success() && failed.stderr.contains(problem), "{}", failed.stderr);
    }
    let settings = "[apis.shop]\ndialect = \"djoser_jwt\"\nprefix = \"/shop\"\nstrict = true\n\
                    user_id = \"foreign\"\n";
    operator.write("propusk.toml", settings);
    let said = operator.refused(&[], &["check-config"]).await;
    assert!(said.contains("apis.shop.strict: must be off if user_id is foreign"), "{said}");
}
