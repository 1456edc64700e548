//! `propusk adopt`: accounts of another system are stored, their owners go on here, and a newer
//! file changes what has changed there and nothing else.

use std::io::Cursor;

use propusk_server::Clock;
use propusk_server::auth::{AdoptionRules, Hs256};
use propusk_tests::SECRET;
use propusk_tests::http::Client;
use propusk_tests::import_file::import_file;
use propusk_tests::operator::*;
use propusk_tests::process::Finished;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::claims_of;
use propusk_tests::user::{NEW_PASSWORD, PASSWORD, me, refresh, sign_in};
use serde_json::{Value, json};

/// Of [`PASSWORD`] and [`NEW_PASSWORD`], as an old Django stores them.
const OLD_HASH: &str = "sha1$seasalt2$8a17299d81993f7ae7b41a1f8c94dc28efebbb95";
const NEW_HASH: &str = "md5$seasalt2$9a23937e2b8589427f13f89b6d66e9cd";

const DAY: i64 = 24 * 3_600;

const KEY: &str = "0123456789abcdef0123456789abcdef01234567";
const KEY_SHA256: &str = "deb87fabd17715bb31ad4cf4ffb9494eeb15f8d33d85b031a301c64ab3417eaa";
const SECOND_KEY: &str = "f123456789abcdef0123456789abcdef01234567";
const SECOND_SHA256: &str = "0e6c91624bb7311345fee6065c83e15cd6da663d9947bacc7db4babec570d91d";
const ACCESS: &str = "AccessAccessAccessAccessAccess";
const ACCESS_SHA256: &str = "b7cc3f7e186e7809e7c4772224f28428c8c12d744a14c76646d65af876eb1fc2";

const SETTINGS: &[(&str, &str)] =
    &[("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true"), ("PROPUSK_ACCOUNTS__FIRST_ID", "1000000")];

fn account(id: i64, more: Value) -> Value {
    let mut line = json!({
        "kind": "account", "id": id, "email": format!("user{id}@example.com"),
        "password": OLD_HASH, "verified": ["email"],
    });
    let more = more.as_object().expect("an object").clone();
    line.as_object_mut().expect("an object").extend(more);
    line
}

/// A refresh token as SimpleJWT makes it.
fn refresh_token(id: i64, jti: &str) -> String {
    let now = Clock::system().now();
    let claims = json!({
        "token_type": "refresh", "exp": now + 86_400, "iat": now - 60, "jti": jti, "user_id": id,
    });
    Hs256::new(SECRET.as_bytes()).sign(claims.to_string().as_bytes())
}

fn spent_token(jti: &str) -> Value {
    let expires_at = Clock::system().now() + 86_400;
    json!({"kind": "spent_token", "jti": jti, "expires_at": expires_at})
}

/// An operator whose database exists.
async fn operator() -> Operator {
    let operator = Operator::new().await;
    operator.store().await.close().await;
    operator
}

/// What the command says of the file.
async fn adopt(operator: &Operator, text: &str, options: &[&str]) -> Value {
    operator.write("accounts.jsonl", text);
    let arguments = [&["adopt", "accounts.jsonl", "--json"], options].concat();
    let Finished { status, stdout, stderr } = operator.run(SETTINGS, &arguments, "").await;
    assert!(status.success(), "{stderr}");
    serde_json::from_str(&stdout).expect("JSON")
}

/// The same file is the last one, and all that the other system knows.
async fn complete(operator: &Operator) {
    let last = &["adopt", "accounts.jsonl", "--final", "--allow-deletions", "1"];
    for arguments in [&last[..], &["adopt", "--complete"]] {
        let Finished { status, stderr, .. } = operator.run(SETTINGS, arguments, "").await;
        assert!(status.success(), "{stderr}");
    }
}

async fn assert_refused(operator: &Operator, text: &str, options: &[&str], error: &str) {
    operator.write("accounts.jsonl", text);
    let arguments = [&["adopt", "accounts.jsonl"], options].concat();
    let said = operator.refused(SETTINGS, &arguments).await;
    assert!(said.contains(error), "{said}");
}

async fn status_of_key(client: &Client, key: &str) -> u16 {
    client.get("/auth/users/me/", Some(&format!("Token {key}"))).await.status.as_u16()
}

