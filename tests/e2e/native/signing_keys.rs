//! Signing keys: the first one, rotation with an overlap, and immediate revocation of a stolen one.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use propusk_server::auth::{KeyRevocation, KeyState};
use propusk_tests::http::Client;
use propusk_tests::operator::{ANOTHER_SECRET, NO_SECRET, Operator, column, soon};
use propusk_wire::TokenResponse;

use super::*;

async fn published(client: &Client) -> Vec<String> {
    let keys = client.get("/.well-known/jwks.json", None).await.json();
    let keys = keys["keys"].as_array().expect("a list").clone();
    keys.iter().map(|key| key["kid"].as_str().expect("a name").to_owned()).collect()
}

fn kid_of(tokens: &TokenResponse) -> String {
    let header = tokens.access_token.expose().split('.').next().expect("a header");
    let header = URL_SAFE_NO_PAD.decode(header).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    header["kid"].as_str().expect("a name").to_owned()
}

async fn status_with(client: &Client, tokens: &TokenResponse) -> u16 {
    let bearer = format!("Bearer {}", tokens.access_token.expose());
    client.get("/propusk/v1/account", Some(&bearer)).await.status.as_u16()
}

async fn refreshed(client: &Client, tokens: &TokenResponse) -> TokenResponse {
    let body = json!({"refresh_token": tokens.refresh_token, "attempt": "a".repeat(22)});
    read(&client.post("/propusk/v1/sessions/refresh", &body).await, 200)
}

async fn states(server: &TestServer) -> Vec<KeyState> {
    let keys = server.auth.signing_keys().await.expect("the database answers");
    keys.into_iter().map(|key| key.state).collect()
}

async fn rotate(server: &TestServer, at_once: bool) -> String {
    server.auth.rotate_signing_key(None, at_once).await.expect("a new key")
}

#[tokio::test]
async fn new_key_is_published_before_it_signs_and_the_old_one_until_its_last_token_expires() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let client = &server.client;
    let old = published(client).await;
    assert_eq!(kid_of(&open(client, EMAIL).await), old[0]);
    let began = server.clock.now();
    let new = rotate(&server, false).await;
    assert_eq!(published(client).await, [old[0].clone(), new.clone()]);
    assert_eq!(states(&server).await, [KeyState::Signs, KeyState::Next(began + 600)]);
    server.clock.advance(599);
    let last = open(client, EMAIL).await;
    assert_eq!(kid_of(&last), old[0]);
    server.clock.advance(1);
    let first = open(client, EMAIL).await;
    assert_eq!(kid_of(&first), new);
    server.clock.advance(898);
    assert_eq!(status_with(client, &last).await, 200);
    assert!(published(client).await.contains(&old[0]));
    assert!(matches!(states(&server).await[..], [KeyState::Checks(_), KeyState::Signs]));
    // The longest lifetime is that of OAuth and prehashed tokens, not of ours.
    server.clock.advance(40_000);
    assert_eq!(published(client).await, [new]);
    assert!(matches!(states(&server).await[..], [KeyState::Ended(_), KeyState::Signs]));
}

#[tokio::test]
async fn cached_keys_contain_every_key_in_use() {
    let server = TestServer::with(|config| {
        config.tokens.key_overlap_seconds = 300;
        native(config).access_seconds = 120;
    })
    .await;
    signed_up(&server, EMAIL).await;
    let client = &server.client;
    let (mut tokens, mut seen) = (Vec::new(), BTreeSet::new());
    let (mut kept, mut kept_since) = (published(client).await, server.clock.now());
    for round in 0..60 {
        if round % 6 == 0 {
            rotate(&server, false).await;
        }
        tokens.push((server.clock.now(), open(client, EMAIL).await));
        tokens.retain(|(at, _)| server.clock.now() < at + 120);
        for (_, token) in &tokens {
            assert_eq!(status_with(client, token).await, 200, "round {round}");
            assert!(kept.contains(&kid_of(token)), "round {round}");
            seen.insert(kid_of(token));
        }
        server.clock.advance(50);
        if server.clock.now() - kept_since >= 300 {
            (kept, kept_since) = (published(client).await, server.clock.now());
        }
    }
    assert!(seen.len() > 8, "{} keys have signed", seen.len());
}

#[tokio::test]
async fn stolen_key_is_useless_at_once_and_costs_clients_a_refresh() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let client = &server.client;
    let tokens = open(client, EMAIL).await;
    let stolen = kid_of(&tokens);
    let new = rotate(&server, true).await;
    assert_eq!(published(client).await, std::slice::from_ref(&new));
    let bearer = format!("Bearer {}", tokens.access_token.expose());
    let answer = call(&server, "GET", "account", Some(&bearer), Value::Null).await;
    assert_refused(&answer, 401, "invalid_credentials");
    let tokens = refreshed(client, &tokens).await;
    assert_eq!(kid_of(&tokens), new);
    assert_eq!(status_with(client, &tokens).await, 200);
    let again = server.auth.revoke_signing_key(&stolen).await.expect("the database answers");
    assert_eq!(again, KeyRevocation::Unknown);
}

