//! How the tokens of applications end: revoked by the application, by their owner in every way, and
//! with the account.

use super::*;
use crate::providers::linking::send;

const REVOKE: &str = "/auth/revoke-token/";
const SESSIONS: &str = "/auth/invalidate-sessions/";
const REFRESH_TOKENS: &str = "/auth/invalidate-refresh-tokens/";
const NO_APPLICATION: &str =
    r#"{"detail":"The application linked to the provided client_id could not be found."}"#;

impl Site {
    /// Revokes a token, authorized by this pair.
    async fn revoke(&self, by: &Pair, fields: &Value) -> Answer {
        self.client().post_as(&bearer(by), REVOKE, &merged(&[&app(), fields])).await
    }

    async fn invalidate(&self, path: &str, authorization: &str, client_id: &str) -> Answer {
        self.client().post_as(authorization, path, &json!({ "client_id": client_id })).await
    }
}

/// A success without a body.
#[track_caller]
fn assert_done(what: &str, answer: &Answer) {
    assert_says(what, answer, 204, "");
}

#[tokio::test]
async fn request_without_a_credential_is_refused_for_every_method() {
    let site = site().await;
    for path in
        [REVOKE, SESSIONS, REFRESH_TOKENS, "/auth/revoke-token", "/auth/invalidate-sessions"]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let answer = site.ask(method, path, &[], "").await;
            assert_says(&format!("{method} {path}"), &answer, 401, NOBODY);
        }
        assert_eq!(site.ask("HEAD", path, &[], "").await.status, 401);
        let whole = merged(&[&app(), &json!({"token": "x"})]);
        assert_says(path, &site.client().post(path, &whole).await, 401, NOBODY);
        for (authorization, text) in [
            (basic("app", SECRET), NOBODY),
            ("Bearer x".to_owned(), DEAD_BEARER),
            ("Token x".to_owned(), r#"{"detail":"Invalid token."}"#),
            ("Bearer".to_owned(), r#"{"detail":"Invalid token header. No backend provided."}"#),
        ] {
            let answer = site.client().post_as(&authorization, path, &whole).await;
            assert_says(&authorization, &answer, 401, text);
        }
    }
}

#[tokio::test]
async fn other_methods_are_answered_with_those_allowed() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let authorization = bearer(&own);
    let headers = [("Authorization", authorization.as_str())];
    for (path, name, description) in [
        (REVOKE, "Revoke Token", "Implements an endpoint to revoke access or refresh tokens"),
        (SESSIONS, "Invalidate Sessions", "Delete all access tokens associated with a client id."),
        (
            REFRESH_TOKENS,
            "Invalidate Refresh Tokens",
            "Invalidate all refresh tokens associated with a client id.",
        ),
    ] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let text = format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#);
            assert_says(path, &site.ask(method, path, &headers, "").await, 405, &text);
        }
        assert_eq!(site.ask("HEAD", path, &headers, "").await.status, 405);
        let options = site.ask("OPTIONS", path, &headers, "").await;
        assert_eq!((options.status.as_u16(), options.field("name").as_str()), (200, name));
        assert_eq!(options.field("description"), description);
    }
}

