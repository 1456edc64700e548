//! The authorization endpoints: what all four providers share, and the user's answers.

use propusk_stand_in::{Client, Consent, Provider, User};
use serde_json::json;

use crate::browser::{
    Answer, CLIENT, REDIRECT, STATE, authorize, authorize_url, exchange, post, sign_in, stand_in,
    text, tokens,
};

#[track_caller]
fn assert_page(answer: &Answer) {
    assert_eq!(answer.status, 400);
    assert!(!answer.headers.contains_key("location"));
}

#[tokio::test]
async fn an_unknown_client_or_redirect_is_sent_nowhere() {
    for provider in Provider::ALL {
        let stand_in = stand_in(provider).await;
        for change in [
            ("client_id", "nobody"),
            ("client_id", ""),
            ("redirect_uri", "http://127.0.0.1:8000/callback"),
            ("redirect_uri", "http://127.0.0.1:8000/callback?of=app&more=1"),
            ("redirect_uri", "http://127.0.0.1:8000/callback?of=app/"),
        ] {
            assert_page(&authorize(&stand_in, provider, &[change]).await);
        }
        assert_page(&authorize(&stand_in, provider, &[("state", STATE), ("state", STATE)]).await);
    }
}

#[tokio::test]
async fn only_yandex_lets_the_redirect_be_left_out() {
    for provider in [Provider::Google, Provider::Vk, Provider::MailRu] {
        let stand_in = stand_in(provider).await;
        assert_page(&authorize(&stand_in, provider, &[("redirect_uri", "")]).await);
    }
}

#[tokio::test]
async fn other_faults_go_back_with_the_state() {
    for provider in Provider::ALL {
        let stand_in = stand_in(provider).await;
        for (changes, error) in [
            (&[("response_type", "token")][..], "unsupported_response_type"),
            (&[("response_type", "")], "invalid_request"),
            (&[("code_challenge_method", "plain")], "invalid_request"),
            (&[("code_challenge_method", "")], "invalid_request"),
            (&[("code_challenge", "short")], "invalid_request"),
            (&[("code_challenge", "")], "invalid_request"),
        ] {
            let callback = authorize(&stand_in, provider, changes).await.callback();
            assert_eq!(callback["error"], error, "{provider:?} {changes:?}");
            assert_eq!(callback["state"], STATE);
            assert!(!callback.contains_key("code"));
        }
    }
}

#[tokio::test]
async fn google_and_mail_ru_need_a_state_and_a_scope() {
    for provider in [Provider::Google, Provider::MailRu] {
        let stand_in = stand_in(provider).await;
        for (change, error) in [
            (("state", ""), "invalid_request"),
            (("scope", ""), "invalid_scope"),
            (("scope", "calendar"), "invalid_scope"),
        ] {
            let callback = authorize(&stand_in, provider, &[change]).await.callback();
            assert_eq!(callback["error"], error, "{provider:?} {change:?}");
        }
    }
}

#[tokio::test]
async fn a_user_who_refuses_goes_back_without_a_code() {
    for provider in Provider::ALL {
        let stand_in = stand_in(provider).await;
        stand_in.consent(provider, Consent::Deny);
        let callback = authorize(&stand_in, provider, &[]).await.callback();
        assert_eq!((&*callback["error"], &*callback["state"]), ("access_denied", STATE));
        assert!(callback.contains_key("error_description") && !callback.contains_key("code"));
    }
}

#[tokio::test]
async fn a_page_asks_and_the_choice_is_posted_to_it() {
    for provider in Provider::ALL {
        let stand_in = stand_in(provider).await;
        stand_in.sign_in_as(provider, User::new("heidi").with_name("<Heidi>", "Example"));
        let url = authorize_url(&stand_in, provider, &[]);
        assert_eq!(post(&url, &[("decision", "allow")], &[]).await.status, 405);

        stand_in.consent(provider, Consent::Ask);
        let page = authorize(&stand_in, provider, &[]).await;
        assert_eq!(page.status, 200);
        assert!(page.text().contains("Allow as &lt;Heidi&gt; Example"), "{}", page.text());

        let cancelled = post(&url, &[("decision", "cancel")], &[]).await;
        assert_eq!(cancelled.status, 303);
        assert_eq!(cancelled.callback()["error"], "access_denied");

        let chosen = [("decision", "allow"), ("login", "ivan"), ("verified", "false")];
        let allowed = post(&url, &chosen, &[]).await.callback();
        assert_eq!(exchange(&stand_in, provider, &allowed, &[], &[]).await.status, 200);
    }
}