async fn outbox(operator: &Operator) -> Vec<String> {
    let store = operator.store().await;
    let sql = "select message from outbox";
    let rows = column(&store, sql, sql).await;
    store.close().await;
    rows
}

fn assert_no_change(adoption: &Value) {
    for counts in ["new", "changed", "ended"] {
        assert_eq!(adoption[counts], json!({}), "{adoption}");
    }
}

#[tokio::test]
async fn adopted_owner_signs_in_and_live_tokens_work() {
    let operator = operator().await;
    let server = operator.start(SETTINGS).await;
    let client = &server.client;
    let now = Clock::system().now();
    let text = import_file(
        now,
        &[
            account(7, json!({"phone": "+7 999 123-00-17", "username": "seven"})),
            account(8, json!({"is_active": false})),
            account(9, json!({"email": "USER7@example.com"})),
            json!({"kind": "api_token", "account": 7, "sha256": KEY_SHA256, "created_at": 1}),
            json!({"kind": "api_token", "account": 8, "sha256": SECOND_SHA256}),
            json!({"kind": "oauth_client", "id": "app"}),
            json!({
                "kind": "oauth_pair", "account": 7, "client": "app",
                "access_sha256": ACCESS_SHA256, "access_expires_at": now + 3_600,
            }),
            json!({"kind": "identity", "account": 7, "provider": "google", "subject": "1"}),
            spent_token("spent"),
        ],
    );
    let planned = adopt(&operator, &text, &["--dry-run"]).await;
    assert_eq!(sign_in(client, "user7@example.com", PASSWORD).await.status, 401);
    let stored = adopt(&operator, &text, &[]).await;
    let new = json!({
        "account": 3, "api_token": 2, "identity": 1, "oauth_client": 1, "oauth_pair": 1,
        "spent_token": 1,
    });
    assert_eq!((&planned["new"], &stored["new"]), (&new, &new));
    let parked = json!([{"account": "9", "kind": "email", "kept_by": "7"}]);
    assert_eq!(stored["file"]["parked"]["another account has it"], parked);
    complete(&operator).await;
    for name in ["user7@example.com", "+79991230017"] {
        let pair = sign_in(client, name, PASSWORD).await;
        assert_eq!(pair.status, 200, "{name}: {}", pair.text());
        assert_eq!(me(client, &pair.field("access")).await.json()["id"], 7);
    }
    assert_eq!(sign_in(client, "user8@example.com", PASSWORD).await.status, 401);
    for id in [7, 9] {
        assert_eq!(
            refresh(client, &refresh_token(id, &format!("live {id}"))).await.status,
            200,
            "{id}"
        );
    }
    assert_eq!(refresh(client, &refresh_token(7, "spent")).await.status, 401);
    assert_eq!(status_of_key(client, KEY).await, 200);
    assert_eq!(status_of_key(client, SECOND_KEY).await, 401);
    let bearer = format!("Bearer {ACCESS}");
    assert_eq!(client.get("/auth/users/me/", Some(&bearer)).await.status, 200);
    let shown = operator.user(&["show", "seven"]).await;
    assert!(shown.contains("google"), "{shown}");
    assert_eq!(outbox(&operator).await, Vec::<String>::new());
}

#[tokio::test]
async fn check_and_dry_run_store_nothing_even_in_a_database_that_was_never_used() {
    let operator = operator().await;
    let rows = async || {
        let store = operator.store().await;
        let sql = "select name from meta union all select cast(id as text) from accounts";
        let rows = column(&store, sql, sql).await;
        store.close().await;
        rows
    };
    let text = import_file(1_000, &[account(7, json!({}))]);
    let before = rows().await;
    for option in ["--check", "--dry-run"] {
        adopt(&operator, &text, &[option]).await;
        assert_eq!(rows().await, before, "{option}");
    }
    adopt(&operator, &text, &[]).await;
    assert!(rows().await.contains(&"7".to_owned()));
}

