//! Google: secrets, one-time codes, and the client of a token.

use propusk_stand_in::{Endpoint, Provider, StandIn, User};
use serde_json::{Value, json};

use crate::browser::{
    Answer, CLIENT, REDIRECT, SECRET, VERIFIER, authorize, basic, challenge, exchange, get, post,
    sign_in, stand_in, text, tokens,
};

const GOOGLE: Provider = Provider::Google;

pub async fn user_info(stand_in: &StandIn, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    get(&stand_in.url(GOOGLE, Endpoint::UserInfo), &[], &[("Authorization", &bearer)]).await
}

#[tokio::test]
async fn a_right_client_learns_who_signed_in() {
    let stand_in = stand_in(GOOGLE).await;
    let user = User::new("heidi").with_avatar("https://example.com/heidi.png");
    stand_in.sign_in_as(GOOGLE, user.clone());
    let tokens = tokens(&stand_in, GOOGLE).await;
    assert_eq!((&tokens["expires_in"], text(&tokens, "token_type")), (&json!(3599), "Bearer"));
    assert_eq!(text(&tokens, "id_token").split('.').count(), 3);
    assert!(tokens["refresh_token"].is_null());
    let info = user_info(&stand_in, text(&tokens, "access_token")).await.json();
    let expected = json!({
        "sub": user.id, "name": "Heidi Example", "given_name": "Heidi", "family_name": "Example",
        "picture": "https://example.com/heidi.png", "email": "heidi@example.com",
        "email_verified": true, "hd": "example.com",
    });
    assert_eq!(info, expected);
}

#[tokio::test]
async fn a_code_works_once_and_takes_its_tokens_with_it() {
    let stand_in = stand_in(GOOGLE).await;
    let callback = authorize(&stand_in, GOOGLE, &[]).await.callback();
    let tokens = exchange(&stand_in, GOOGLE, &callback, &[], &[]).await.json();
    let again = exchange(&stand_in, GOOGLE, &callback, &[], &[]).await;
    again.assert_error(400, "invalid_grant", "Bad Request");
    assert_eq!(user_info(&stand_in, text(&tokens, "access_token")).await.status, 401);
}

#[tokio::test]
async fn a_code_that_was_tried_wrongly_is_spent() {
    let stand_in = stand_in(GOOGLE).await;
    let callback = authorize(&stand_in, GOOGLE, &[]).await.callback();
    let wrong = [("code_verifier", "")];
    exchange(&stand_in, GOOGLE, &callback, &wrong, &[]).await;
    assert_eq!(exchange(&stand_in, GOOGLE, &callback, &[], &[]).await.status, 400);
}

#[tokio::test]
async fn a_code_grows_too_old() {
    let stand_in = stand_in(GOOGLE).await;
    let callback = authorize(&stand_in, GOOGLE, &[]).await.callback();
    stand_in.expire_codes(GOOGLE);
    assert_eq!(exchange(&stand_in, GOOGLE, &callback, &[], &[]).await.error().1, "invalid_grant");
}

#[tokio::test]
async fn each_fault_of_a_token_request_has_its_error() {
    let stand_in = stand_in(GOOGLE).await;
    let other_verifier = VERIFIER.replace('a', "b");
    for (changes, status, error, description) in [
        (&[("client_secret", "")][..], 400, "invalid_request", "client_secret is missing."),
        (&[("client_secret", "wrong")], 401, "invalid_client", "Unauthorized"),
        (&[("client_id", "nobody")], 401, "invalid_client", "The OAuth client was not found."),
        (&[("client_id", "")], 400, "invalid_request", "client_id is missing"),
        (
            &[("client_id", "app-2"), ("client_secret", "secret-2")],
            400,
            "invalid_grant",
            "Bad Request",
        ),
        (&[("code", "4/0unknown")], 400, "invalid_grant", "Bad Request"),
        (&[("redirect_uri", "")], 400, "redirect_uri_mismatch", "Bad Request"),
        (&[("redirect_uri", "https://example.com/")], 400, "redirect_uri_mismatch", "Bad Request"),
        (&[("code_verifier", "")], 400, "invalid_grant", "Missing code verifier."),
        (&[("code_verifier", &other_verifier)], 400, "invalid_grant", "Invalid code verifier."),
        (&[("code_verifier", &challenge())], 400, "invalid_grant", "Invalid code verifier."),
        (&[("grant_type", "")], 400, "invalid_request", "grant_type is missing"),
        (&[("grant_type", "password")], 400, "unsupported_grant_type", "Invalid grant_type"),
        (&[("code", "1"), ("code", "2")], 400, "invalid_request", "code is given more than once"),
    ] {
        sign_in(&stand_in, GOOGLE, changes).await.assert_error(status, error, description);
    }
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let stand_in = stand_in(GOOGLE).await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let callback = authorize(&stand_in, GOOGLE, &without).await.callback();
    let answer = exchange(&stand_in, GOOGLE, &callback, &[], &[]).await;
    answer.assert_error(400, "invalid_grant", "code_verifier or verifier is not needed.");
}

