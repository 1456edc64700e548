//! Adoption of existing tokens, and of the accounts of another system: users stay signed in.

use std::time::Duration;

use propusk::{
    Adoption, Client, Dialect, ErrorKind, ExistingTokens, Operation, SignOut, SignOutReason,
    StatusChange,
};
use propusk_tests::django::Stack;
use propusk_tests::recording_proxy::RecordingProxy;

use super::peer::Peer;
use super::{EMAIL, Home, PASSWORD};

/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

/// The tokens of a client of this home, as another app would have kept them.
async fn kept(home: &Home) -> ExistingTokens {
    home.signed_in().await;
    stored(home.folder.path()).await
}

/// The tokens in the vault of this folder.
async fn stored(folder: &std::path::Path) -> ExistingTokens {
    let record = super::vault_at(folder).read().await.expect("readable").expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let session = &record["held"]["signed_in"];
    let text = |value: &serde_json::Value| value.as_str().expect("a token").to_owned();
    ExistingTokens::pair(text(&session["credential"]["token"]), text(&session["refresh"]))
}

fn kind<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> ErrorKind {
    outcome.expect_err("a failure").kind().clone()
}

#[tokio::test]
async fn adoption_needs_no_network_and_is_verified_later() {
    let (home, next) = (Home::start().await, tempfile::tempdir().expect("a folder"));
    let tokens = kept(&home).await;
    let tap = RecordingProxy::open(home.server.address).await;
    let app = || {
        let vault = super::vault_at(next.path());
        Client::builder(tap.url()).clock(home.clock.clone()).vault(vault).build().expect("a client")
    };
    tap.answer(REFRESH, None);
    let client = app();
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
    assert_eq!(client.watch().borrow().change, StatusChange::Adopted);
    client.finish_pending_work(LIMIT).await;
    let status = client.status().await.expect("a status");
    assert!(status.is_signed_in(), "{status:?}");
    // The process ends, and the network is back.
    let next = app();
    next.access_token().await.expect("what was taken over still works");
    assert!(next.finish_pending_work(LIMIT).await);
    assert_eq!(tap.count(REFRESH), 2);
    next.access_token().await.expect("a token");
    next.finish_pending_work(LIMIT).await;
    assert_eq!(tap.count(REFRESH), 2, "verified once");
}

/// The first call needs another access token while the tokens are being verified.
#[tokio::test]
async fn adoption_of_a_refresh_token_alone_gives_an_access_token() {
    for dialect in [Dialect::SimplejwtRotating, Dialect::Simplejwt, Dialect::DjoserJwt] {
        let peer = Peer::ours(dialect).await;
        peer.account("nina").await;
        let folder = tempfile::tempdir().expect("a folder");
        let vault = super::vault_at(folder.path());
        let old = peer.builder().vault(vault.clone()).build().expect("a client");
        old.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
        let before = old.access_token().await.expect("a token").token().clone();
        let record = vault.read().await.expect("readable").expect("a record");
        let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
        let refresh = record["held"]["signed_in"]["refresh"].as_str().expect("a refresh token");
        peer.expire_access().await;
        let client = peer.builder().build().expect("a client");
        let alone = ExistingTokens { refresh: Some(refresh.into()), ..ExistingTokens::default() };
        assert_eq!(client.adopt(alone).await.expect("an adoption"), Adoption::Adopted);
        let token = client.access_token().await.expect("a token");
        assert!(token.token() != &before && !token.token().expose().is_empty(), "{dialect:?}");
        assert!(client.verify().await.expect("an answer"), "{dialect:?}");
    }
}

/// Where a renewal spends the refresh token, only a call that needs a token renews.
#[tokio::test]
async fn adoption_is_verified_without_spending_a_refresh_token() {
    let peer = Peer::ours(Dialect::DjoserToken).await;
    let folder = tempfile::tempdir().expect("a folder");
    let old = peer.builder().vault(super::vault_at(folder.path())).build().expect("a client");
    let token = peer.provider_token("vera");
    old.sign_in_with_provider_token("yandex", token).await.expect("a sign-in");
    let expires_at = old.access_token().await.expect("a token").expires_at();
    let tokens = ExistingTokens { access_expires_at: expires_at, ..stored(folder.path()).await };
    let tap = RecordingProxy::open(peer.address()).await;
    let client = peer.builder_at(tap.url()).build().expect("a client");
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
    assert!(client.finish_pending_work(LIMIT).await);
    let seen: Vec<_> = tap.seen().into_iter().map(|seen| seen.what).collect();
    assert_eq!(seen, ["GET /auth/users/me/"]);
    assert!(client.cached_profile().await.expect("a profile").is_some(), "verified");
}

