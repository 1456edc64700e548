//! Limits that survive a restart, even a kill: failures, mails, and the addresses where an
//! account's owner has signed in.

use propusk_tests::limits::sign_in_from;
use propusk_tests::operator::{Operator, column};
use propusk_tests::process::Process;
use propusk_tests::user::{PASSWORD, register};
use serde_json::json;

const EMAIL: &str = "anna@example.com";

/// Limits that no test reaches except the named one; the server trusts the addresses that clients
/// claim.
fn settings<'s>(limit: &'s str, value: &'s str) -> Vec<(&'s str, &'s str)> {
    vec![
        ("PROPUSK_LIMITS__ENABLED", "true"),
        ("PROPUSK_HTTP__TRUSTED_PROXIES", "127.0.0.0/8"),
        (limit, value),
    ]
}

#[tokio::test]
async fn failures_are_counted_on_after_a_kill() {
    let settings = settings("PROPUSK_LIMITS__PER_ACCOUNT_AND_ADDRESS", "3");
    let operator = Operator::new().await;
    let server = operator.start(&settings).await;
    assert_eq!(register(&server.client, "email", EMAIL).await.status, 201);
    for name in [EMAIL, "nobody@example.com"] {
        for _ in 0..3 {
            assert_eq!(sign_in_from(&server, "192.0.2.1", name, "wrong").await, 401);
        }
    }
    server.kill().await;
    let server = operator.start(&settings).await;
    for name in [EMAIL, "nobody@example.com"] {
        assert_eq!(sign_in_from(&server, "192.0.2.1", name, PASSWORD).await, 429, "{name}");
    }
    assert_eq!(sign_in_from(&server, "192.0.2.2", EMAIL, PASSWORD).await, 200);
}

#[tokio::test]
async fn address_that_failed_too_often_waits_after_a_kill_too() {
    let settings = settings("PROPUSK_LIMITS__PER_ADDRESS", "3");
    let operator = Operator::new().await;
    let server = operator.start(&settings).await;
    for name in ["a@example.com", "b@example.com"] {
        assert_eq!(sign_in_from(&server, "192.0.2.1", name, "wrong").await, 401);
    }
    // A wrong link counts like a wrong password.
    let link = json!({"uid": "MQ", "token": "wrong", "new_password": "Str0ng-pass-77"});
    let path = "/auth/users/reset_password_confirm/";
    assert_eq!(server.client.post_from("192.0.2.1", path, &link).await.status, 400);
    server.kill().await;
    let server = operator.start(&settings).await;
    assert_eq!(sign_in_from(&server, "192.0.2.1", "c@example.com", "wrong").await, 429);
    assert_eq!(sign_in_from(&server, "192.0.2.2", "c@example.com", "wrong").await, 401);
}

#[tokio::test]
async fn addresses_of_a_sign_in_and_of_a_refresh_are_known_after_a_kill() {
    let settings = settings("PROPUSK_LIMITS__PER_ACCOUNT", "4");
    let operator = Operator::new().await;
    let server = operator.start(&settings).await;
    assert_eq!(register(&server.client, "email", EMAIL).await.status, 201);
    let credentials = json!({"username": EMAIL, "password": PASSWORD});
    let path = "/api/auth/jwt/create/";
    let pair = server.client.post_from("198.51.100.1", path, &credentials).await;
    let refresh = json!({"refresh": pair.field("refresh")});
    let path = "/api/auth/jwt/refresh/";
    assert_eq!(server.client.post_from("198.51.100.2", path, &refresh).await.status, 200);
    server.kill().await;
    let server = operator.start(&settings).await;
    for number in 1..=4 {
        let address = format!("192.0.2.{number}");
        assert_eq!(sign_in_from(&server, &address, EMAIL, "wrong").await, 401);
    }
    assert_eq!(sign_in_from(&server, "203.0.113.1", EMAIL, PASSWORD).await, 429);
    for known in ["198.51.100.1", "198.51.100.2"] {
        assert_eq!(sign_in_from(&server, known, EMAIL, PASSWORD).await, 200, "{known}");
    }
}

