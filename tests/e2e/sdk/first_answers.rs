//! The first answers after a start: they are right for all callers and wait only for the vault.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use propusk::{Client, KeyStore, KeyStoreError, Phase, Status, Vault, VaultKey};
use tokio::task::JoinSet;

use super::{EXPIRED, Home, PASSWORD, key};

/// Longer than any step here takes.
const LIMIT: Duration = Duration::from_secs(30);
const REFRESH: &str = "POST /propusk/v1/sessions/refresh";

/// A store that returns the key when the test allows it.
struct Slow {
    asked: Sender<()>,
    answers: Mutex<Receiver<()>>,
}

impl KeyStore for Slow {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        let failed = |_| KeyStoreError::Other("the test is over".to_owned());
        self.asked.send(()).map_err(|_| KeyStoreError::Other("the test is over".to_owned()))?;
        let answers =
            self.answers.lock().map_err(|_| KeyStoreError::Other("a panic".to_owned()))?;
        answers.recv().map_err(failed)?;
        Ok(Some(key()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

/// The vault of [`Home::signed_in`], whose key is returned when the sender allows it.
fn slow(home: &Home) -> (Client, Receiver<()>, Sender<()>) {
    let ((asked, asks), (answer, answers)) = (channel(), channel());
    let store = Slow { asked, answers: Mutex::new(answers) };
    let vault = Vault::with_key_store(home.folder.path().join("app.vault"), Arc::new(store));
    (home.builder().vault(vault).build().expect("a client"), asks, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn key_store_is_called_once_for_concurrent_callers() {
    let home = Home::start().await;
    // The same key, now in this store.
    let store = Vault::with_key_store(home.folder.path().join("app.vault"), Arc::new(Fixed));
    let first = home.builder().vault(store).build().expect("a client");
    first.sign_in(super::EMAIL, PASSWORD).await.expect("a sign-in");
    let (client, asks, answer) = slow(&home);
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move {
            let status = client.status().await?;
            client.cached_profile().await?;
            client.access_token().await?;
            Ok::<_, propusk::Error>(status)
        });
    }
    tokio::task::spawn_blocking(move || {
        asks.recv().expect("the store is asked");
        answer.send(()).expect("an answer");
        assert!(asks.recv().is_err(), "and not again");
    });
    while let Some(call) = calls.join_next().await {
        assert_eq!(call.expect("no panic").expect("an answer").phase, Phase::SignedIn);
    }
}

struct Fixed;

impl KeyStore for Fixed {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Ok(Some(key()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn status_is_known_while_a_request_waits_for_the_network() {
    let home = Home::start().await;
    let (tap, client) = home.tapped().await;
    let user = client.status().await.expect("a status").user;
    home.advance(EXPIRED);
    tap.hold();
    let renewal = tokio::spawn({
        let client = client.clone();
        async move { client.access_token().await.map(|_| ()) }
    });
    tap.wait_for(REFRESH).await;
    let status = client.status().await.expect("a status");
    assert_eq!((status.phase, &status.user), (Phase::Refreshing, &user));
    client.cached_profile().await.expect("what is known");

    // Another start, which begins with a sign-in.
    let next =
        home.builder().vault(home.vault()).former_server(tap.url()).build().expect("a client");
    let started = Client::builder(tap.url()).vault(home.vault()).build().expect("a client");
    let entering = tokio::spawn({
        let started = started.clone();
        async move { started.sign_in(super::EMAIL, PASSWORD).await }
    });
    tap.wait_for("POST /propusk/v1/sessions").await;
    let mut status = started.watch();
    let shown = tokio::time::timeout(LIMIT, status.wait_for(Status::is_signed_in)).await;
    assert_eq!(shown.expect("the user is shown").expect("a status").user, user);
    assert_eq!(started.status().await.expect("a status").user, user);
    assert_eq!(next.status().await.expect("a status").user, user);
    tap.release();
    renewal.await.expect("no panic").ok();
    entering.await.expect("no panic").expect("a sign-in");
}
