//! The signing keys in use: publishing, rotating and revoking them.

use crate::algorithm::Algorithm;
use crate::auth::domain::Auth;
use crate::auth::policy::TokenForm;
use crate::auth::tokens::signing::access_token::{Access, Header};
use crate::auth::tokens::signing::key::Jwk;
use crate::auth::tokens::signing::keys::{Times, signs_at};
use crate::auth::tokens::signing::rotation::{ListedKey, Revoking, SKEW, state};
use crate::error::Result;
use crate::store::signing_keys::{self, KeyRow};

impl Auth {
    /// What others need to check tokens.
    pub fn published_keys(&self) -> Vec<Jwk> {
        self.signing.published(self.clock.now())
    }

    /// What a token says that is signed with a published key; `header` is its own.
    pub(in crate::auth) async fn read_access_token(
        &self,
        header: &Header,
        token: &str,
    ) -> Result<Access> {
        let now = self.clock.now();
        let is_old = !self.revoked.is_current(now);
        if is_old || (!self.signing.knows(&header.kid) && self.signing.may_ask()) {
            self.load_signing_keys().await?;
        }
        Ok(self.signing.read(header, token, now)?)
    }

    /// Reads the keys that are in the database.
    pub(in crate::auth) async fn load_signing_keys(&self) -> Result<()> {
        let mut tx = self.store.read().await?;
        let rows = signing_keys::signing_keys(&mut tx).await?;
        self.signing.replace(rows);
        Ok(())
    }

    /// Where they are used: makes the first key and reads all of them.
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
                    let row = settings.make(settings.algorithm, now, now)?;
                    signing_keys::insert_signing_key(tx, row).await
                })
            })
            .await?;
        self.load_signing_keys().await
    }

    /// A key that signs, now or later, but is sealed under another secret than this one, so that nothing
    /// could be signed.
    pub async fn sealed_signing_key(&self) -> Result<Option<String>> {
        self.load_signing_keys().await?;
        Ok(self.signing.sealed_away(self.clock.now()))
    }

    /// All keys that are not long over, those that sign last at the end.
    pub async fn signing_keys(&self) -> Result<Vec<ListedKey>> {
        let now = self.clock.now();
        let mut tx = self.store.read().await?;
        let rows = signing_keys::signing_keys(&mut tx).await?;
        let current = signs_at(&rows, Times::of, now).map(|row| row.kid.clone());
        let listed = |row: KeyRow| ListedKey {
            state: state(&row, current.as_deref(), now),
            kid: row.kid,
            algorithm: row.algorithm,
            created_at: row.created_at,
        };
        Ok(rows.into_iter().map(listed).collect())
    }

    /// Makes a new key, of this algorithm or that of the settings, and tells its name. `at_once`: it
    /// signs now, and all others are gone.
    pub async fn rotate_signing_key(
        &self,
        algorithm: Option<Algorithm>,
        at_once: bool,
    ) -> Result<String> {
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        let signs_from = if at_once { now } else { now + settings.overlap };
        let row = settings.make(algorithm.unwrap_or(settings.algorithm), now, signs_from)?;
        let (kid, last_token) = (row.kid.clone(), signs_from + self.revoked.longest_access());
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    signing_keys::lock_signing_keys(tx).await?;
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

    /// Revokes a key; where none would be left to sign, the next one signs, or a new one.
    pub async fn revoke_signing_key(&self, kid: &str) -> Result<Revoking> {
        let (settings, now) = (self.signing.settings.clone(), self.clock.now());
        let kid = kid.to_owned();
        let revoking = self
            .store
            .write(move |tx| {
                Box::pin(async move {
                    let before = signing_keys::lock_signing_keys(tx).await?;
                    let signer = signs_at(&before, Times::of, now).map(|row| row.kid.clone());
                    if !signing_keys::delete_signing_key(tx, kid.clone()).await? {
                        return Ok(Revoking::Unknown);
                    }
                    let rows = signing_keys::signing_keys(tx).await?;
                    if let Some(signer) = signer.filter(|signer| *signer != kid) {
                        if rows.iter().all(|row| row.ends_at.is_some()) {
                            // The one that was to follow it is gone.
                            signing_keys::update_endless(tx, signer).await?;
                        }
                        return Ok(Revoking::Revoked);
                    }
                    let lasting: Vec<_> = rows.iter().filter(|row| row.ends_at.is_none()).collect();
                    if lasting.iter().any(|row| row.signs_from <= now) {
                        return Ok(Revoking::Revoked);
                    }
                    if let Some(next) = lasting.first() {
                        signing_keys::update_signs_from(tx, next.kid.clone(), now).await?;
                        return Ok(Revoking::Replaced(next.kid.clone()));
                    }
                    let row = settings.make(settings.algorithm, now, now)?;
                    let made = row.kid.clone();
                    signing_keys::insert_signing_key(tx, row).await?;
                    Ok(Revoking::Replaced(made))
                })
            })
            .await?;
        self.load_signing_keys().await?;
        Ok(revoking)
    }
}