/// The access token is refused, and the refresh token is not spent for a verification.
#[tokio::test]
async fn adoption_that_cannot_be_verified_is_tried_once_a_minute() {
    let peer = Peer::ours(Dialect::DjoserToken).await;
    let folder = tempfile::tempdir().expect("a folder");
    let old = peer.builder().vault(super::vault_at(folder.path())).build().expect("a client");
    let token = peer.provider_token("vera");
    old.sign_in_with_provider_token("yandex", token).await.expect("a sign-in");
    let expires_at = old.access_token().await.expect("a token").expires_at();
    let tokens = ExistingTokens { access_expires_at: expires_at, ..stored(folder.path()).await };
    let tap = RecordingProxy::open(peer.address()).await;
    let body = r#"{"detail":"Invalid token."}"#;
    let refusal = format!(
        "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    );
    let me = "GET /auth/users/me/";
    for _ in 0..20 {
        tap.answer(me, Some(&refusal));
    }
    let client = peer.builder_at(tap.url()).build().expect("a client");
    client.adopt(tokens).await.expect("an adoption");
    for _ in 0..5 {
        assert!(client.finish_pending_work(LIMIT).await);
        client.access_token().await.expect("a token");
    }
    assert!(client.finish_pending_work(LIMIT).await);
    assert_eq!(tap.count(me), 2, "after the adoption, and with the first call");
    peer.advance(61).await;
    client.access_token().await.expect("a token");
    assert!(client.finish_pending_work(LIMIT).await);
    assert_eq!(tap.count(me), 3);
    assert_eq!(tap.seen().len(), 3, "{:?}", tap.seen());
}

/// Both sessions have no access token yet.
#[tokio::test]
async fn adoption_does_not_forget_the_sign_out_of_another() {
    let home = Home::start().await;
    let tap = RecordingProxy::open(home.server.address).await;
    let client = home.builder_at(&tap).build().expect("a client");
    tap.set_down(true);
    for _ in 0..2 {
        client.sign_out().await.expect("a sign-out");
        let folder = tempfile::tempdir().expect("a folder");
        let old = home.builder().vault(super::vault_at(folder.path())).build().expect("a client");
        old.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
        let alone = ExistingTokens { access: None, ..stored(folder.path()).await };
        assert_eq!(client.adopt(alone).await.expect("an adoption"), Adoption::Adopted);
        client.finish_pending_work(LIMIT).await;
    }
    let observer = home.memory();
    observer.sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    assert_eq!(observer.sessions().await.expect("a list").len(), 3);
    tap.set_down(false);
    client.network_changed();
    assert!(client.finish_pending_work(LIMIT).await);
    assert_eq!(observer.sessions().await.expect("a list").len(), 2, "the first one has ended");
}

/// djoser returns the same API token again, of whose sign-out the server does not know yet.
#[tokio::test]
async fn adoption_of_a_repeated_api_token_is_not_ended_by_an_earlier_sign_out() {
    let peer = Peer::django(Stack::DjoserToken).await;
    peer.account("nina").await;
    let tap = RecordingProxy::open(peer.address()).await;
    let client = peer.builder_at(tap.url()).build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    tap.answer("POST /auth/token/logout/", None);
    assert_eq!(client.sign_out().await.expect("a sign-out"), SignOut::Pending);
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("another sign-in");
    client.network_changed();
    assert!(client.finish_pending_work(LIMIT).await);
    client.profile().await.expect("the key works");
}

/// A sign-in that overtook the sign-out would get the key that is about to end.
#[tokio::test]
async fn sign_in_waits_for_the_sign_out_of_the_same_api_token() {
    let peer = Peer::ours(Dialect::DjoserToken).await;
    peer.account("nina").await;
    let (sign_in, sign_out) = ("POST /auth/token/login/", "POST /auth/token/logout/");
    let tap = RecordingProxy::open(peer.address()).await;
    let client = peer.builder_at(tap.url()).build().expect("a client");
    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    tap.hold_answers_to(sign_out);
    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.sign_out().await }
    });
    tap.wait_for_answer(sign_out).await;
    let entering = tokio::spawn({
        let (client, name) = (client.clone(), peer.identifier("nina"));
        async move { client.sign_in(&name, PASSWORD).await }
    });
    for _ in 0..10_000 {
        assert_eq!(tap.count(sign_in), 1);
        tokio::task::yield_now().await;
    }
    tap.release_answers();
    assert_eq!(leaving.await.expect("no panic").expect("a sign-out"), SignOut::Confirmed);
    entering.await.expect("no panic").expect("a sign-in");
    client.profile().await.expect("the key works");
}

