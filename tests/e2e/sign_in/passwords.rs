//! Passwords: hashes from another server, and more sign-ins than can be hashed.

use propusk_server::auth::password::PasswordHash;
use propusk_server::auth::{NewPassword, Registration};
use propusk_server::config::Hashing;
use propusk_server::identifier::{Identifier, Kind};
use propusk_tests::http::Answer;
use propusk_tests::operator::{Operator, column, soon};
use propusk_tests::process::Process;
use propusk_tests::server::TestServer;
use propusk_tests::user::{self, PASSWORD};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant};

/// Django 5.0's encoding of `correct horse battery`, with few rounds.
const DJANGO: &str =
    "pbkdf2_sha256$1000$NaClNaClNaClNaClNaClNa$zOSBrF8mPUkG90GOV62OFpOM15DKnWkFs33MZWjHi0Q=";

async fn import(server: &TestServer, email: &str, encoded: &str) {
    let identifier = Identifier::parse_as(email, &[Kind::Email]).expect("an address");
    let registration = Registration {
        identifiers: vec![identifier],
        password: NewPassword::Encoded(PasswordHash::new(encoded.to_owned())),
        display_name: None,
        sign_up_name: None,
        is_superuser: false,
        language: None,
        awaits_activation: false,
    };
    server.auth.register(registration, None).await.expect("the account is new");
}

async fn sign_in(server: &TestServer, email: &str, password: &str) -> Answer {
    server.client.post("/token", &json!({"email": email, "password": password})).await
}

