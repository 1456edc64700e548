//! Links that a Django has mailed and passwords that it refuses, after `propusk adopt`: what it would
//! have said of them is said here.

use hmac::{Hmac, KeyInit, Mac};
use propusk_server::Clock;
use propusk_tests::SECRET;
use propusk_tests::http::Client;
use propusk_tests::import_file::import_file;
use propusk_tests::operator::Operator;
use propusk_tests::user::{NEW_PASSWORD, PASSWORD};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Of [`PASSWORD`], as an old Django stores it.
const HASH: &str = "sha1$seasalt2$8a17299d81993f7ae7b41a1f8c94dc28efebbb95";
/// As a Django stores it for an account without a password.
const UNUSABLE: &str = "!Q2xvdWRzQ2xvdWRzQ2xvdWRzQ2xvdWRzQ2xvdWRz";

const SETTINGS: &[(&str, &str)] =
    &[("PROPUSK_TOKENS__ACCEPT_FOREIGN", "true"), ("PROPUSK_ACCOUNTS__FIRST_ID", "1000000")];

/// `PASSWORD_RESET_TIMEOUT` of the Django.
const LINK_SECONDS: i64 = 3_600;

const SALT: &str = "django.contrib.auth.tokens.PasswordResetTokenGenerator";
/// 2001, from which a Django counts.
const EPOCH: i64 = 978_307_200;
/// Of the accounts 7, 8 and 9.
const UIDS: [&str; 3] = ["Nw", "OA", "OQ"];

fn email(id: i64) -> String {
    format!("user{id}@example.com")
}

/// The token of a link that a Django has mailed at this time by its own clock to an owner who has
/// never signed in.
fn django_token(secret_key: &str, id: i64, password: &str, made_at: i64) -> String {
    django_token_after(secret_key, id, password, "", made_at)
}

/// The same for an owner who has signed in at this time, as Python prints it.
fn django_token_after(
    secret_key: &str,
    id: i64,
    password: &str,
    signed_in: &str,
    made_at: i64,
) -> String {
    let seconds = made_at - EPOCH;
    let key = Sha256::new_with_prefix(SALT).chain_update(secret_key).finalize();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
    mac.update(format!("{id}{password}{signed_in}{seconds}{}", email(id)).as_bytes());
    let code = mac.finalize().into_bytes();
    let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    let code: String = code.chars().step_by(2).collect();
    format!("{}-{code}", base_36(seconds))
}

