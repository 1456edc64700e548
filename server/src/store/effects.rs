//! Effects of a write after its commit. Statements record them in the transaction, and the write
//! itself carries them out before it returns: a caller cannot forget them, and a cancelled request
//! cannot skip them. `auth/domain.rs` supplies [`AfterCommit`]: what memory does.

use std::sync::Arc;

use super::announcements::Announcements;
use super::revocations::Revocation;
use super::{BoxFuture, Store, Tx};
use crate::error::Result;

/// What a write stored that memory and background tasks need to know.
#[derive(Default)]
pub struct Effects {
    /// Memory must refuse the access tokens of these sessions and accounts.
    pub revocations: Vec<Revocation>,
    /// The mail worker has to wake.
    pub has_queued_mail: bool,
    /// The highest account number that the response may contain.
    pub account_number: Option<i64>,
}

impl Effects {
    pub(super) fn note_account(&mut self, number: i64) {
        self.account_number = self.account_number.max(Some(number));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.revocations.is_empty() && !self.has_queued_mail && self.account_number.is_none()
    }
}

/// Carries out effects; the write returns after it.
pub type AfterCommit = Arc<dyn Fn(Effects) -> BoxFuture<'static, ()> + Send + Sync>;

/// A store whose writes carry out their effects.
#[derive(Clone)]
pub struct EffectfulStore {
    store: Store,
    after_commit: AfterCommit,
}

impl EffectfulStore {
    pub fn new(store: Store, after_commit: AfterCommit) -> Self {
        EffectfulStore { store, after_commit }
    }

    /// As [`Store::read`].
    pub async fn read(&self) -> Result<Tx> {
        self.store.read().await
    }

    /// As [`Store::write`], and then carries out the effects.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.store.write_then(work, Some(Arc::clone(&self.after_commit))).await
    }

    /// As [`Store::ping`].
    pub async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }

    /// As [`Store::name`].
    pub fn name(&self) -> String {
        self.store.name()
    }

    /// As [`Store::announcements`].
    pub fn announcements(&self) -> Announcements {
        self.store.announcements()
    }
}
