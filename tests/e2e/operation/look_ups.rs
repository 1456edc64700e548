//! Accounts that are looked up in the database of a Django while the adoption is open, and adopted at
//! once.

use std::time::{Duration, Instant};

use propusk_server::config::{Config, Secret};
use propusk_tests::donor::*;
use propusk_tests::import_file::import_file;
use propusk_tests::operator::Operator;
use propusk_tests::server::TestServer;
use propusk_tests::user::{NEW_PASSWORD, PASSWORD, sign_in};
use serde_json::json;

const KEY: &str = "Token 0123456789abcdef0123456789abcdef01234567";
const UNKNOWN_KEY: &str = "Token a123456789abcdef0123456789abcdef01234567";
const EMAIL: &str = "anna@example.com";

/// A server that looks up accounts at this Django.
async fn server(donor: &Donor, change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::with(|config| {
        config.adopt.look_up = Some(Secret::new(donor.url()));
        config.accounts.first_id = Some(1_000);
        change(config);
    })
    .await
}

async fn status_of_key(server: &TestServer, key: &str) -> u16 {
    server.client.get("/auth/users/me/", Some(key)).await.status.as_u16()
}

async fn has_anna(server: &TestServer) -> bool {
    server.auth.find_account(EMAIL).await.expect("the database answers").is_some()
}

#[tokio::test]
async fn unknown_name_is_looked_up_and_signs_in_with_all_that_belongs_to_it() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    server.adopt(&[]).await;
    for (name, password) in [("nobody@example.com", NEW_PASSWORD), (EMAIL, PASSWORD)] {
        assert_eq!(sign_in(&server.client, name, password).await.status, 503, "{name}");
    }
    assert!(has_anna(&server).await, "a wrong password has adopted the account");
    assert_eq!(sign_in(&server.client, "Anna@Example.com", NEW_PASSWORD).await.status, 200);
    let me = server.client.get("/auth/users/me/", Some(KEY)).await;
    assert_eq!(me.json()["id"], 7);
    assert_eq!(server.mails().await.len(), 0);
}

#[tokio::test]
async fn unknown_key_is_looked_up_with_its_account() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    server.adopt(&[]).await;
    assert_eq!(status_of_key(&server, UNKNOWN_KEY).await, 503);
    assert_eq!(status_of_key(&server, KEY).await, 200);
    assert_eq!(sign_in(&server.client, EMAIL, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn account_that_the_django_makes_later_signs_in() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    server.adopt(&[]).await;
    let name = "dora@example.com";
    assert_eq!(sign_in(&server.client, name, NEW_PASSWORD).await.status, 503);
    donor
        .execute(
            "insert into auth_user values
             (10, 'md5$seasalt2$9a23937e2b8589427f13f89b6d66e9cd', null, false, 'dora', '', '',
              'dora@example.com', true, '2020-03-04 05:06:07{utc}')",
        )
        .await;
    assert_eq!(sign_in(&server.client, name, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn account_whose_number_is_taken_or_too_high_is_not_adopted() {
    let donor = Donor::of(DJANGO).await;
    let taken = server(&donor, |_| ()).await;
    taken.import("eve@example.com", PASSWORD, 7, None).await;
    taken.adopt(&[]).await;
    let too_high = server(&donor, |config| config.accounts.first_id = Some(7)).await;
    too_high.adopt(&[]).await;
    for server in [&taken, &too_high] {
        assert_eq!(sign_in(&server.client, EMAIL, NEW_PASSWORD).await.status, 503);
        assert_eq!(status_of_key(server, KEY).await, 503);
        assert!(!has_anna(server).await);
    }
}

#[tokio::test]
async fn nothing_is_looked_up_unless_an_adoption_is_open() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    assert_eq!(sign_in(&server.client, EMAIL, NEW_PASSWORD).await.status, 401);
    assert_eq!(status_of_key(&server, KEY).await, 401);
    assert!(!has_anna(&server).await);
}

#[tokio::test]
async fn look_ups_of_one_address_are_limited() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |config| config.limits.enabled = true).await;
    server.adopt(&[]).await;
    for _ in 0..100 {
        assert_eq!(status_of_key(&server, UNKNOWN_KEY).await, 503);
    }
    assert_eq!(status_of_key(&server, KEY).await, 503);
    server.clock.advance(601);
    assert_eq!(status_of_key(&server, KEY).await, 200);
}

#[tokio::test]
async fn run_after_a_look_up_changes_nothing_of_it() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    server.adopt(&[]).await;
    assert_eq!(status_of_key(&server, KEY).await, 200);
    let account = json!({
        "kind": "account", "id": 7, "email": EMAIL, "username": "anna", "sign_up_name": "anna",
        "display_name": "Anna Berg", "password": "md5$seasalt2$9a23937e2b8589427f13f89b6d66e9cd",
        "joined_at": "2020-03-04T05:06:07Z", "last_sign_in_at": "2021-03-04T05:06:07Z",
    });
    let adoption = server.adopt(&[account]).await;
    assert_eq!((adoption.new.len(), adoption.changed.len()), (0, 0), "{adoption:?}");
}

