//! VK ID: the device, the verifier, and errors with status 200.

use std::collections::HashMap;

use propusk_stand_in::{Endpoint, Provider, User};
use serde_json::{Value, json};

use crate::browser::{
    CLIENT, REDIRECT, STATE, VERIFIER, authorize, challenge, exchange, get, post, sign_in,
    stand_in, text, tokens,
};

const VK: Provider = Provider::Vk;

#[tokio::test]
async fn a_right_client_learns_who_signed_in() {
    let stand_in = stand_in(VK).await;
    let user = User::new("heidi").with_phone("+7 900 000-00-00");
    stand_in.sign_in_as(VK, user.clone());
    let callback = authorize(&stand_in, VK, &[("code_challenge_method", "s256")]).await.callback();
    assert!(callback["code"].starts_with("vk2.a."));
    assert_eq!((&*callback["type"], &*callback["expires_in"]), ("code_v2", "600"));
    assert_eq!(callback["state"], STATE);

    let tokens = exchange(&stand_in, VK, &callback, &[("client_secret", "")], &[]).await.json();
    assert_eq!(tokens["user_id"].to_string(), user.id, "a number");
    assert_eq!(
        (text(&tokens, "state"), &tokens["expires_in"]),
        ("state-of-this-call", &json!(3600))
    );
    assert!(tokens["refresh_token"].is_string() && tokens["id_token"].is_string());

    let url = stand_in.url(VK, Endpoint::UserInfo);
    let form = [("access_token", text(&tokens, "access_token")), ("client_id", CLIENT)];
    let sent = &post(&url, &form, &[]).await.json()["user"];
    assert_eq!((text(sent, "user_id"), text(sent, "phone")), (&*user.id, "79000000000"));
    assert_eq!((text(sent, "email"), &sent["verified"]), ("heidi@example.com", &json!(false)));
}

#[tokio::test]
async fn authorize_needs_a_long_state_and_a_challenge() {
    let stand_in = stand_in(VK).await;
    for changes in [
        &[("state", "thirty-one characters are short")][..],
        &[("state", "")],
        &[("code_challenge", ""), ("code_challenge_method", "")],
    ] {
        let callback = authorize(&stand_in, VK, changes).await.callback();
        assert_eq!(callback["error"], "invalid_request", "{changes:?}");
    }
}

#[tokio::test]
async fn each_fault_of_a_token_request_has_its_error_with_status_200() {
    let stand_in = stand_in(VK).await;
    let with_dots = "a.verifier.of.an.alphabet.that.is.not.documented.here";
    for (changes, error, description) in [
        (&[("code_verifier", "")][..], "invalid_grant", "verifier is missing or invalid"),
        (&[("code_verifier", with_dots)], "invalid_grant", "verifier is missing or invalid"),
        (
            &[("code_verifier", &VERIFIER.replace('a', "b"))],
            "invalid_grant",
            "verifier is missing or invalid",
        ),
        (
            &[("code_challenge", &challenge())],
            "invalid_request",
            "code_challenge is not for this request",
        ),
        (&[("device_id", "another")], "invalid_request", "device_id is missing or invalid"),
        (&[("device_id", "")], "invalid_request", "device_id is missing"),
        (&[("state", "")], "invalid_request", "state is missing"),
        (&[("redirect_uri", "")], "invalid_request", "redirect_uri is missing"),
        (
            &[("redirect_uri", "https://example.com/")],
            "invalid_grant",
            "redirect_uri is missing or invalid",
        ),
        (&[("code", "vk2.a.unknown")], "invalid_grant", "code is missing or invalid"),
        (&[("client_id", "app-2")], "invalid_grant", "code is missing or invalid"),
        (&[("grant_type", "password")], "invalid_request", "grant_type is missing or invalid"),
    ] {
        sign_in(&stand_in, VK, changes).await.assert_error(200, error, description);
    }
    assert_eq!(sign_in(&stand_in, VK, &[("client_id", "nobody")]).await.status, 401);
}

#[tokio::test]
async fn a_code_works_once() {
    let stand_in = stand_in(VK).await;
    let callback = authorize(&stand_in, VK, &[]).await.callback();
    assert!(exchange(&stand_in, VK, &callback, &[], &[]).await.json()["access_token"].is_string());
    let again = exchange(&stand_in, VK, &callback, &[], &[]).await;
    again.assert_error(200, "invalid_grant", "code is missing or invalid");
}