#[tokio::test]
async fn fields_of_a_revocation_are_checked_before_its_client() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let names = ["client_id", "client_secret", "token"];
    let all = |message: &str| {
        let fields: Vec<_> = names.map(|name| format!(r#""{name}":["{message}"]"#)).to_vec();
        format!("{{{}}}", fields.join(","))
    };
    let ask = |body: Value| {
        let (client, authorization) = (site.client(), bearer(&own));
        async move { client.post_as(&authorization, REVOKE, &body).await }
    };
    let of = |value: Value| json!({"client_id": value, "client_secret": value, "token": value});
    let required = "This field is required.";
    for (body, text) in [
        (json!({}), all(required)),
        (of(json!("")), all("This field may not be blank.")),
        (of(json!(" \t\n")), all("This field may not be blank.")),
        (of(json!(null)), all("This field may not be null.")),
        (of(json!(true)), all("Not a valid string.")),
        (of(json!([])), all("Not a valid string.")),
        (of(json!("a\0")), all("Null characters are not allowed.")),
        (app(), field_error("token", required)),
        (json!({"client_id": "app", "token": "x"}), field_error("client_secret", required)),
        (json!({"client_secret": SECRET, "token": "x"}), field_error("client_id", required)),
        (
            json!([]),
            field_error("non_field_errors", "Invalid data. Expected a dictionary, but got list."),
        ),
        (json!(null), field_error("non_field_errors", "No data provided")),
        (
            json!(5),
            field_error("non_field_errors", "Invalid data. Expected a dictionary, but got int."),
        ),
        (
            json!("x"),
            field_error("non_field_errors", "Invalid data. Expected a dictionary, but got str."),
        ),
    ] {
        assert_says(&body.to_string(), &ask(body.clone()).await, 400, &text);
    }
    for (name, most) in names.into_iter().zip([200, 500, 2_000]) {
        let long = |length: usize| merged(&[&of(json!("x")), &json!({ name: "x".repeat(length) })]);
        let text = format!("Ensure this field has no more than {most} characters.");
        assert_says(name, &ask(long(most + 1)).await, 400, &field_error(name, &text));
        assert_says(name, &ask(long(most)).await, 401, INVALID_CLIENT);
    }
    assert_says("numbers", &ask(of(json!(1))).await, 401, INVALID_CLIENT);
}

#[tokio::test]
async fn revocation_needs_a_client_that_shows_its_secret() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let token = json!({"token": own.access});
    for (client, text) in [
        (json!({"client_id": "nope", "client_secret": "x"}), INVALID_CLIENT),
        (json!({"client_id": "app", "client_secret": "x"}), INVALID_CLIENT),
        (json!({"client_id": "app", "client_secret": SECOND_SECRET}), INVALID_CLIENT),
        (json!({"client_id": "open", "client_secret": "x"}), INVALID_CLIENT),
    ] {
        let asked = merged(&[&token, &client]);
        assert_says(&client.to_string(), &site.revoke(&own, &asked).await, 401, text);
    }
    let whole = merged(&[&app(), &token]);
    let path = format!("{REVOKE}?x=1");
    let answer = site.client().post_as(&bearer(&own), &path, &whole).await;
    assert_says("a query", &answer, 400, NO_QUERY);
    site.assert_alive(&own).await;
}

#[tokio::test]
async fn either_token_ends_the_session_whatever_the_hint_says() {
    let site = site().await;
    let by = site.converted("anna", &app()).await;
    for hint in ["access_token", "refresh_token", "foo"] {
        for is_access in [true, false] {
            let own = site.converted("anna", &app()).await;
            let token = if is_access { &own.access } else { &own.refresh };
            let asked = json!({"token": token, "token_type_hint": hint});
            assert_done(hint, &site.revoke(&by, &asked).await);
            site.assert_dead(&own, &app()).await;
        }
    }
    let own = site.converted("anna", &app()).await;
    let asked = json!({"token": format!(" {} ", own.access), "client_id": " app "});
    assert_done("space around", &site.revoke(&own, &asked).await);
    site.assert_dead(&own, &app()).await;
    assert_done("again", &site.revoke(&by, &json!({"token": own.access})).await);
    site.assert_alive(&by).await;
}

#[tokio::test]
async fn revocation_may_be_a_form_with_any_credential_of_the_owner() {
    let site = site().await;
    site.register("anna@example.com").await;
    let credentials = json!({"username": "anna@example.com", "password": PASSWORD});
    let key = site.client().post("/auth/token/login/", &credentials).await.field("auth_token");
    let jwt = site.client().post("/api/auth/jwt/create/", &credentials).await.field("access");
    for authorization in [format!("Token {key}"), format!("Bearer {key}"), format!("Bearer {jwt}")]
    {
        for (media_type, written) in [
            ("application/json", Value::to_string as fn(&Value) -> String),
            (URLENCODED, form_of),
            (MULTIPART, multipart_of),
        ] {
            let own = pair(&site.password("anna@example.com", &app()).await);
            let body = written(&merged(&[&app(), &json!({"token": own.access})]));
            let headers = [("Content-Type", media_type), ("Authorization", authorization.as_str())];
            assert_done(media_type, &site.ask("POST", REVOKE, &headers, &body).await);
            site.assert_dead(&own, &app()).await;
        }
    }
}

