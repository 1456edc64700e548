//! One suite for all APIs with the operation: against this server, and against the real Django
//! stacks.

use std::path::Path;
use std::time::Duration;

use propusk::{
    Adoption, Client, Dialect, ErrorKind, ExistingTokens, Operation, Phase, Registered,
    RejectionCode, Secret, SignOut, SignOutReason,
};
use propusk_tests::django::Stack;

use super::peer::Peer;
use super::{PASSWORD, code, reason, vault_at};

/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);
const OTHER: &str = "another harbour at night";

async fn suite(peer: Peer) {
    registration(&peer).await;
    sign_in(&peer).await;
    restart(&peer).await;
    renewal(&peer).await;
    sign_out(&peer).await;
    adoption(&peer).await;
    suspension(&peer).await;
    reset(&peer).await;
    changes(&peer).await;
    provider_token(&peer).await;
    what_it_lacks(&peer).await;
}

fn client(peer: &Peer) -> Client {
    peer.builder().build().expect("a client")
}

async fn signed_in(peer: &Peer, name: &str) -> Client {
    peer.account(name).await;
    let client = client(peer);
    client.sign_in(&peer.identifier(name), PASSWORD).await.expect("a sign-in");
    client
}

async fn registration(peer: &Peer) {
    let client = client(peer);
    let new = peer.registration("maria", PASSWORD);
    let registered = client.register(&new).await.expect("an account");
    if registered == Registered::ActivationRequired {
        let refused = client.sign_in(&peer.identifier("maria"), PASSWORD).await;
        assert!(["invalid_credentials", "account_inactive"].contains(&code(refused).as_str()));
        client.resend_activation("maria@example.org").await.expect("another mail");
        let link = peer.mailed("maria").await;
        client.activate(&link).await.expect("an activation");
        code(client.activate(&link).await);
    }
    client.sign_in(&peer.identifier("maria"), PASSWORD).await.expect("a sign-in");

    let Err(error) = client.register(&new).await else { panic!("registered twice") };
    let ErrorKind::Rejected(rejection) = error.kind() else { panic!("{error:?}") };
    assert!(
        ["identifier_taken", "invalid_fields"].contains(&rejection.code.as_str()),
        "{rejection:?}"
    );
}

async fn sign_in(peer: &Peer) {
    peer.account("nina").await;
    let client = client(peer);
    assert_eq!(
        client.status().await.expect("a status").phase,
        Phase::SignedOut { reason: SignOutReason::NeverSignedIn }
    );
    let refused = client.sign_in(&peer.identifier("nina"), "another password").await;
    assert_eq!(code(refused), "invalid_credentials");
    assert_eq!(reason(client.access_token().await), SignOutReason::NeverSignedIn);

    client.sign_in(&peer.identifier("nina"), PASSWORD).await.expect("a sign-in");
    assert_eq!(client.status().await.expect("a status").phase, Phase::SignedIn);
    if peer.has(Operation::Verify) {
        assert!(client.verify().await.expect("an answer"));
    }
    if peer.has(Operation::Profile) {
        let profile = client.profile().await.expect("a profile");
        let shown = [profile.email, profile.username];
        assert!(shown.iter().flatten().any(|name| name.starts_with("nina")), "{shown:?}");
        assert!(client.cached_profile().await.expect("a profile").is_some());
    }
}

async fn restart(peer: &Peer) {
    peer.account("olga").await;
    let folder = tempfile::tempdir().expect("a folder");
    let app = || peer.builder().vault(vault_at(folder.path())).build().expect("a client");
    let first = app();
    first.sign_in(&peer.identifier("olga"), PASSWORD).await.expect("a sign-in");
    let again = app();
    assert_eq!(again.status().await.expect("a status").phase, Phase::SignedIn);
    let (one, other) = (first.access_token().await, again.access_token().await);
    assert_eq!(one.expect("a token").token(), other.expect("a token").token());
}

