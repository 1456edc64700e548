//! `/authorization/…` and `/validate/jwt/…`: the examples of the document, and where its tokens work,
//! here and in the other dialects.

use http_body_util::Full;
use hyper::{Request, StatusCode};
use propusk_tests::contract::{Backdoor, decode_token};
use propusk_tests::http::Answer;
use propusk_tests::server::TestServer;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{assert_answer, assert_pair};

const EMAIL: &str = "anton@example.com";
const PHONE: &str = "+79123456789";
const SECRET: &str = "5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8";

const REGISTRATION: &str = "/authorization/registration";
const BY_EMAIL: &str = "/authorization/login/email";
const BY_PHONE: &str = "/authorization/login/phone/number";
const ME: &str = "/api/auth/users/me/";

/// The tokens of one sign-in.
struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    #[track_caller]
    fn of(answer: &Answer) -> Self {
        let (access, refresh) = (answer.field("access"), answer.field("refresh"));
        assert_answer(answer, 200, &json!({"access": access, "refresh": refresh}));
        Tokens { access, refresh }
    }

    /// Whether both work; one never works alone.
    async fn are_valid(&self, server: &TestServer) -> bool {
        let verified = verify(server, &self.access).await;
        let renewed = renew(server, &self.refresh).await.status;
        assert_eq!(renewed, if verified { StatusCode::OK } else { StatusCode::UNAUTHORIZED });
        let bearer = format!("Bearer {}", self.access);
        assert_eq!(server.client.get(ME, Some(&bearer)).await.status, renewed);
        verified
    }
}

fn account() -> Value {
    json!({"phone_number": PHONE, "email": EMAIL, "hash_password": SECRET})
}

async fn register(server: &TestServer) -> Tokens {
    Tokens::of(&server.client.post(REGISTRATION, &account()).await)
}

async fn sign_in(server: &TestServer, email: &str) -> Tokens {
    let body = json!({"email": email, "hash_password": SECRET});
    Tokens::of(&server.client.post(BY_EMAIL, &body).await)
}

async fn verify(server: &TestServer, access: &str) -> bool {
    let access: String = form_urlencoded::byte_serialize(access.as_bytes()).collect();
    let answer = server.client.get(&format!("/validate/jwt/access?access={access}"), None).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json().as_bool().expect("true or false")
}

async fn renew(server: &TestServer, refresh: &str) -> Answer {
    let refresh: String = form_urlencoded::byte_serialize(refresh.as_bytes()).collect();
    server.client.get(&format!("/validate/jwt/refresh?refresh={refresh}"), None).await
}

fn claims(token: &str) -> Value {
    Value::Object(decode_token(token).expect("a token").1)
}

#[tokio::test]
async fn examples_of_the_document() {
    let server = TestServer::start().await;
    let registered = register(&server).await;
    sign_in(&server, EMAIL).await;
    let by_phone = json!({"phone_number": PHONE, "hash_password": SECRET});
    Tokens::of(&server.client.post(BY_PHONE, &by_phone).await);

    let answer = renew(&server, &registered.refresh).await;
    let renewed = answer.field("access");
    assert_answer(&answer, 200, &json!({"access": renewed, "email": EMAIL}));
    assert!(verify(&server, &renewed).await && verify(&server, &registered.access).await);
    assert!(!verify(&server, &registered.refresh).await);
}