fn base_36(mut number: i64) -> String {
    let mut digits = Vec::new();
    while number > 0 {
        let digit = u32::try_from(number % 36).expect("a digit");
        digits.push(char::from_digit(digit, 36).expect("a digit"));
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// Adopts these accounts of a Django whose local time is ahead by so much.
async fn adopt(operator: &Operator, accounts: &[Value], utc_offset: i64) {
    adopt_with(operator, accounts, utc_offset, false).await;
}

async fn adopt_with(operator: &Operator, accounts: &[Value], utc_offset: i64, is_local: bool) {
    operator.store().await.close().await;
    let text = import_file(Clock::system().now(), accounts);
    let links = format!(
        r#"{{"django_link_seconds":{LINK_SECONDS},"django_utc_offset":{utc_offset},"django_local_times":{is_local},"#
    );
    operator.write("accounts.jsonl", &text.replacen('{', &links, 1));
    for arguments in [&["adopt", "accounts.jsonl", "--final"][..], &["adopt", "--complete"]] {
        let finished = operator.run(SETTINGS, arguments, "").await;
        assert!(finished.status.success(), "{}", finished.stderr);
    }
}

async fn status_of_reset(client: &Client, uid: &str, token: &str) -> u16 {
    let body = json!({
        "uid": uid, "token": token, "new_password": NEW_PASSWORD, "re_new_password": NEW_PASSWORD,
    });
    client.post("/auth/users/reset_password_confirm/", &body).await.status.as_u16()
}

async fn signs_in(client: &Client, id: i64, password: &str) -> bool {
    let body = json!({"username": email(id), "password": password});
    client.post("/auth/token/login/", &body).await.status == 200
}

#[tokio::test]
async fn mailed_link_of_an_account_without_a_password_that_is_accepted_works_once() {
    let operator = Operator::new().await;
    let account = |id: i64, more: Value| {
        let mut line = json!({"kind": "account", "id": id, "email": email(id)});
        let more = more.as_object().expect("an object").clone();
        line.as_object_mut().expect("an object").extend(more);
        line
    };
    let accounts = [
        account(7, json!({"password": UNUSABLE, "is_active": false, "awaits_activation": true})),
        account(8, json!({})),
        account(9, json!({"password": format!("refused${HASH}")})),
    ];
    adopt(&operator, &accounts, 0).await;
    let server = operator.start(SETTINGS).await;
    let client = &server.client;
    let made_at = Clock::system().now() - 60;
    let [seven, eight, nine] = UIDS;
    let activation = json!({"uid": seven, "token": django_token(SECRET, 7, UNUSABLE, made_at)});
    assert_eq!(client.post("/auth/users/activation/", &activation).await.status, 204);
    assert!(client.post("/auth/users/activation/", &activation).await.status.is_client_error());
    assert!(!signs_in(client, 9, PASSWORD).await);
    for (id, uid, password) in [(8, eight, ""), (9, nine, HASH)] {
        let token = django_token(SECRET, id, password, made_at);
        assert_eq!(status_of_reset(client, uid, &token).await, 204, "{id}");
        assert_eq!(status_of_reset(client, uid, &token).await, 400, "{id}");
        assert!(signs_in(client, id, NEW_PASSWORD).await, "{id}");
    }
}

#[tokio::test]
async fn mailed_link_lives_as_long_as_at_the_django_in_its_time_zone() {
    for utc_offset in [-6 * 3_600, 0, 3 * 3_600] {
        let operator = Operator::new().await;
        let account = json!({"kind": "account", "id": 7, "email": email(7), "password": HASH});
        adopt(&operator, &[account], utc_offset).await;
        let server = operator.start(SETTINGS).await;
        let now = Clock::system().now() + utc_offset;
        let [seven, ..] = UIDS;
        // A minute is more than the test takes.
        for (age, status) in [(LINK_SECONDS + 60, 400), (LINK_SECONDS - 60, 204)] {
            let token = django_token(SECRET, 7, HASH, now - age);
            let answered = status_of_reset(&server.client, seven, &token).await;
            assert_eq!(answered, status, "{utc_offset} {age}");
        }
    }
}

#[tokio::test]
async fn mailed_link_of_a_django_whose_tokens_have_another_key_is_checked_with_its_own() {
    let secret_key = "another-key-of-a-django-0123456789abcdef";
    let operator = Operator::new().await;
    let account = json!({"kind": "account", "id": 7, "email": email(7), "password": HASH});
    adopt(&operator, &[account], 0).await;
    let settings = [SETTINGS, &[("PROPUSK_TOKENS__DJANGO_SECRET_KEY", secret_key)]].concat();
    let server = operator.start(&settings).await;
    let made_at = Clock::system().now() - 60;
    let [seven, ..] = UIDS;
    for (key, status) in [(SECRET, 400), (secret_key, 204)] {
        let token = django_token(key, 7, HASH, made_at);
        assert_eq!(status_of_reset(&server.client, seven, &token).await, status);
    }
}

#[tokio::test]
async fn mailed_link_of_an_owner_who_has_signed_in_works_whatever_times_the_django_stores() {
    for (is_local, signed_in) in [(false, "2026-01-02 03:04:05"), (true, "2026-01-02 06:04:05")] {
        let operator = Operator::new().await;
        let account = json!({
            "kind": "account", "id": 7, "email": email(7), "password": HASH,
            "last_sign_in_at": "2026-01-02T03:04:05Z",
        });
        let utc_offset = 3 * 3_600;
        adopt_with(&operator, &[account], utc_offset, is_local).await;
        let server = operator.start(SETTINGS).await;
        let made_at = Clock::system().now() + utc_offset - 60;
        let [seven, ..] = UIDS;
        let token = django_token_after(SECRET, 7, HASH, signed_in, made_at);
        assert_eq!(status_of_reset(&server.client, seven, &token).await, 204, "{signed_in}");
    }
}
