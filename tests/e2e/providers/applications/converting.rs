//! `/auth/convert-token/`: exchanges a provider's token for a pair of ours.

use super::*;

const CONVERT: &str = "/auth/convert-token/";
const UNKNOWN_CLIENT: &str =
    r#"{"error":"invalid_request","error_description":"Invalid client_id parameter value."}"#;
const UNKNOWN_BACKEND: &str =
    r#"{"error":"invalid_request","error_description":"Invalid backend parameter."}"#;
const NOT_ALLOWED: &str =
    r#"{"error":"access_denied","error_description":"Your credentials aren't allowed"}"#;
const FIELDS: [&str; 5] = ["grant_type", "backend", "client_id", "client_secret", "token"];

/// The same message for every field.
fn all_fields(message: &str) -> String {
    let fields: Vec<_> = FIELDS.map(|name| format!(r#""{name}":["{message}"]"#)).to_vec();
    format!("{{{}}}", fields.join(","))
}

fn all(value: &Value) -> Value {
    Value::Object(FIELDS.iter().map(|name| ((*name).to_owned(), value.clone())).collect())
}

#[tokio::test]
async fn mistakes_are_reported_in_a_fixed_order() {
    let site = site().await;
    let wrong = json!({
        "grant_type": "x", "client_id": "nope", "client_secret": "x", "backend": "nope",
        "token": "bad",
    });
    let without = |names: &[&str]| {
        let mut fields = wrong.clone();
        let given = fields.as_object_mut().expect("an object");
        given.retain(|name, _| !names.contains(&name.as_str()));
        fields
    };
    for (fields, status, expected) in [
        (wrong.clone(), 400, UNSUPPORTED),
        (without(&["grant_type"]), 400, UNKNOWN_CLIENT),
        (without(&["grant_type", "client_id"]), 401, INVALID_CLIENT),
        (without(&["grant_type", "client_id", "client_secret"]), 400, UNKNOWN_BACKEND),
        (without(&["grant_type", "client_id", "client_secret", "backend"]), 400, NOT_ALLOWED),
        (json!({"client_secret": SECOND_SECRET}), 401, INVALID_CLIENT),
        (json!({"client_id": 5}), 400, UNKNOWN_CLIENT),
        (json!({"client_id": "APP"}), 400, UNKNOWN_CLIENT),
        (json!({"backend": 5}), 400, UNKNOWN_BACKEND),
        (json!({"backend": "Google-OAuth2"}), 400, UNKNOWN_BACKEND),
        (json!({"token": 5}), 400, NOT_ALLOWED),
        (json!({"token": "bad token"}), 400, NOT_ALLOWED),
        (json!({"token": "x".repeat(2_000)}), 400, NOT_ALLOWED),
        (json!({"grant_type": 5}), 400, UNSUPPORTED),
        (json!({"grant_type": "Convert_token"}), 400, UNSUPPORTED),
        (json!({"grant_type": "refresh_token"}), 400, UNSUPPORTED),
        // The library fails with these.
        (json!({"backend": "Django"}), 400, UNKNOWN_BACKEND),
        (json!({"backend": "google-oauth2/"}), 400, UNKNOWN_BACKEND),
        (json!({"backend": "a/b"}), 400, UNKNOWN_BACKEND),
        (json!({"token": "ok-a\nb"}), 400, NOT_ALLOWED),
        (json!({"token": "привет"}), 400, NOT_ALLOWED),
    ] {
        assert_says(&fields.to_string(), &site.convert(&fields).await, status, expected);
    }
}

#[tokio::test]
async fn provider_is_not_asked_for_an_unknown_client() {
    let site = site().await;
    for fields in [json!({"client_secret": "x"}), json!({"client_id": "nope"})] {
        site.convert(&fields).await;
    }
    assert_eq!(site.stand_in.requests().len(), 0);
    pair(&site.convert(&json!({})).await);
    assert!(!site.stand_in.requests().is_empty());
}

#[tokio::test]
async fn fields_are_all_checked_and_all_mistakes_reported() {
    let site = site().await;
    let required = all_fields("This field is required.");
    for (fields, expected) in [
        (json!({}), required.clone()),
        (all(&json!("")), all_fields("This field may not be blank.")),
        (all(&json!(" \t\n")), all_fields("This field may not be blank.")),
        (all(&json!(null)), all_fields("This field may not be null.")),
        (all(&json!(true)), all_fields("Not a valid string.")),
        (all(&json!([])), all_fields("Not a valid string.")),
        (all(&json!("a\0")), all_fields("Null characters are not allowed.")),
    ] {
        let answer = site.client().post(CONVERT, &fields).await;
        assert_says(&fields.to_string(), &answer, 400, &expected);
    }
    assert_says("no body", &site.ask("POST", CONVERT, &[], "").await, 400, &required);
    let query = format!("{CONVERT}?{}", form_of(&conversion(&json!({}))));
    assert_says("a query", &site.ask("POST", &query, &[], "").await, 400, &required);
    for (name, most) in FIELDS.into_iter().zip([50, 200, 200, 500, 2_000]) {
        let too_long = site.convert(&json!({ name: "x".repeat(most + 1) })).await;
        let text = format!("Ensure this field has no more than {most} characters.");
        assert_says(name, &too_long, 400, &field_error(name, &text));
        assert!(!site.convert(&json!({ name: "x".repeat(most) })).await.text().contains("Ensure"));
    }
}

#[tokio::test]
async fn public_client_has_to_show_its_secret_here() {
    let site = site().await;
    let open = |secret: Value| json!({"client_id": "open", "client_secret": secret});
    let name = "client_secret";
    let blank = field_error(name, "This field may not be blank.");
    pair(&site.convert(&open(json!(SECRET))).await);
    assert_says("wrong", &site.convert(&open(json!("x"))).await, 401, INVALID_CLIENT);
    assert_says("blank", &site.convert(&open(json!(""))).await, 400, &blank);
    let mut none = conversion(&open(json!("")));
    none.as_object_mut().expect("an object").shift_remove(name);
    let required = field_error(name, "This field is required.");
    assert_says("none", &site.client().post(CONVERT, &none).await, 400, &required);
}

#[tokio::test]
async fn conversion_starts_a_session_of_its_own() {
    let site = site().await;
    let first = site.converted("anna", &app()).await;
    let again = site.converted("anna", &app()).await;
    let other = site.converted("anna", &second()).await;
    let id = site.me(&bearer(&first)).await.json()["id"].clone();
    for pair in [&first, &again, &other] {
        assert_eq!(site.me(&bearer(pair)).await.json()["id"], id);
    }
    assert_ne!(first.access, again.access);
    assert_ne!(first.refresh, again.refresh);
    pair(&site.refresh(&first.refresh, &app()).await);
    site.assert_alive(&again).await;
}

#[tokio::test]
async fn spaces_around_fields_and_unknown_fields_are_ignored() {
    let site = site().await;
    let spaced = |text: &str| format!(" {text}\n");
    let usual = conversion(&json!({}));
    let usual = usual.as_object().expect("an object");
    let all_spaced = usual
        .iter()
        .map(|(name, value)| (name.clone(), json!(spaced(value.as_str().expect("a text")))));
    pair(&site.convert(&Value::Object(all_spaced.collect())).await);
    for extra in [json!({"foo": 1}), json!({"scope": "read"}), json!({"scope": "foo"})] {
        let answer = site.convert(&extra).await;
        pair(&answer);
        assert_eq!(answer.field("scope"), "read write");
    }
    for query in ["x=1", "scope=foo", "grant_type=x", "refresh_token=x", "access_token=x", "a=%zz"]
    {
        let path = format!("{CONVERT}?{query}");
        pair(&site.client().post(&path, &conversion(&json!({}))).await);
    }
}

#[tokio::test]
async fn conversion_may_be_a_form_and_without_the_slash() {
    let site = site().await;
    let fields = conversion(&json!({}));
    for (path, media_type, body) in [
        ("/auth/convert-token", "application/json", fields.to_string()),
        (CONVERT, URLENCODED, form_of(&fields)),
        (CONVERT, MULTIPART, multipart_of(&fields)),
    ] {
        pair(&site.ask("POST", path, &[("Content-Type", media_type)], &body).await);
    }
}

#[tokio::test]
async fn header_rescues_a_wrong_secret_of_the_same_client() {
    let site = site().await;
    let none = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "token": "ok-anna",
    });
    let required =
        r#"{"client_id":["This field is required."],"client_secret":["This field is required."]}"#;
    let answer = site.client().post_as(&basic("app", SECRET), CONVERT, &none).await;
    assert_says("the header alone", &answer, 400, required);
    let body =
        |id: &str, secret: &str| conversion(&json!({"client_id": id, "client_secret": secret}));
    for (authorization, fields, refusal) in [
        (basic("app", SECRET), body("app", SECRET), None),
        (basic("app", SECRET), body("app", "x"), None),
        (basic("%61pp", SECRET), body("app", "x"), None),
        (basic("app", "x"), body("app", SECRET), None),
        (basic("second", SECOND_SECRET), body("app", SECRET), None),
        (basic("second", "x"), body("app", SECRET), None),
        ("Basic !!!".to_owned(), body("app", SECRET), None),
        (basic("app", "x"), body("app", "x"), Some((401, INVALID_CLIENT))),
        (basic("second", SECOND_SECRET), body("app", "x"), Some((401, INVALID_CLIENT))),
        (basic("second", "x"), body("app", SECOND_SECRET), Some((401, INVALID_CLIENT))),
        (basic("second", SECOND_SECRET), body("open", "x"), Some((401, INVALID_CLIENT))),
        (basic("app", SECRET), body("nope", "x"), Some((400, UNKNOWN_CLIENT))),
    ] {
        let answer = site.client().post_as(&authorization, CONVERT, &fields).await;
        match refusal {
            None => drop(pair(&answer)),
            Some((status, text)) => assert_says(&fields.to_string(), &answer, status, text),
        }
    }
}