#[tokio::test]
async fn public_application_comes_with_the_secret_that_it_shows_to_convert() {
    let operator = operator().await;
    let app = |id: &str, is_public: bool| {
        json!({
            "kind": "oauth_client", "id": id, "secret_sha256": KEY_SHA256, "is_public": is_public,
        })
    };
    let pair = json!({
        "kind": "oauth_pair", "account": 1, "client": "open", "refresh_sha256": SECOND_SHA256,
    });
    let lines = [account(1, json!({})), app("open", true), app("closed", false), pair];
    let text = import_file(1_000, &lines);
    adopt(&operator, &text, &[]).await;
    assert_no_change(&adopt(&operator, &text, &[]).await);
    complete(&operator).await;
    let server = operator.start(SETTINGS).await;
    let refresh = async |client: &str, secret: Option<&str>, token: &str| {
        let mut body = json!({
            "grant_type": "refresh_token", "refresh_token": token, "client_id": client,
        });
        if let Some(secret) = secret {
            body["client_secret"] = json!(secret);
        }
        server.client.post("/auth/token/", &body).await
    };
    assert_eq!(refresh("open", Some(SECOND_KEY), SECOND_KEY).await.status, 401);
    assert_eq!(refresh("closed", None, SECOND_KEY).await.status, 401);
    let with_secret = refresh("open", Some(KEY), SECOND_KEY).await;
    assert_eq!(with_secret.status, 200, "{}", with_secret.text());
    let without = refresh("open", None, &with_secret.field("refresh_token")).await;
    assert_eq!(without.status, 200, "{}", without.text());
}

