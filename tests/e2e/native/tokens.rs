//! Access tokens: their claims, where they are accepted, verification by other services, and
//! invalid tokens.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use propusk_server::algorithm::Algorithm as Signing;
use propusk_tests::SECRET;
use propusk_tests::contract::Backdoor as _;
use propusk_wire::TokenResponse;
use sha2::Sha256;

use super::*;

const ME: &str = "/api/auth/users/me/";

/// The tokens of a new session of a new account.
async fn tokens(server: &TestServer) -> TokenResponse {
    signed_up(server, EMAIL).await;
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    read(&post(server, "sessions", body).await, 200)
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

async fn jwks(server: &TestServer) -> Value {
    server.client.get("/.well-known/jwks.json", None).await.json()
}

async fn account_with(server: &TestServer, authorization: &str) -> Answer {
    call(server, "GET", "account", Some(authorization), Value::Null).await
}

#[tokio::test]
async fn token_has_the_documented_claims_and_no_others() {
    let server = TestServer::start().await;
    let tokens = tokens(&server).await;
    let token = tokens.access_token.expose();
    let key = jwks(&server).await["keys"][0].clone();
    assert_eq!(part(token, 0), json!({"alg": "ES256", "typ": "at+jwt", "kid": key["kid"]}));
    let now = server.clock.now();
    let expected = json!({
        "iss": server.public_url, "sub": tokens.account.id.to_string(), "aud": server.public_url,
        "sid": tokens.session_id, "client_id": "propusk", "iat": now, "exp": now + 900,
    });
    let mut claims = part(token, 1);
    let id = claims.as_object_mut().and_then(|claims| claims.remove("jti")).expect("an id");
    assert_eq!(claims, expected);
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let second: TokenResponse = read(&post(&server, "sessions", body).await, 200);
    let other = part(second.access_token.expose(), 1)["jti"].clone();
    assert!(id.as_str().is_some_and(|id| id.len() >= 22) && id != other, "{id} {other}");
    assert_eq!((tokens.expires_in, tokens.refresh_expires_in), (900, 60 * 24 * 3_600));
    assert_eq!(tokens.token_type, "Bearer");
}

#[tokio::test]
async fn token_is_good_at_every_api_in_each_of_its_schemes() {
    let server = TestServer::start().await;
    let token = tokens(&server).await.access_token.expose().to_owned();
    for (path, scheme) in [
        (ME, "Bearer "),
        ("/auth/users/me/", "Token "),
        ("/auth/users/me/", "Bearer "),
        ("/api/auth/profile/", "Bearer "),
        ("/propusk/v1/account", "Bearer "),
        ("/propusk/v1/account", "Token "),
        ("/propusk/v1/account", "JWT "),
        ("/propusk/v1/account", "bearer "),
        ("/propusk/v1/account", ""),
    ] {
        let answer = server.client.get(path, Some(&format!("{scheme}{token}"))).await;
        assert_eq!(answer.status, 200, "{path} {scheme}: {}", answer.text());
    }
}

#[tokio::test]
async fn credential_of_every_other_api_is_good_here() {
    let server = TestServer::start().await;
    signed_up(&server, EMAIL).await;
    let client = &server.client;
    let login = json!({"username": EMAIL, "password": PASSWORD});
    let jwt = client.post("/api/auth/jwt/create/", &login).await.field("access");
    let key = client.post("/auth/token/login/", &login).await;
    assert_eq!(key.status, 200, "{}", key.text());
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let rotating = client.post("/token", &body).await.field("access");
    for credential in [jwt, key.field("auth_token"), rotating] {
        for scheme in ["Bearer ", "Token ", "JWT ", ""] {
            let answer = account_with(&server, &format!("{scheme}{credential}")).await;
            let account: propusk_wire::Account = read(&answer, 200);
            assert_eq!(account.email.as_deref(), Some(EMAIL));
        }
    }
}

#[tokio::test]
async fn token_is_verified_by_the_published_keys() {
    for (signing, algorithm) in
        [(Signing::Es256, Algorithm::ES256), (Signing::EdDsa, Algorithm::EdDSA)]
    {
        let server = TestServer::with(|config| {
            config.tokens.algorithm = signing;
            config.tokens.audience = Some("https://api.example.com".to_owned());
        })
        .await;
        let token = tokens(&server).await.access_token.expose().to_owned();
        let answer = server.client.get("/.well-known/jwks.json", None).await;
        assert_eq!(answer.header("Cache-Control").as_deref(), Some("public, max-age=300"));
        assert_eq!(answer.header("Access-Control-Allow-Origin").as_deref(), Some("*"));
        assert_eq!(answer.header("Content-Type").as_deref(), Some("application/json"));
        let keys: JwkSet = serde_json::from_value(answer.json()).expect("a key set");
        let header = jsonwebtoken::decode_header(&token).expect("a header");
        assert_eq!(header.alg, algorithm);
        let key = keys.find(&header.kid.expect("a key's name")).expect("it is published");
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["https://api.example.com"]);
        validation.set_issuer(&[&server.public_url]);
        // The server's clock is not the real one.
        validation.validate_exp = false;
        let key = DecodingKey::from_jwk(key).expect("a key");
        let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).expect("it is signed");
        assert_eq!(read.claims["sub"], "1");
        assert_eq!(account_with(&server, &token).await.status, 200);
    }
}