#[tokio::test]
async fn token_has_the_claims_of_the_document_and_no_other() {
    let server = TestServer::start().await;
    let Tokens { access, refresh } = register(&server).await;
    let now = server.clock.now();
    let mut ids = Vec::new();
    for (token, expires, mode) in
        [(access, now + 3_600, "access_token"), (refresh, now + 14_400, "refresh_token")]
    {
        assert!(token.starts_with("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9."));
        let claims = claims(&token);
        let uuid = claims["header"]["uuid"].as_str().expect("an id").to_owned();
        let header = json!({"alg": "HS256", "typ": "JWT", "uuid": uuid});
        let expected = json!({"user_name": EMAIL, "header": header, "exp": expires, "mode": mode});
        assert_eq!(claims.to_string(), expected.to_string());
        ids.push(uuid);
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn tokens_live_for_an_hour_and_for_three_more() {
    let server = TestServer::start().await;
    let Tokens { access, refresh } = register(&server).await;
    server.clock.advance(3_599);
    assert!(verify(&server, &access).await);
    server.clock.advance(1);
    assert!(!verify(&server, &access).await);
    server.clock.advance(10_799);
    let renewed = renew(&server, &refresh).await.field("access");
    assert_eq!(claims(&renewed)["exp"], server.clock.now() + 3_600);
    server.clock.advance(1);
    let refused = renew(&server, &refresh).await;
    assert_answer(&refused, 401, &json!({"detail": "Invalid refresh token"}));
    assert!(verify(&server, &renewed).await, "it has a life of its own");
}

#[tokio::test]
async fn account_signs_in_at_other_dialects_with_its_secret_as_the_password() {
    let server = TestServer::start().await;
    let tokens = register(&server).await;
    for name in [EMAIL, PHONE] {
        let body = json!({"username": name, "password": SECRET});
        let pair = server.client.post("/api/auth/jwt/create/", &body).await;
        let (refresh, access) = assert_pair(&pair);
        assert!(verify(&server, &access).await && !verify(&server, &refresh).await);
        assert_eq!(renew(&server, &refresh).await.status, 401);
        assert_eq!(renew(&server, &access).await.status, 401);
    }
    let body = json!({"email": EMAIL, "password": SECRET});
    assert_pair(&server.client.post("/token", &body).await);

    let bearer = format!("Bearer {}", tokens.access);
    for profile in [ME, "/api/auth/profile/"] {
        let answer = server.client.get(profile, Some(&bearer)).await;
        assert_eq!((answer.status, answer.field("email").as_str()), (StatusCode::OK, EMAIL));
    }
    let bearer = format!("Bearer {}", tokens.refresh);
    assert_eq!(server.client.get(ME, Some(&bearer)).await.status, 401);
    for path in ["/api/auth/jwt/refresh/", "/api/auth/token/refresh/", "/token/refresh"] {
        for token in [&tokens.refresh, &tokens.access] {
            let answer = server.client.post(path, &json!({"refresh": token})).await;
            assert_eq!(answer.status, 401, "{path}");
        }
    }
    let logout = json!({"refresh": tokens.refresh});
    assert_eq!(server.client.post("/api/auth/logout/", &logout).await.status, 401);
    assert!(tokens.are_valid(&server).await);
}

#[tokio::test]
async fn account_of_another_dialect_signs_in_with_its_password_and_gets_a_user_name() {
    let server = TestServer::start().await;
    let user = json!({"phone": PHONE, "password": "strong_password"});
    assert_eq!(server.client.post("/api/auth/users/", &user).await.status, 201);
    let body = json!({"phone_number": PHONE, "hash_password": "strong_password"});
    let tokens = Tokens::of(&server.client.post(BY_PHONE, &body).await);
    assert_eq!(claims(&tokens.access)["user_name"], PHONE);
    let renewed = renew(&server, &tokens.refresh).await;
    assert_eq!(renewed.field("email"), PHONE);

    // A new secret has to be longer.
    let user = json!({"login": "Ann", "email": "ann@example.com", "password": "short"});
    assert_eq!(server.client.post("/v1/creat_autor", &user).await.status, 201);
    let body = json!({"email": "ann@example.com", "hash_password": "short"});
    Tokens::of(&server.client.post(BY_EMAIL, &body).await);
}

#[tokio::test]
async fn token_is_refused_once_its_name_left_the_account() {
    let server = TestServer::start().await;
    let tokens = register(&server).await;
    let bearer = format!("Bearer {}", tokens.access);
    let change = Request::patch(ME)
        .header("Authorization", &bearer)
        .header("Content-Type", "application/json")
        .body(Full::from(json!({"email": "new@example.com"}).to_string()))
        .expect("a request");
    let changed = server.client.send(change).await.expect("an answer");
    assert_eq!(changed.status, 200, "{}", changed.text());

    assert!(!tokens.are_valid(&server).await);
    let anew = sign_in(&server, "new@example.com").await;
    assert_eq!(claims(&anew.access)["user_name"], "new@example.com");
    assert!(anew.are_valid(&server).await);

    let other = json!({"phone_number": "+79990000000", "email": EMAIL, "hash_password": SECRET});
    let other = Tokens::of(&server.client.post(REGISTRATION, &other).await);
    assert!(other.are_valid(&server).await);
    assert!(!tokens.are_valid(&server).await, "the name is another account's now");
}

#[tokio::test]
async fn suspension_can_be_lifted_and_a_sign_out_cannot() {
    let server = TestServer::start().await;
    let tokens = register(&server).await;
    server.set_active(EMAIL, false).await;
    assert!(!tokens.are_valid(&server).await);
    server.set_active(EMAIL, true).await;
    assert!(tokens.are_valid(&server).await);

    let found = server.auth.find_account(EMAIL).await.expect("the database answers");
    let id = found.expect("the account").id;
    assert_eq!(server.auth.end_all_sessions_of_account(id).await.expect("the database answers"), 1);
    assert!(!tokens.are_valid(&server).await);
    assert!(sign_in(&server, EMAIL).await.are_valid(&server).await);
}

#[tokio::test]
async fn password_change_ends_all_sessions_but_its_own() {
    let server = TestServer::start().await;
    let (acting, other) = (register(&server).await, sign_in(&server, EMAIL).await);
    let change = json!({"current_password": SECRET, "new_password": "another secret of mine"});
    let bearer = format!("Bearer {}", acting.access);
    let answer = server.client.post_as(&bearer, "/api/auth/users/set_password/", &change).await;
    assert_eq!(answer.status, 204, "{}", answer.text());
    assert!(acting.are_valid(&server).await);
    assert!(!other.are_valid(&server).await);
    let body = json!({"email": EMAIL, "hash_password": SECRET});
    let refused = server.client.post(BY_EMAIL, &body).await;
    assert_answer(&refused, 401, &json!({"detail": "Invalid credentials"}));
}

#[tokio::test]
async fn registration_race_has_one_winner() {
    let server = TestServer::start().await;
    let mut attempts = JoinSet::new();
    for place in 0..8 {
        let client = server.client.clone();
        // Half of them share the phone, half the e-mail address, one both.
        let phone = if place < 4 { PHONE.to_owned() } else { format!("+7999000000{place}") };
        let email = if place > 2 { EMAIL.to_owned() } else { format!("{place}@example.com") };
        let body = json!({"phone_number": phone, "email": email, "hash_password": SECRET});
        attempts.spawn(async move { client.post(REGISTRATION, &body).await });
    }
    let answers = attempts.join_all().await;
    let succeeded = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..=2).contains(&succeeded), "{succeeded}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_answer(answer, 409, &json!({"detail": "User already exists"}));
    }
}