#[tokio::test]
async fn foreign_id_and_attributes_come_with_the_account() {
    let operator = operator().await;
    let line = account(1, json!({"foreign_id": "u-1", "attributes": {"role": "editor"}}));
    adopt(&operator, &import_file(1_000, &[line]), &[]).await;
    let rows = async |sql: &'static str| {
        let store = operator.store().await;
        let rows = column(&store, sql, sql).await;
        store.close().await;
        rows
    };
    assert_eq!(rows("select foreign_id from accounts").await, ["u-1"]);
    let attributes = "select attributes from account_attributes";
    assert_eq!(rows(attributes).await, [r#"{"role":"editor"}"#]);
    let newer = [account(1, json!({"foreign_id": "u-2"}))];
    let adoption = adopt(&operator, &import_file(2_000, &newer), &[]).await;
    assert_eq!(adoption["conflicts"], json!({"foreign_id": ["1"]}));
    assert_eq!(rows("select foreign_id from accounts").await, ["u-1"]);
    assert_eq!(rows(attributes).await, ["{}"]);
}

#[tokio::test]
async fn attributes_that_were_set_here_stay() {
    let operator = operator().await;
    let adopt_line = async |taken_at: i64, more: Value| {
        adopt(&operator, &import_file(taken_at, &[account(1, more)]), &[]).await["conflicts"]
            .clone()
    };
    let editor = json!({"role": "editor"});
    adopt_line(1_000, json!({"attributes": editor})).await;
    operator.user_with(&["set-attributes", "id:1"], r#"{"role":"admin"}"#).await;
    let signed_in = json!({"attributes": editor, "last_sign_in_at": 1_500});
    assert_eq!(adopt_line(2_000, signed_in).await, json!({}));
    let reader = json!({"attributes": {"role": "reader"}});
    assert_eq!(adopt_line(3_000, reader).await, json!({"attributes": ["1"]}));
    let store = operator.store().await;
    let sql = "select attributes from account_attributes";
    assert_eq!(column(&store, sql, sql).await, [r#"{"role":"admin"}"#]);
    store.close().await;
}

#[tokio::test]
async fn token_that_is_spent_there_is_refused_at_an_api_with_a_key_of_its_own() {
    const KEY_OF_SHOP: &str = "a key of the shop alone 0123456789abcdef";
    let operator = operator().await;
    let shop = [
        ("PROPUSK_APIS__SHOP__DIALECT", "djoser_jwt"),
        ("PROPUSK_APIS__SHOP__PREFIX", "/shop"),
        ("PROPUSK_APIS__SHOP__SIGNING_KEY", KEY_OF_SHOP),
    ];
    let server = operator.start(&[SETTINGS, &shop].concat()).await;
    adopt(&operator, &import_file(1_000, &[account(7, json!({})), spent_token("spent")]), &[])
        .await;
    for (jti, status) in [("live", 200), ("spent", 401)] {
        let claims = claims_of(&refresh_token(7, jti)).to_string();
        let token = Hs256::new(KEY_OF_SHOP.as_bytes()).sign(claims.as_bytes());
        let verified = server.client.post("/shop/jwt/verify/", &json!({"token": token})).await;
        assert_eq!(verified.status, status, "{jti}");
        let refreshed = server.client.post("/shop/jwt/refresh/", &json!({"refresh": token})).await;
        assert_eq!(refreshed.status, status, "{jti}");
    }
}

#[tokio::test]
async fn second_run_with_the_same_file_changes_nothing() {
    let operator = operator().await;
    let lines = [
        account(1, json!({})),
        account(2, json!({"email": "User1@example.com", "username": "2"})),
        account(3, json!({"password": "!", "phone": "89991230016", "is_active": false})),
        json!({"kind": "api_token", "account": 1, "sha256": KEY_SHA256}),
        json!({"kind": "oauth_client", "id": "app"}),
        json!({
            "kind": "oauth_pair", "account": 1, "client": "app", "refresh_sha256": SECOND_SHA256,
        }),
        json!({"kind": "identity", "account": 2, "provider": "vk", "subject": "1"}),
        spent_token("spent"),
    ];
    let text = import_file(1_000, &lines);
    adopt(&operator, &text, &[]).await;
    for options in [&["--dry-run"][..], &[]] {
        assert_no_change(&adopt(&operator, &text, options).await);
    }
    assert_refused(&operator, &import_file(999, &lines), &[], "a file as of a later time").await;
}

#[tokio::test]
async fn identity_of_two_accounts_stays_with_the_first() {
    let operator = operator().await;
    let mut lines = vec![account(1, json!({})), account(2, json!({}))];
    for id in [1, 2] {
        let line = |member: &str, value: String| {
            let mut line = json!({"kind": "identity", "account": id, "provider": "google"});
            line[member] = json!(value);
            line
        };
        lines.push(line("subject", "501".to_owned()));
        // One address in two spellings.
        lines.push(line("email", format!("{}oogle@example.com", if id == 1 { 'G' } else { 'g' })));
    }
    let text = import_file(1_000, &lines);
    let adoption = adopt(&operator, &text, &[]).await;
    assert_eq!(adoption["refused"], json!({"another account here has the identity": ["2", "2"]}));
    for options in [&["--dry-run"][..], &[], &[]] {
        assert_no_change(&adopt(&operator, &text, options).await);
    }
    let store = operator.store().await;
    for sql in [
        "select cast(account_id as text) from identities",
        "select cast(account_id as text) from pending_identities",
    ] {
        assert_eq!(column(&store, sql, sql).await, ["1"], "{sql}");
    }
    store.close().await;
}

#[tokio::test]
async fn newer_file_changes_what_has_changed_there() {
    let operator = operator().await;
    let server = operator.start(SETTINGS).await;
    let client = &server.client;
    let token = |account: i64, sha256: &str| json!({"kind": "api_token", "account": account, "sha256": sha256});
    let mut lines: Vec<_> = (1..=8).map(|id| account(id, json!({}))).collect();
    lines.extend([token(4, KEY_SHA256), token(5, SECOND_SHA256)]);
    adopt(&operator, &import_file(1_000, &lines), &[]).await;
    let live = refresh_token(8, "logged out");
    assert_eq!(refresh(client, &live).await.status, 200);
    assert_eq!(status_of_key(client, KEY).await, 200);
    let newer = [
        account(1, json!({"password": NEW_HASH})),
        account(2, json!({"is_active": false})),
        account(4, json!({})),
        account(5, json!({"email": "user6@example.com"})),
        account(6, json!({"email": "user5@example.com"})),
        account(7, json!({})),
        account(8, json!({})),
        account(9, json!({})),
        token(5, SECOND_SHA256),
        spent_token("logged out"),
    ];
    let newer = import_file(2_000, &newer);
    let guarded = "2 of 8 accounts would be deleted or disabled";
    assert_refused(&operator, &newer, &[], guarded).await;
    assert_refused(&operator, &newer, &["--allow-deletions", "1"], guarded).await;
    let adoption = adopt(&operator, &newer, &["--allow-deletions", "2"]).await;
    assert_eq!(adoption["new"], json!({"account": 1, "spent_token": 1}));
    assert_eq!(adoption["changed"], json!({"account": 4}));
    assert_eq!(adoption["ended"], json!({"account": 1, "api_token": 1}));
    assert_eq!((&adoption["conflicts"], &adoption["refused"]), (&json!({}), &json!({})));
    complete(&operator).await;
    assert_eq!(sign_in(client, "user1@example.com", PASSWORD).await.status, 401);
    assert_eq!(sign_in(client, "user1@example.com", NEW_PASSWORD).await.status, 200);
    for name in ["user2@example.com", "user3@example.com"] {
        assert_eq!(sign_in(client, name, PASSWORD).await.status, 401, "{name}");
    }
    for (name, id) in [("user5@example.com", 6), ("user6@example.com", 5), ("user9@example.com", 9)]
    {
        let access = sign_in(client, name, PASSWORD).await.field("access");
        assert_eq!(me(client, &access).await.json()["id"], id, "{name}");
    }
    assert_eq!(refresh(client, &live).await.status, 401);
    assert_eq!(status_of_key(client, KEY).await, 401);
    assert_eq!(status_of_key(client, SECOND_KEY).await, 200);
    assert_no_change(&adopt(&operator, &newer, &["--reopen"]).await);
    assert_eq!(outbox(&operator).await, Vec::<String>::new());
}

#[tokio::test]
async fn password_proves_no_address_that_is_new_and_unverified_there() {
    let operator = operator().await;
    for (taken_at, line, proved) in [
        (1_000, account(1, json!({})), "1"),
        (2_000, account(1, json!({"email": "other@example.com", "verified": []})), "0"),
        (3_000, account(1, json!({"email": "other@example.com"})), "1"),
    ] {
        adopt(&operator, &import_file(taken_at, &[line]), &[]).await;
        let store = operator.store().await;
        let sql = "select cast(count(*) as text) from accounts where password_proved = true";
        assert_eq!(column(&store, sql, sql).await, [proved], "{taken_at}");
        store.close().await;
    }
}

#[tokio::test]
async fn what_has_changed_here_is_reported_and_stays() {
    let operator = operator().await;
    let server = operator.start(SETTINGS).await;
    let client = &server.client;
    let lines = [account(1, json!({})), account(2, json!({})), account(3, json!({}))];
    adopt(&operator, &import_file(1_000, &lines), &[]).await;
    let access = sign_in(client, "user1@example.com", PASSWORD).await.field("access");
    let body = json!({"current_password": PASSWORD, "new_password": "a password of here"});
    let bearer = format!("Bearer {access}");
    let changed = client.post_as(&bearer, "/api/auth/users/set_password/", &body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    assert_eq!(sign_in(client, "user2@example.com", PASSWORD).await.status, 200);
    operator.user(&["delete", "id:3", "--yes"]).await;
    let newer =
        [account(1, json!({"password": NEW_HASH})), account(3, json!({"username": "three"}))];
    let adoption = adopt(&operator, &import_file(2_000, &newer), &["--allow-deletions", "1"]).await;
    assert_eq!(adoption["conflicts"], json!({"password": ["1"]}));
    let refused = json!({"deleted here": ["3"], "deleted there, used here": ["2"]});
    assert_eq!(adoption["refused"], refused);
    complete(&operator).await;
    assert_eq!(sign_in(client, "user1@example.com", "a password of here").await.status, 200);
    assert_eq!(sign_in(client, "user1@example.com", NEW_PASSWORD).await.status, 401);
    assert_eq!(sign_in(client, "user2@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn what_is_older_than_a_change_of_the_password_here_is_refused() {
    let operator = operator().await;
    let server = operator.start(SETTINGS).await;
    let client = &server.client;
    let now = Clock::system().now();
    adopt(&operator, &import_file(1_000, &[account(1, json!({}))]), &[]).await;
    let access = sign_in(client, "user1@example.com", PASSWORD).await.field("access");
    let body = json!({"current_password": PASSWORD, "new_password": "a password of here"});
    let bearer = format!("Bearer {access}");
    let changed = client.post_as(&bearer, "/api/auth/users/set_password/", &body).await;
    assert_eq!(changed.status, 204, "{}", changed.text());
    let key = |sha256: &str, created_at: i64| {
        json!({
            "kind": "api_token", "account": 1, "sha256": sha256, "created_at": created_at,
        })
    };
    let identity = |subject: &str, created_at: i64| {
        json!({
            "kind": "identity", "account": 1, "provider": "google", "subject": subject,
            "created_at": created_at,
        })
    };
    let newer = [
        account(1, json!({})),
        key(KEY_SHA256, now - 60),
        key(SECOND_SHA256, now + 3_600),
        identity("old", now - 60),
        identity("new", now + 3_600),
    ];
    let adoption = adopt(&operator, &import_file(2_000, &newer), &[]).await;
    assert_eq!(adoption["new"], json!({"api_token": 1, "identity": 1}));
    let refused = json!({"older than the end of the account's sessions here": ["1", "1"]});
    assert_eq!(adoption["refused"], refused);
    complete(&operator).await;
    assert_eq!(status_of_key(client, KEY).await, 401);
    assert_eq!(status_of_key(client, SECOND_KEY).await, 200);
}

#[tokio::test]
async fn account_that_is_here_keeps_its_number_and_its_name() {
    let operator = operator().await;
    operator.user_with(&["create", "user1@example.com", "--id", "5"], PASSWORD).await;
    let lines = [
        account(1, json!({})),
        account(5, json!({})),
        json!({"kind": "api_token", "account": 5, "sha256": KEY_SHA256}),
    ];
    let adoption = adopt(&operator, &import_file(1_000, &lines), &[]).await;
    assert_eq!(adoption["new"], json!({"account": 1}));
    assert_eq!(adoption["conflicts"], json!({"email": ["1"]}));
    let refused = json!({
        "another account here has this number": ["5"], "its account is not stored": ["5"],
    });
    assert_eq!(adoption["refused"], refused);
    complete(&operator).await;
    let server = operator.start(SETTINGS).await;
    assert_eq!(status_of_key(&server.client, KEY).await, 401);
    let access = sign_in(&server.client, "user1@example.com", PASSWORD).await.field("access");
    assert_eq!(me(&server.client, &access).await.json()["id"], 5);
}

/// More accounts than one statement stores.
#[tokio::test]
async fn refused_account_or_name_holds_up_none_of_many() {
    let operator = operator().await;
    operator.user_with(&["create", "user70@example.com", "--id", "30"], PASSWORD).await;
    operator.user_with(&["create", "gone@example.com", "--id", "110"], PASSWORD).await;
    operator.user(&["delete", "gone@example.com", "--yes"]).await;
    let mut lines: Vec<_> = (1..=130).map(|id| account(id, json!({}))).collect();
    let text = import_file(1_000, &lines);
    let adoption = adopt(&operator, &text, &[]).await;
    assert_eq!(adoption["new"], json!({"account": 128}));
    assert_eq!(adoption["conflicts"], json!({"email": ["70"]}));
    let refused = json!({"another account here has this number": ["30"], "deleted here": ["110"]});
    assert_eq!(adoption["refused"], refused);
    assert_no_change(&adopt(&operator, &text, &[]).await);

    // Addresses that other accounts have given up, before and after their lines.
    lines[0]["email"] = json!("first@example.com");
    lines[1]["email"] = json!("second@example.com");
    let mut newcomers: Vec<_> = (201..=320).map(|id| account(id, json!({}))).collect();
    newcomers[10]["email"] = json!("user1@example.com");
    newcomers[60]["email"] = json!("user2@example.com");
    lines.splice(1..1, newcomers);
    let adoption = adopt(&operator, &import_file(2_000, &lines), &[]).await;
    assert_eq!(adoption["new"], json!({"account": 120}));
    assert_eq!(adoption["conflicts"], json!({}));
    let store = operator.store().await;
    let sql = "select key || ' ' || account_id from identifiers
               where key in ('first@example.com', 'second@example.com', 'user1@example.com',
                             'user2@example.com', 'user70@example.com')
               order by key";
    let holders = [
        "first@example.com 1",
        "second@example.com 2",
        "user1@example.com 211",
        "user2@example.com 261",
        "user70@example.com 30",
    ];
    assert_eq!(column(&store, sql, sql).await, holders);
    for (sql, count) in [
        ("select cast(count(*) as text) from accounts", "249"),
        ("select cast(count(*) as text) from adopted", "248"),
    ] {
        assert_eq!(column(&store, sql, sql).await, [count], "{sql}");
    }
    store.close().await;
}

#[tokio::test]
async fn each_of_many_accounts_gets_what_is_its_own() {
    let operator = operator().await;
    operator.user_with(&["create", "user100@example.com", "--id", "500"], PASSWORD).await;
    let line = |id: i64| {
        let mut more = json!({
            "username": format!("name{id}"), "phone": format!("+7999{id:07}"),
            "attributes": {"of": id},
        });
        match id % 3 {
            0 => more["id"] = json!(format!("u-{id}")),
            1 => more["joined_at"] = json!(id),
            _ => more["password"] = json!("!"),
        }
        account(id, more)
    };
    let mut lines: Vec<_> = (1..=120).map(line).collect();
    lines[60]["foreign_id"] = json!("u-3");
    let adoption = adopt(&operator, &import_file(1_000, &lines), &[]).await;
    assert_eq!(adoption["new"], json!({"account": 120}));
    assert_eq!(adoption["conflicts"], json!({"email": ["100"], "foreign_id": ["61"]}));
    assert_eq!(adoption["refused"], json!({}));
    let store = operator.store().await;
    // The name at sign-up is `name` and the number of the line.
    for (sql, count) in [
        (
            "select cast(count(*) as text) from accounts a join adopted d on d.account_id = a.id
             where d.key in (substr(a.sign_up_name, 5), '=u-' || substr(a.sign_up_name, 5))",
            "120",
        ),
        (
            "select cast(count(*) as text) from accounts a join adopted d on d.account_id = a.id
             where d.key = cast(a.id as text)",
            "80",
        ),
        (
            "select cast(count(*) as text) from accounts a
             join identifiers i on i.account_id = a.id
             where i.kind = 'username' and i.key = a.sign_up_name",
            "120",
        ),
        (
            "select cast(count(*) as text) from accounts a
             join identifiers i on i.account_id = a.id
             where i.kind = 'phone' and i.key like '+7999%0' || substr(a.sign_up_name, 5)",
            "120",
        ),
        (
            "select cast(count(*) as text) from accounts a
             join identifiers i on i.account_id = a.id
             where i.kind = 'email'
               and i.key = 'user' || substr(a.sign_up_name, 5) || '@example.com'",
            "119",
        ),
        (
            "select cast(count(*) as text) from accounts
             where cast(joined_at as text) = substr(sign_up_name, 5)",
            "40",
        ),
        ("select cast(count(*) as text) from accounts where password is null", "40"),
        (
            "select cast(count(*) as text) from accounts a
             join account_attributes t on t.account_id = a.id
             where t.attributes = '{\"of\":' || substr(a.sign_up_name, 5) || '}'",
            "120",
        ),
    ] {
        assert_eq!(column(&store, sql, sql).await, [count], "{sql}");
    }
    store.close().await;
}

#[tokio::test]
async fn file_with_a_number_of_ours_is_refused() {
    let operator = operator().await;
    let text = import_file(1_000, &[account(1_000_000, json!({}))]);
    let error = "the account 1000000 is not below 1000000";
    assert_refused(&operator, &text, &[], error).await;
    assert_eq!(operator.user(&["list"]).await, "");
}

#[tokio::test]
async fn file_as_of_a_time_to_come_is_refused() {
    let operator = operator().await;
    let text = import_file(Clock::system().now() + 86_400, &[account(1, json!({}))]);
    assert_refused(&operator, &text, &[], "the file is as of a time to come").await;
    assert_refused(&operator, &text, &["--dry-run"], "the file is as of a time to come").await;
    assert_eq!(operator.user(&["list"]).await, "");
}

#[tokio::test]
async fn account_with_a_text_id_gets_a_number_and_keeps_its_id() {
    let operator = operator().await;
    let server = operator.start(SETTINGS).await;
    let client = &server.client;
    let anna = |password: &str| {
        json!({
            "kind": "account", "id": "u-1", "email": "anna@example.com", "password": password,
        })
    };
    let key = json!({"kind": "api_token", "account": "u-1", "sha256": KEY_SHA256});
    let adoption = adopt(&operator, &import_file(1_000, &[anna(OLD_HASH), key.clone()]), &[]).await;
    assert_eq!(adoption["new"], json!({"account": 1, "api_token": 1}));
    let access = sign_in(client, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(me(client, &access).await.json()["id"], 1_000_000);
    assert_eq!(status_of_key(client, KEY).await, 200);
    let store = operator.store().await;
    let sql = "select foreign_id from accounts";
    assert_eq!(column(&store, sql, sql).await, ["u-1"]);
    store.close().await;
    let newer = import_file(2_000, &[anna(NEW_HASH), key]);
    let adoption = adopt(&operator, &newer, &[]).await;
    assert_eq!(adoption["changed"], json!({"account": 1}));
    assert_eq!(sign_in(client, "anna@example.com", NEW_PASSWORD).await.status, 200);
    server.terminate().await;
    // Its number is one of ours.
    operator.start(SETTINGS).await;
    operator.user(&["delete", "anna@example.com", "--yes"]).await;
    assert_no_change(&adopt(&operator, &newer, &[]).await);
    assert_eq!(operator.user(&["list"]).await, "");
}

#[tokio::test]
async fn account_that_was_deleted_there_does_not_come_back() {
    let operator = operator().await;
    let of_text = json!({"kind": "account", "id": "u-1", "email": "anna@example.com"});
    let both = [account(1, json!({})), of_text];
    adopt(&operator, &import_file(1_000, &both), &[]).await;
    let adoption = adopt(&operator, &import_file(2_000, &[]), &["--allow-deletions", "2"]).await;
    assert_eq!(adoption["ended"], json!({"account": 2}));
    assert_no_change(&adopt(&operator, &import_file(3_000, &[]), &[]).await);
    assert_no_change(&adopt(&operator, &import_file(4_000, &both), &[]).await);
    assert_eq!(operator.user(&["list"]).await, "");
}

#[tokio::test]
async fn account_that_waits_there_is_not_deleted_for_it() {
    let server = TestServer::start().await;
    let waiting = account(1, json!({"is_active": false, "awaits_activation": true}));
    let rules = AdoptionRules {
        is_dry_run: false,
        numbers_end: 1_000,
        allow_deletions: 0,
        is_last: false,
        reopens: false,
    };
    let run = async |taken_at: i64, line: &Value| {
        let mut text = Cursor::new(import_file(taken_at, std::slice::from_ref(line)));
        server.auth.adopt(&mut text, &rules, |_| ()).await.expect("a whole file")
    };
    run(1_000, &waiting).await;
    server.clock.advance(31 * DAY);
    server.auth.sweep().await.expect("the database answers");
    let adoption = run(2_000, &account(1, json!({}))).await;
    assert_eq!((adoption.changes(), adoption.refused.len()), (1, 0));
    assert_eq!(sign_in(&server.client, "user1@example.com", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn run_that_was_killed_is_continued_by_the_next() {
    const ACCOUNTS: i64 = 19_000;
    let operator = operator().await;
    let lines: Vec<_> = (1..=ACCOUNTS).map(|id| account(id, json!({}))).collect();
    let text = import_file(1_000, &lines);
    operator.write("accounts.jsonl", &text);
    drop(operator.follow("10000 lines", &["adopt", "accounts.jsonl"]).await);
    let adoption = adopt(&operator, &text, &[]).await;
    assert!(adoption["new"]["account"].as_i64().unwrap_or_default() < ACCOUNTS, "{adoption}");
    assert_eq!((&adoption["changed"], &adoption["ended"]), (&json!({}), &json!({})));
    assert_eq!((&adoption["conflicts"], &adoption["refused"]), (&json!({}), &json!({})));
    let store = operator.store().await;
    for sql in [
        "select cast(count(*) as text) from accounts",
        "select cast(count(*) as text) from identifiers",
        "select cast(count(*) as text) from adopted",
    ] {
        assert_eq!(column(&store, sql, sql).await, [ACCOUNTS.to_string()], "{sql}");
    }
    store.close().await;
}

#[tokio::test]
async fn runs_at_the_same_time_store_no_account_twice() {
    const ACCOUNTS: usize = 3_000;
    let operator = operator().await;
    let lines = (1..=ACCOUNTS).map(|id| json!({"kind": "account", "id": format!("u-{id}")}));
    operator.write("accounts.jsonl", &import_file(1_000, &lines.collect::<Vec<_>>()));
    let run = || operator.run(SETTINGS, &["adopt", "accounts.jsonl"], "");
    let (first, second) = tokio::join!(run(), run());
    assert!(first.status.success() || second.status.success(), "{}{}", first.stderr, second.stderr);
    for ended in [first, second] {
        let is_late = ended.stderr.contains("another run stores a file at this time");
        assert!(ended.status.success() || is_late, "{}", ended.stderr);
    }
    let store = operator.store().await;
    let sql = "select cast(count(*) as text) from accounts";
    assert_eq!(column(&store, sql, sql).await, [ACCOUNTS.to_string()]);
    store.close().await;
}