#[tokio::test]
async fn conversion_with_a_credential_still_opens_the_account_of_the_token() {
    let site = site().await;
    site.register("greta@example.com").await;
    let signed_in = pair(&site.password("greta@example.com", &app()).await);
    let own = site.me(&bearer(&signed_in)).await.json();
    let fields = conversion(&json!({"token": "ok-anna"}));
    let converted = pair(&site.client().post_as(&bearer(&signed_in), CONVERT, &fields).await);
    let other = site.me(&bearer(&converted)).await.json();
    assert_eq!(other["email"], "anna@example.com");
    assert_ne!(other["id"], own["id"]);
    let accounts = site.server.auth.identities(own["id"].as_i64().expect("a number")).await;
    assert!(accounts.expect("the database answers").is_empty(), "nothing was linked");
}

#[tokio::test]
async fn broken_credential_in_the_header_is_refused_and_a_broken_body_behind_it_is_not_read() {
    let site = site().await;
    let fields = conversion(&json!({}));
    for (authorization, text) in
        [("Bearer x", DEAD_BEARER), ("Token x", r#"{"detail":"Invalid token."}"#)]
    {
        let answer = site.client().post_as(authorization, CONVERT, &fields).await;
        assert_says(authorization, &answer, 401, text);
    }
    for method in ["GET", "PUT", "PATCH", "DELETE"] {
        let text = format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#);
        assert_says(method, &site.ask(method, CONVERT, &[], "").await, 405, &text);
    }
    assert_eq!(site.ask("HEAD", CONVERT, &[], "").await.status, 405);
    let options = site.ask("OPTIONS", CONVERT, &[], "").await;
    assert_eq!((options.status.as_u16(), options.field("name").as_str()), (200, "Convert Token"));
    let described = "Implements an endpoint to convert a provider token to an access token\n\nThe \
                     endpoint is used in the following flows:\n\n* Authorization code\n* Client \
                     credentials";
    assert_eq!(options.field("description"), described);
}

#[tokio::test]
async fn token_of_every_provider_is_converted_under_its_documented_name() {
    let site = site().await;
    for (provider, backend, id) in [
        (Provider::Google, "google-oauth2", "701"),
        (Provider::Yandex, "yandex-oauth2", "702"),
        (Provider::Vk, "vk-oauth2", "703"),
        (Provider::MailRu, "mailru", "704"),
    ] {
        let user = User::new(format!("user{id}")).with_id(id);
        let token = site.stand_in.access_token(provider, CLIENT_ID, &user);
        let first = pair(&site.convert(&json!({"backend": backend, "token": token})).await);
        let again = pair(&site.convert(&json!({"backend": backend, "token": token})).await);
        let me = site.me(&bearer(&first)).await;
        assert_eq!(me.field("email"), format!("user{id}@example.com"));
        assert_eq!(site.me(&bearer(&again)).await.json(), me.json());
    }
}

#[tokio::test]
async fn provider_without_a_client_id_is_no_backend() {
    let site = Site::with(|config| {
        config.provider("vk").client_id = None;
        config.provider("google").client_id = None;
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
    for backend in ["vk-oauth2", "google-oauth2", "google", "vk", "mail_ru"] {
        let answer = site.convert(&json!({ "backend": backend })).await;
        assert_says(backend, &answer, 400, UNKNOWN_BACKEND);
    }
}

#[tokio::test]
async fn profile_text_that_no_database_can_store_is_left_out() {
    let site = site().await;
    let user = User::new("odd")
        .with_email("o\0dd@example.com")
        .with_avatar("https://pictures.example/\0")
        .with_name("O\0dd", "One");
    let token = site.stand_in.access_token(Provider::Google, CLIENT_ID, &user);
    let own = pair(&site.convert(&json!({ "token": token })).await);
    assert_eq!(site.me(&bearer(&own)).await.field("email"), "");
}