#[tokio::test]
async fn the_token_request_is_a_form() {
    let stand_in = stand_in(VK).await;
    let url = stand_in.url(VK, Endpoint::Token);
    assert_eq!(get(&url, &[], &[]).await.status, 405);
    let form = [("grant_type", "authorization_code"), ("client_id", CLIENT)];
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let answer = post(&format!("{url}?{query}"), &[], &[]).await;
    answer.assert_error(200, "invalid_request", "grant_type is missing");
}

#[tokio::test]
async fn a_refresh_token_works_once_and_on_its_device() {
    let stand_in = stand_in(VK).await;
    let callback = authorize(&stand_in, VK, &[]).await.callback();
    let tokens = exchange(&stand_in, VK, &callback, &[], &[]).await.json();
    let url = stand_in.url(VK, Endpoint::Token);
    let refresh = async |device_id: &str| {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", text(&tokens, "refresh_token")),
            ("client_id", CLIENT),
            ("device_id", device_id),
            ("state", "s"),
        ];
        post(&url, &form, &[]).await
    };
    let device_id = &callback["device_id"];
    refresh("x").await.assert_error(200, "invalid_request", "device_id is missing or invalid");
    let fresh = refresh(device_id).await.json();
    assert!(fresh["refresh_token"].is_string() && fresh["id_token"].is_null());
    assert_ne!(fresh["refresh_token"], tokens["refresh_token"]);
    let again = refresh(device_id).await;
    again.assert_error(200, "invalid_grant", "refresh_token is missing or invalid");
}

#[tokio::test]
async fn user_info_is_for_the_client_of_the_token() {
    let stand_in = stand_in(VK).await;
    let tokens = tokens(&stand_in, VK).await;
    let token = text(&tokens, "access_token");
    let url = stand_in.url(VK, Endpoint::UserInfo);
    for client_id in ["app-2", ""] {
        let form = [("access_token", token), ("client_id", client_id)];
        let (status, error, _) = post(&url, &form, &[]).await.error();
        assert_eq!((status, &*error), (200, "invalid_token"));
    }
    let form = [("access_token", "unknown"), ("client_id", CLIENT)];
    assert_eq!(post(&url, &form, &[]).await.error().1, "invalid_token");
}

#[tokio::test]
async fn user_info_is_not_got() {
    let stand_in = stand_in(VK).await;
    let token = stand_in.access_token(VK, CLIENT, &User::new("heidi"));
    let url = stand_in.url(VK, Endpoint::UserInfo);
    let query = [("access_token", token.as_str()), ("client_id", CLIENT)];
    let answer = get(&url, &query, &[]).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"POST".parse().unwrap()));
}

#[tokio::test]
async fn address_and_phone_are_told_only_if_asked_for() {
    let stand_in = stand_in(VK).await;
    stand_in.sign_in_as(VK, User::new("heidi").with_phone("+79000000000"));
    let callback = authorize(&stand_in, VK, &[("scope", "")]).await.callback();
    let tokens = exchange(&stand_in, VK, &callback, &[], &[]).await.json();
    let form = [("access_token", text(&tokens, "access_token")), ("client_id", CLIENT)];
    let sent = post(&stand_in.url(VK, Endpoint::UserInfo), &form, &[]).await.json();
    assert!(sent["user"]["email"].is_null() && sent["user"]["phone"].is_null());
    assert_eq!(sent["user"]["first_name"], "Heidi");
}

#[tokio::test]
async fn the_callback_may_be_one_payload() {
    let stand_in = stand_in(VK).await;
    stand_in.vk_payload(true);
    let callback = authorize(&stand_in, VK, &[]).await.callback();
    assert_eq!(callback.len(), 1);
    let payload: Value = serde_json::from_str(&callback["payload"]).expect("JSON");
    assert_eq!((text(&payload, "state"), &payload["expires_in"]), (STATE, &json!(600)));
    let fields =
        ["code", "device_id"].map(|name| (name.to_owned(), text(&payload, name).to_owned()));
    let answer = exchange(&stand_in, VK, &HashMap::from(fields), &[], &[]).await;
    assert!(answer.json()["access_token"].is_string());
}

#[tokio::test]
async fn a_test_can_have_a_code_and_its_device_without_a_browser() {
    let stand_in = stand_in(VK).await;
    let user = User::new("heidi");
    let code = stand_in.code(VK, CLIENT, Some(REDIRECT), Some(&challenge()), &user);
    let device_id = stand_in.device_id(&code).expect("a device");
    let callback = [("code".to_owned(), code), ("device_id".to_owned(), device_id)].into();
    let answer = exchange(&stand_in, VK, &callback, &[], &[]).await;
    assert!(answer.json()["access_token"].is_string(), "{}", answer.text());
}