async fn renewal(peer: &Peer) {
    let client = signed_in(peer, "petra").await;
    let before = client.access_token().await.expect("a token");
    peer.expire_access().await;
    let after = client.access_token().await.expect("a token");
    // An API token never expires.
    let is_renewed = peer.dialect != Dialect::DjoserToken;
    assert_eq!(before.token() != after.token(), is_renewed);
    if peer.has(Operation::Verify) {
        assert!(client.verify().await.expect("an answer"));
    }
    // Once more, with the tokens of the first renewal.
    peer.expire_access().await;
    client.access_token().await.expect("a token");
    if peer.has(Operation::Profile) {
        client.profile().await.expect("a profile");
    }
}

async fn sign_out(peer: &Peer) {
    let client = signed_in(peer, "rita").await;
    let ended = client.sign_out().await.expect("a sign-out");
    let expected =
        if peer.has(Operation::SignOut) { SignOut::Confirmed } else { SignOut::LocalOnly };
    assert_eq!(ended, expected);
    assert_eq!(reason(client.access_token().await), SignOutReason::SignedOut);
    client.sign_in(&peer.identifier("rita"), PASSWORD).await.expect("another sign-in");
    // Also after the access token has expired.
    peer.expire_access().await;
    assert_eq!(client.sign_out().await.expect("a sign-out"), expected);
}

/// Tokens that an app kept before it used this SDK.
async fn adoption(peer: &Peer) {
    peer.account("sara").await;
    let (old, new) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let app = |folder: &Path| peer.builder().vault(vault_at(folder)).build().expect("a client");
    app(old.path()).sign_in(&peer.identifier("sara"), PASSWORD).await.expect("a sign-in");
    let tokens = kept_in(old.path()).await;

    let client = app(new.path());
    assert_eq!(client.adopt(tokens.clone()).await.expect("an adoption"), Adoption::Adopted);
    // The tokens are stored now, and the server has verified them.
    assert!(app(new.path()).status().await.expect("a status").is_signed_in());
    assert!(client.finish_pending_work(LIMIT).await);
    assert_eq!(client.adopt(tokens.clone()).await.expect("no error"), Adoption::AlreadyAdopted);
    peer.expire_access().await;
    client.access_token().await.expect("a token");
    if peer.has(Operation::Profile) {
        client.profile().await.expect("a profile");
    }
    let other = ExistingTokens::pair("another", "one");
    if peer.dialect != Dialect::DjoserToken {
        let refused = client.adopt(other).await.expect_err("another form");
        assert_eq!(*refused.kind(), ErrorKind::Unsupported(Operation::Adopt));
    } else {
        let refused = client.adopt(other).await.expect_err("a user is signed in");
        assert_eq!(*refused.kind(), ErrorKind::OtherSignIn);
    }
    client.sign_out().await.expect("a sign-out");
    let again = app(new.path());
    assert_eq!(again.adopt(tokens).await.expect("no error"), Adoption::AlreadyAdopted);
    assert_eq!(reason(again.access_token().await), SignOutReason::SignedOut);
}

/// The tokens in a vault, as another app would have kept them.
async fn kept_in(folder: &Path) -> ExistingTokens {
    let record = vault_at(folder).read().await.expect("readable").expect("a record");
    let record: serde_json::Value = serde_json::from_slice(&record).expect("JSON");
    let session = &record["held"]["signed_in"];
    ExistingTokens {
        access: session["credential"]["token"].as_str().map(Secret::from),
        refresh: session["refresh"].as_str().map(Secret::from),
        ..ExistingTokens::default()
    }
}

/// The APIs reveal different things about a suspended account; none accepts its credentials.
async fn suspension(peer: &Peer) {
    if !peer.has(Operation::Profile) {
        return;
    }
    let client = signed_in(peer, "sofia").await;
    peer.suspend("sofia").await;
    let refused = client.profile().await.expect_err("a refusal");
    match refused.kind() {
        ErrorKind::SignedOut { reason } => assert!(
            [SignOutReason::AccountInactive, SignOutReason::Ended].contains(reason),
            "{refused:?}"
        ),
        ErrorKind::Rejected(rejection) => {
            assert_eq!(rejection.code, RejectionCode::AccountInactive, "{refused:?}");
        }
        other => panic!("{other:?}"),
    }
}