#[tokio::test]
async fn credentials_come_by_header_or_form_but_not_by_both() {
    let stand_in = stand_in(GOOGLE).await;
    let header = basic(CLIENT, SECRET);
    let header = [("Authorization", header.as_str())];
    for (changes, status) in [
        (&[("client_id", ""), ("client_secret", "")][..], 200),
        (&[("client_secret", "")], 200),
        (&[], 400),
    ] {
        let callback = authorize(&stand_in, GOOGLE, &[]).await.callback();
        let answer = exchange(&stand_in, GOOGLE, &callback, changes, &header).await;
        assert_eq!(answer.status, status, "{changes:?}");
    }
    let url = stand_in.url(GOOGLE, Endpoint::Token);
    assert_eq!(get(&url, &[], &[]).await.status, 405);
}

#[tokio::test]
async fn only_the_first_consent_gives_a_refresh_token() {
    let stand_in = stand_in(GOOGLE).await;
    let mut given = Vec::new();
    for changes in [
        &[("access_type", "offline")][..],
        &[("access_type", "offline")],
        &[("access_type", "offline"), ("prompt", "consent")],
    ] {
        let callback = authorize(&stand_in, GOOGLE, changes).await.callback();
        given.push(exchange(&stand_in, GOOGLE, &callback, &[], &[]).await.json());
    }
    let refreshing: Vec<_> = given.iter().map(|t| t["refresh_token"].is_string()).collect();
    assert_eq!(refreshing, [true, false, true]);
    let url = stand_in.url(GOOGLE, Endpoint::Token);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&given[0], "refresh_token")),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    let answer = post(&url, &form, &[]).await.json();
    assert!(answer["access_token"].is_string() && answer["refresh_token"].is_null());
}

#[tokio::test]
async fn user_info_wants_a_live_token_in_the_header() {
    let stand_in = stand_in(GOOGLE).await;
    user_info(&stand_in, "x").await.assert_error(401, "invalid_request", "Invalid Credentials");
    let token = stand_in.access_token(GOOGLE, CLIENT, &User::new("heidi"));
    assert_eq!(user_info(&stand_in, &token).await.status, 200);
    let url = stand_in.url(GOOGLE, Endpoint::UserInfo);
    assert_eq!(get(&url, &[("access_token", &token)], &[]).await.status, 401);
}

#[tokio::test]
async fn token_info_tells_for_whom_a_token_is() {
    let stand_in = stand_in(GOOGLE).await;
    let url = stand_in.url(GOOGLE, Endpoint::TokenInfo);
    let token = stand_in.access_token(GOOGLE, "app-2", &User::new("heidi"));
    let token = [("access_token", token.as_str())];
    let by_get = get(&url, &token, &[]).await.json();
    assert_eq!((text(&by_get, "aud"), text(&by_get, "azp")), ("app-2", "app-2"));
    assert_eq!((text(&by_get, "email_verified"), text(&by_get, "expires_in")), ("true", "3599"));
    assert_eq!(post(&url, &token, &[]).await.json()["sub"], by_get["sub"]);
    let unknown = get(&url, &[("access_token", "x")], &[]).await;
    unknown.assert_error(400, "invalid_token", "Invalid Value");
}

#[tokio::test]
async fn verification_is_told_as_it_is_set() {
    let stand_in = stand_in(GOOGLE).await;
    for verified in [json!(true), json!(false), json!("true"), Value::Null] {
        let user = User::new("heidi").with_email_verified(verified.clone());
        let token = stand_in.access_token(GOOGLE, CLIENT, &user);
        let info = user_info(&stand_in, &token).await.json();
        assert_eq!(info["email_verified"], verified);
        assert_eq!(info.get("email_verified").is_none(), verified.is_null());
    }
}

#[tokio::test]
async fn without_the_scope_the_address_is_not_told() {
    let stand_in = stand_in(GOOGLE).await;
    let callback = authorize(&stand_in, GOOGLE, &[("scope", "openid")]).await.callback();
    let tokens = exchange(&stand_in, GOOGLE, &callback, &[], &[]).await.json();
    let info = user_info(&stand_in, text(&tokens, "access_token")).await.json();
    assert_eq!(info.as_object().map(|info| info.len()), Some(1));
}

#[tokio::test]
async fn a_test_can_have_a_code_without_a_browser() {
    let stand_in = stand_in(GOOGLE).await;
    let user = User::new("heidi");
    let code = stand_in.code(GOOGLE, CLIENT, Some(REDIRECT), Some(&challenge()), &user);
    let callback = [("code".to_owned(), code)].into();
    assert_eq!(exchange(&stand_in, GOOGLE, &callback, &[], &[]).await.status, 200);
}