#[tokio::test]
async fn revoked_key_is_replaced_by_the_next_one_or_by_a_new_one() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let client = &server.client;
    let tokens = open(client, EMAIL).await;
    let revoke = async |kid: String| {
        server.auth.revoke_signing_key(&kid).await.expect("the database answers")
    };
    let next = rotate(&server, false).await;
    assert_eq!(revoke(kid_of(&tokens)).await, KeyRevocation::Replaced(next.clone()));
    assert_eq!(status_with(client, &tokens).await, 401);
    let tokens = refreshed(client, &tokens).await;
    assert_eq!(kid_of(&tokens), next);
    let KeyRevocation::Replaced(made) = revoke(next.clone()).await else { panic!("none is left") };
    assert_eq!(status_with(client, &tokens).await, 401);
    assert_eq!(published(client).await, std::slice::from_ref(&made));
    let unused = rotate(&server, false).await;
    // The present key had its end set, which is cancelled.
    assert_eq!(revoke(unused).await, KeyRevocation::Revoked);
    server.clock.advance(10 * 86_400);
    assert_eq!(kid_of(&open(client, EMAIL).await), made);
    assert_eq!(published(client).await, [made]);
    assert_eq!(revoke("nothing".to_owned()).await, KeyRevocation::Unknown);
}

#[tokio::test]
async fn keys_are_managed_from_the_command_line_while_the_server_runs() {
    let operator = Operator::new().await;
    let server = operator.start(&[]).await;
    let client = &server.client;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(client.post("/propusk/v1/accounts", &body).await.status, 201);
    let tokens = open(client, EMAIL).await;
    let old = kid_of(&tokens);
    let key = async |arguments: &[&str]| {
        let done = operator.run(&[], &[&["key"], arguments].concat(), "").await;
        assert!(done.status.success(), "{arguments:?}: {}", done.stderr);
        operator.unnamed(&done.stdout)
    };
    let listed = key(&["list"]).await;
    assert!(listed.starts_with(&format!("{old}  ES256  created ")), "{listed}");
    assert!(listed.trim_end().ends_with("  signs"), "{listed}");
    let said = key(&["rotate", "--algorithm", "EdDSA"]).await;
    let next = said.trim_end().strip_prefix("created key ").expect("its name").to_owned();
    soon("it is published", || async { published(client).await.contains(&next) }).await;
    let listed = key(&["list"]).await;
    assert!(listed.contains(&format!("{next}  EdDSA  created ")), "{listed}");
    assert!(listed.contains("signs from "), "{listed}");
    assert_eq!(key(&["revoke", &old]).await, format!("revoked; {next} signs now\n"));
    soon("its token is refused", || async { status_with(client, &tokens).await == 401 }).await;
    let tokens = refreshed(client, &tokens).await;
    assert_eq!(kid_of(&tokens), next);
    key(&["rotate", "--now"]).await;
    soon("its token is refused", || async { status_with(client, &tokens).await == 401 }).await;
    let tokens = refreshed(client, &tokens).await;
    assert_eq!(status_with(client, &tokens).await, 200);
    let refused = operator.refused(&[], &["key", "revoke", &old]).await;
    assert!(refused.contains("there is no such key"), "{refused}");
}

#[tokio::test]
async fn command_with_another_secret_leaves_a_running_servers_keys_alone() {
    let operator = Operator::new().await;
    let url = ("PROPUSK_PUBLIC_URL", "http://localhost:8000");
    let settings = [url, NO_SECRET];
    let server = operator.start(&settings).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let tokens = open(&server.client, EMAIL).await;
    let kid = kid_of(&tokens);
    let other = [("PROPUSK_TOKENS__SECRET", "another secret of an operator's shell")];
    for command in [&["key", "rotate"][..], &["key", "revoke", &kid]] {
        let refused = operator.refused(&other, command).await;
        assert!(refused.contains(ANOTHER_SECRET), "{refused}");
    }
    assert_eq!(published(&server.client).await, std::slice::from_ref(&kid));
    server.kill().await;
    let refused = operator.refused(&[url, other[0]], &["serve"]).await;
    assert!(refused.contains(ANOTHER_SECRET), "{refused}");
    // The mistake has changed nothing.
    let server = operator.start(&settings).await;
    assert_eq!(status_with(&server.client, &tokens).await, 200);
    assert_eq!(kid_of(&open(&server.client, EMAIL).await), kid);
}

#[tokio::test]
async fn key_outlives_a_restart_and_lies_sealed_in_the_database() {
    let operator = Operator::new().await;
    let url = [("PROPUSK_PUBLIC_URL", "http://localhost:8000")];
    let server = operator.start(&url).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let tokens = open(&server.client, EMAIL).await;
    server.kill().await;
    let server = operator.start(&url).await;
    assert_eq!(status_with(&server.client, &tokens).await, 200);
    assert_eq!(published(&server.client).await, [kid_of(&tokens)]);
    let store = operator.store().await;
    let sealed = "select private_key from signing_keys";
    let sealed = column(&store, sealed, sealed).await;
    let sealed = URL_SAFE_NO_PAD.decode(&sealed[0]).expect("base64url");
    // The OID of EC keys, which every PKCS #8 of an EC key contains.
    let oid = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    assert!(sealed.len() > 100 && !sealed.windows(oid.len()).any(|part| part == oid));
}

#[tokio::test]
async fn settings_of_keys_that_make_no_sense_are_refused() {
    let operator = Operator::new().await;
    for (setting, value, said) in [
        ("PROPUSK_TOKENS__KEY_OVERLAP_SECONDS", "299", "must be from 300 to 604800"),
        ("PROPUSK_TOKENS__ALGORITHM", "RS256", "tokens.algorithm"),
        ("PROPUSK_TOKENS__AUDIENCE", " ", "must not be blank"),
        (
            "PROPUSK_DIALECTS__NATIVE__GRACE_SECONDS",
            "61",
            "dialects.native.grace_seconds: must be from 0 to 60",
        ),
        (
            "PROPUSK_DIALECTS__NATIVE__ABSOLUTE_SECONDS",
            "0",
            "dialects.native.absolute_seconds: must be from 1",
        ),
    ] {
        let refused = operator.refused(&[(setting, value)], &["serve"]).await;
        assert!(refused.contains(said), "{setting}: {refused}");
    }
}
