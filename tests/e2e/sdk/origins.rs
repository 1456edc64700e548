//! A credential is sent only to the server that issued it.

use propusk::{Client, ErrorKind, VaultState};
use propusk_tests::recording_proxy::RecordingProxy;

use super::{EMAIL, EXPIRED, Home, PASSWORD};

fn state<T: std::fmt::Debug>(outcome: propusk::Result<T>) -> VaultState {
    match outcome.expect_err("a refusal").kind() {
        ErrorKind::Storage { state } => *state,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn session_of_another_server_is_neither_sent_nor_ended() {
    let (production, staging) = (Home::start().await, Home::start().await);
    let app = production.signed_in().await;
    let tap = RecordingProxy::open(staging.server.address).await;
    let build =
        || Client::builder(tap.url()).clock(staging.clock.clone()).vault(production.vault());
    let other = build().build().expect("a client");
    assert_eq!(other.vault_state().await, VaultState::OtherServer);
    assert_eq!(state(other.status().await), VaultState::OtherServer);
    assert_eq!(state(other.access_token().await), VaultState::OtherServer);
    assert_eq!(state(other.profile().await), VaultState::OtherServer);
    assert_eq!(state(other.refresh().await), VaultState::OtherServer);
    assert_eq!(state(other.sign_in(EMAIL, PASSWORD).await), VaultState::OtherServer);
    assert_eq!(state(other.sign_out().await), VaultState::OtherServer);
    assert!(tap.seen().is_empty(), "{:?}", tap.seen());

    production.advance(EXPIRED);
    app.profile().await.expect("the session goes on");
    production.app().profile().await.expect("and so it does after a restart");
    // After a sign-out, the vault can be used with any server.
    app.sign_out().await.expect("a sign-out");
    build().build().expect("a client").sign_in(EMAIL, PASSWORD).await.expect("a sign-in");
}

#[tokio::test]
async fn session_follows_its_server_to_a_new_host() {
    let home = Home::start().await;
    let (tap, app) = home.tapped().await;
    drop(app);
    assert_eq!(state(home.app().status().await), VaultState::OtherServer);
    let moved = || home.builder().vault(home.vault()).former_server(tap.url());
    moved().build().expect("a client").profile().await.expect("the session of before");
    home.advance(EXPIRED);
    moved().build().expect("a client").profile().await.expect("a renewal");
    // From now on the session belongs to the new host.
    home.app().profile().await.expect("the session");
    for address in ["no address", "file:///etc"] {
        let refused = home.builder().former_server(address).build();
        assert!(matches!(refused.expect_err("a refusal").kind(), ErrorKind::Usage), "{address}");
    }
    let private = home.builder().former_server("http://10.0.0.5:8000").build();
    private.expect("it is only compared, so it needs no encryption");
}
