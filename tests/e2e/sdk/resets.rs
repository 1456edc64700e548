//! Reset links with the scheme of an app work only for the app that requested them.

use std::sync::Arc;

use propusk::{Client, KeyStore, KeyStoreError, MailedLink, Vault, VaultKey};
use propusk_tests::links::Link;
use propusk_tests::server::TestServer;

use super::{EMAIL, Home, code, vault_at};

const NEW_PASSWORD: &str = "a louder harbour at night";

/// The contents of the newest mailed link.
async fn mailed(home: &Home, app: &Client, leads_to: &str) -> MailedLink {
    app.request_reset(EMAIL).await.expect("a mail");
    let Link { url, uid, token } = home.server.link_to(EMAIL).await;
    assert!(url.starts_with(leads_to), "{url}");
    let read = MailedLink::parse(&url).expect("a mailed link");
    assert_eq!((&read.uid, read.token.expose()), (&uid, &*token));
    read
}

#[tokio::test]
async fn reset_link_works_after_a_restart_and_only_in_this_app() {
    let home = Home::at(TestServer::of_an_app().await).await;
    let link = mailed(&home, &home.app(), "myapp://reset/").await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let other = home.builder().vault(vault_at(elsewhere.path())).build().expect("a client");
    assert_eq!(code(other.confirm_reset(&link, NEW_PASSWORD).await), "link_invalid");
    other.request_reset("nobody@example.org").await.expect("an answer");
    assert_eq!(code(other.confirm_reset(&link, NEW_PASSWORD).await), "link_invalid");

    let again = home.app();
    again.confirm_reset(&link, NEW_PASSWORD).await.expect("a new password");
    again.sign_in(EMAIL, NEW_PASSWORD).await.expect("a sign-in");
}

#[tokio::test]
async fn reset_link_works_after_a_sign_out_and_another_request() {
    let home = Home::at(TestServer::of_an_app().await).await;
    let app = home.signed_in().await;
    let link = mailed(&home, &app, "myapp://reset/").await;
    app.sign_out().await.expect("a sign-out");
    app.request_reset("nobody@example.org").await.expect("an answer");
    app.confirm_reset(&link, NEW_PASSWORD).await.expect("a new password");
}

/// A system store that stays locked.
struct Locked;

impl KeyStore for Locked {
    fn load(&self) -> Result<Option<VaultKey>, KeyStoreError> {
        Err(KeyStoreError::Locked("asleep".to_owned()))
    }

    fn save(&self, _: &VaultKey) -> Result<(), KeyStoreError> {
        Err(KeyStoreError::Locked("asleep".to_owned()))
    }
}

#[tokio::test]
async fn reset_link_leads_to_the_server_if_no_verifier_can_be_stored() {
    let home = Home::at(TestServer::of_an_app().await).await;
    let vault = Vault::with_key_store(home.folder.path().join("app.vault"), Arc::new(Locked));
    let app = home.builder().vault(vault).build().expect("a client");
    mailed(&home, &app, &home.server.public_url).await;
}
