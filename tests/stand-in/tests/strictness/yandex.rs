//! Yandex ID: a redirect that may be left out, two kinds of client authentication, and where a
//! token belongs.

use propusk_stand_in::{Endpoint, Provider, User};
use serde_json::json;

use crate::browser::{
    CLIENT, SECRET, VERIFIER, authorize, basic, exchange, get, post, sign_in, stand_in, text,
    tokens,
};

const YANDEX: Provider = Provider::Yandex;

#[tokio::test]
async fn a_right_client_learns_who_signed_in() {
    let stand_in = stand_in(YANDEX).await;
    let user = User::new("heidi").with_phone("+79000000000");
    stand_in.sign_in_as(YANDEX, user.clone());
    let tokens = tokens(&stand_in, YANDEX).await;
    assert_eq!((text(&tokens, "token_type"), text(&tokens, "expires_in")), ("bearer", "31536000"));
    let url = stand_in.url(YANDEX, Endpoint::UserInfo);
    for scheme in ["OAuth", "Bearer"] {
        let header = format!("{scheme} {}", text(&tokens, "access_token"));
        let info = get(&url, &[("format", "json")], &[("Authorization", &header)]).await.json();
        assert_eq!((text(&info, "id"), text(&info, "client_id")), (&*user.id, CLIENT));
        assert_eq!(info["emails"], json!(["heidi@example.com"]));
        assert_eq!(info["default_phone"]["number"], "+79000000000");
    }
}

#[tokio::test]
async fn each_fault_of_a_token_request_is_a_400() {
    let stand_in = stand_in(YANDEX).await;
    for (changes, error, description) in [
        (&[("code", "0123456789abcdef")][..], "invalid_grant", "Code has expired"),
        (
            &[("client_id", "app-2"), ("client_secret", "secret-2")],
            "invalid_grant",
            "Code has expired",
        ),
        (&[("code_verifier", "")], "invalid_grant", "code_verifier not matched"),
        (
            &[("code_verifier", &VERIFIER.replace('a', "b"))],
            "invalid_grant",
            "code_verifier not matched",
        ),
        (
            &[("redirect_uri", "https://example.com/")],
            "invalid_grant",
            "redirect_uri does not match",
        ),
        (&[("client_secret", "")], "invalid_client", "Basic auth required"),
        (&[("client_secret", "wrong")], "invalid_client", "Wrong client secret"),
        (&[("client_id", "nobody")], "invalid_client", "Client not found"),
        (&[("grant_type", "password")], "unsupported_grant_type", "Unknown grant_type"),
    ] {
        sign_in(&stand_in, YANDEX, changes).await.assert_error(400, error, description);
    }
}

#[tokio::test]
async fn a_code_of_16_characters_works_once() {
    let stand_in = stand_in(YANDEX).await;
    let callback = authorize(&stand_in, YANDEX, &[]).await.callback();
    assert_eq!(callback["code"].len(), 16);
    assert_eq!(exchange(&stand_in, YANDEX, &callback, &[], &[]).await.status, 200);
    let again = exchange(&stand_in, YANDEX, &callback, &[], &[]).await;
    again.assert_error(400, "invalid_grant", "Code has expired");
}

#[tokio::test]
async fn without_a_redirect_it_is_the_first_and_no_other_is_exchanged() {
    let stand_in = stand_in(YANDEX).await;
    let bare = [("redirect_uri", ""), ("state", "")];
    for (redirect, status) in [("", 200), ("http://127.0.0.1:8000/callback?of=app&second=1", 400)] {
        let callback = authorize(&stand_in, YANDEX, &bare).await.callback();
        assert!(!callback.contains_key("state"));
        let changes = [("redirect_uri", redirect)];
        let answer = exchange(&stand_in, YANDEX, &callback, &changes, &[]).await;
        assert_eq!(answer.status, status, "{redirect}");
    }
}

#[tokio::test]
async fn with_a_header_the_form_does_not_count() {
    let stand_in = stand_in(YANDEX).await;
    for (header, status) in
        [(basic(CLIENT, SECRET), 200), (basic(CLIENT, "wrong"), 400), ("Basic ?".to_owned(), 400)]
    {
        let callback = authorize(&stand_in, YANDEX, &[]).await.callback();
        let other = [("client_id", "app-2"), ("client_secret", "wrong")];
        let headers = [("Authorization", header.as_str())];
        let answer = exchange(&stand_in, YANDEX, &callback, &other, &headers).await;
        assert_eq!(answer.status, status, "{header}");
    }
}

#[tokio::test]
async fn a_bad_or_leaked_token_is_answered_nothing() {
    let stand_in = stand_in(YANDEX).await;
    let token = stand_in.access_token(YANDEX, CLIENT, &User::new("heidi"));
    let url = stand_in.url(YANDEX, Endpoint::UserInfo);
    let header = format!("OAuth {token}");
    let (unknown, live) = ([("Authorization", "OAuth x")], [("Authorization", &*header)]);
    let leaked = [("oauth_token", token.as_str())];
    for answer in [
        get(&url, &[], &unknown).await,
        get(&url, &leaked, &[]).await,
        get(&url, &leaked, &live).await,
        get(&url, &[], &[]).await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (401, ""));
    }
}

#[tokio::test]
async fn an_address_may_be_empty_or_absent() {
    let stand_in = stand_in(YANDEX).await;
    let url = stand_in.url(YANDEX, Endpoint::UserInfo);
    for (user, email, emails) in [
        (User::new("heidi").with_email(""), json!(""), json!([])),
        (User::new("heidi").without_email(), json!(null), json!(null)),
    ] {
        let header = format!("OAuth {}", stand_in.access_token(YANDEX, CLIENT, &user));
        let info = get(&url, &[], &[("Authorization", &header)]).await.json();
        assert_eq!((&info["default_email"], &info["emails"]), (&email, &emails));
    }
}

#[tokio::test]
async fn a_refresh_changes_the_refresh_token_only() {
    let stand_in = stand_in(YANDEX).await;
    let tokens = tokens(&stand_in, YANDEX).await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", text(&tokens, "refresh_token")),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
    ];
    let url = stand_in.url(YANDEX, Endpoint::Token);
    let fresh = post(&url, &form, &[]).await.json();
    assert_eq!(fresh["access_token"], tokens["access_token"]);
    assert_ne!(fresh["refresh_token"], tokens["refresh_token"]);
    assert_eq!(post(&url, &form, &[]).await.status, 400);
}
