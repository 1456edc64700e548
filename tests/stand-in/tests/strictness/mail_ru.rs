//! Mail.ru: errors with a number and status 200, and a token that is a parameter.

use propusk_stand_in::{Endpoint, Provider, User};

use crate::browser::{
    CLIENT, SECRET, VERIFIER, authorize, basic, exchange, get, post, sign_in, stand_in, text,
    tokens,
};

const MAIL_RU: Provider = Provider::MailRu;

#[tokio::test]
async fn a_right_client_learns_who_signed_in() {
    let stand_in = stand_in(MAIL_RU).await;
    let user = User::new("heidi");
    stand_in.sign_in_as(MAIL_RU, user.clone());
    let tokens = tokens(&stand_in, MAIL_RU).await;
    assert_eq!(tokens["expires_in"], 3600);
    assert!(tokens["refresh_token"].is_string() && tokens["token_type"].is_null());
    let url = stand_in.url(MAIL_RU, Endpoint::UserInfo);
    let token = [("access_token", text(&tokens, "access_token"))];
    for info in [get(&url, &token, &[]).await.json(), post(&url, &token, &[]).await.json()] {
        assert_eq!((text(&info, "id"), text(&info, "client_id")), (&*user.id, CLIENT));
        assert_eq!((text(&info, "email"), text(&info, "nickname")), ("heidi@example.com", "heidi"));
    }
}

#[tokio::test]
async fn each_fault_of_a_token_request_has_its_number_with_status_200() {
    let stand_in = stand_in(MAIL_RU).await;
    for (changes, number) in [
        (&[("client_id", "nobody")][..], 1),
        (&[("client_id", "")], 2),
        (&[("client_secret", "")], 3),
        (&[("client_secret", "wrong")], 3),
        (&[("redirect_uri", "")], 2),
        (&[("redirect_uri", "https://example.com/")], 2),
        (&[("code_verifier", "")], 2),
        (&[("code_verifier", &VERIFIER.replace('a', "b"))], 2),
        (&[("grant_type", "password")], 2),
        (&[("code", "unknown")], 6),
        (&[("client_id", "app-2"), ("client_secret", "secret-2")], 6),
    ] {
        let answer = sign_in(&stand_in, MAIL_RU, changes).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["error_code"], number, "{changes:?}: {}", answer.text());
        assert!(answer.json()["access_token"].is_null());
    }
}

#[tokio::test]
async fn a_code_works_once() {
    let stand_in = stand_in(MAIL_RU).await;
    let callback = authorize(&stand_in, MAIL_RU, &[]).await.callback();
    let header = basic(CLIENT, SECRET);
    let headers = [("Authorization", header.as_str())];
    let bare = [("client_id", ""), ("client_secret", "")];
    let first = exchange(&stand_in, MAIL_RU, &callback, &bare, &headers).await;
    assert!(first.json()["access_token"].is_string());
    let again = exchange(&stand_in, MAIL_RU, &callback, &bare, &headers).await;
    again.assert_error(200, "invalid token", "code not found");
}

#[tokio::test]
async fn a_bad_token_is_an_error_with_status_200() {
    let stand_in = stand_in(MAIL_RU).await;
    let url = stand_in.url(MAIL_RU, Endpoint::UserInfo);
    let token = stand_in.access_token(MAIL_RU, CLIENT, &User::new("heidi"));
    let header = format!("Bearer {token}");
    for answer in [
        get(&url, &[("access_token", "x")], &[]).await,
        get(&url, &[], &[("Authorization", &header)]).await,
        post(&url, &[], &[]).await,
    ] {
        answer.assert_error(200, "invalid token", "token not found");
        assert_eq!(answer.json()["error_code"], 6);
    }
}

#[tokio::test]
async fn a_refresh_gives_no_new_refresh_token() {
    let stand_in = stand_in(MAIL_RU).await;
    let tokens = tokens(&stand_in, MAIL_RU).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    let fresh = post(&stand_in.url(MAIL_RU, Endpoint::Token), &form, &[]).await.json();
    assert!(fresh["access_token"].is_string() && fresh["refresh_token"].is_null());
}