async fn reset(peer: &Peer) {
    if !peer.has(Operation::RequestReset) {
        return;
    }
    let client = signed_in(peer, "tanja").await;
    client.request_reset("tanja@example.org").await.expect("a mail");
    let link = peer.mailed("tanja").await;
    client.confirm_reset(&link, OTHER).await.expect("a new password");
    let refused = client.sign_in(&peer.identifier("tanja"), PASSWORD).await;
    assert_eq!(code(refused), "invalid_credentials");
    client.sign_in(&peer.identifier("tanja"), OTHER).await.expect("a sign-in");
    code(client.confirm_reset(&link, PASSWORD).await);
}

async fn changes(peer: &Peer) {
    let client = signed_in(peer, "ulla").await;
    if peer.has(Operation::ChangePassword) {
        let wrong = client.change_password(Some("wrong".into()), OTHER).await;
        code(wrong);
        client.change_password(Some(PASSWORD.into()), OTHER).await.expect("a new password");
        client.sign_in(&peer.identifier("ulla"), OTHER).await.expect("a sign-in");
    }
    if peer.has(Operation::DeleteAccount) {
        let current = if peer.has(Operation::ChangePassword) { OTHER } else { PASSWORD };
        client.delete_account(Some(current.into())).await.expect("a deletion");
        assert_eq!(reason(client.access_token().await), SignOutReason::SignedOut);
        let refused = client.sign_in(&peer.identifier("ulla"), current).await;
        assert_eq!(code(refused), "invalid_credentials");
    }
}

async fn provider_token(peer: &Peer) {
    if !peer.has(Operation::ProviderTokenSignIn) {
        return;
    }
    let client = client(peer);
    let token = peer.provider_token("vera");
    client.sign_in_with_provider_token("yandex", token).await.expect("a sign-in");
    client.refresh().await.expect("another token");
    if peer.has(Operation::Profile) {
        client.profile().await.expect("a profile");
    }
    let refused = client.sign_in_with_provider_token("yandex", "nobody's").await;
    code(refused);
    // The signed-in user stays signed in.
    client.access_token().await.expect("a token");
}

async fn what_it_lacks(peer: &Peer) {
    let client = client(peer);
    let lacks = |operation| Err::<(), _>(ErrorKind::Unsupported(operation));
    let kind = |outcome: propusk::Result<()>| outcome.map_err(|error| error.kind().clone());
    if !peer.has(Operation::RequestReset) {
        let outcome = client.request_reset("nina@example.org").await;
        assert_eq!(kind(outcome), lacks(Operation::RequestReset));
    }
    if !peer.has(Operation::ProviderSignIn) {
        let outcome = client.begin_sign_in("google").await.map(|_| ());
        assert_eq!(kind(outcome), lacks(Operation::ProviderSignIn));
    }
    if !peer.has(Operation::Sessions) {
        let outcome = client.sessions().await.map(|_| ());
        assert_eq!(kind(outcome), lacks(Operation::Sessions));
    }
}

#[tokio::test]
async fn suite_passes_on_native() {
    suite(Peer::ours(Dialect::Native).await).await;
}

#[tokio::test]
async fn suite_passes_on_djoser_token() {
    suite(Peer::ours(Dialect::DjoserToken).await).await;
}

#[tokio::test]
async fn suite_passes_on_prehashed() {
    suite(Peer::ours(Dialect::Prehashed).await).await;
}

#[tokio::test]
async fn suite_passes_on_simplejwt() {
    suite(Peer::ours(Dialect::Simplejwt).await).await;
}

#[tokio::test]
async fn suite_passes_on_simplejwt_rotating() {
    suite(Peer::ours(Dialect::SimplejwtRotating).await).await;
}

#[tokio::test]
async fn suite_passes_on_djoser_jwt() {
    suite(Peer::ours(Dialect::DjoserJwt).await).await;
}

#[tokio::test]
async fn suite_passes_on_the_django_of_djoser_token() {
    suite(Peer::django(Stack::DjoserToken).await).await;
}

#[tokio::test]
async fn suite_passes_on_the_django_of_simplejwt() {
    suite(Peer::django(Stack::Simplejwt).await).await;
}

#[tokio::test]
async fn suite_passes_on_the_django_of_simplejwt_rotating() {
    suite(Peer::django(Stack::SimplejwtRotating).await).await;
}

#[tokio::test]
async fn suite_passes_on_the_django_of_djoser_jwt() {
    suite(Peer::django(Stack::DjoserJwt).await).await;
}