#[tokio::test]
async fn token_that_was_changed_is_refused() {
    let server = TestServer::start().await;
    let tokens = register(&server).await;
    let forms = broken(&tokens.access);
    assert!(forms.len() > 100, "{}", forms.len());
    for form in forms {
        assert!(!verify(&server, &form).await, "{form}");
    }
    for form in broken(&tokens.refresh) {
        let answer = renew(&server, &form).await;
        assert_answer(&answer, 401, &json!({"detail": "Invalid refresh token"}));
    }
    assert!(tokens.are_valid(&server).await);
}

/// The token with one letter changed, cut off, with its parts exchanged, and with other additions.
fn broken(token: &str) -> Vec<String> {
    let mut forms = Vec::new();
    let other = |letter| if letter == 'A' { 'B' } else { 'A' };
    let last = token.len() - 1;
    for place in (0..token.len()).step_by(6).chain([last - 1, last]) {
        let letters = token.char_indices();
        forms.push(
            letters.map(|(at, letter)| if at == place { other(letter) } else { letter }).collect(),
        );
        forms.push(token[..place].to_owned());
    }
    let parts: Vec<_> = token.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("three parts") };
    for parts in [
        [payload, header, signature],
        [header, signature, payload],
        [signature, payload, header],
        [header, header, signature],
        [header, payload, payload],
        ["", payload, signature],
        [header, "", signature],
        [header, payload, ""],
    ] {
        forms.push(parts.join("."));
    }
    for dress in ["{}=", "{}==", "{}.", ".{}", " {}", "{}\n", "Bearer {}", "\"{}\"", "{}{}"] {
        forms.push(dress.replace("{}", token));
    }
    forms.extend([token.replace('.', ".."), token.to_uppercase(), token.replace('.', "")]);
    forms
}

#[tokio::test]
async fn body_has_at_most_64_kib() {
    let server = TestServer::start().await;
    let padded = |length: usize| {
        let mut body = account();
        body["padding"] = "".into();
        body["padding"] = "x".repeat(length - body.to_string().len()).into();
        body
    };
    let refused = server.client.post(REGISTRATION, &padded(64 * 1024 + 1)).await;
    assert_answer(&refused, 413, &json!({"detail": "Content Too Large"}));
    Tokens::of(&server.client.post(REGISTRATION, &padded(64 * 1024)).await);
}

#[tokio::test]
async fn sign_in_beyond_the_limit_answers_when_to_retry() {
    let server = TestServer::with(|config| {
        config.limits.enabled = true;
        config.limits.registrations_per_address = 1;
        config.limits.per_address = 2;
    })
    .await;
    register(&server).await;
    let throttled = |answer: &Answer| {
        assert_answer(answer, 429, &json!({"detail": "Too Many Requests"}));
        assert_eq!(answer.header("Retry-After").as_deref(), Some("600"));
        assert_eq!(answer.header("Cache-Control").as_deref(), Some("no-store"));
    };
    throttled(&server.client.post(REGISTRATION, &account()).await);
    let wrong = |name: &str, who: &str| json!({name: who, "hash_password": "wrong secret"});
    for (path, body) in
        [(BY_EMAIL, wrong("email", EMAIL)), (BY_PHONE, wrong("phone_number", PHONE))]
    {
        assert_eq!(server.client.post(path, &body).await.status, 401);
    }
    for (path, name, who) in [(BY_EMAIL, "email", EMAIL), (BY_PHONE, "phone_number", PHONE)] {
        let right = json!({name: who, "hash_password": SECRET});
        throttled(&server.client.post(path, &right).await);
    }
}

#[tokio::test]
async fn dialect_can_be_switched_off_and_its_lifetimes_are_settings() {
    let server = TestServer::with(|config| config.dialect("prehashed").enabled = false).await;
    for path in [REGISTRATION, BY_EMAIL, BY_PHONE] {
        assert_eq!(server.client.post(path, &account()).await.status, 404);
    }
    let server = TestServer::with(|config| {
        config.dialects = propusk_server::default_config().dialects;
        config.dialect("prehashed").access_seconds = 60;
        config.dialect("prehashed").refresh_seconds = 600;
    })
    .await;
    let (tokens, now) = (register(&server).await, server.clock.now());
    assert_eq!(claims(&tokens.access)["exp"], now + 60);
    assert_eq!(claims(&tokens.refresh)["exp"], now + 600);
}