#[tokio::test]
async fn imported_account_keeps_its_password() {
    let server = TestServer::start().await;
    import(&server, "anna@example.com", DJANGO).await;
    assert_eq!(sign_in(&server, "anna@example.com", "correct horse batter").await.status, 401);
    // The first success replaces the hash, the second verifies the new one.
    for _ in 0..2 {
        let answer = sign_in(&server, "anna@example.com", "correct horse battery").await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(sign_in(&server, "anna@example.com", "correct horse batter").await.status, 401);
}

/// The same password, as old Djangos, passlib and Keycloak store it.
const OF_OTHER_SYSTEMS: [&str; 7] = [
    "pbkdf2_sha1$1000$seasalt2$ZXKgkKtGgMyeFjSN97n9NWVUzUU=",
    "md5$seasalt2$39edd87e5d1346cf53740159769924d1",
    "88e4ddd2402d92d50e1879d6ecd9ffd4",
    "sha1$seasalt2$8a17299d81993f7ae7b41a1f8c94dc28efebbb95",
    "sha1$$98decc62ece399a22ed30d490ef333be7fde7385",
    "$2b$04$kgPeIsnh4b.78Hi7Nzk8Wezqz9Isxyxw/2.AcX9lWRc5KlerVNrn2",
    "$pbkdf2-sha512$1000$8PHy8/T19vf4.fr7/P3./w$hWACBuAy41PVaxHMuJVNcqtn6FQe.C1dQ2Bt7XPgCBGLkHEHHdKxW4fzTWC2O9wKVcIX9e3QYMxwnO23HUbLDg",
];

#[tokio::test]
async fn imported_accounts_of_other_systems_keep_their_passwords() {
    let server = TestServer::start().await;
    for (number, encoded) in OF_OTHER_SYSTEMS.iter().enumerate() {
        let email = format!("user{number}@example.com");
        import(&server, &email, encoded).await;
        assert_eq!(sign_in(&server, &email, "correct horse batter").await.status, 401, "{encoded}");
        for _ in 0..2 {
            let answer = sign_in(&server, &email, "correct horse battery").await;
            assert_eq!(answer.status, 200, "{encoded}");
        }
    }
}

/// The stored password of the only account.
async fn stored(operator: &Operator) -> String {
    let sql = "select password from accounts";
    column(&operator.store().await, sql, sql).await.remove(0)
}

#[tokio::test]
async fn imported_hash_is_replaced_after_the_answer_and_proofs_stay() {
    let operator = Operator::new().await;
    operator.write("hash", DJANGO);
    operator.user(&["create", "anna@example.com", "--hashed", "--password-file", "hash"]).await;
    let server = operator.start(&[]).await;
    assert_eq!(user::sign_in(&server.client, "anna@example.com", "wrong").await.status, 401);
    assert_eq!(stored(&operator).await, DJANGO);
    let pair = user::sign_in(&server.client, "anna@example.com", PASSWORD).await;
    assert_eq!(pair.status, 200);
    // A concurrent password change is not overwritten.
    let body = json!({"current_password": PASSWORD, "new_password": "another fair password"});
    let bearer = format!("Bearer {}", pair.field("access"));
    let path = "/api/auth/users/set_password/";
    assert_eq!(server.client.post_as(&bearer, path, &body).await.status, 204);
    soon("argon2", || async { stored(&operator).await.starts_with("$argon2id$v=19$m=64,") }).await;
    let changed = user::sign_in(&server.client, "anna@example.com", "another fair password").await;
    assert_eq!(changed.status, 200);
    assert_eq!(user::sign_in(&server.client, "anna@example.com", PASSWORD).await.status, 401);
}

/// How long a sign-in with a wrong password takes.
async fn time_of(server: &Process, email: &str) -> Duration {
    let began = Instant::now();
    assert_eq!(user::sign_in(&server.client, email, "wrong").await.status, 401);
    began.elapsed()
}

#[tokio::test]
async fn unknown_name_costs_the_time_of_an_imported_account() {
    // This many rounds take a hundred times as long as with the settings of the tests.
    let costly = DJANGO.replace("$1000$", "$100000$");
    let operator = Operator::new().await;
    let mut server = operator.start(&[]).await;
    operator.user_with(&["create", "anna@example.com", "--hashed"], &costly).await;
    let is_as_slow = async |server: &Process| {
        let known = time_of(server, "anna@example.com").await;
        time_of(server, "nobody@example.com").await * 3 > known
    };
    soon("unknown names cost as much", || is_as_slow(&server)).await;
    server.kill().await;
    server = operator.start(&[]).await;
    // The same for an account without a password.
    operator.user_with(&["create", "bob@example.com", "--hashed"], "!unusable").await;
    assert!(is_as_slow(&server).await);
    assert!(
        time_of(&server, "bob@example.com").await * 3 > time_of(&server, "anna@example.com").await
    );
}

/// One password in composed form, as from a phone, and in decomposed form, as from a Mac.
const SPELLINGS: [&str; 2] =
    ["p\u{e4}ssw\u{f6}rd \u{439} 77", "pa\u{308}sswo\u{308}rd \u{438}\u{306} 77"];

#[tokio::test]
async fn password_fits_in_every_spelling_of_its_characters() {
    let server = TestServer::start().await;
    for (number, password) in SPELLINGS.iter().enumerate() {
        let email = format!("anna{number}@example.com");
        let account = json!({"email": email, "password": password});
        assert_eq!(server.client.post("/api/auth/users/", &account).await.status, 201);
        for sent in SPELLINGS {
            let answer = sign_in(&server, &email, sent).await;
            assert_eq!(answer.status, 200);
            let body = json!({"current_password": sent, "new_password": password});
            let bearer = format!("Bearer {}", answer.field("access"));
            let path = "/api/auth/users/set_password/";
            assert_eq!(server.client.post_as(&bearer, path, &body).await.status, 204);
        }
        assert_eq!(sign_in(&server, &email, "password \u{438} 77").await.status, 401);
    }
}

#[tokio::test]
async fn prehashed_password_is_compared_byte_by_byte() {
    let server = TestServer::start().await;
    for (number, secret) in SPELLINGS.map(|text| text.repeat(3)).iter().enumerate() {
        let account = json!({
            "email": format!("anna{number}@example.com"), "hash_password": secret,
            "phone_number": format!("+4917012345{number}0"),
        });
        let registered = server.client.post("/authorization/registration", &account).await;
        assert_eq!(registered.status, 200, "{}", registered.text());
        for (other, sent) in SPELLINGS.map(|text| text.repeat(3)).iter().enumerate() {
            let body = json!({"email": account["email"], "hash_password": sent});
            let answer = server.client.post("/authorization/login/email", &body).await;
            assert_eq!(answer.status == 200, number == other, "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn account_without_a_usable_password_cannot_sign_in() {
    let server = TestServer::start().await;
    for (email, encoded) in [("a@example.com", "!unusable"), ("b@example.com", "md5$x$y")] {
        import(&server, email, encoded).await;
        for password in ["", "!unusable", "unusable", "md5$x$y"] {
            assert_ne!(sign_in(&server, email, password).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_beyond_the_queue_have_to_retry() {
    let server = TestServer::with(|config| {
        config.password = Hashing { memory_kib: 19_456, time: 2, threads: 1, queue: 2 };
    })
    .await;
    let mut attempts = JoinSet::new();
    for _ in 0..40 {
        let client = server.client.clone();
        let body = json!({"email": "nobody@example.com", "password": "whatever it is"});
        attempts.spawn(async move { client.post("/token", &body).await });
    }
    let answers = attempts.join_all().await;
    let (busy, looked_at): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 503);
    assert!(!busy.is_empty());
    assert!(!looked_at.is_empty());
    for answer in busy {
        assert_eq!(answer.header("Retry-After").as_deref(), Some("2"));
        assert!(answer.json()["detail"].is_string());
    }
    assert!(looked_at.iter().all(|answer| answer.status == 401));
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_under_way_does_not_outlive_its_password() {
    let server = TestServer::with(|config| {
        config.password = Hashing { memory_kib: 19_456, time: 2, threads: 1, queue: 64 };
    })
    .await;
    import(&server, "anna@example.com", DJANGO).await;
    let mut sign_ins = JoinSet::new();
    for _ in 0..8 {
        let client = server.client.clone();
        let body = json!({"email": "anna@example.com", "password": "correct horse battery"});
        sign_ins.spawn(async move { client.post("/token", &body).await });
    }
    // After the first answer, the others have read the stored hash and wait for theirs.
    let first = sign_ins.join_next().await.expect("eight were sent").expect("no panic");
    assert_eq!(first.status, 200);
    let other = NewPassword::Encoded(PasswordHash::new("!none".to_owned()));
    assert!(server.auth.set_password(1, other).await.expect("the database answers"));
    let pairs: Vec<_> =
        sign_ins.join_all().await.into_iter().filter(|answer| answer.status == 200).collect();
    for pair in pairs {
        let body = json!({"token": pair.field("access")});
        assert_eq!(server.client.post("/token/verify", &body).await.status, 401);
    }
}