#[tokio::test]
async fn requests_for_mails_are_counted_on_after_a_kill() {
    let settings = settings("PROPUSK_LIMITS__MAILS_PER_ADDRESS", "2");
    let operator = Operator::new().await;
    let server = operator.start(&settings).await;
    let path = "/auth/users/reset_password/";
    let ask = json!({"email": EMAIL});
    for _ in 0..2 {
        assert_eq!(server.client.post_from("192.0.2.1", path, &ask).await.status, 204);
    }
    server.kill().await;
    let server = operator.start(&settings).await;
    assert_eq!(server.client.post_from("192.0.2.1", path, &ask).await.status, 429);
    assert_eq!(server.client.post_from("192.0.2.2", path, &ask).await.status, 204);
}

#[tokio::test]
async fn mails_to_a_mailbox_are_counted_on_after_a_kill() {
    let settings = settings("PROPUSK_LIMITS__MAILS_PER_RECIPIENT", "2");
    let operator = Operator::new().await;
    let server = operator.start(&settings).await;
    assert_eq!(register(&server.client, "email", EMAIL).await.status, 201);
    let ask = json!({"email": EMAIL});
    let path = "/auth/users/reset_password/";
    for _ in 0..2 {
        assert_eq!(server.client.post_from("192.0.2.1", path, &ask).await.status, 204);
    }
    server.kill().await;
    let server = operator.start(&settings).await;
    for _ in 0..3 {
        assert_eq!(server.client.post_from("192.0.2.1", path, &ask).await.status, 204);
    }
    server.kill().await;
    let sql = "select cast(count(*) as text) from one_time_tokens";
    assert_eq!(column(&operator.store().await, sql, sql).await, ["2"]);
}

#[tokio::test]
async fn stored_limits_contain_no_names() {
    let settings = settings("PROPUSK_LIMITS__PER_ACCOUNT", "4");
    let operator = Operator::new().await;
    let server = operator.start(&settings).await;
    assert_eq!(register(&server.client, "email", EMAIL).await.status, 201);
    assert_eq!(sign_in_from(&server, "198.51.100.1", EMAIL, PASSWORD).await, 200);
    assert_eq!(sign_in_from(&server, "192.0.2.1", EMAIL, "wrong").await, 401);
    server.kill().await;
    let store = operator.store().await;
    let keys = "select key from limit_counts";
    let places = "select network from known_places";
    let counted = column(&store, keys, keys).await;
    let known = column(&store, places, places).await;
    assert_eq!((counted.len(), known.len()), (3, 1));
    let is_digest = |text: &String| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    // A count of a name begins with the digest of the name, so that an unlock finds all of them.
    let are_digests = |text: &String| {
        let (first, rest) = text.split_at(32);
        is_digest(&first.to_owned()) && (rest.is_empty() || is_digest(&rest.to_owned()))
    };
    assert!(counted.iter().all(are_digests), "{counted:?}");
    assert!(known.iter().all(is_digest), "{known:?}");
}

#[tokio::test]
async fn servers_of_one_database_share_failures_and_addresses() {
    let settings = settings("PROPUSK_LIMITS__PER_ACCOUNT", "4");
    let operator = Operator::new().await;
    // SQLite allows one server.
    if operator.database.url().is_none() {
        return;
    }
    let other_place = tempfile::tempdir().expect("a directory");
    let one = operator.start(&settings).await;
    let other = Process::start(other_place.path(), operator.database.url(), &settings).await;
    assert_eq!(register(&one.client, "email", EMAIL).await.status, 201);
    assert_eq!(sign_in_from(&one, "198.51.100.1", EMAIL, PASSWORD).await, 200);
    for number in 1..=3 {
        let address = format!("192.0.2.{number}");
        assert_eq!(sign_in_from(&one, &address, EMAIL, "wrong").await, 401);
    }
    // A server reads the failures at others when it records one of its own.
    assert_eq!(sign_in_from(&other, "192.0.2.4", EMAIL, "wrong").await, 401);
    assert_eq!(sign_in_from(&other, "203.0.113.1", EMAIL, PASSWORD).await, 429);
    assert_eq!(sign_in_from(&other, "198.51.100.1", EMAIL, PASSWORD).await, 200);
}