#[tokio::test]
async fn adopted_session_ends_only_by_an_answer_of_the_server() {
    let (home, next) = (Home::start().await, tempfile::tempdir().expect("a folder"));
    let tokens = kept(&home).await;
    home.memory().sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
    // The session ends before its tokens are adopted.
    home.app().sign_out().await.expect("a sign-out");
    let client = home.builder().vault(super::vault_at(next.path())).build().expect("a client");
    let mut status = client.watch();
    assert_eq!(client.adopt(tokens).await.expect("an adoption"), Adoption::Adopted);
    let ended = status.wait_for(|status| status.reason() == Some(SignOutReason::Ended)).await;
    assert_eq!(ended.expect("a status").change, StatusChange::SessionEnded);
}

#[tokio::test]
async fn adoption_is_refused_while_a_user_is_signed_in() {
    let (home, other) = (Home::start().await, Home::start().await);
    let tokens = kept(&home).await;
    let client = other.signed_in().await;
    let user = client.status().await.expect("a status").user.expect("a user");
    assert_eq!(kind(client.adopt(tokens).await), ErrorKind::OtherSignIn);
    assert_eq!(client.access_token_for(&user).await.expect("a token").user(), &user);
}

#[tokio::test]
async fn adoption_of_invalid_tokens_is_refused_before_any_request() {
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCIsImV4cCI6NDEwMjQ0NDgwMH0.c2ln";
    let access = "eyJhbGciOiJIUzI1NiJ9.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjo0MTAyNDQ0ODAwfQ.c2ln";
    let key = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b";
    let unsupported = ErrorKind::Unsupported(Operation::Adopt);
    for dialect in Dialect::ALL {
        let signed_out = client(dialect);
        for nothing in [
            ExistingTokens::default(),
            ExistingTokens::api_token(""),
            ExistingTokens::api_token("Token abc"),
            ExistingTokens::pair(access, "a b"),
            ExistingTokens::pair(format!("{access}\n"), jwt),
        ] {
            assert_eq!(
                kind(signed_out.adopt(nothing.clone()).await),
                ErrorKind::Usage,
                "{nothing:?}"
            );
        }
        let is_token = dialect == Dialect::DjoserToken;
        let is_jwt = !matches!(dialect, Dialect::DjoserToken | Dialect::Native);
        for (tokens, is_its_own) in [
            (ExistingTokens::api_token(key), is_token),
            (ExistingTokens::pair("opaque", "opaque-too"), is_token),
            (ExistingTokens::pair(access, jwt), is_jwt),
            (ExistingTokens { refresh: Some(jwt.into()), ..ExistingTokens::default() }, is_jwt),
            (ExistingTokens::pair(access, "pr1.abc"), dialect == Dialect::Native),
            (ExistingTokens::api_token(access), false),
            (ExistingTokens::pair(key, jwt), false),
        ] {
            match client(dialect).adopt(tokens.clone()).await {
                Ok(adoption) => assert_eq!((adoption, is_its_own), (Adoption::Adopted, true)),
                Err(error) => {
                    assert_eq!((error.kind(), is_its_own), (&unsupported, false), "{dialect:?}");
                }
            }
        }
        if is_jwt {
            let swapped = ExistingTokens::pair(jwt, access);
            assert_eq!(kind(signed_out.adopt(swapped).await), ErrorKind::Usage, "{dialect:?}");
        }
        assert!(!signed_out.status().await.expect("a status").is_signed_in());
    }
}

fn client(dialect: Dialect) -> Client {
    Client::builder("http://127.0.0.1:9").dialect(dialect).build().expect("a client")
}

/// The server does not know yet what is true: the account may have been enabled there.
#[tokio::test]
async fn session_outlives_a_refusal_that_an_open_adoption_may_prove_wrong() {
    let dialects = [
        Dialect::DjoserJwt,
        Dialect::Simplejwt,
        Dialect::SimplejwtRotating,
        Dialect::Prehashed,
        Dialect::Native,
    ];
    for dialect in dialects {
        let peer = Peer::ours(dialect).await;
        peer.account("nina").await;
        let client = peer.builder().build().expect("a client");
        client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
        peer.open_adoption().await;
        peer.suspend("nina").await;
        peer.expire_access().await;
        let refused = kind(client.access_token().await);
        assert!(matches!(refused, ErrorKind::RetryLater { .. }), "{dialect:?}: {refused:?}");
        assert!(client.status().await.expect("a status").is_signed_in(), "{dialect:?}");
        peer.enable("nina").await;
        peer.complete_adoption().await;
        peer.advance(300).await;
        client.access_token().await.expect("the session goes on");
    }
}
