//! `/auth/token/`: client authentication, grants, and the resulting tokens.

use super::*;
use tokio::task::JoinSet;

const TOKEN: &str = "/auth/token/";
const MISSING_REFRESH: &str =
    r#"{"error":"invalid_request","error_description":"Missing refresh token parameter."}"#;
const MISSING_CODE: &str =
    r#"{"error":"invalid_request","error_description":"Missing code parameter."}"#;
const MISSING_USERNAME: &str =
    r#"{"error":"invalid_request","error_description":"Request is missing username parameter."}"#;
const MISSING_PASSWORD: &str =
    r#"{"error":"invalid_request","error_description":"Request is missing password parameter."}"#;
const YEAR: i64 = 366 * 24 * 3600;

#[tokio::test]
async fn body_with_an_unknown_grant_is_refused_for_every_client() {
    let site = site().await;
    for path in [TOKEN, "/auth/token", "/auth/token/?"] {
        for (media_type, body) in [
            ("application/json", app().to_string()),
            ("application/json", "{}".to_owned()),
            ("application/json", String::new()),
            (URLENCODED, form_of(&app())),
            (URLENCODED, String::new()),
            (MULTIPART, multipart_of(&app())),
        ] {
            let answer = site.ask("POST", path, &[("Content-Type", media_type)], &body).await;
            assert_says(&format!("{path} {body}"), &answer, 400, UNSUPPORTED);
        }
        assert_says(path, &site.ask("POST", path, &[], "").await, 400, UNSUPPORTED);
    }
    assert_eq!(site.ask("POST", "/auth/token//", &[], "").await.status, 404);
}

#[tokio::test]
async fn grant_is_compared_as_it_was_sent() {
    let site = site().await;
    for grant in [
        json!("foo"),
        json!("convert_token"),
        json!("implicit"),
        json!(""),
        json!("PASSWORD"),
        json!(" password"),
        json!("refresh_token\0"),
        json!(null),
        json!(5),
        json!(true),
        json!(["password"]),
        json!({"a": 1}),
    ] {
        for client in [app(), json!({}), json!({"client_id": "nope", "client_secret": "x"})] {
            let asked = merged(&[&client, &json!({"grant_type": grant})]);
            let answer = site.client().post(TOKEN, &asked).await;
            assert_says(&asked.to_string(), &answer, 400, UNSUPPORTED);
        }
    }
    let whole = merged(&[&conversion(&json!({})), &app()]);
    assert_says("a conversion", &site.client().post(TOKEN, &whole).await, 400, UNSUPPORTED);
}