#[tokio::test]
async fn the_page_chooses_user_address_and_verification() {
    let stand_in = stand_in(Provider::Google).await;
    stand_in.consent(Provider::Google, Consent::Ask);
    let url = authorize_url(&stand_in, Provider::Google, &[]);
    for (chosen, email, verified) in [
        (&[("email", "other@example.com")][..], json!("other@example.com"), json!(true)),
        (
            &[("login", "ivan"), ("email", "greta@example.com")],
            json!("ivan@example.com"),
            json!(true),
        ),
        (&[("mail", "none")], json!(null), json!(null)),
        (&[("mail", "blank"), ("verified", "text")], json!(""), json!("true")),
    ] {
        let form: Vec<_> = [("decision", "allow")].iter().chain(chosen).copied().collect();
        let callback = post(&url, &form, &[]).await.callback();
        let tokens = exchange(&stand_in, Provider::Google, &callback, &[], &[]).await.json();
        let info = crate::google::user_info(&stand_in, text(&tokens, "access_token")).await.json();
        assert_eq!((&info["email"], &info["email_verified"]), (&email, &verified));
    }
}

#[tokio::test]
async fn a_public_client_needs_a_challenge_and_no_secret() {
    for provider in [Provider::Google, Provider::Yandex, Provider::MailRu] {
        let stand_in = stand_in(provider).await;
        let redirects = vec![REDIRECT.to_owned()];
        stand_in.register(provider, Client { id: CLIENT.to_owned(), secret: None, redirects });
        let without = [("code_challenge", ""), ("code_challenge_method", "")];
        let callback = authorize(&stand_in, provider, &without).await.callback();
        assert_eq!(callback["error"], "invalid_request");

        let answer = sign_in(&stand_in, provider, &[("client_secret", "")]).await;
        assert!(answer.json()["access_token"].is_string(), "{}", answer.text());
        assert!(sign_in(&stand_in, provider, &[]).await.json()["access_token"].is_null());
    }
}

#[tokio::test]
async fn the_callback_may_tell_its_issuer() {
    let stand_in = stand_in(Provider::Google).await;
    stand_in.callback_iss(Provider::Google, Some("https://accounts.google.com".to_owned()));
    let granted = authorize(&stand_in, Provider::Google, &[]).await.callback();
    stand_in.consent(Provider::Google, Consent::Deny);
    let denied = authorize(&stand_in, Provider::Google, &[]).await.callback();
    assert_eq!(granted["iss"], "https://accounts.google.com");
    assert_eq!(granted["iss"], denied["iss"]);
}

#[tokio::test]
async fn what_was_asked_can_be_read() {
    let stand_in = stand_in(Provider::Yandex).await;
    tokens(&stand_in, Provider::Yandex).await;
    let requests = stand_in.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((&*requests[0].method, requests[0].in_query("state")), ("GET", Some(STATE)));
    assert_eq!((&*requests[1].method, requests[1].in_form("client_id")), ("POST", Some(CLIENT)));
    assert!(requests[1].header("Content-Type").is_some());
    stand_in.forget_requests();
    assert!(stand_in.requests().is_empty());
}

#[tokio::test]
async fn nothing_listens_once_it_is_dropped() {
    let stand_in = stand_in(Provider::Vk).await;
    let url = authorize_url(&stand_in, Provider::Vk, &[]);
    authorize(&stand_in, Provider::Vk, &[]).await;
    drop(stand_in);
    tokio::task::yield_now().await;
    let request = hyper::Request::get(url).body(Default::default()).expect("a request");
    assert!(crate::browser::begin(request).await.is_err());
}