#[tokio::test]
async fn text_that_is_no_token_of_this_account_and_client_ends_nothing() {
    let site = site().await;
    let by = site.converted("anna", &app()).await;
    let others = site.converted("bob", &app()).await;
    let elsewhere = site.converted("anna", &second()).await;
    let rotated = site.converted("anna", &app()).await;
    let successor = pair(&site.refresh(&rotated.refresh, &app()).await);
    for token in [
        "unknown",
        &others.access,
        &others.refresh,
        &elsewhere.access,
        &elsewhere.refresh,
        &rotated.access,
        &rotated.refresh,
    ] {
        assert_done(token, &site.revoke(&by, &json!({ "token": token })).await);
    }
    for (pair, client) in [(&others, app()), (&elsewhere, second()), (&successor, app())] {
        site.assert_alive(pair).await;
        assert_eq!(site.refresh(&pair.refresh, &client).await.status, 200);
    }
}

#[tokio::test]
async fn key_of_another_api_is_no_token_of_an_application() {
    let site = site().await;
    site.register("anna@example.com").await;
    let credentials = json!({"username": "anna@example.com", "password": PASSWORD});
    let key = site.client().post("/auth/token/login/", &credentials).await.field("auth_token");
    let by = pair(&site.password("anna@example.com", &app()).await);
    assert_done("a key", &site.revoke(&by, &json!({ "token": key })).await);
    assert_eq!(site.me(&format!("Token {key}")).await.status, 200);
    assert_says("as a refresh", &site.refresh(&key, &app()).await, 400, INVALID_GRANT);
}

#[tokio::test]
async fn expired_access_token_still_names_its_session() {
    let site = site().await;
    let old = site.converted("anna", &app()).await;
    site.server.clock.advance(36_000);
    let by = site.converted("anna", &app()).await;
    assert_done("expired", &site.revoke(&by, &json!({"token": old.access})).await);
    assert_says("its refresh", &site.refresh(&old.refresh, &app()).await, 400, INVALID_GRANT);
}

#[tokio::test]
async fn sessions_of_one_client_end_and_those_of_others_do_not() {
    for path in [SESSIONS, REFRESH_TOKENS, "/auth/invalidate-sessions"] {
        let site = site().await;
        site.register("anna@example.com").await;
        let credentials = json!({"username": "anna@example.com", "password": PASSWORD});
        let key = site.client().post("/auth/token/login/", &credentials).await.field("auth_token");
        let first = pair(&site.password("anna@example.com", &app()).await);
        let again = pair(&site.password("anna@example.com", &app()).await);
        let elsewhere = pair(&site.password("anna@example.com", &second()).await);
        let others = site.converted("bob", &app()).await;
        assert_done(path, &site.invalidate(path, &bearer(&first), " app ").await);
        site.assert_dead(&first, &app()).await;
        site.assert_dead(&again, &app()).await;
        for (pair, client) in [(&elsewhere, second()), (&others, app())] {
            site.assert_alive(pair).await;
            assert_eq!(site.refresh(&pair.refresh, &client).await.status, 200);
        }
        let key = format!("Token {key}");
        assert_eq!(site.me(&key).await.status, 200);
        for client in ["app", "open", "plain"] {
            assert_done("nothing left", &site.invalidate(path, &key, client).await);
        }
        pair(&site.password("anna@example.com", &app()).await);
    }
}

#[tokio::test]
async fn sessions_are_ended_for_a_client_that_there_is() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    for path in [SESSIONS, REFRESH_TOKENS] {
        for (client_id, text) in [
            (json!("nope"), NO_APPLICATION.to_owned()),
            (json!("APP"), NO_APPLICATION.to_owned()),
            (json!(5), NO_APPLICATION.to_owned()),
            (json!("x".repeat(200)), NO_APPLICATION.to_owned()),
            (
                json!("x".repeat(201)),
                field_error("client_id", "Ensure this field has no more than 200 characters."),
            ),
            (json!(""), field_error("client_id", "This field may not be blank.")),
            (json!(null), field_error("client_id", "This field may not be null.")),
            (json!(true), field_error("client_id", "Not a valid string.")),
            (json!([]), field_error("client_id", "Not a valid string.")),
            (json!("a\0"), field_error("client_id", "Null characters are not allowed.")),
        ] {
            let body = json!({ "client_id": client_id });
            let answer = site.client().post_as(&bearer(&own), path, &body).await;
            assert_says(&client_id.to_string(), &answer, 400, &text);
        }
        let none = site.client().post_as(&bearer(&own), path, &json!({})).await;
        assert_says(path, &none, 400, &field_error("client_id", "This field is required."));
    }
    site.assert_alive(&own).await;
}

