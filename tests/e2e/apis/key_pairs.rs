//! APIs whose tokens are signed with a private key in a file: RS256 and ES256.

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use propusk_server::auth::TokenKeyPair;
use propusk_tests::operator::Operator;
use propusk_tests::server::TestServer;
use propusk_tests::tokens::{claims_of, django};
use propusk_tests::user::{PASSWORD, new_account, signed_in};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::{refresh_at, serve, sign_in_at};

const ANNA: &str = "anna@example.com";

/// A new key for RS256, and one for ES256.
fn keys() -> [KeyPair; 2] {
    [&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256]
        .map(|algorithm| KeyPair::generate_for(algorithm).expect("a key"))
}

/// A server with an API that has this key, and another API.
async fn with_key(key: &KeyPair, accepts_foreign: bool) -> TestServer {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.serialize_pem()).expect("it is written");
    TestServer::with(|config| {
        config.tokens.accept_foreign = accepts_foreign;
        config.accounts.first_id = accepts_foreign.then_some(1_000);
        serve(config, "shop", "/shop", |api| api.private_key_file = Some(path));
        serve(config, "staff", "/staff", |_| {});
    })
    .await
}

/// The status of the profile at an API with this access token.
async fn profile(server: &TestServer, prefix: &str, access: &str) -> u16 {
    let header = format!("Bearer {access}");
    let answer = server.client.get(&format!("{prefix}/users/me/"), Some(&header)).await;
    answer.status.as_u16()
}

async fn verify_at(server: &TestServer, prefix: &str, token: &str) -> u16 {
    let body = json!({"token": token});
    server.client.post(&format!("{prefix}/jwt/verify/"), &body).await.status.as_u16()
}

#[tokio::test]
async fn tokens_are_verified_with_the_public_half_and_good_at_their_api_alone() {
    let [rsa, p256] = keys();
    let rsa_public = DecodingKey::from_rsa_der(rsa.public_key_raw());
    let p256_public = DecodingKey::from_ec_der(p256.public_key_raw());
    for (key, public, algorithm) in
        [(&rsa, rsa_public, Algorithm::RS256), (&p256, p256_public, Algorithm::ES256)]
    {
        let server = with_key(key, false).await;
        new_account(&server, ANNA).await;
        let pair = sign_in_at(&server.client, "/shop", ANNA).await;
        let renewed = refresh_at(&server.client, "/shop", &pair.field("refresh")).await;
        let mut validation = Validation::new(algorithm);
        // The server's clock is not the real one.
        validation.validate_exp = false;
        for token in [pair.field("access"), pair.field("refresh"), renewed.field("access")] {
            let header = jsonwebtoken::decode_header(&token).expect("a header");
            assert_eq!((header.alg, header.kid), (algorithm, None));
            let read = jsonwebtoken::decode::<Value>(&token, &public, &validation);
            assert_eq!(read.expect("it is signed").claims["user_id"], 1);
        }
        let access = renewed.field("access");
        for (prefix, status) in [("/shop", 200), ("/staff", 401), ("/api/auth", 401)] {
            assert_eq!(profile(&server, prefix, &access).await, status, "{prefix}");
            assert_eq!(verify_at(&server, prefix, &access).await, status, "{prefix}");
        }
        let (other, _) = signed_in(&server, ANNA).await;
        assert_eq!(profile(&server, "/shop", &other).await, 200);
    }
}

#[tokio::test]
async fn tokens_of_a_replaced_server_are_good_where_their_key_pair_is() {
    for key in keys() {
        let server = with_key(&key, true).await;
        server.import(ANNA, PASSWORD, 1, None).await;
        let pair = TokenKeyPair::read(key.serialize_pem().as_bytes()).expect("a key");
        let jti = "0123456789abcdef0123456789abcdef";
        let [access, refresh] = ["access", "refresh"].map(|kind| {
            let claims = claims_of(&django(&server, 1, kind, 0, jti));
            pair.sign(claims.to_string().as_bytes()).expect("a signature")
        });
        for (prefix, status) in [("/shop", 200), ("/staff", 401), ("/api/auth", 401)] {
            assert_eq!(profile(&server, prefix, &access).await, status, "{prefix}");
            assert_eq!(verify_at(&server, prefix, &access).await, status, "{prefix}");
            let refreshed = refresh_at(&server.client, prefix, &refresh).await;
            assert_eq!(refreshed.status, status, "{prefix}");
        }
    }
}

#[tokio::test]
async fn file_without_such_a_key_or_with_that_of_another_api_is_refused() {
    let operator = Operator::new().await;
    let [rsa, _] = keys();
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    operator.write("rsa.pem", &rsa.serialize_pem());
    operator.write("ed25519.pem", &ed25519.serialize_pem());
    let block = |name: &str, file: &str| {
        let path = operator.path().join(file);
        format!(
            "[apis.{name}]\ndialect = \"djoser_jwt\"\nprefix = \"/{name}\"\n\
             private_key_file = \"{}\"\n",
            path.display()
        )
    };
    let two_keys =
        block("shop", "rsa.pem") + "signing_key = \"a key of the shop alone 0123456789abcdef\"\n";
    for (settings, problem) in [
        (block("shop", "absent.pem"), "apis.shop.private_key_file: "),
        (
            block("shop", "ed25519.pem"),
            "apis.shop.private_key_file: must have a private key in PEM",
        ),
        (
            block("shop", "rsa.pem") + &block("staff", "rsa.pem"),
            "apis.staff.private_key_file: has the key of apis.shop.private_key_file too",
        ),
        (two_keys, "apis.shop.private_key_file: must not be set together with signing_key"),
    ] {
        operator.write("propusk.toml", &settings);
        let said = operator.refused(&[], &["check-config"]).await;
        assert!(said.contains(problem), "{said}");
    }
    operator.write("propusk.toml", &block("shop", "rsa.pem"));
    let checked = operator.run(&[], &["check-config"], "").await;
    assert!(checked.status.success(), "{}", checked.stderr);
}