#[tokio::test]
async fn refusal_of_a_token_names_the_reason() {
    let server = TestServer::start().await;
    let first = tokens(&server).await;
    let bearer = format!("Bearer {}", first.access_token.expose());
    server.clock.advance(899);
    assert_eq!(account_with(&server, &bearer).await.status, 200);
    server.clock.advance(1);
    assert_refused(&account_with(&server, &bearer).await, 401, "token_expired");
    let second = sign_in(&server, EMAIL, PASSWORD).await.expect("it signs in");
    assert_done(
        &call(&server, "DELETE", "sessions/current", Some(&second), Value::Null).await,
        204,
    );
    assert_refused(&account_with(&server, &second).await, 401, "session_ended");
    let third = sign_in(&server, EMAIL, PASSWORD).await.expect("it signs in");
    server.set_active(EMAIL, false).await;
    assert_refused(&account_with(&server, &third).await, 403, "account_inactive");
    server.set_active(EMAIL, true).await;
    assert_eq!(account_with(&server, &third).await.status, 200);
    server.delete(EMAIL).await;
    assert_refused(&account_with(&server, &third).await, 401, "session_ended");
    for nothing in ["Bearer x", "x", "Basic YTpi", "Bearer a.b.c", "Bearer"] {
        assert_refused(&account_with(&server, nothing).await, 401, "invalid_credentials");
    }
    let answer = call(&server, "GET", "account", None, Value::Null).await;
    assert_refused(&answer, 401, "invalid_credentials");
    assert_eq!(answer.header("WWW-Authenticate").as_deref(), Some("Bearer realm=\"propusk\""));
}

#[tokio::test]
async fn clock_that_steps_ends_no_session() {
    let server = TestServer::start().await;
    let first = tokens(&server).await;
    for step in [-3_600, 3_600, -60, 60, 1, -1] {
        server.clock.advance(step);
        let again = sign_in(&server, EMAIL, PASSWORD).await.expect("it signs in");
        assert_eq!(account_with(&server, &again).await.status, 200, "{step}");
        let bearer = format!("Bearer {}", first.access_token.expose());
        assert_eq!(account_with(&server, &bearer).await.status, 200, "{step}");
    }
    server.clock.advance(-3_600);
    let body = json!({"refresh_token": first.refresh_token, "attempt": "a".repeat(22)});
    let renewed: TokenResponse = read(&post(&server, "sessions/refresh", body.clone()).await, 200);
    assert_eq!((renewed.expires_in, renewed.refresh_expires_in), (900, 60 * 24 * 3_600));
    server.clock.advance(7_200);
    let again: TokenResponse = read(&post(&server, "sessions/refresh", body).await, 200);
    assert_eq!(again.refresh_token, renewed.refresh_token);
    assert_eq!((again.expires_in, again.refresh_expires_in), (900, 60 * 24 * 3_600 - 7_200));
}

#[tokio::test]
async fn refresh_token_is_no_access_token_and_the_reverse() {
    let server = TestServer::start().await;
    let tokens = tokens(&server).await;
    let answer = account_with(&server, tokens.refresh_token.expose()).await;
    assert_refused(&answer, 401, "invalid_credentials");
    let body = json!({"refresh_token": tokens.access_token, "attempt": "a".repeat(22)});
    assert_refused(&post(&server, "sessions/refresh", body).await, 401, "invalid_credentials");
}

#[tokio::test]
async fn tokens_of_an_api_that_is_off_are_refused_everywhere() {
    let operator = propusk_tests::operator::Operator::new().await;
    // The issuer must stay the same after the restart.
    let url = ("PROPUSK_PUBLIC_URL", "http://localhost:8000");
    let server = operator.start(&[url]).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    assert_eq!(server.client.post("/propusk/v1/accounts", &body).await.status, 201);
    let body = json!({"identifier": EMAIL, "password": PASSWORD});
    let answer = server.client.post("/propusk/v1/sessions", &body).await;
    let bearer = format!("Bearer {}", answer.field("access_token"));
    assert_eq!(server.client.get(ME, Some(&bearer)).await.status, 200);
    server.kill().await;
    let off = ("PROPUSK_DIALECTS__NATIVE__ENABLED", "false");
    let server = operator.start(&[url, off]).await;
    assert_eq!(server.client.get(ME, Some(&bearer)).await.status, 401);
    assert_eq!(server.client.get("/.well-known/jwks.json", None).await.status, 404);
    server.kill().await;
    let server = operator.start(&[url]).await;
    assert_eq!(server.client.get(ME, Some(&bearer)).await.status, 200);
}