#[tokio::test]
async fn opaque_access_token_is_looked_up_by_its_checksum() {
    let donor = Donor::of(&[DJANGO, OAUTH].concat()).await;
    let rows = "insert into oauth2_provider_application values (1, 'app', '', 'public', 'password',
             'App');
        insert into oauth2_provider_accesstoken values (1, 'OpaqueAccessTokenOfAnna0000000',
             'f458a1d4b301f194f312fff4a9d9d7ae45f851706976b74b02382964c8e807f4', 7, 1,
             '2020-03-04 05:06:07{utc}', '2100-01-01 00:00:00{utc}', 'read')";
    donor.execute(rows).await;
    let server = server(&donor, |_| ()).await;
    server.adopt(&[]).await;
    assert_eq!(status_of_key(&server, "Bearer OpaqueAccessTokenOfBob00000000").await, 503);
    assert_eq!(status_of_key(&server, "Bearer OpaqueAccessTokenOfAnna0000000").await, 200);
}

#[tokio::test]
async fn failed_sign_in_takes_whole_seconds_for_every_name() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    server.adopt(&[]).await;
    // The second time it is known here.
    for name in ["nobody@example.com", EMAIL, EMAIL] {
        let began = Instant::now();
        assert_eq!(sign_in(&server.client, name, PASSWORD).await.status, 503, "{name}");
        assert!(began.elapsed() >= Duration::from_secs(1), "{name}");
    }
}

#[tokio::test]
async fn locked_donor_holds_up_no_owner_who_is_here() {
    let donor = Donor::of(DJANGO).await;
    let server = server(&donor, |_| ()).await;
    server.import("eve@example.com", PASSWORD, 17, None).await;
    server.adopt(&[]).await;
    let lock = donor.lock().await;
    let (client, key) = (&server.client, status_of_key(&server, KEY));
    let unknown = sign_in(client, EMAIL, NEW_PASSWORD);
    let (here, unknown, key) =
        tokio::join!(sign_in(client, "eve@example.com", PASSWORD), unknown, key);
    assert_eq!((here.status.as_u16(), unknown.status.as_u16(), key), (200, 503, 503));
    lock.release().await;
    assert_eq!(sign_in(client, EMAIL, NEW_PASSWORD).await.status, 200);
}

#[tokio::test]
async fn log_has_no_name_and_no_hash_of_a_look_up() {
    let donor = Donor::of(DJANGO).await;
    let operator = Operator::new().await;
    operator.store().await.close().await;
    let url = donor.url();
    let settings = [("PROPUSK_ACCOUNTS__FIRST_ID", "9"), ("PROPUSK_ADOPT__LOOK_UP", url.as_str())];
    operator.write("empty.jsonl", &import_file(1_000, &[]));
    let file = operator.path().join("empty.jsonl");
    let adopted = operator.run(&settings, &["adopt", file.to_str().expect("a path")], "").await;
    assert!(adopted.status.success(), "{}", adopted.stderr);
    let server = operator.start(&settings).await;
    // Its number is not below the first one of this server.
    let carla = "carla@example.com";
    assert_eq!(sign_in(&server.client, carla, NEW_PASSWORD).await.status, 503);
    donor.execute("alter table auth_user rename column email to address").await;
    assert_eq!(sign_in(&server.client, EMAIL, NEW_PASSWORD).await.status, 503);
    let (_, output) = server.terminate().await;
    assert_eq!(output.matches("was not adopted").count(), 2, "{output}");
    for secret in [carla, "carla", EMAIL, NEW_PASSWORD, "9a23937e2b85"] {
        assert!(!output.contains(secret), "{secret}: {output}");
    }
}
