//! Tests of the session that need its private parts: runtimes that end, clocks, and stored records.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::decide::{MemorySession, SessionState};
use super::record::{Record, StoredState};
use super::renewal_purpose::RenewalPurpose;
use super::session_core::SessionCore;
use super::status::StatusChange;
use super::stored_session::{NewSession, Session};
use crate::dialects::{Credential, Scheme, Tokens};
use crate::error::ErrorKind;
use crate::{Client, Clock, Dialect, Phase, Profile, SignOutReason, Storage, Vault, VaultKey};

/// A disk whose lock another process holds.
struct Taken {
    waits: Sender<()>,
    given: Mutex<Receiver<()>>,
}

impl Storage for Taken {
    fn name(&self) -> &str {
        "held"
    }

    fn read(&self) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn write(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn set_aside(&self) -> io::Result<()> {
        Ok(())
    }

    fn remove(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        self.waits.send(()).map_err(io::Error::other)?;
        self.given.lock().map_err(|_| io::ErrorKind::Other)?.recv().map_err(io::Error::other)?;
        Ok(Box::new(()))
    }
}

struct FixedKey;

impl crate::KeyStore for FixedKey {
    fn load(&self) -> Result<Option<VaultKey>, crate::KeyStoreError> {
        Ok(Some(VaultKey::from_bytes([7; 32])))
    }