#[tokio::test]
async fn body_that_is_no_form_is_refused() {
    let site = site().await;
    for (headers, body, status, text) in [
        (
            &[("Content-Type", "application/json")] as &[_],
            "{\"a\": ",
            400,
            r#"{"detail":"JSON parse error - Expecting value: line 1 column 7 (char 6)"}"#,
        ),
        (
            &[("Content-Type", "text/plain")],
            "grant_type=password",
            415,
            r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#,
        ),
        (
            &[],
            "grant_type=password",
            415,
            r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#,
        ),
        (
            &[("Content-Type", "multipart/form-data")],
            "x",
            400,
            r#"{"detail":"Multipart form parse error - Invalid boundary in multipart: None"}"#,
        ),
        (
            &[("Accept", "application/xml"), ("Content-Type", "application/json")],
            "{}",
            406,
            r#"{"detail":"Could not satisfy the request Accept header."}"#,
        ),
    ] {
        assert_says(body, &site.ask("POST", TOKEN, headers, body).await, status, text);
    }
    // The library crashes here.
    for body in ["[]", "null", "5", "\"x\"", "true"] {
        let json = [("Content-Type", "application/json")];
        assert_eq!(site.ask("POST", TOKEN, &json, body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn query_is_refused_whatever_it_contains() {
    let site = site().await;
    site.register("anna@example.com").await;
    let body = json!({"grant_type": "password", "username": "anna@example.com"});
    let body = merged(&[&body, &json!({"password": PASSWORD}), &app()]);
    for query in ["x=1", "grant_type=password&client_id=app", "format=json", "a=%zz"] {
        let answer = site.client().post(&format!("{TOKEN}?{query}"), &body).await;
        assert_says(query, &answer, 400, NO_QUERY);
    }
    pair(&site.client().post("/auth/token/?", &body).await);
}

#[tokio::test]
async fn post_is_answered_alone_and_options_describes_the_route() {
    let site = site().await;
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let text = format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#);
        assert_says(method, &site.ask(method, TOKEN, &[], "").await, 405, &text);
    }
    assert_eq!(site.ask("HEAD", TOKEN, &[], "").await.status, 405);
    let options = site.ask("OPTIONS", "/auth/token", &[], "").await;
    assert_eq!(options.status, 200);
    assert_eq!(options.field("name"), "Token");
    let described = "Implements an endpoint to provide access tokens\n\nThe endpoint is used in the \
                     following flows:\n\n* Authorization code\n* Password\n* Client credentials";
    assert_eq!(options.field("description"), described);
}

#[tokio::test]
async fn refresh_replaces_both_tokens_and_a_reuse_changes_nothing() {
    let site = site().await;
    let first = site.converted("anna", &app()).await;
    let second = pair(&site.refresh(&first.refresh, &app()).await);
    assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
    site.assert_access_dead(&first).await;
    site.assert_alive(&second).await;
    assert_says("again", &site.refresh(&first.refresh, &app()).await, 400, INVALID_GRANT);
    site.assert_alive(&second).await;
    pair(&site.refresh(&second.refresh, &app()).await);
}

#[tokio::test]
async fn refresh_may_be_json_form_or_multipart_with_or_without_the_slash() {
    let site = site().await;
    let mut refresh = site.converted("anna", &app()).await.refresh;
    for (path, media_type, written) in [
        (TOKEN, "application/json", Value::to_string as fn(&Value) -> String),
        ("/auth/token", URLENCODED, form_of),
        (TOKEN, MULTIPART, multipart_of),
    ] {
        let grant = json!({"grant_type": "refresh_token", "refresh_token": refresh});
        let body = written(&merged(&[&grant, &app()]));
        let answer = site.ask("POST", path, &[("Content-Type", media_type)], &body).await;
        refresh = pair(&answer).refresh;
    }
}

#[tokio::test]
async fn text_that_is_no_live_refresh_token_of_the_client_is_refused_alike() {
    let site = site().await;
    let live = site.converted("anna", &app()).await;
    let swapped: String = live
        .refresh
        .chars()
        .map(|c| match c.is_ascii_lowercase() {
            true => c.to_ascii_uppercase(),
            false => c.to_ascii_lowercase(),
        })
        .collect();
    for token in [
        json!("nope"),
        json!(""),
        json!(null),
        json!(12345),
        json!(1.5),
        json!(true),
        json!(["a"]),
        json!([]),
        json!({"a": 1}),
        json!([live.refresh]),
        json!(format!(" {}", live.refresh)),
        json!(format!("{}\n", live.refresh)),
        json!(swapped),
        json!(live.access),
        json!("x".repeat(5_000)),
        json!("a\0b"),
        json!("привет 😀"),
    ] {
        let fields = json!({"grant_type": "refresh_token", "refresh_token": token});
        let answer = site.client().post(TOKEN, &merged(&[&fields, &app()])).await;
        assert_says(&token.to_string(), &answer, 400, INVALID_GRANT);
    }
    // Half a character, with which the library crashes.
    let half = json!({"grant_type": "refresh_token", "refresh_token": "HALF"});
    let half = merged(&[&half, &app()]).to_string().replace("HALF", "\\ud800");
    let answer = site.ask("POST", TOKEN, &[("Content-Type", "application/json")], &half).await;
    assert_says("half a character", &answer, 400, INVALID_GRANT);
    let none = merged(&[&json!({"grant_type": "refresh_token"}), &app()]);
    assert_says("none", &site.client().post(TOKEN, &none).await, 400, MISSING_REFRESH);
    pair(&site.refresh(&live.refresh, &app()).await);
}

#[tokio::test]
async fn field_that_a_form_repeats_has_its_last_value() {
    let site = site().await;
    let live = site.converted("anna", &app()).await.refresh;
    let form = |tokens: [&str; 2]| {
        format!(
            "grant_type=refresh_token&client_id=app&client_secret={SECRET}\
             &refresh_token={}&refresh_token={}",
            tokens[0], tokens[1]
        )
    };
    let headers = [("Content-Type", URLENCODED)];
    let answer = site.ask("POST", TOKEN, &headers, &form([&live, "x"])).await;
    assert_says("the last is none", &answer, 400, INVALID_GRANT);
    pair(&site.ask("POST", TOKEN, &headers, &form(["x", &live])).await);
}

/// The credentials of a client in header and body, and whether they are accepted.
async fn assert_clients(site: &Site, rows: &[(&str, Option<String>, Value, bool)]) {
    let mut refresh = site.converted("anna", &app()).await.refresh;
    for (what, authorization, client, is_heard) in rows {
        let grant = json!({"grant_type": "refresh_token", "refresh_token": refresh});
        let body = merged(&[&grant, client]);
        let answer = site.post_with(authorization.as_deref(), TOKEN, &body).await;
        match is_heard {
            true => refresh = pair(&answer).refresh,
            false => assert_says(what, &answer, 401, INVALID_CLIENT),
        }
    }
}

#[tokio::test]
async fn confidential_client_needs_its_exact_secret() {
    let site = site().await;
    let of = |id: Value, secret: Value| json!({"client_id": id, "client_secret": secret});
    assert_clients(
        &site,
        &[
            ("nobody", None, json!({}), false),
            ("unknown", None, of(json!("nope"), json!("x")), false),
            ("unknown without secret", None, json!({"client_id": "nope"}), false),
            ("blank id", None, of(json!(""), json!(SECRET)), false),
            ("null id", None, of(json!(null), json!(SECRET)), false),
            ("number", None, of(json!(5), json!(SECRET)), false),
            ("other case", None, of(json!("APP"), json!(SECRET)), false),
            ("spaces around the id", None, of(json!(" app "), json!(SECRET)), false),
            ("spaces around", None, of(json!("app"), json!(format!(" {SECRET} "))), false),
            ("NUL", None, of(json!("a\0b"), json!("x")), false),
            ("secret only", None, json!({"client_secret": SECRET}), false),
            ("no secret", None, json!({"client_id": "app"}), false),
            ("blank secret", None, of(json!("app"), json!("")), false),
            ("null secret", None, of(json!("app"), json!(null)), false),
            ("number as secret", None, of(json!("app"), json!(5)), false),
            ("wrong secret", None, of(json!("app"), json!("x")), false),
            ("another's secret", None, of(json!("second"), json!(SECRET)), false),
            ("right", None, app(), true),
        ],
    )
    .await;
}

#[tokio::test]
async fn header_names_the_client_and_the_body_only_helps_it() {
    let site = site().await;
    let right = || Some(basic("app", SECRET));
    let wrong = json!({"client_id": "nope", "client_secret": "x"});
    assert_clients(
        &site,
        &[
            ("right", right(), json!({}), true),
            ("the same id", right(), json!({"client_id": "app"}), true),
            ("another id", right(), json!({"client_id": "second"}), true),
            ("an unknown one", right(), wrong, true),
            ("wrong header", Some(basic("app", "x")), app(), true),
            ("unknown header", Some(basic("nope", "x")), app(), true),
            ("no base64", Some("Basic !!!".to_owned()), app(), true),
            ("the word alone", Some("Basic".to_owned()), app(), true),
            ("percent-encoded", Some(basic("%61pp", SECRET)), json!({}), true),
            ("another's wrong", Some(basic("second", "x")), app(), false),
            ("wrong alone", Some(basic("app", "x")), json!({}), false),
            ("empty secret", Some(basic("app", "")), json!({}), false),
            ("no base64 alone", Some("Basic !!!".to_owned()), json!({}), false),
            ("no colon", Some("Basic YWJj".to_owned()), json!({}), false),
            ("NUL", Some(basic("a%00b", "x")), json!({}), false),
            ("no words", Some("Basic".to_owned()), json!({}), false),
            ("lower case", right().map(|text| text.replace("Basic", "basic")), json!({}), false),
        ],
    )
    .await;
}

#[tokio::test]
async fn letters_that_a_header_needs_encoded_are_read_as_they_were_meant() {
    let site = site().await;
    let grant = json!({"grant_type": "refresh_token", "refresh_token": "none"});
    for (secret, is_read) in [
        ("a%3Ab+c%2Bd%25+of+letters", true),
        ("a:b c%2Bd% of letters", true),
        ("a:b c+d% of letters", false),
        ("a:b c%2Bd%ff of letters", false),
    ] {
        let answer = site.client().post_as(&basic("odd", secret), TOKEN, &grant).await;
        match is_read {
            true => assert_says(secret, &answer, 400, INVALID_GRANT),
            false => assert_says(secret, &answer, 401, INVALID_CLIENT),
        }
    }
    let two_spaces = basic("odd", "a%3Ab+c%2Bd%25+of+letters").replace("Basic ", "Basic  ");
    let answer = site.client().post_as(&two_spaces, TOKEN, &grant).await;
    assert_says("two spaces", &answer, 400, INVALID_GRANT);
}

#[tokio::test]
async fn public_client_needs_no_secret_but_must_not_show_a_wrong_one() {
    let site = site().await;
    let open = |secret: Value| json!({"client_id": "open", "client_secret": secret});
    let bare = json!({"client_id": "open"});
    let mut refresh = site.converted("anna", &open(json!(SECRET))).await.refresh;
    let header = |secret: &str| Some(basic("open", secret));
    for (authorization, client, is_heard) in [
        (None, bare.clone(), true),
        (None, open(json!("")), true),
        (None, open(json!(SECRET)), true),
        (header(SECRET), json!({}), true),
        (Some("Basic".to_owned()), bare.clone(), true),
        (None, open(json!("x")), false),
        (None, open(json!(null)), false),
        (header(""), json!({}), false),
        // A client with a header must show a secret.
        (header("x"), bare.clone(), false),
        (Some(basic("nope", "x")), bare.clone(), false),
        (Some("Basic !!!".to_owned()), bare.clone(), false),
    ] {
        let grant = json!({"grant_type": "refresh_token", "refresh_token": refresh});
        let what = format!("{authorization:?} {client}");
        let body = merged(&[&grant, &client]);
        let answer = site.post_with(authorization.as_deref(), TOKEN, &body).await;
        match is_heard {
            true => refresh = pair(&answer).refresh,
            false => assert_says(&what, &answer, 401, INVALID_CLIENT),
        }
    }
}

#[tokio::test]
async fn refresh_token_works_for_its_own_client_alone() {
    let site = site().await;
    let open = json!({"client_id": "open", "client_secret": SECRET});
    for (own, others) in [(second(), [app(), open.clone()]), (open, [app(), second()])] {
        let live = site.converted("anna", &own).await;
        for other in others {
            let answer = site.refresh(&live.refresh, &other).await;
            assert_says(&other.to_string(), &answer, 400, INVALID_GRANT);
        }
        let grant = json!({"grant_type": "refresh_token", "refresh_token": live.refresh});
        let body = merged(&[&grant, &own]);
        let answer = site.client().post_as(&basic("app", SECRET), TOKEN, &body).await;
        assert_says("by the header of another", &answer, 400, INVALID_GRANT);
        site.assert_alive(&live).await;
        pair(&site.refresh(&live.refresh, &own).await);
    }
}

#[tokio::test]
async fn missing_fields_are_reported_before_a_wrong_client_and_that_before_a_wrong_token() {
    let site = site().await;
    let wrong = json!({"client_id": "app", "client_secret": "x"});
    let none = merged(&[&json!({"grant_type": "refresh_token"}), &wrong]);
    assert_says("no token", &site.client().post(TOKEN, &none).await, 400, MISSING_REFRESH);
    assert_says("no client", &site.refresh("nope", &wrong).await, 401, INVALID_CLIENT);
}

#[tokio::test]
async fn scope_may_be_narrowed_or_ordered_and_not_widened() {
    let site = site().await;
    let mut refresh = site.converted("anna", &app()).await.refresh;
    for (scope, granted) in [
        ("read write", "read write"),
        ("write read", "write read"),
        ("read", "read"),
        (" read  ", "read"),
        ("read read", "read read"),
        // A narrowed scope is not stored: the token may have both again.
        ("", "read write"),
        ("read write", "read write"),
    ] {
        let answer = site.refresh(&refresh, &merged(&[&app(), &json!({"scope": scope})])).await;
        refresh = pair(&answer).refresh;
        assert_eq!(answer.field("scope"), granted, "{scope:?}");
    }
}

#[tokio::test]
async fn scope_that_is_not_allowed_spends_no_refresh_token() {
    let site = site().await;
    let live = site.converted("anna", &app()).await.refresh;
    for scope in [
        json!("foo"),
        json!("read foo"),
        json!("read  write"),
        json!("read\twrite"),
        json!(" "),
        json!(null),
        json!(["read"]),
    ] {
        let asked = merged(&[&app(), &json!({"scope": scope})]);
        let what = scope.to_string();
        assert_says(&what, &site.refresh(&live, &asked).await, 400, INVALID_SCOPE);
        assert_says(&what, &site.refresh("nope", &asked).await, 400, INVALID_GRANT);
    }
    let spent = live.clone();
    pair(&site.refresh(&live, &app()).await);
    let asked = merged(&[&app(), &json!({"scope": "foo"})]);
    assert_says("spent", &site.refresh(&spent, &asked).await, 400, INVALID_GRANT);
}

#[tokio::test]
async fn password_grant_gives_a_new_pair_each_time() {
    let site = site().await;
    site.register("anna@example.com").await;
    let first = pair(&site.password("anna@example.com", &app()).await);
    let second = pair(&site.password("anna@example.com", &app()).await);
    assert_ne!(first.access, second.access);
    site.assert_alive(&first).await;
    site.assert_alive(&second).await;
    let grant = json!({
        "grant_type": "password", "username": "anna@example.com", "password": PASSWORD,
    });
    pair(&site.client().post_as(&basic("app", SECRET), TOKEN, &grant).await);
    let whole = merged(&[&grant, &app()]);
    for (media_type, body) in [(URLENCODED, form_of(&whole)), (MULTIPART, multipart_of(&whole))] {
        pair(&site.ask("POST", TOKEN, &[("Content-Type", media_type)], &body).await);
    }
    for (client, is_heard) in [
        (json!({"client_id": "open"}), true),
        (json!({"client_id": "open", "client_secret": ""}), true),
        (json!({"client_id": "open", "client_secret": SECRET}), true),
        (json!({"client_id": "open", "client_secret": "x"}), false),
        (json!({"client_id": "open", "client_secret": null}), false),
    ] {
        let answer = site.password("anna@example.com", &client).await;
        match is_heard {
            true => drop(pair(&answer)),
            false => assert_says(&client.to_string(), &answer, 401, INVALID_CLIENT),
        }
    }
}

#[tokio::test]
async fn names_and_passwords_that_do_not_fit_are_refused_alike() {
    let site = site().await;
    site.register("anna@example.com").await;
    site.register("off@example.com").await;
    site.server.clock.advance(1);
    let off = site.server.auth.find_account("off@example.com").await.expect("an answer");
    site.server.auth.set_active(off.expect("the account").id, false).await.expect("an answer");
    site.converted("social", &app()).await;
    let named = |username: Value| json!({ "username": username });
    let word = |password: Value| json!({ "password": password });
    for fields in [
        word(json!("wrong")),
        word(json!(" ")),
        word(json!(null)),
        word(json!(5)),
        word(json!(true)),
        word(json!(["x"])),
        word(json!("a\0b")),
        word(json!("x".repeat(5_000))),
        named(json!("nobody@example.com")),
        named(json!("off@example.com")),
        named(json!(" anna@example.com ")),
        named(json!("social@example.com")),
        named(json!(null)),
        named(json!(5)),
        named(json!(true)),
        named(json!(["anna@example.com"])),
        named(json!({"a": 1})),
        named(json!("a\0b")),
        named(json!("x".repeat(10_000))),
    ] {
        let answer = site.password("anna@example.com", &merged(&[&fields, &app()])).await;
        assert_says(&fields.to_string(), &answer, 400, WRONG_PASSWORD);
    }
    // As everywhere, the case of an address and the spaces around a password do not count.
    let typed = merged(&[&word(json!(format!(" {PASSWORD} "))), &app()]);
    pair(&site.password("ANNA@example.com", &typed).await);
}

#[tokio::test]
async fn missing_name_or_password_is_reported_after_the_client_is_checked() {
    let site = site().await;
    let grant = json!({"grant_type": "password"});
    let wrong = json!({"client_id": "app", "client_secret": "x"});
    for (fields, expected) in [
        (json!({}), MISSING_USERNAME),
        (json!({"password": PASSWORD}), MISSING_USERNAME),
        (json!({"username": "", "password": PASSWORD}), MISSING_USERNAME),
        (json!({"email": "anna@example.com", "password": PASSWORD}), MISSING_USERNAME),
        (json!({"username": "anna@example.com"}), MISSING_PASSWORD),
        (json!({"username": "anna@example.com", "password": ""}), MISSING_PASSWORD),
    ] {
        let ask = |client: Value| merged(&[&grant, &fields, &client]);
        let what = fields.to_string();
        assert_says(&what, &site.client().post(TOKEN, &ask(app())).await, 400, expected);
        for client in [wrong.clone(), json!({}), json!({"client_id": "app"})] {
            let answer = site.client().post(TOKEN, &ask(client)).await;
            assert_says(&what, &answer, 401, INVALID_CLIENT);
        }
    }
}

#[tokio::test]
async fn password_with_a_scope_that_is_not_allowed_opens_nothing() {
    let site = site().await;
    site.register("anna@example.com").await;
    for scope in [json!(""), json!("foo"), json!("read foo"), json!(null), json!(" ")] {
        let asked = merged(&[&app(), &json!({"scope": scope})]);
        let answer = site.password("anna@example.com", &asked).await;
        assert_says(&scope.to_string(), &answer, 400, INVALID_SCOPE);
    }
    for scope in ["read", "write read", "read write"] {
        let asked = merged(&[&app(), &json!({"scope": scope})]);
        let answer = site.password("anna@example.com", &asked).await;
        pair(&answer);
        assert_eq!(answer.field("scope"), scope);
    }
}

#[tokio::test]
async fn client_without_the_password_grant_is_refused_before_the_password_is_looked_at() {
    let site = site().await;
    site.register("anna@example.com").await;
    let plain = json!({"client_id": "plain", "client_secret": SECRET});
    for password in [PASSWORD, "wrong"] {
        let asked = merged(&[&plain, &json!({"password": password})]);
        let answer = site.password("anna@example.com", &asked).await;
        assert_says(password, &answer, 400, UNAUTHORIZED_CLIENT);
    }
    let without_secret = json!({"client_id": "plain"});
    let answer = site.password("anna@example.com", &without_secret).await;
    assert_says("no secret", &answer, 401, INVALID_CLIENT);
    // It may refresh a token from a conversion.
    let live = site.converted("bob", &plain).await;
    pair(&site.refresh(&live.refresh, &plain).await);
}

#[tokio::test]
async fn grants_of_other_flows_are_for_no_client() {
    let site = site().await;
    let open = json!({"client_id": "open"});
    let credentials = json!({"grant_type": "client_credentials"});
    let code = json!({"grant_type": "authorization_code", "code": "x"});
    let no_code = json!({"grant_type": "authorization_code"});
    for client in [app(), open, json!({"client_id": "plain", "client_secret": SECRET})] {
        for grant in [&credentials, &code] {
            let answer = site.client().post(TOKEN, &merged(&[grant, &client])).await;
            assert_says(&client.to_string(), &answer, 400, UNAUTHORIZED_CLIENT);
        }
    }
    let header = site.client().post_as(&basic("app", SECRET), TOKEN, &credentials).await;
    assert_says("by the header", &header, 400, UNAUTHORIZED_CLIENT);
    for client in
        [json!({}), json!({"client_id": "app"}), json!({"client_id": "app", "client_secret": "x"})]
    {
        for grant in [&credentials, &code] {
            let answer = site.client().post(TOKEN, &merged(&[grant, &client])).await;
            assert_says(&client.to_string(), &answer, 401, INVALID_CLIENT);
        }
        let answer = site.client().post(TOKEN, &merged(&[&no_code, &client])).await;
        assert_says("no code", &answer, 400, MISSING_CODE);
    }
}

#[tokio::test]
async fn credential_in_the_header_must_be_good_even_where_none_is_needed() {
    let site = site().await;
    site.register("anna@example.com").await;
    let live = pair(&site.password("anna@example.com", &app()).await);
    let expired = live.clone();
    site.server.clock.advance(36_000);
    let live = pair(&site.refresh(&live.refresh, &app()).await);
    let key = json!({"username": "anna@example.com", "password": PASSWORD});
    let key = site.client().post("/auth/token/login/", &key).await.field("auth_token");
    let body = json!({
        "grant_type": "password", "username": "anna@example.com", "password": PASSWORD,
        "access_token": "x", "client_id": "app", "client_secret": SECRET,
    });
    let spaces = "Invalid token header. Token string should not contain spaces.";
    for (authorization, detail) in [
        (format!("Token {key}"), None),
        (bearer(&live), None),
        ("Digest x".to_owned(), None),
        (String::new(), None),
        ("Token x".to_owned(), Some("Invalid token.")),
        ("Token".to_owned(), Some("Invalid token header. No credentials provided.")),
        ("Token a b".to_owned(), Some(spaces)),
        ("Bearer x".to_owned(), Some("Invalid token header. No credentials provided.")),
        ("Bearer".to_owned(), Some("Invalid token header. No backend provided.")),
        ("Bearer a b c".to_owned(), Some(spaces)),
        (bearer(&expired), Some("Invalid token header. No credentials provided.")),
        // The library crashes here.
        ("Bearer google-oauth2 ok-anna".to_owned(), Some("Invalid token.")),
    ] {
        let answer = site.client().post_as(&authorization, TOKEN, &body).await;
        match detail {
            None => drop(pair(&answer)),
            Some(detail) => {
                let text = json!({ "detail": detail }).to_string();
                assert_says(&authorization, &answer, 401, &text);
            }
        }
    }
    let get = site.client().get(TOKEN, Some("Token x")).await;
    assert_says("before the method", &get, 401, r#"{"detail":"Invalid token."}"#);
}

#[tokio::test]
async fn access_token_lives_ten_hours_and_its_refresh_token_outlives_it() {
    let site = site().await;
    let live = site.converted("anna", &app()).await;
    site.server.clock.advance(35_999);
    site.assert_alive(&live).await;
    site.server.clock.advance(1);
    site.assert_access_dead(&live).await;
    let next = pair(&site.refresh(&live.refresh, &app()).await);
    site.assert_alive(&next).await;
}

#[tokio::test]
async fn refresh_token_unused_for_a_year_is_expired() {
    let site = site().await;
    let used = site.converted("anna", &app()).await;
    let unused = site.converted("bob", &app()).await;
    site.server.clock.advance(YEAR / 2);
    let used = pair(&site.refresh(&used.refresh, &app()).await);
    site.server.clock.advance(YEAR / 2);
    assert_says("unused", &site.refresh(&unused.refresh, &app()).await, 400, INVALID_GRANT);
    pair(&site.refresh(&used.refresh, &app()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_token_works_once_in_a_hundred_concurrent_refreshes() {
    let site = site().await;
    let live = site.converted("anna", &app()).await;
    let grant = json!({"grant_type": "refresh_token", "refresh_token": live.refresh});
    let body = merged(&[&grant, &app()]);
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (client, body) = (site.client().clone(), body.clone());
        requests.spawn(async move { client.post(TOKEN, &body).await });
    }
    let answers = requests.join_all().await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(won.len(), 1);
    for answer in lost {
        assert_says("too late", answer, 400, INVALID_GRANT);
    }
    site.assert_access_dead(&live).await;
    site.assert_alive(&pair(won[0])).await;
}
