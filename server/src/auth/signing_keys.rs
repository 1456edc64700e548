//! Signing keys: publish, rotate, revoke.

use crate::algorithm::Algorithm;
use crate::auth::domain::Auth;
use crate::auth::policy::TokenForm;
use crate::auth::tokens::checked::CheckedToken;
use crate::auth::tokens::signing::access_token::Header;
use crate::auth::tokens::signing::key::Jwk;
use crate::auth::tokens::signing::keys::{KeyTimes, signing_key_at};
use crate::auth::tokens::signing::rotation::{KeyRevocation, ListedKey, SKEW, state};
use crate::error::Result;
use crate::store::events::{Event, NewEvent};
use crate::store::signing_keys::{self, KeyRow};

impl Auth {
    /// The public keys for services that verify tokens.
    pub fn published_keys(&self) -> Vec<Jwk> {
        self.signing.published(self.clock.now())
    }

    /// Verifies a token that a published key signed; `header` is the token's.
    pub(in crate::auth) async fn read_access_token(
        &self,
        header: &Header,
        token: &str,
    ) -> Result<CheckedToken> {
        let now = self.clock.now();
        let is_old = !self.revoked.is_current(now);
        if is_old || (!self.signing.knows(&header.kid) && self.signing.may_reload()) {
            self.load_signing_keys().await?;
        }
        let (read, key) = self.signing.read(header, token, now)?;
        Ok(CheckedToken { read, key: Some(key) })
    }

    /// Loads the keys from the database.
    pub(in crate::auth) async fn load_signing_keys(&self) -> Result<()> {
        let mut tx = self.store.read().await?;
        let rows = signing_keys::signing_keys(&mut tx).await?;
        self.signing.replace(rows);
        Ok(())
    }

    /// If an API uses them: makes the first key and loads all.
    pub async fn prepare_signing_keys(&self) -> Result<()> {
        if !self.policies.iter().any(|policy| policy.form == TokenForm::PublicKey) {
            return Ok(());
        }
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    let rows = signing_keys::lock_signing_keys(tx).await?;
                    if rows.iter().any(|row| row.ends_at.is_none()) {
                        return Ok(());
                    }
                    let row = settings.new_key(settings.algorithm, now, now)?;
                    tx.note(NewEvent::of_server(Event::KeyCreated, now).about(row.kid.clone()));
                    signing_keys::insert_signing_key(tx, row).await
                })
            })
            .await?;
        self.load_signing_keys().await
    }

    /// The name of a key that should sign, now or later, but cannot: its private half is sealed
    /// under another server secret.
    pub async fn sealed_signing_key(&self) -> Result<Option<String>> {
        self.load_signing_keys().await?;
        Ok(self.signing.sealed_key(self.clock.now()))
    }

    /// All keys that are stored, in the order in which they begin to sign.
    pub async fn signing_keys(&self) -> Result<Vec<ListedKey>> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let rows = signing_keys::signing_keys(&mut tx).await?;
        let current = signing_key_at(&rows, KeyTimes::of, now).map(|row| row.kid.clone());
        let listed = |row: KeyRow| ListedKey {
            state: state(&row, current.as_deref(), now),
            kid: row.kid,
            algorithm: row.algorithm,
            created_at: row.created_at,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Makes a new key, with this algorithm or that of the settings, and answers its name.
    /// `at_once`: it signs now, and all others are deleted.
    pub async fn rotate_signing_key(
        &self,
        algorithm: Option<Algorithm>,
        at_once: bool,
    ) -> Result<String> {
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        let signs_from = if at_once { now } else { now + settings.overlap };
        let row = settings.new_key(algorithm.unwrap_or(settings.algorithm), now, signs_from)?;
        let (kid, last_token) = (row.kid.clone(), signs_from + self.revoked.longest_access());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    signing_keys::lock_signing_keys(tx).await?;
                    tx.note(NewEvent::of_server(Event::KeyRotated, now).about(row.kid.clone()));
                    match at_once {
                        true => signing_keys::delete_signing_keys(tx).await?,
                        false => signing_keys::retire_signing_keys(tx, last_token + SKEW).await?,
                    }
                    signing_keys::insert_signing_key(tx, row).await
                })
            })
            .await?;
        self.load_signing_keys().await?;
        Ok(kid)
    }

    /// Revokes a key. If no other key is left to sign, the next one signs, or a new one.
    pub async fn revoke_signing_key(&self, kid: &str) -> Result<KeyRevocation> {
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        let kid = kid.to_owned();
        let revoking = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let before = signing_keys::lock_signing_keys(tx).await?;
                    let signer =
                        signing_key_at(&before, KeyTimes::of, now).map(|row| row.kid.clone());
                    if !signing_keys::delete_signing_key(tx, kid.clone()).await? {
                        return Ok(KeyRevocation::Unknown);
                    }
                    tx.note(NewEvent::of_server(Event::KeyRevoked, now).about(kid.clone()));
                    let rows = signing_keys::signing_keys(tx).await?;
                    if let Some(signer) = signer.filter(|signer| *signer != kid) {
                        if rows.iter().all(|row| row.ends_at.is_some()) {
                            // The revoked key was the successor of the one that signs.
                            signing_keys::update_endless(tx, signer).await?;
                        }
                        return Ok(KeyRevocation::Revoked);
                    }
                    let lasting: Vec<_> = rows.iter().filter(|row| row.ends_at.is_none()).collect();
                    if lasting.iter().any(|row| row.signs_from <= now) {
                        return Ok(KeyRevocation::Revoked);
                    }
                    if let Some(next) = lasting.first() {
                        signing_keys::update_signs_from(tx, next.kid.clone(), now).await?;
                        return Ok(KeyRevocation::Replaced(next.kid.clone()));
                    }
                    let row = settings.new_key(settings.algorithm, now, now)?;
                    let made = row.kid.clone();
                    tx.note(NewEvent::of_server(Event::KeyRotated, now).about(made.clone()));
                    signing_keys::insert_signing_key(tx, row).await?;
                    Ok(KeyRevocation::Replaced(made))
                })
            })
            .await?;
        self.load_signing_keys().await?;
        Ok(revoking)
    }
}