    fn save(&self, _: &VaultKey) -> Result<(), crate::KeyStoreError> {
        Ok(())
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().expect("a runtime")
}

#[test]
fn runtime_that_ends_during_a_sign_out_blocks_no_later_call() {
    let (waits, waiting) = channel();
    let (give, given) = channel();
    let disk = Taken { waits, given: Mutex::new(given) };
    let vault = Vault::with_storage(Arc::new(disk), Arc::new(FixedKey));
    let client = Client::builder("https://id.example.org").vault(vault).build().expect("a client");

    let first = runtime();
    let leaving = client.clone();
    first.spawn(async move { leaving.sign_out().await });
    first.block_on(async {
        while waiting.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
    });
    first.shutdown_background();
    give.send(()).expect("a task waits for the lock");

    runtime().block_on(async {
        let signed_out = Phase::SignedOut { reason: SignOutReason::NeverSignedIn };
        assert_eq!(client.status().await.expect("a status").phase, signed_out);
        give.send(()).expect("the lock");
        client.sign_out().await.expect("a sign-out");
    });
}

fn core(vault: &Vault) -> Arc<SessionCore> {
    let client = Client::builder("https://id.example.org").vault(vault.clone()).build();
    client.expect("a client").core
}

fn session(sign_in_id: &str) -> Box<Session> {
    let tokens = Tokens {
        answered_at: 1_000,
        access: Credential::new(Scheme::Bearer, "access".into()),
        access_lifetime: Some(900),
        refresh: Some("refresh".into()),
        refresh_lifetime: None,
        session_id: None,
        profile: None,
    };
    let new = NewSession {
        dialect: Dialect::Native,
        sign_in_id: sign_in_id.into(),
        attempt_key: "key".into(),
    };
    Box::new(Session::open(new, tokens, 0))
}

#[tokio::test]
async fn profile_of_one_sign_in_is_not_shown_to_another() {
    let core = core(&Vault::memory());
    core.change(|record| record.held = StoredState::SignedIn(session("new")))
        .await
        .expect("a session");
    let profile = Profile { email: Some("anna@example.org".to_owned()), ..Profile::default() };
    core.store_profile("old".into(), profile.clone()).await.expect("no error");
    assert_eq!(core.profile().await.expect("a session"), None);
    core.store_profile("new".into(), profile.clone()).await.expect("no error");
    assert_eq!(core.profile().await.expect("a session"), Some(profile));
}

#[tokio::test]
async fn write_retry_is_scheduled_only_once() {
    let core = core(&Vault::memory());
    for _ in 0..3 {
        let kept = MemorySession { session: session("ours"), is_saved: false };
        core.memory.lock().await.state = SessionState::SignedIn(kept);
        core.retry_write_later();
    }
    // A scheduled write holds only a weak reference.
    assert_eq!(Arc::weak_count(&core), 1);
}

/// The result of a renewal for this purpose that begins during a renewal for another one, which
/// ends like this. Meanwhile `next` becomes the session in memory.
async fn renewal_during(
    running: RenewalPurpose,
    purpose: RenewalPurpose,
    end: crate::Result<()>,
    next: Session,
) -> crate::Result<()> {
    let core = core(&Vault::memory());
    let show = |session: Session| {
        let kept = MemorySession { session: session.into(), is_saved: true };
        core.publish(&SessionState::SignedIn(kept), StatusChange::Refreshed);
    };
    show(*session("ours"));
    let (go_on, may_go_on) = tokio::sync::oneshot::channel();
    core.renewing.join(running, || async move { may_go_on.await.expect("the test goes on") });
    let renewing = tokio::spawn({
        let core = Arc::clone(&core);
        async move { core.renew_for(&purpose).await }
    });
    // It has joined the other renewal.
    tokio::task::yield_now().await;
    show(next);
    go_on.send(end).expect("the other renewal waits");
    renewing.await.expect("no panic")
}

/// The vault is empty, so a renewal of its own is an error.
#[tokio::test]
async fn renewal_counts_only_for_its_purpose() {
    let refused = || RenewalPurpose::ReplaceRefused("access".into());
    for running in [RenewalPurpose::Verify, RenewalPurpose::Save, RenewalPurpose::UsableToken] {
        for purpose in [refused(), RenewalPurpose::ForceRenewal] {
            let same = *session("ours");
            let outcome = renewal_during(running.clone(), purpose.clone(), Ok(()), same).await;
            outcome.expect_err(&format!("{purpose:?} during {running:?}"));
            let credential = Credential::new(Scheme::Bearer, "another".into());
            let renewed = Session { credential, ..*session("ours") };
            let outcome = renewal_during(running.clone(), purpose.clone(), Ok(()), renewed).await;
            outcome.unwrap_or_else(|_| panic!("{purpose:?} after {running:?} is met"));
        }
    }
    renewal_during(refused(), refused(), Ok(()), *session("ours")).await.expect("the same purpose");
}

/// The vault is empty, so a renewal of its own is another error.
#[tokio::test]
async fn renewal_is_not_repeated_at_once_if_the_server_is_away() {
    let purpose = || RenewalPurpose::ReplaceRefused("access".into());
    for (kind, is_final) in [(ErrorKind::Network, true), (ErrorKind::Cancelled, false)] {
        let end = Err(crate::Error::new(kind.clone()));
        let next = *session("ours");
        let outcome = renewal_during(RenewalPurpose::Verify, purpose(), end, next).await;
        assert_eq!(*outcome.expect_err("an error").kind() == kind, is_final, "{kind:?}");
    }
}

#[tokio::test]
async fn server_clock_is_learned_when_a_change_reads_the_vault_first() {
    let vault = Vault::memory();
    let stored = Session { clock_offset: -86_400, ..*session("ours") };
    let before = core(&vault);
    before
        .change(|record| record.held = StoredState::SignedIn(stored.into()))
        .await
        .expect("a session");
    let started = core(&vault);
    started.change(|_| ()).await.expect("no error");
    assert_eq!(started.transport().moment().offset, -86_400);
}

/// One process has verified adopted tokens and could not write that; another has renewed them, which
/// gives both sessions the same generation.
#[tokio::test]
async fn tokens_of_another_process_are_used_whatever_was_only_verified_here() {
    let vault = Vault::memory();
    let client = Client::builder("https://id.example.org").vault(vault.clone());
    let core = client.clock(Clock::manual(1_000)).build().expect("a client").core;
    let verified = Session { generation: 1, ..*session("ours") };
    let kept = MemorySession { session: verified.clone().into(), is_saved: false };
    core.memory.lock().await.state = SessionState::SignedIn(kept);
    core.publish(&core.memory.lock().await.state, StatusChange::Refreshed);
    let credential = Credential::new(Scheme::Bearer, "another".into());
    let renewed = Session { credential, refresh: Some("next".into()), ..verified };
    let other = self::core(&vault);
    other
        .change(|record| record.held = StoredState::SignedIn(renewed.into()))
        .await
        .expect("a session");
    let token = core.replacement_for(&"access".into()).await.expect("a token");
    assert_eq!(token.credential.token, "another".into());
}

#[test]
fn sign_out_reason_of_a_newer_version_is_read_as_ended() {
    let stored = r#"{"version":1,"held":{"signed_out":"abducted"}}"#;
    let record: Record = serde_json::from_str(stored).expect("a record");
    assert_eq!(record.held, StoredState::SignedOut(SignOutReason::Ended));
    let known =
        serde_json::to_string(&StoredState::SignedOut(SignOutReason::TokenReused)).expect("JSON");
    assert_eq!(known, r#"{"signed_out":"reused"}"#);
}

#[test]
fn record_names_on_disk_do_not_change() {
    let names = |value: &serde_json::Value| {
        let members = value.as_object().expect("an object").keys().cloned();
        members.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    };
    let record = Record { held: StoredState::SignedIn(session("ours")), ..Record::default() };
    let json = serde_json::to_value(&record).expect("JSON");
    assert_eq!(names(&json), "adopted held journal latest lease lost number owed series version");
    assert_eq!(
        names(&json["held"]["signed_in"]),
        "access_expires_at access_lives attempt_key clock_offset credential dialect generation \
         is_unverified lineage origin profile refresh refresh_expires_at rotates session_id vouched_at"
    );
}
