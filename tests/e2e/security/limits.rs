//! Limits on guessing passwords, codes and secrets: what is counted, for which key, for how long,
//! and attempts to get around them.

use propusk_server::auth::NewClient;
use propusk_server::config::{Config, Hashing, Limits};
use propusk_stand_in::{Provider, User};
use propusk_tests::database::Database;
use propusk_tests::http::Answer;
use propusk_tests::limits::{ANY, assert_throttled, limited, limits, sign_in_from};
use propusk_tests::process::Process;
use propusk_tests::providers::CLIENT_ID;
use propusk_tests::server::TestServer;
use propusk_tests::user::{PASSWORD, new_account};
use serde_json::json;
use tokio::task::JoinSet;

use crate::providers::{CHALLENGE, REDIRECT, Site, VERIFIER};

/// A server that trusts `X-Forwarded-For`, so that a test can have many addresses.
async fn behind_a_proxy(limits: Limits) -> TestServer {
    TestServer::with(|config: &mut Config| {
        config.limits = limits;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await
}

async fn sign_in(server: &TestServer, email: &str, password: &str) -> Answer {
    server.client.post("/token", &json!({"email": email, "password": password})).await
}

/// Signs in with these headers.
async fn sign_in_with(
    server: &TestServer,
    headers: &[(&str, &str)],
    email: &str,
    password: &str,
) -> u16 {
    let body = json!({"email": email, "password": password});
    server.client.request("POST", "/token", headers, Some(&body)).await.status.as_u16()
}

/// The same by username.
async fn login_from(server: &TestServer, address: &str, username: &str, password: &str) -> u16 {
    let body = json!({"username": username, "password": password});
    server.client.post_from(address, "/api/auth/login/", &body).await.status.as_u16()
}

async fn fail(server: &TestServer, email: &str, times: usize) {
    for _ in 0..times {
        assert_eq!(sign_in(server, email, "wrong").await.status, 401);
    }
}

#[tokio::test]
async fn address_that_failed_too_often_has_to_wait_in_every_api() {
    let server = limited(limits(3, ANY, ANY)).await;
    new_account(&server, "anna@example.com").await;
    for email in ["a@example.com", "b@example.com", "c@example.com"] {
        fail(&server, email, 1).await;
    }
    server.clock.advance(1);
    let named = |name: &str| json!({name: "anna@example.com", "password": PASSWORD});
    for (path, field) in [
        ("/token", "email"),
        ("/api/auth/jwt/create/", "username"),
        ("/api/auth/login/", "username"),
    ] {
        assert_throttled(&server.client.post(path, &named(field)).await, "599 seconds");
    }
}

#[tokio::test]
async fn limit_ends_with_its_window_whatever_is_tried_meanwhile() {
    let server = limited(limits(2, ANY, ANY)).await;
    new_account(&server, "anna@example.com").await;
    fail(&server, "anna@example.com", 2).await;
    for (passed, left) in [(0, "600 seconds"), (300, "300 seconds"), (299, "1 second")] {
        server.clock.advance(passed);
        for password in ["wrong", PASSWORD] {
            assert_throttled(&sign_in(&server, "anna@example.com", password).await, left);
        }
    }
    server.clock.advance(1);
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 200);
    fail(&server, "anna@example.com", 2).await;
    assert_throttled(&sign_in(&server, "anna@example.com", PASSWORD).await, "600 seconds");
}

#[tokio::test]
async fn account_is_closed_to_one_address_alone() {
    let server = behind_a_proxy(limits(ANY, 2, ANY)).await;
    new_account(&server, "anna@example.com").await;
    new_account(&server, "bob@example.com").await;
    for status in [401, 401, 429] {
        assert_eq!(sign_in_from(&server, "192.0.2.1", "anna@example.com", "wrong").await, status);
    }
    assert_eq!(sign_in_from(&server, "192.0.2.1", "anna@example.com", PASSWORD).await, 429);
    assert_eq!(sign_in_from(&server, "192.0.2.1", "bob@example.com", PASSWORD).await, 200);
    assert_eq!(sign_in_from(&server, "192.0.2.2", "anna@example.com", PASSWORD).await, 200);
}

#[tokio::test]
async fn success_on_another_account_clears_no_failure() {
    let server = limited(limits(4, 3, ANY)).await;
    new_account(&server, "anna@example.com").await;
    new_account(&server, "mallory@example.com").await;
    fail(&server, "anna@example.com", 2).await;
    for _ in 0..10 {
        assert_eq!(sign_in(&server, "mallory@example.com", PASSWORD).await.status, 200);
    }
    fail(&server, "anna@example.com", 1).await;
    assert_eq!(sign_in(&server, "anna@example.com", "wrong").await.status, 429);
    assert_eq!(sign_in(&server, "mallory@example.com", PASSWORD).await.status, 200);
    fail(&server, "bob@example.com", 1).await;
    assert_eq!(sign_in(&server, "mallory@example.com", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn success_on_the_same_account_clears_no_failure() {
    let server = limited(limits(ANY, 3, ANY)).await;
    new_account(&server, "anna@example.com").await;
    for _ in 0..2 {
        fail(&server, "anna@example.com", 1).await;
        assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 200);
    }
    fail(&server, "anna@example.com", 1).await;
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn address_claimed_by_a_client_is_ignored() {
    let server = limited(limits(3, ANY, ANY)).await;
    for (number, status) in [(1, 401), (2, 401), (3, 401), (4, 429), (5, 429)] {
        let address = format!("198.51.100.{number}");
        let forwarded = format!("for={address}");
        let headers = [
            ("X-Forwarded-For", address.as_str()),
            ("X-Real-IP", address.as_str()),
            ("True-Client-IP", address.as_str()),
            ("Forwarded", forwarded.as_str()),
        ];
        let email = format!("user{number}@example.com");
        assert_eq!(sign_in_with(&server, &headers, &email, "wrong").await, status);
    }
}

#[tokio::test]
async fn proxy_reports_the_hop_that_counts() {
    let server = behind_a_proxy(limits(7, ANY, ANY)).await;
    // The client is 198.51.100.7 each time, whatever it put before that.
    let spellings: [&[&str]; 7] = [
        &["198.51.100.7"],
        &["203.0.113.1, 198.51.100.7"],
        &["203.0.113.2,203.0.113.3 ,198.51.100.7 , 127.0.0.9"],
        &["203.0.113.4", "198.51.100.7"],
        &["unknown, ::ffff:198.51.100.7"],
        &["\u{fc}, 198.51.100.7:4711"],
        &["[2001:db8::1]:4711, [::ffff:198.51.100.7]:4711"],
    ];
    for (number, lines) in spellings.iter().enumerate() {
        let headers: Vec<_> = lines.iter().map(|line| ("X-Forwarded-For", *line)).collect();
        let email = format!("user{number}@example.com");
        assert_eq!(sign_in_with(&server, &headers, &email, "wrong").await, 401, "{lines:?}");
    }
    for (address, status) in [("198.51.100.7", 429), ("198.51.100.8", 401), ("203.0.113.1", 401)] {
        assert_eq!(sign_in_from(&server, address, "x@example.com", "wrong").await, status);
    }
}

#[tokio::test]
async fn proxy_header_other_than_the_configured_one_is_ignored() {
    let server = behind_a_proxy(limits(2, ANY, ANY)).await;
    for (number, status) in [(1, 401), (2, 401), (3, 429)] {
        let address = format!("203.0.113.{number}");
        let headers = [
            ("X-Real-IP", address.as_str()),
            ("X-Forwarded-For", "198.51.100.7"),
            ("X-Client-IP", address.as_str()),
        ];
        assert_eq!(sign_in_with(&server, &headers, "x@example.com", "wrong").await, status);
    }
}

#[tokio::test]
async fn ipv6_network_is_one_client() {
    let server = behind_a_proxy(limits(2, ANY, ANY)).await;
    for (address, status) in [
        ("2001:db8:0:1::1", 401),
        ("2001:db8:0:1:ffff::2", 401),
        ("2001:db8:0:1:abcd::3", 429),
        ("2001:db8:0:2::1", 401),
    ] {
        assert_eq!(sign_in_from(&server, address, "x@example.com", "wrong").await, status);
    }
}

#[tokio::test]
async fn mailbox_has_one_counter_for_all_spellings() {
    let server = limited(limits(ANY, 7, ANY)).await;
    new_account(&server, "anna@example.com").await;
    for spelling in [
        "anna@example.com",
        "ANNA@EXAMPLE.COM",
        "  Anna@example.com\t",
        "anna@ｅｘａｍｐｌｅ.com",
        "anna@example。com",
        "anna@ｅxample．ＣＯＭ",
    ] {
        fail(&server, spelling, 1).await;
    }
    let djoser = json!({"username": "aNNa@example.com", "password": "wrong"});
    assert_eq!(server.client.post("/api/auth/jwt/create/", &djoser).await.status, 401);
    for spelling in ["anna@example.com", "Anna@Example.com"] {
        assert_eq!(sign_in(&server, spelling, PASSWORD).await.status, 429, "{spelling}");
    }
}

#[tokio::test]
async fn phone_has_one_counter_for_all_spellings() {
    let server = limited(limits(ANY, 4, ANY)).await;
    let create = |phone: &str| {
        let body = json!({"username": phone, "password": "wrong"});
        async { server.client.post("/api/auth/jwt/create/", &{ body }).await.status }
    };
    for spelling in ["+491701234567", "+49 170 1234567", "+49 (170) 123-45-67", " +49.170.1234567 "]
    {
        assert_eq!(create(spelling).await, 401, "{spelling}");
    }
    assert_eq!(create("+4917 01234567").await, 429);
}

#[tokio::test]
async fn owner_is_not_locked_out_where_he_has_signed_in() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    new_account(&server, "anna@example.com").await;
    assert_eq!(sign_in_from(&server, "198.51.100.7", "anna@example.com", PASSWORD).await, 200);
    for number in 1..=6 {
        let address = format!("192.0.2.{number}");
        assert_eq!(sign_in_from(&server, &address, "anna@example.com", "wrong").await, 401);
    }
    // From now on new addresses are refused, even with the password, but not the owner's.
    assert_eq!(sign_in_from(&server, "192.0.2.9", "anna@example.com", "wrong").await, 429);
    assert_eq!(sign_in_from(&server, "203.0.113.1", "anna@example.com", PASSWORD).await, 429);
    assert_eq!(sign_in_from(&server, "198.51.100.7", "anna@example.com", PASSWORD).await, 200);
    // The limit of the owner's address still applies.
    for status in [401, 401, 401, 429] {
        assert_eq!(sign_in_from(&server, "198.51.100.7", "anna@example.com", "no").await, status);
    }
    server.clock.advance(3_600);
    assert_eq!(sign_in_from(&server, "203.0.113.1", "anna@example.com", PASSWORD).await, 200);
}

#[tokio::test]
async fn owner_is_not_locked_out_by_other_names_there_either() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    let account = json!({"username": "anna", "email": "anna@example.com", "password": PASSWORD});
    assert_eq!(server.client.post("/api/auth/register/", &account).await.status, 201);
    assert_eq!(sign_in_from(&server, "198.51.100.7", "anna@example.com", PASSWORD).await, 200);
    for number in 1..=6 {
        let address = format!("192.0.2.{number}");
        assert_eq!(login_from(&server, &address, "anna", "wrong").await, 401);
    }
    assert_eq!(login_from(&server, "203.0.113.1", "anna", PASSWORD).await, 429);
    assert_eq!(login_from(&server, "198.51.100.7", "anna", PASSWORD).await, 200);
}

const HOME: &str = "198.51.100.7";
const OFFICE: &str = "198.51.100.8";
const NEW_PASSWORD: &str = "another fair password";

/// Guesses from many addresses until unknown addresses are refused; six failures are the limit.
async fn attack(server: &TestServer, email: &str) {
    for number in 1..=6 {
        let address = format!("192.0.2.{number}");
        assert_eq!(sign_in_from(server, &address, email, "wrong").await, 401);
    }
    assert_eq!(sign_in_from(server, "192.0.2.9", email, "wrong").await, 429);
}

/// Sets [`NEW_PASSWORD`] with a mailed link, from this address.
async fn reset_from(server: &TestServer, address: &str, email: &str) {
    let (ask, path) = (json!({"email": email}), "/auth/users/reset_password/");
    assert_eq!(server.client.post_from(address, path, &ask).await.status, 204);
    let link = server.link_to(email).await;
    let body = json!({"uid": link.uid, "token": link.token, "new_password": NEW_PASSWORD});
    let path = "/auth/users/reset_password_confirm/";
    assert_eq!(server.client.post_from(address, path, &body).await.status, 204);
}

#[tokio::test]
async fn owner_who_resets_during_an_attack_signs_in_where_that_was_done() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    new_account(&server, "anna@example.com").await;
    for place in [HOME, OFFICE] {
        assert_eq!(sign_in_from(&server, place, "anna@example.com", PASSWORD).await, 200);
    }
    attack(&server, "anna@example.com").await;
    reset_from(&server, HOME, "anna@example.com").await;
    // The first reset forgets the other addresses: nothing shows that they are the owner's.
    assert_eq!(sign_in_from(&server, OFFICE, "anna@example.com", NEW_PASSWORD).await, 429);
    assert_eq!(sign_in_from(&server, HOME, "anna@example.com", NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn owner_who_activates_an_account_during_an_attack_signs_in_there() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    let (email, password) = ("anna@example.com", "Str0ng-pass-77");
    let account = json!({"email": email, "password": password, "re_password": password});
    assert_eq!(server.client.post_from(HOME, "/auth/users/", &account).await.status, 201);
    attack(&server, email).await;
    let link = server.link_to(email).await;
    let body = json!({"uid": link.uid, "token": link.token});
    assert_eq!(server.client.post_from(HOME, "/auth/users/activation/", &body).await.status, 204);
    assert_eq!(sign_in_from(&server, OFFICE, email, password).await, 429);
    assert_eq!(sign_in_from(&server, HOME, email, password).await, 200);
}

#[tokio::test]
async fn refresh_from_a_forgotten_address_makes_it_known_again() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    new_account(&server, "anna@example.com").await;
    for (place, password) in [(OFFICE, PASSWORD), (HOME, NEW_PASSWORD)] {
        if password == NEW_PASSWORD {
            reset_from(&server, HOME, "anna@example.com").await;
        }
        let credentials = json!({"username": "anna@example.com", "password": password});
        let pair = server.client.post_from(place, "/api/auth/jwt/create/", &credentials).await;
        let refresh = json!({"refresh": pair.field("refresh")});
        let refreshed = server.client.post_from(OFFICE, "/api/auth/jwt/refresh/", &refresh).await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.text());
    }
    attack(&server, "anna@example.com").await;
    assert_eq!(sign_in_from(&server, OFFICE, "anna@example.com", NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn address_where_an_api_token_is_used_is_the_owners() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    new_account(&server, "anna@example.com").await;
    let credentials = json!({"username": "anna@example.com", "password": PASSWORD});
    let key = server.client.post_from(HOME, "/auth/token/login/", &credentials).await;
    let authorization = format!("Token {}", key.field("auth_token"));
    // Its use is recorded once a day.
    server.clock.advance(24 * 3_600);
    let headers = [("Authorization", &*authorization), ("X-Forwarded-For", OFFICE)];
    let me = server.client.request("GET", "/auth/users/me/", &headers, None).await;
    assert_eq!(me.status, 200);
    attack(&server, "anna@example.com").await;
    assert_eq!(sign_in_from(&server, OFFICE, "anna@example.com", PASSWORD).await, 200);
}

#[tokio::test]
async fn owner_with_a_session_verifies_the_password_during_an_attack() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    new_account(&server, "anna@example.com").await;
    let credentials = json!({"username": "anna@example.com", "password": PASSWORD});
    let pair = server.client.post_from(HOME, "/api/auth/jwt/create/", &credentials).await;
    let access = pair.field("access");
    attack(&server, "anna@example.com").await;
    // These come from an address where the owner has never signed in.
    assert_eq!(set_password(&server, &access, PASSWORD).await.status, 204);
    assert_eq!(delete_me(&server, &access, NEW_PASSWORD).await.status, 204);
}

#[tokio::test]
async fn names_of_one_account_are_not_shown_to_belong_together() {
    let server = behind_a_proxy(limits(ANY, 3, 6)).await;
    for (name, email) in [("anna", "anna@example.com"), ("bob", "bob@example.com")] {
        let account = json!({"username": name, "email": email, "password": PASSWORD});
        assert_eq!(server.client.post("/api/auth/register/", &account).await.status, 201);
    }
    attack(&server, "anna@example.com").await;
    for name in ["anna", "bob", "nobody"] {
        for address in ["192.0.2.1", "203.0.113.1"] {
            assert_eq!(login_from(&server, address, name, "wrong").await, 401, "{name}");
        }
    }
}

#[tokio::test]
async fn address_with_guesses_alone_is_not_the_owners() {
    let server = behind_a_proxy(limits(ANY, ANY, 4)).await;
    new_account(&server, "anna@example.com").await;
    for status in [401, 401, 401, 401, 429] {
        assert_eq!(sign_in_from(&server, "192.0.2.1", "anna@example.com", "wrong").await, status);
    }
    // Another account's success at that address does not count for hers.
    new_account(&server, "mallory@example.com").await;
    assert_eq!(sign_in_from(&server, "192.0.2.1", "mallory@example.com", PASSWORD).await, 200);
    assert_eq!(sign_in_from(&server, "192.0.2.1", "anna@example.com", PASSWORD).await, 429);
}

#[tokio::test]
async fn accounts_known_and_unknown_are_limited_alike() {
    let server = limited(limits(ANY, 3, ANY)).await;
    new_account(&server, "anna@example.com").await;
    new_account(&server, "off@example.com").await;
    let off = server.auth.find_account("off@example.com").await.expect("an answer");
    server.auth.set_active(off.expect("the account").id, false).await.expect("an answer");
    let mut seen = Vec::new();
    for name in ["anna@example.com", "off@example.com", "nobody@example.com", "no address"] {
        let mut answers = Vec::new();
        for _ in 0..5 {
            let answer = sign_in(&server, name, "wrong").await;
            answers.push((answer.status, answer.text(), answer.header("Retry-After")));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0].iter().filter(|(status, ..)| *status == 429).count(), 2);
    assert!(seen.iter().all(|answers| *answers == seen[0]), "{seen:?}");
}

async fn set_password(server: &TestServer, access: &str, current: &str) -> Answer {
    let body = json!({"current_password": current, "new_password": "another fair password"});
    let bearer = format!("Bearer {access}");
    server.client.post_as(&bearer, "/api/auth/users/set_password/", &body).await
}

async fn delete_me(server: &TestServer, access: &str, current: &str) -> Answer {
    let body = json!({"current_password": current});
    let bearer = format!("Bearer {access}");
    server.client.call("DELETE", "/api/auth/users/me/", Some(&bearer), &body).await
}

#[tokio::test]
async fn guesses_of_the_password_with_a_stolen_access_token_are_limited() {
    let server = limited(limits(ANY, 3, ANY)).await;
    new_account(&server, "anna@example.com").await;
    let access = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(set_password(&server, &access, "wrong").await.status, 400);
    assert_eq!(delete_me(&server, &access, "wrong").await.status, 400);
    assert_eq!(set_password(&server, &access, "wrong").await.status, 400);
    for password in ["wrong", PASSWORD] {
        assert_throttled(&set_password(&server, &access, password).await, "600 seconds");
        assert_throttled(&delete_me(&server, &access, password).await, "600 seconds");
    }
    server.clock.advance(600);
    let access = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(delete_me(&server, &access, PASSWORD).await.status, 204);
}

#[tokio::test]
async fn current_password_guesses_count_on_the_address_too() {
    let server = limited(limits(2, ANY, ANY)).await;
    new_account(&server, "anna@example.com").await;
    let access = sign_in(&server, "anna@example.com", PASSWORD).await.field("access");
    assert_eq!(set_password(&server, &access, "wrong").await.status, 400);
    assert_eq!(delete_me(&server, &access, "wrong").await.status, 400);
    assert_eq!(sign_in(&server, "bob@example.com", "wrong").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_once_are_counted_before_they_are_checked() {
    let server = limited(limits(ANY, 5, ANY)).await;
    new_account(&server, "anna@example.com").await;
    let mut guesses = JoinSet::new();
    for _ in 0..100 {
        let client = server.client.clone();
        let body = json!({"email": "anna@example.com", "password": "wrong"});
        guesses.spawn(async move { client.post("/token", &body).await.status.as_u16() });
    }
    let answers = guesses.join_all().await;
    let count = |status| answers.iter().filter(|answer| **answer == status).count();
    assert_eq!((count(401), count(429)), (5, 95));
}

#[tokio::test]
async fn request_without_a_guess_is_not_counted() {
    let server = limited(limits(2, 2, 2)).await;
    new_account(&server, "anna@example.com").await;
    for body in [json!({}), json!({"email": "anna@example.com"}), json!([]), json!({"email": []})] {
        assert_eq!(server.client.post("/token", &body).await.status, 400);
    }
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_in_that_was_never_checked_is_not_counted() {
    let server = TestServer::with(|config| {
        config.limits = limits(8, ANY, ANY);
        config.password = Hashing { memory_kib: 19_456, time: 4, threads: 1, queue: 1 };
    })
    .await;
    new_account(&server, "anna@example.com").await;
    let mut attempts = JoinSet::new();
    for _ in 0..8 {
        let client = server.client.clone();
        let body = json!({"email": "anna@example.com", "password": PASSWORD});
        attempts.spawn(async move { client.post("/token", &body).await.status.as_u16() });
    }
    let answers = attempts.join_all().await;
    assert!(answers.contains(&503), "the queue is full for some: {answers:?}");
    // No failure so far: every password was right, or was not checked.
    fail(&server, "anna@example.com", 8).await;
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 429);
}

#[tokio::test]
async fn registrations_are_limited_for_an_address_whatever_their_outcome() {
    let few = Limits { registrations_per_address: 4, ..limits(ANY, ANY, ANY) };
    let server = limited(few).await;
    new_account(&server, "anna@example.com").await;
    // A taken name, a weak password and an invalid form count like a new account.
    for (path, body) in [
        ("/api/auth/users/", json!({"email": "anna@example.com", "password": PASSWORD})),
        ("/v1/creat_autor", json!({"login": "x", "email": "anna@example.com", "password": "x"})),
        ("/api/auth/register/", json!({})),
    ] {
        assert_eq!(server.client.post(path, &body).await.status, 400, "{path}");
    }
    for path in ["/api/auth/users/", "/v1/creat_autor", "/api/auth/register/"] {
        let body = json!({
            "login": "bob", "username": "bob", "email": "bob@example.com", "password": PASSWORD,
        });
        assert_throttled(&server.client.post(path, &body).await, "600 seconds");
    }
    assert_eq!(sign_in(&server, "anna@example.com", PASSWORD).await.status, 200);
    server.clock.advance(600);
    new_account(&server, "bob@example.com").await;
}

const CLIENT_SECRET: &str = "secret-of-an-application";

/// A site with these limits, an application, and a token of Google's.
async fn site(limits: Limits) -> (Site, String) {
    let site = Site::with(|config| config.limits = limits).await;
    let new = NewClient {
        id: "app".to_owned(),
        name: "App".to_owned(),
        secret: Some(CLIENT_SECRET.to_owned()),
        is_public: false,
        allows_password: true,
        introspects: false,
    };
    assert!(site.server.auth.create_client(new).await.expect("the database answers"));
    let token = site.stand_in.access_token(Provider::Google, CLIENT_ID, &User::new("greta"));
    (site, token)
}

/// A request to a route where a sign-in with a provider begins.
async fn start_sign_in(site: &Site, route: &str, token: &str) -> Answer {
    let client = site.client();
    match route {
        "start" => {
            let body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE});
            client.post("/propusk/v1/providers/vk/start", &body).await
        }
        "link" => client.get("/yandex/link", None).await,
        "convert-token" => convert(site, CLIENT_SECRET, token).await,
        path => client.get(path, None).await,
    }
}

async fn convert(site: &Site, secret: &str, token: &str) -> Answer {
    let body = json!({
        "grant_type": "convert_token", "backend": "google-oauth2", "client_id": "app",
        "client_secret": secret, "token": token,
    });
    site.client().post("/auth/convert-token/", &body).await
}

#[tokio::test]
async fn provider_sign_ins_are_limited_for_an_address() {
    let few = Limits { sign_ins_per_address: 5, ..limits(ANY, ANY, ANY) };
    let (site, token) = site(few).await;
    let registration = format!("/google/registration?access_token={token}");
    let code = "/mail.ru/get/token?code=unknown";
    let routes = ["start", "link", "convert-token", &registration, code];
    // An account exists already for the registration, and the code is invalid.
    for (route, status) in routes.into_iter().zip([200, 200, 200, 409, 400]) {
        let answer = start_sign_in(&site, route, &token).await;
        assert_eq!(answer.status, status, "{route}: {}", answer.text());
    }
    site.stand_in.forget_requests();
    for route in routes {
        let answer = start_sign_in(&site, route, &token).await;
        assert_eq!(answer.status, 429, "{route}: {}", answer.text());
        assert_eq!(answer.header("Retry-After").as_deref(), Some("600"), "{route}");
    }
    assert_eq!(site.stand_in.requests().len(), 0, "nobody was asked");
    let problem = start_sign_in(&site, "start", &token).await.json();
    assert_eq!((&problem["code"], &problem["status"]), (&json!("rate_limited"), &json!(429)));
    assert_throttled(&start_sign_in(&site, "convert-token", &token).await, "600 seconds");
    site.server.clock.advance(600);
    assert_eq!(start_sign_in(&site, "start", &token).await.status, 200);
}

#[tokio::test]
async fn provider_sign_in_is_counted_where_it_begins() {
    let few = Limits { sign_ins_per_address: 3, ..limits(ANY, ANY, ANY) };
    let (site, _) = site(few).await;
    for _ in 0..2 {
        let signed_in = site.sign_in(&User::new("greta"), Provider::Google).await;
        assert_eq!(signed_in.status, 200, "{}", signed_in.text());
    }
    // Requests that are refused count too: each leaves a line in the log.
    let body = json!({"redirect": "https://evil.example/", "code_challenge": CHALLENGE});
    for status in [403, 429] {
        let refused = site.client().post("/propusk/v1/providers/vk/start", &body).await;
        assert_eq!(refused.status, status, "{}", refused.text());
    }
}

#[tokio::test]
async fn provider_sign_ins_of_two_addresses_are_counted_apart() {
    let few = Limits { sign_ins_per_address: 1, ..limits(ANY, ANY, ANY) };
    let site = Site::with(|config| {
        config.limits = few;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    for (address, status) in [("192.0.2.1", 200), ("192.0.2.1", 429), ("192.0.2.2", 200)] {
        let body = json!({"redirect": REDIRECT, "code_challenge": CHALLENGE});
        let path = "/propusk/v1/providers/vk/start";
        let answer = site.client().post_from(address, path, &body).await;
        assert_eq!(answer.status, status, "{address}");
    }
}

#[tokio::test]
async fn wrong_client_secrets_count_on_the_address_wherever_they_are_sent() {
    let (site, token) = site(limits(4, ANY, ANY)).await;
    for _ in 0..10 {
        assert_eq!(convert(&site, CLIENT_SECRET, &token).await.status, 200);
    }
    assert_eq!(convert(&site, "wrong", &token).await.status, 401);
    let grant = json!({"grant_type": "client_credentials", "client_id": "app"});
    let mut right = grant.clone();
    right["client_secret"] = CLIENT_SECRET.into();
    assert_eq!(site.client().post("/auth/token/", &grant).await.status, 401);
    // A correct secret in the body does not hide wrong ones in the header.
    let header = "Basic YXBwOndyb25n";
    let answer = site.client().post_as(header, "/auth/token/", &right).await;
    assert_eq!(answer.field("error"), "unauthorized_client");
    let answer = site.client().post_as(header, "/auth/token/", &right).await;
    assert_throttled(&answer, "600 seconds");
    assert_throttled(&site.client().post("/auth/token/", &right).await, "600 seconds");
    assert_throttled(&convert(&site, CLIENT_SECRET, &token).await, "600 seconds");
    assert_throttled(&sign_in(&site.server, "anna@example.com", "wrong").await, "600 seconds");
    site.server.clock.advance(600);
    assert_eq!(convert(&site, CLIENT_SECRET, &token).await.status, 200);
}

#[tokio::test]
async fn guessed_codes_states_and_tokens_are_counted_on_the_address() {
    let (site, token) = site(limits(5, ANY, ANY)).await;
    let refresh = json!({
        "grant_type": "refresh_token", "refresh_token": "guessed", "client_id": "app",
        "client_secret": CLIENT_SECRET,
    });
    assert_eq!(site.complete("guessed", VERIFIER).await.status, 400);
    assert_eq!(site.client().get("/yandex/get/token?code=guessed", None).await.status, 400);
    assert_eq!(site.visit("/google/callback?code=x&state=guessed").await.status, 400);
    assert_eq!(site.client().post("/auth/token/", &refresh).await.status, 400);
    assert_eq!(convert(&site, CLIENT_SECRET, "guessed").await.status, 400);
    for answer in [
        site.complete("guessed", VERIFIER).await,
        site.client().get("/yandex/get/token?code=guessed", None).await,
        site.visit("/google/callback?code=x&state=guessed").await,
        site.client().post("/auth/token/", &refresh).await,
        convert(&site, CLIENT_SECRET, &token).await,
        sign_in(&site.server, "anna@example.com", "wrong").await,
    ] {
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert_eq!(answer.header("Retry-After").as_deref(), Some("600"));
    }
}

#[tokio::test]
async fn long_names_do_not_fill_the_memory() {
    let (data, database) = (tempfile::tempdir().expect("a directory"), Database::fresh().await);
    let settings =
        [("PROPUSK_LIMITS__ENABLED", "true"), ("PROPUSK_LIMITS__PER_ADDRESS", "1000000")];
    let server = Process::start(data.path(), database.url(), &settings).await;
    let mut memory = Vec::new();
    for round in 0..3 {
        for number in 0..250 {
            let name = format!("{round}.{number}.{}", "x".repeat(60_000));
            let body = json!({"email": name, "password": "wrong"});
            assert_eq!(server.client.post("/token", &body).await.status, 401);
        }
        memory.push(server.memory().await);
    }
    // The first round is the memory of a busy server; 500 names after it are 57 MiB.
    assert!(memory[2] < memory[0] + 15 * 1024, "KiB: {memory:?}");
}