/// The public key in every common form.
fn forms_of(jwk: &Value) -> Vec<Vec<u8>> {
    let bytes = |name: &str| {
        URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64url")
    };
    // The bytes before the key itself (RFC 5480 and RFC 8410).
    let (prefix, raw) = match jwk["kty"] == "EC" {
        true => (
            "3059301306072a8648ce3d020106082a8648ce3d030107034200",
            [vec![4], bytes("x"), bytes("y")].concat(),
        ),
        false => ("302a300506032b6570032100", bytes("x")),
    };
    let prefix = (0..prefix.len())
        .step_by(2)
        .map(|operator| u8::from_str_radix(&prefix[operator..operator + 2], 16).expect("hex"));
    let der: Vec<u8> = prefix.chain(raw.iter().copied()).collect();
    let text = STANDARD.encode(&der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = |end: &str| {
        let body = lines.join(end);
        format!("-----BEGIN PUBLIC KEY-----{end}{body}{end}-----END PUBLIC KEY-----{end}")
    };
    let texts = [
        pem("\n"),
        pem("\n").trim_end().to_owned(),
        pem("\r\n"),
        format!(" {}", pem("\n")),
        format!("\u{feff}{}", pem("\n")),
        text.clone(),
        URL_SAFE_NO_PAD.encode(&raw),
        jwk.to_string(),
        json!({"keys": [jwk]}).to_string(),
        jwk["x"].as_str().unwrap_or_default().to_owned(),
        jwk["kid"].as_str().unwrap_or_default().to_owned(),
        String::new(),
    ];
    texts.into_iter().map(String::into_bytes).chain([der, raw]).collect()
}

fn hs256(key: &[u8], header: &Value, claims: &Value) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length").chain_update(&signed);
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn public_key_is_never_used_as_a_secret_of_another_algorithm() {
    for signing in [Signing::Es256, Signing::EdDsa] {
        let server = TestServer::with(|config| config.tokens.algorithm = signing).await;
        let token = tokens(&server).await.access_token.expose().to_owned();
        let other = server.auth.rotate_signing_key(None, false).await.expect("a key");
        let (header, claims) = (part(&token, 0), part(&token, 1));
        let jwk = jwks(&server).await["keys"][0].clone();
        assert_eq!(jwk["kid"], header["kid"]);
        let mut secrets = forms_of(&jwk);
        secrets.push(SECRET.as_bytes().to_vec());
        let signature = token.rsplit_once('.').expect("a signature").1;
        let mut tried = 0;
        for algorithm in [
            "none", "None", "HS256", "HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "ES512",
            "EdDSA", "",
        ] {
            for header in disguises(&header, algorithm, &other, &jwk) {
                let mut forged: Vec<_> =
                    secrets.iter().map(|secret| hs256(secret, &header, &claims)).collect();
                let [head, body] =
                    [&header, &claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
                forged.push(format!("{head}.{body}."));
                if header != part(&token, 0) {
                    forged.push(format!("{head}.{body}.{signature}"));
                }
                for forged in forged {
                    assert_refused_everywhere(&server, &forged).await;
                    tried += 1;
                }
            }
        }
        assert!(tried > 1_000, "{tried}");
        assert_eq!(account_with(&server, &token).await.status, 200, "the true one still works");
    }
}

/// Headers with this algorithm, with other misleading fields.
fn disguises(good: &Value, algorithm: &str, other: &str, jwk: &Value) -> Vec<Value> {
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut header = good.clone();
        header["alg"] = json!(algorithm);
        change(&mut header);
        header
    };
    vec![
        changed(&|_| {}),
        changed(&|header| header["kid"] = json!(other)),
        changed(&|header| header["kid"] = json!("../../dev/null")),
        changed(&|header| drop(header.as_object_mut().map(|all| all.shift_remove("kid")))),
        changed(&|header| header["typ"] = json!("JWT")),
        changed(&|header| drop(header.as_object_mut().map(|all| all.shift_remove("typ")))),
        changed(&|header| header["jwk"] = jwk.clone()),
        changed(&|header| header["jku"] = json!("http://127.0.0.1:1/jwks.json")),
    ]
}

async fn assert_refused_everywhere(server: &TestServer, token: &str) {
    assert_refused(&account_with(server, token).await, 401, "invalid_credentials");
    let answer = server.client.get(ME, Some(&format!("Bearer {token}"))).await;
    assert_eq!(answer.status, 401, "{token}: {}", answer.text());
}
