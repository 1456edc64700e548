//! Checks that the Django stacks used as peers behave as other tests assume.

use propusk_tests::django::{CLIENT_ID, CLIENT_SECRET, Django, Stack};
use propusk_tests::http::Answer;
use propusk_tests::links::Link;
use serde_json::{Value, json};

const EMAIL: &str = "anna@example.com";
const PASSWORD: &str = "Str0ng-pass-77";

fn bearer(answer: &Answer, token: &str) -> String {
    format!("Bearer {}", answer.field(token))
}

/// The answer to a POST, which must have this status.
async fn posted(django: &Django, path: &str, body: Value, status: u16) -> Answer {
    let answer = django.client.post(path, &body).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    answer
}

fn link(django: &Django) -> Link {
    Link::of(&django.newest_to(EMAIL).expect("a mail")).expect("a link")
}

#[tokio::test]
async fn djoser_signs_in_with_a_key_once_the_address_is_confirmed() {
    let django = Django::start(Stack::DjoserToken).await;
    let account = json!({ "email": EMAIL, "password": PASSWORD, "re_password": PASSWORD });
    let credentials = json!({ "username": EMAIL, "password": PASSWORD });
    posted(&django, "/auth/users/", account, 201).await;
    posted(&django, "/auth/token/login/", credentials.clone(), 400).await;
    let Link { uid, token, .. } = link(&django);
    posted(&django, "/auth/users/activation/", json!({ "uid": uid, "token": token }), 204).await;
    let key = posted(&django, "/auth/token/login/", credentials, 200).await;
    let key = format!("Token {}", key.field("auth_token"));
    let me = django.client.get("/auth/users/me/", Some(&key)).await;
    assert_eq!(me.json()["email"], EMAIL);
    django.set_active(EMAIL, false).await;
    let me = django.client.get("/auth/users/me/", Some(&key)).await;
    assert_eq!(me.json(), json!({ "detail": "User inactive or deleted." }));
    django.delete(EMAIL).await;
    let me = django.client.get("/auth/users/me/", Some(&key)).await;
    assert_eq!(me.json(), json!({ "detail": "Invalid token." }));
}

#[tokio::test]
async fn drf_social_oauth2_converts_a_token_of_a_provider() {
    let django = Django::start(Stack::DjoserToken).await;
    let convert = |backend: &str, token: &str| {
        json!({
            "grant_type": "convert_token", "backend": backend, "token": token,
            "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
        })
    };
    for backend in ["google-oauth2", "yandex-oauth2", "vk-oauth2"] {
        let name = format!("ok-{}", &backend[..2]);
        let pair = posted(&django, "/auth/convert-token/", convert(backend, &name), 200).await;
        let me = django.client.get("/auth/users/me/", Some(&bearer(&pair, "access_token"))).await;
        assert_eq!(me.json()["email"], format!("{}@example.com", &backend[..2]));
    }
    let refused =
        posted(&django, "/auth/convert-token/", convert("vk-oauth2", "stolen"), 400).await;
    assert_eq!(refused.field("error"), "access_denied");
}

#[tokio::test]
async fn simplejwt_ends_its_access_tokens_by_its_own_clock() {
    let django = Django::start(Stack::Simplejwt).await;
    let account = json!({ "username": "anna", "email": EMAIL, "password": PASSWORD });
    posted(&django, "/api/auth/register/", account, 201).await;
    let credentials = json!({ "username": "anna", "password": PASSWORD });
    let pair = posted(&django, "/api/auth/login/", credentials, 200).await;
    let access = bearer(&pair, "access");
    let profile = async || django.client.get("/api/auth/profile/", Some(&access)).await.status;
    django.set_on(290).await;
    assert_eq!(profile().await, 200);
    django.set_on(20).await;
    assert_eq!(profile().await, 401);
    let refresh = json!({ "refresh": pair.field("refresh") });
    posted(&django, "/api/auth/token/refresh/", refresh, 200).await;
    posted(&django, "/api/auth/password/reset/", json!({ "email": EMAIL }), 200).await;
    let Link { uid, token, .. } = link(&django);
    let confirm = format!("/api/auth/password/reset/confirm/?uid={uid}&token={token}");
    posted(&django, &confirm, json!({ "new_password": "An0ther-pass-77" }), 200).await;
}

#[tokio::test]
async fn simplejwt_rotates_refresh_tokens_that_work_once() {
    let django = Django::start(Stack::SimplejwtRotating).await;
    let account = json!({ "login": "anna", "email": EMAIL, "password": PASSWORD });
    posted(&django, "/v1/creat_autor", account, 201).await;
    let credentials = json!({ "email": EMAIL, "password": PASSWORD });
    let pair = posted(&django, "/token", credentials, 200).await;
    let verify = json!({ "token": pair.field("access") });
    posted(&django, "/token/verify", verify, 200).await;
    let refresh = json!({ "refresh": pair.field("refresh") });
    posted(&django, "/token/refresh", refresh.clone(), 200).await;
    let spent = posted(&django, "/token/refresh", refresh, 401).await;
    assert_eq!(spent.field("detail"), "Token is blacklisted");
}

#[tokio::test]
async fn djoser_signs_out_by_the_blacklist() {
    let django = Django::start(Stack::DjoserJwt).await;
    let account = json!({ "phone": "+79000000001", "password": PASSWORD });
    posted(&django, "/api/auth/users/", account, 201).await;
    let credentials = json!({ "username": "+79000000001", "password": PASSWORD });
    let pair = posted(&django, "/api/auth/jwt/create/", credentials, 200).await;
    let me = django.client.get("/api/auth/users/me/", Some(&bearer(&pair, "access"))).await;
    assert_eq!(me.json()["phone"], "+79000000001");
    let refresh = json!({ "refresh": pair.field("refresh") });
    posted(&django, "/api/auth/logout/", refresh.clone(), 200).await;
    let ended = posted(&django, "/api/auth/jwt/refresh/", refresh, 401).await;
    assert_eq!(ended.field("code"), "token_not_valid");
}