#[tokio::test]
async fn client_that_is_removed_loses_its_sessions() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let elsewhere = site.converted("anna", &second()).await;
    assert!(site.server.auth.delete_client("app").await.expect("the database answers"));
    site.assert_access_dead(&own).await;
    assert_says("its refresh", &site.refresh(&own.refresh, &app()).await, 401, INVALID_CLIENT);
    site.assert_alive(&elsewhere).await;
    // The next client with this id does not get them.
    let new = NewClient {
        id: "app".to_owned(),
        name: "Another".to_owned(),
        secret: Some(SECRET.to_owned()),
        is_public: false,
        allows_password: false,
        introspects: false,
    };
    assert!(site.server.auth.create_client(new).await.expect("the database answers"));
    site.assert_dead(&own, &app()).await;
}

#[tokio::test]
async fn suspended_account_is_refused_and_its_tokens_work_again_afterwards() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let id = site.me(&bearer(&own)).await.json()["id"].as_i64().expect("a number");
    site.server.auth.set_active(id, false).await.expect("the database answers");
    let me = site.me(&bearer(&own)).await;
    assert_eq!(
        (me.status.as_u16(), me.field("detail").as_str()),
        (401, "User inactive or deleted.")
    );
    assert_says("refresh", &site.refresh(&own.refresh, &app()).await, 400, INVALID_GRANT);
    let refused = r#"{"error":"invalid_grant","error_description":"User inactive or deleted."}"#;
    assert_says("convert", &site.convert(&json!({})).await, 400, refused);
    for path in [REVOKE, SESSIONS] {
        let answer = site.client().post_as(&bearer(&own), path, &app()).await;
        assert_eq!(answer.status, 401, "{path}");
    }
}

#[tokio::test]
async fn deleted_account_loses_its_tokens() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let id = site.me(&bearer(&own)).await.json()["id"].as_i64().expect("a number");
    assert!(site.server.auth.delete_account(id).await.expect("the database answers"));
    site.assert_dead(&own, &app()).await;
}

#[tokio::test]
async fn password_that_is_changed_elsewhere_ends_the_tokens_of_applications() {
    let site = site().await;
    site.register("anna@example.com").await;
    let own = pair(&site.password("anna@example.com", &app()).await);
    let other = pair(&site.password("anna@example.com", &second()).await);
    let change = json!({"current_password": PASSWORD, "new_password": "another fair password"});
    let path = "/auth/users/set_password/";
    // An application cannot make a sensitive change, even with the password.
    let answer = site.client().post_as(&bearer(&other), path, &change).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    let deletion = json!({"current_password": PASSWORD});
    let answer = send(&site, "DELETE", "/auth/users/me/", &other.access, &deletion).await;
    assert_eq!(answer.status, 403, "{}", answer.text());
    site.assert_alive(&own).await;
    let credentials = json!({"username": "anna@example.com", "password": PASSWORD});
    let key = site.client().post("/auth/token/login/", &credentials).await;
    let key = format!("Token {}", key.field("auth_token"));
    let answer = site.client().post_as(&key, path, &change).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    site.assert_dead(&own, &app()).await;
    site.assert_dead(&other, &second()).await;
}

#[tokio::test]
async fn sign_out_with_an_access_token_ends_its_pair_alone() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    let other = site.converted("anna", &app()).await;
    let answer = site.client().post_as(&bearer(&own), "/auth/token/logout/", &json!({})).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    site.assert_dead(&own, &app()).await;
    site.assert_alive(&other).await;
}

#[tokio::test]
async fn access_token_works_in_every_api_and_cannot_refresh() {
    let site = site().await;
    let own = site.converted("anna", &app()).await;
    for authorization in [bearer(&own), format!("Token {}", own.access)] {
        assert_eq!(site.me(&authorization).await.status, 200, "{authorization}");
    }
    for path in ["/api/auth/users/me/", "/api/auth/profile/"] {
        let me = site.client().get(path, Some(&bearer(&own))).await;
        assert_eq!(me.status, 200, "{path}: {}", me.text());
    }
    for token in [&own.access, &own.refresh] {
        for path in ["/api/auth/jwt/refresh/", "/api/auth/token/refresh/", "/token/refresh"] {
            let answer = site.client().post(path, &json!({ "refresh": token })).await;
            assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        }
    }
    for authorization in [format!("Bearer {}", own.refresh), format!("Token {}", own.refresh)] {
        assert_eq!(site.me(&authorization).await.status, 401);
    }
}
